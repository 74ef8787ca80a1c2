"""Requests without credentials, to the public addresses that every browser may reach."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from support import BOX, Company, sql

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
ANN = "202611|5fb6a1c2e5e4a70b0c4b7d71"
BEN = "5fb6a1c2e5e4a70b0c4b7d715fb6a1c2"


class Answer:
    """Status, headers and body of an answer."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.body = answer.read()


class Public:
    """A visitor of a company's site."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.url = company.url
        self.token: str = self.site("token")
        self.user_agent = BROWSER
        address = urlsplit(company.url)
        self.connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)

    def site(self, column: str) -> Any:
        """The company's row of the table `site`."""
        (row,) = sql(self.company.dsn, "select * from site where company_id = $1", self.company.id)
        return row[column]

    @property
    def signing_key(self) -> bytes:
        """The key that signs the company's links and forms."""
        return BOX.decrypt(self.site("encrypted_signing_key"), self.company.id, "site")

    def ask(
        self, path: str, *, verb: str = "GET", body: bytes | str | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Makes a request. The path may be a full URL."""
        path = path.removeprefix(self.url)
        known = {"User-Agent": self.user_agent} if self.user_agent else {}
        self.connection.request(verb, path, body, known | (headers or {}))
        return Answer(self.connection.getresponse())

    def report(self, page: str = "page", *, headers: dict[str, str] | None = None, **more: Any) -> int:
        """Reports a page view as the script does. Returns the status."""
        seen = {"site": self.token, "visitor": ANN, "url": f"https://example.com/{page}", **more}
        return self.send(json.dumps(seen), headers=headers)

    def send(self, body: bytes | str, headers: dict[str, str] | None = None) -> int:
        """Posts any bytes as a report of a page view. Returns the status."""
        answer = self.ask("/t", verb="POST", body=body, headers={"Content-Type": "text/plain", **(headers or {})})
        if answer.status == 204:
            assert answer.body == b""
        return answer.status

    def rows(self, statement: str, *arguments: object) -> list[dict[str, Any]]:
        """The rows of a statement about the company. `$1` is the company's id."""
        records = sql(self.company.dsn, statement, self.company.id, *arguments, company_id=self.company.id)
        return [dict(row) for row in records]

    def views(self) -> list[dict[str, Any]]:
        """The views of visitors without a lead, oldest first: source, name, data."""
        records = self.rows(
            "select event_source, event_name, event_data::text as data from page_view where company_id = $1 order by id"
        )
        return [{**row, "data": json.loads(row["data"])} for row in records]

    def events(self, lead: int, *sources: str) -> list[dict[str, Any]]:
        """The events of public requests on a lead's timeline, oldest first."""
        records = self.rows(
            "select event_source, event_name, what_type, what_id, event_data::text as data from event"
            " where company_id = $1 and lead_id = $2 and event_source not in ('leadCreation', 'leadUpdate')"
            " and (event_source = any($3::text[]) or cardinality($3::text[]) = 0) order by create_timestamp, id",
            lead,
            list(sources),
        )
        return [{**row, "data": json.loads(row["data"] or "null")} for row in records]

    def change(self, **columns: Any) -> None:
        """Changes the site in the database, without the server."""
        for name, value in columns.items():
            sql(
                self.company.dsn,
                f"update site set {name} = $2 where company_id = $1",
                self.company.id,
                value,
            )

    def close(self) -> None:
        self.connection.close()
