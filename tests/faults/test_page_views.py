"""Page views while the database is away: accepted views are kept, and written when it is back."""

from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from capture.public import Public
from faults.postgres import Postgres
from faults.proxy import Proxy
from support import Company, Server, eventually, sql

pytestmark = pytest.mark.timeout(120)
AWAY = '"database unavailable"'
"""The log's word for a statement that did not come through."""


@pytest.fixture
def public(remote: Server, postgres: Postgres) -> Generator[Public]:
    """A visitor of the site of the server's first company."""
    with closing(Company(remote.url, remote.ready["accountID"], remote.ready["secretKey"])) as company:
        company.dsn = postgres.dsn()
        (row,) = sql(company.dsn, "select id from company where account_id = $1", company.account_id)
        company.id = row["id"]
        with closing(Public(company)) as somebody:
            yield somebody


def written(public: Public, mark: str) -> int:
    (row,) = public.rows(
        "select count(*)::int as n from page_view where company_id = $1 and event_name like $2", f"%{mark}%"
    )
    return row["n"]


@pytest.mark.parametrize("fault", ["refuse", "hole"])
def test_views_that_come_while_the_database_is_away_are_written_when_it_is_back(
    public: Public, remote: Server, line: Proxy, fault: str
) -> None:
    assert public.report(f"{fault}.before") == 204
    eventually(lambda: written(public, f"{fault}.before") == 1)
    setattr(line, fault, True)
    if fault == "refuse":
        line.reset_all()
    failures = remote.log.read_text().count(AWAY)
    taken = sum(public.report(f"{fault}.while") == 204 for _ in range(30))
    eventually(lambda: remote.log.read_text().count(AWAY) > failures)  # an attempt to write them has failed
    taken += sum(public.report(f"{fault}.while") == 204 for _ in range(30))
    setattr(line, fault, False)
    line.reset_all()

    assert taken == 60, "the cached site is used"
    eventually(lambda: written(public, f"{fault}.while") >= taken)
    # A statement without an answer is repeated, although it may have been executed.
    assert fault == "hole" or written(public, f"{fault}.while") == taken


def test_a_site_that_cannot_be_looked_up_is_503(public: Public, line: Proxy) -> None:
    line.refuse = True
    line.reset_all()
    try:
        assert public.report(site="A" * 21 + "B") == 503
        assert public.ask(f"/t.gif?site={'A' * 21}C", headers={"Referer": "https://example.com/"}).status == 200
        assert public.ask(f"/u/{'A' * 21}D.{'A' * 40}").status == 503
    finally:
        line.refuse = False
    eventually(lambda: public.report(site="A" * 21 + "B") == 404)


def test_a_click_redirects_while_the_database_is_away(public: Public, line: Proxy) -> None:
    (lead,) = public.company.create({})
    (row,) = public.company.call("getTrackedLinks", leadID=lead, urls=["https://example.com/spring"])
    assert public.ask(row["openPixel"]).status == 200  # so that the site is known
    line.refuse = True
    line.reset_all()
    try:
        answer = public.ask(row["links"]["https://example.com/spring"])
        assert (answer.status, answer.headers["location"]) == (302, "https://example.com/spring")
        assert public.ask(row["unsubscribeURL"], verb="POST").status == 503
    finally:
        line.refuse = False
    eventually(lambda: public.ask(row["unsubscribeURL"], verb="POST").status == 200)
    assert public.company.lead(lead)["isUnsubscribed"] == "1"


def test_a_view_in_memory_of_one_server_is_not_written_after_another_server_has_erased_its_visitor(
    public: Public, remote: Server, postgres: Postgres, line: Proxy, tmp_path: Path
) -> None:
    second = Server(tmp_path / "data", "--no-limits", env=postgres.settings())
    company = Company(second.url, public.company.account_id, remote.ready["secretKey"])
    with closing(company):
        (lead,) = company.create({"trackingID": "the-visitor-of-the-lead"})
        assert public.report() == 204  # so that the site is known
        line.refuse = True
        line.reset_all()
        try:
            visitors = ("the-visitor-of-the-lead", "the-other-visitor")
            statuses = [public.report(visitor=visitor, title=visitor) for visitor in visitors]
            (outcome,) = company.call("eraseLeads", objects=[{"id": lead}])
        finally:
            line.refuse = False
    assert second.stop() == 0

    assert (statuses, outcome["success"]) == ([204, 204], True)
    eventually(lambda: written(public, "the-other-visitor") == 1)
    assert written(public, "the-visitor-of-the-lead") == 0
    assert public.rows("select from visitor where company_id = $1 and tracking_id like 'the-visitor-%'") == []
    assert public.rows("select from event where company_id = $1 and what_type = 'page'") == []
    eventually(lambda: 'springhead_page_views_total{what="erased"} 1' in public.ask("/metrics").body.decode())
