"""Deep pages: a cached page start never leads to a wrong page (docs/wire/leads.md#getleads; store/nouns/paging.py)."""

import random
from typing import Any

import pytest

from support import Company, sql

PAGE = 4


def aged(company: Company) -> None:
    """Makes all leads a day old, since page starts are cached only among settled leads."""
    sql(company.dsn, "update lead set create_timestamp = now() - interval '1 day'", company_id=company.id)


def walk(company: Company) -> list[str]:
    """The ids of all active leads: read once from the last page to the first, and once forward as a client does.

    Reading forward, a page corrects the start of the next one. Reading backward, nothing does.
    """
    back: list[str] = []
    for offset in range(15 * PAGE, -1, -PAGE):
        back[:0] = page(company, offset)
    forward: list[str] = []
    while lead_ids := page(company, len(forward)):
        forward += lead_ids
    assert back == forward
    return forward


def page(company: Company, offset: int, limit: int = PAGE) -> list[str]:
    leads = company.call("getLeads", where={}, limit=limit, offset=offset, fields=["id"])
    return [lead["id"] for lead in leads]


def stored(company: Company) -> list[str]:
    """The ids of all active leads, straight from the table."""
    rows = sql(company.dsn, "select id::text from lead where active order by id", company_id=company.id)
    return [row["id"] for row in rows]


@pytest.fixture
def walked(company: Company) -> Company:
    """A company with 30 settled leads whose pages were all read once."""
    company.create(*[{}] * 30)
    aged(company)
    assert walk(company) == stored(company)
    return company


def test_pages_are_the_same_when_read_again(walked: Company) -> None:
    assert walk(walked) == stored(walked)
    assert len(stored(walked)) == 30


def test_a_page_with_a_cached_start_can_have_another_length(walked: Company) -> None:
    ids = stored(walked)

    for limit in (1, 3, 9, 500):
        assert page(walked, 2 * PAGE, limit) == ids[2 * PAGE :][:limit]


def test_pages_are_exact_after_a_delete(walked: Company) -> None:
    ids = stored(walked)

    walked.call("deleteLeads", objects=[{"id": ids[1]}, {"id": ids[9]}])

    assert walk(walked) == [lead_id for lead_id in ids if lead_id not in {ids[1], ids[9]}]


def test_pages_are_exact_after_the_lead_where_a_page_begins_was_deleted(walked: Company) -> None:
    ids = stored(walked)

    walked.call("deleteLeads", objects=[{"id": ids[PAGE]}, {"id": ids[2 * PAGE - 1]}])

    assert walk(walked) == stored(walked)


def test_pages_are_exact_after_deactivation_and_activation(walked: Company) -> None:
    ids = stored(walked)

    walked.call("updateLeads", objects=[{"id": ids[2], "active": 0}, {"id": ids[11], "active": 0}])
    assert walk(walked) == [lead_id for lead_id in ids if lead_id not in {ids[2], ids[11]}]

    walked.call("updateLeads", objects=[{"id": ids[2], "active": 1}])
    assert walk(walked) == [lead_id for lead_id in ids if lead_id != ids[11]]


def test_pages_are_exact_after_new_leads(walked: Company) -> None:
    before = stored(walked)

    made = walked.create(*[{}] * 5)

    assert walk(walked) == [*before, *(str(lead_id) for lead_id in sorted(made))]


def test_pages_are_exact_after_the_last_leads_were_deleted(walked: Company) -> None:
    ids = stored(walked)

    walked.call("deleteLeads", objects=[{"id": lead_id} for lead_id in ids[10:]])

    assert walk(walked) == ids[:10]
    assert walked.call("getLeads", where={}, offset=28) == []
    assert walked.call("getLeads", where={}, offset=30) == []


def test_a_new_field_shows_on_a_page_with_a_cached_start(walked: Company) -> None:
    shoe = walked.field("Shoe size")

    leads = walked.call("getLeads", where={}, limit=PAGE, offset=PAGE)

    assert {lead[shoe] for lead in leads} == {""}


def test_starts_among_unsettled_leads_are_not_cached(company: Company) -> None:
    """A lead of a slower call can still appear before them."""
    company.create(*[{}] * 10)
    assert len(walk(company)) == 10

    statement = """
        insert into lead (company_id, id, email_key, email_address, lead_score, lead_score_weighted,
            active, lead_status, create_timestamp, update_timestamp)
        overriding system value values ($1, $2, 'late', 'late', 0, 0, true, 'open', now(), now())
    """
    sql(company.dsn, statement, company.id, int(stored(company)[0]) - 1, company_id=company.id)

    assert walk(company) == stored(company)
    assert len(stored(company)) == 11


@pytest.mark.parametrize("seed", range(5))
def test_pages_stay_exact_through_any_mix_of_changes(walked: Company, seed: int) -> None:
    chance = random.Random(seed)

    for _ in range(8):
        ids = [row["id"] for row in sql(walked.dsn, "select id from lead order by id", company_id=walked.id)]
        chosen: list[Any] = chance.sample(ids, min(len(ids), chance.randint(1, 4)))
        match chance.choice(["create", "delete", "deactivate", "activate", "change", "age"]):
            case "create":
                walked.create(*[{}] * chance.randint(1, 4))
            case "delete":
                walked.call("deleteLeads", objects=[{"id": lead_id} for lead_id in chosen])
            case "deactivate":
                walked.call("updateLeads", objects=[{"id": lead_id, "active": 0} for lead_id in chosen])
            case "activate":
                walked.call("updateLeads", objects=[{"id": lead_id, "active": 1} for lead_id in chosen])
            case "change":
                walked.call(
                    "updateLeads", objects=[{"id": lead_id, "title": str(chance.random())} for lead_id in chosen]
                )
            case _:
                aged(walked)
        expected = stored(walked)
        offset = chance.randrange(0, len(expected) + 2 * PAGE)
        assert page(walked, offset) == expected[offset : offset + PAGE]
        assert walk(walked) == expected
