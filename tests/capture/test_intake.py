"""The queue of page views for the database is bounded, and no accepted view is lost."""

import asyncio
import sys
import time
from collections.abc import Callable

import pytest

from capture.public import Public
from springhead.capture.intake import BATCH, BYTES_MAX, VIEWS_MAX, Intake, PageView
from springhead.model.capture.sites import Site
from springhead.store.capture import sites, visitors
from springhead.store.capture.visitors import View
from springhead.store.database.pool import Database
from support import Company, eventually, with_database


def seen(site: Site, number: int, *, url: str = "https://example.com/") -> PageView:
    return PageView(
        site=site,
        tracking_id=f"visitor-{number:010}",
        seen_at=time.time(),
        url=url,
        title="",
        referrer="",
        address="127.0.0.1",
    )


async def site_of(database: Database, company: Company) -> Site:
    async with database.everyone() as tx:
        return await sites.of_company(tx, company.id)


def test_a_burst_beyond_the_capacity_is_refused_and_no_accepted_view_is_lost(public: Public) -> None:
    """One company may use half of the capacity. More views are refused, and every accepted view is written."""
    company = public.company

    async def burst(database: Database) -> tuple[int, Intake]:
        site = await site_of(database, company)
        intake = Intake(database)
        taken = sum(intake.put(seen(site, number)) for number in range(100_000))
        assert taken == VIEWS_MAX // 2
        turn = asyncio.create_task(intake.turn())
        await intake.close()
        await turn
        return taken, intake

    taken, intake = with_database(company.dsn, burst)

    assert (intake.written, intake.lost) == (taken, 0)
    assert public.rows("select count(*) from visitor where company_id = $1")[0]["count"] == taken
    assert public.rows("select count(*) from page_view where company_id = $1")[0]["count"] == taken


@pytest.mark.parametrize("character", ["x", "\u00e9", "\u4e16", "\U0001f600"])
def test_the_capacity_in_bytes_is_bounded(
    public: Public, given_company: Callable[..., Company], character: str
) -> None:
    """A character takes one to four bytes of memory."""
    long = "https://example.com/" + character * 1_980

    async def fill(database: Database) -> tuple[int, int]:
        ours, theirs = [await site_of(database, company) for company in (public.company, given_company())]
        intake = Intake(database)
        taken = sum(intake.put(seen(site, number, url=long)) for number in range(25_000) for site in (ours, theirs))
        return taken, seen(ours, 0, url=long).size

    taken, size = with_database(public.company.dsn, fill)
    assert size > sys.getsizeof(long)
    assert taken == -(-BYTES_MAX // size)


def test_views_of_several_companies_are_written_to_each(public: Public, given_company: Callable[..., Company]) -> None:
    companies = [public.company, *(given_company() for _ in range(6))]

    async def many(database: Database) -> Intake:
        intake = Intake(database)
        for count, company in enumerate(companies, 1):
            site = await site_of(database, company)
            assert all(intake.put(seen(site, number)) for number in range(count))
        turn = asyncio.create_task(intake.turn())
        await intake.close()
        await turn
        return intake

    intake = with_database(public.company.dsn, many)
    assert (intake.written, intake.lost) == (28, 0)
    for count, company in enumerate(companies, 1):
        somebody = Public(company)
        assert len(somebody.views()) == count
        somebody.close()


def test_a_full_batch_does_not_wait_for_its_time(public: Public) -> None:
    async def fill(database: Database) -> None:
        site = await site_of(database, public.company)
        intake = Intake(database)
        assert all(intake.put(seen(site, number)) for number in range(BATCH - 1))
        assert not intake.woken.is_set()
        assert intake.put(seen(site, BATCH))
        assert intake.woken.is_set()

    with_database(public.company.dsn, fill)


def test_a_closed_intake_accepts_no_view(public: Public) -> None:
    async def close(database: Database) -> None:
        site = await site_of(database, public.company)
        intake = Intake(database)
        await intake.close()
        assert not intake.put(seen(site, 1))

    with_database(public.company.dsn, close)


def test_a_visitor_who_has_not_come_for_long_is_deleted_when_others_come(public: Public) -> None:
    async def before(database: Database) -> None:
        async with database.company(public.company.id) as tx:
            old = View(tracking_id="old" * 10, seen=time.time() - 400 * 86_400, source="pageVisit", name="x", data={})
            await visitors.write_views(tx, public.company.id, [old])

    with_database(public.company.dsn, before)
    assert public.report() == 204

    eventually(lambda: public.rows("select count(*) from visitor where company_id = $1")[0]["count"] == 1)
    eventually(lambda: len(public.views()) == 1)
