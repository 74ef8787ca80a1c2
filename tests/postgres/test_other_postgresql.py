"""`--database-url`: any PostgreSQL from 15 on, over TCP and with a password (issue 2, section 1)."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from other_postgresql import PASSWORD, QUOTED, OtherPostgres, serving, springhead
from support import Company, Server


def first(server: Server) -> Company:
    """The company that the first start creates."""
    return Company(server.url, server.ready["accountID"], server.ready["secretKey"])


def test_the_main_calls_work(other: OtherPostgres, tmp_path: Path) -> None:
    url = other.empty_database()
    springhead(url, tmp_path / "cli", "db", "migrate")
    made = json.loads(springhead(url, tmp_path / "cli", "company", "create", "Their company", "--json"))
    key = json.loads(springhead(url, tmp_path / "cli", "key", "create", made["accountID"], "--label", "sync", "--json"))
    server = serving(url, tmp_path / "data")
    assert set(server.ready) == {"url"}, "a company exists, so none is created"
    company = Company(server.url, made["accountID"], key["secretKey"], version="v1.2")

    name = company.field("Größe", "picklist", options=["S", "M"])
    mine, other_lead = company.create({"firstName": "Änne", name: "M", "emailAddress": "Änne@Example.com"}, {})
    assert company.call("getLeads", where={"emailAddress": "ÄNNE@EXAMPLE.COM"})[0]["firstName"] == "Änne"
    assert company.call("createLeads", objects=[{"emailAddress": "änne@example.com"}])[0]["error"]["code"] == 301
    assert company.call("updateLeads", objects=[{"id": mine, "title": "CEO", name: "S"}]) == [
        {"success": True, "error": None}
    ]
    time.sleep(1)  # ten calls a second
    assert (company.lead(mine)["title"], company.lead(mine)[name]) == ("CEO", "S")
    assert len(company.call("getLeads", where=[], limit=1, offset=1)) == 1
    whole_time = {"startDate": "2000-01-01", "endDate": "2999-01-01", "timestamp": "update"}
    assert len(company.call("getLeadsDateRange", **whole_time)) == 2
    assert company.call("deleteLeads", objects=[{"id": other_lead}])[0]["success"]
    assert company.call("getLead", id=other_lead) == []
    assert company.call("deleteFields", objects=[{"systemName": name}])[0]["success"]

    company.close()

    server.kill()
    again = serving(url, tmp_path / "data")
    company = Company(again.url, company.account_id, company.secret)
    assert company.lead(mine)["firstName"] == "Änne"
    company.close()
    assert again.stop() == 0
    assert not (tmp_path / "data" / "postgres").exists()
    log = server.log.read_text()
    assert PASSWORD not in log
    assert QUOTED not in log


def test_a_superusers_address_is_refused_with_a_sentence(newest: OtherPostgres, tmp_path: Path) -> None:
    url = newest.empty_database("root")

    output = springhead(url, tmp_path / "data", "serve", "--port", "0", fails=True)

    assert "The database role root is a superuser or bypasses row-level security" in output
    assert "create role springhead login" in output
    assert newest.run("select 1 from pg_class where relname = 'lead'", url) == []


def test_a_role_that_bypasses_row_level_security_is_refused_too(newest: OtherPostgres, tmp_path: Path) -> None:
    newest.run("drop role if exists sly")
    newest.run(f"create role sly login bypassrls password '{PASSWORD}'")
    name = newest.empty_database("sly")

    output = springhead(name, tmp_path / "data", "serve", "--port", "0", fails=True)

    assert "The database role sly is a superuser or bypasses row-level security" in output


def test_a_wrong_password_is_explained_without_showing_it(newest: OtherPostgres, tmp_path: Path) -> None:
    url = newest.empty_database().replace(QUOTED, "not-this-one")

    output = springhead(url, tmp_path / "data", "serve", "--port", "0", fails=True)

    assert "The database refuses the connection" in output
    assert "not-this-one" not in output


def test_a_database_of_a_newer_version_is_refused_and_unchanged(newest: OtherPostgres, tmp_path: Path) -> None:
    url = newest.empty_database()
    springhead(url, tmp_path / "data", "db", "migrate")
    newest.run("insert into migration (number, name) values (999, '0999_future.sql')", url)

    output = springhead(url, tmp_path / "data", "serve", "--port", "0", fails=True)

    assert "The database was changed by a newer Springhead (migration 999). Install that version." in output


def test_commands_on_an_empty_database_say_what_to_do(newest: OtherPostgres, tmp_path: Path) -> None:
    output = springhead(newest.empty_database(), tmp_path / "data", "company", "list", fails=True)

    assert "springhead db migrate" in output


class Pair:
    """Two servers that start at once on an empty database, with limits, and a client of one company at each."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.servers = [serving(url, folder / name, wait=False) for name in ("one", "two")]
        ready = [server.wait_ready() for server in self.servers]
        (made,) = [line for line in ready if "accountID" in line]
        self.left, self.right = (Company(line["url"], made["accountID"], made["secretKey"]) for line in ready)

    def stop(self) -> None:
        self.left.close()
        self.right.close()
        assert [server.stop() for server in self.servers] == [0, 0]


def _rain(companies: list[Company], each: int) -> list[int]:
    """Makes `each` calls of every client at once. Returns the error codes, 0 for a success."""

    def codes_of(company: Company) -> list[int]:
        caller = Company(company.url, company.account_id, company.secret)
        answers: list[Any] = [caller.envelope("getLead", {"id": 1}) for _ in range(each)]
        caller.close()
        return [answer["error"]["code"] if answer["error"] else 0 for answer in answers]

    with ThreadPoolExecutor(4) as pool:
        return [code for codes in pool.map(codes_of, companies) for code in codes]


def test_two_servers_start_on_an_empty_database_at_once_and_share_it(other: OtherPostgres, tmp_path: Path) -> None:
    pair = Pair(other.empty_database(), tmp_path)
    left, right = pair.left, pair.right

    (lead_id,) = left.create({"firstName": "Shared"})
    assert right.lead(lead_id)["firstName"] == "Shared"
    name = left.field("Made at the left")
    assert right.call("updateLeads", objects=[{"id": lead_id, name: "known at the right"}])[0]["success"]
    time.sleep(1)  # ten calls a second
    assert left.lead(lead_id)[name] == "known at the right"
    assert left.call("deleteFields", objects=[{"systemName": name}])[0]["success"]
    assert name not in right.lead(lead_id)
    assert right.call("updateLeads", objects=[{"id": lead_id, name: "gone"}])[0]["error"]["code"] == 205

    pair.stop()


def test_two_servers_share_the_limits_of_a_second_and_of_a_day(newest: OtherPostgres, tmp_path: Path) -> None:
    pair = Pair(newest.empty_database(), tmp_path)
    begun = time.monotonic()

    codes = _rain([pair.left, pair.right, pair.left, pair.right], each=15)

    seconds = time.monotonic() - begun
    assert set(codes) <= {0, 107}
    assert 10 <= codes.count(0) <= 10 + 10 * seconds

    newest.run(f"update company set per_second = 90, per_day = 25 + {codes.count(0)}", pair.url)
    time.sleep(2.2)  # servers remember a company for two seconds
    codes = _rain([pair.left, pair.right, pair.left, pair.right], each=15)
    assert codes.count(0) == 25
    assert set(codes) <= {0, 106, 107}
    assert 106 in codes

    pair.stop()
