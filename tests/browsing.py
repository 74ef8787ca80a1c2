"""A browser without a screen: cookies, forms and redirects over real HTTP."""

import http.client
import re
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from springhead.model.companies.users import User
from springhead.store.companies import sign_ins, users
from springhead.store.companies.companies import by_id
from springhead.store.companies.sign_ins import Purpose
from springhead.store.database.pool import Database
from support import Company, Server, new_company, new_email, sql, superuser, with_database


class Page(NamedTuple):
    """An answer to a browser."""

    status: int
    headers: Mapping[str, str]
    text: str
    path: str

    @property
    def token(self) -> str:
        """The token of the forms of the page."""
        (token, *_) = re.findall(r'name="_token" value="([^"]+)"', self.text)
        return unescape(token)

    @property
    def heading(self) -> str:
        """The text of the page's heading."""
        (heading,) = re.findall(r"<h1[^>]*>(.*?)</h1>", self.text, re.DOTALL)
        return unescape(re.sub(r"<[^>]+>", "", heading)).strip()


class Browser:
    """A browser with cookies of its own."""

    def __init__(self, server: Server, headers: Mapping[str, str] | None = None) -> None:
        self.host = urlsplit(server.url).netloc
        self.cookies: dict[str, str] = {}
        self._headers = dict(headers or {})

    def get(self, path: str, headers: Mapping[str, str] | None = None, *, verb: str = "GET") -> Page:
        """Opens a path, and follows redirects within the server."""
        page = self.ask(verb, path, headers=headers)
        while page.status == 429 and page.path != "/sign-in":  # faster than a person is: the limit of calls of a user
            time.sleep(float(page.headers["retry-after"]))
            page = self.ask(verb, path, headers=headers)
        for _ in range(5):
            if page.status != 303:
                return page
            page = self.ask("GET", page.headers["location"])
        raise AssertionError(f"more than five redirects from {path}")

    def post(
        self, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None, *, follow: bool = True
    ) -> Page:
        """Sends a form as a browser does, with the header Origin, and follows redirects."""
        sent = {
            "content-type": "application/x-www-form-urlencoded",
            "origin": f"http://{self.host}",
            "sec-fetch-site": "same-origin",
            **(headers or {}),
        }
        page = self.ask("POST", path, urlencode(fields).encode(), sent)
        return self.get(page.headers["location"]) if page.status == 303 and follow else page

    def ask(self, verb: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Page:
        """One request and its answer."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        cookies = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        try:
            connection.request(verb, path, body or None, {**self._headers, **cookies, **(headers or {})})
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        for header in answer.headers.get_all("set-cookie", []):
            name, _, value = header.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
            if not self.cookies[name]:
                del self.cookies[name]
        return Page(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text, path)


def link(server: Server, company: Company, address: str, purpose: Purpose = Purpose.SIGN_IN) -> str:
    """The path of a new link for a user."""

    async def make(database: Database) -> str:
        async with database.everyone() as tx:
            owner = await by_id(tx, company.id)
        async with database.company(company.id) as tx:
            user = await users.by_address(tx, owner, address)
            assert user is not None
            return await sign_ins.create_link(tx, user, purpose)

    return f"/sign-in/{with_database(server.dsn, make)}"


def new_user(server: Server, company: Company, role: str = "administrator", address: str = "") -> User:
    """A new user of the company."""

    async def make(database: Database) -> User:
        async with database.everyone() as tx:
            owner = await by_id(tx, company.id)
        async with database.company(company.id) as tx:
            user = await users.create(tx, owner, address=address or new_email(), name="Mara Okafor", role=role)
            assert user is not None
            return user

    return with_database(server.dsn, make)


def signed_in(server: Server, company: Company, role: str = "administrator") -> tuple[Browser, User]:
    """A browser in which a new user of the company is signed in."""
    user = new_user(server, company, role)
    browser = Browser(server)
    page = browser.ask("GET", link(server, company, user.email_address))
    assert page.status == 303, page
    return browser, user


@contextmanager
def noting_statements(folder: Path) -> Generator[tuple[Browser, Company, User, Path]]:
    """A browser on a server whose PostgreSQL notes every statement, the user who is signed in, and the log.

    A second server shows the pages, because it connects after the setting has changed.
    """
    first = Server.on_copy(folder / "data", "--no-limits")
    sql(superuser(first.dsn), "alter role springhead set log_statement = 'all'")
    server = Server(folder / "unused", "--no-limits", "--database-url", first.dsn)
    company = new_company(first)
    signed, user = signed_in(first, company)
    browser = Browser(server)
    browser.cookies = signed.cookies
    yield browser, company, user, folder / "data" / "postgres.log"
    company.close()
    assert server.stop() == 0
    assert first.stop() == 0
