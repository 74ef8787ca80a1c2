"""Calls are fast for a company without current statistics: one that is new, or has grown since the last ANALYZE."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from stopwatch import within
from support import Company, new_email, sql

LEADS = 20_000
FILL = """
    insert into lead (company_id, email_key, email_address, lead_score, lead_score_weighted,
        active, lead_status, create_timestamp, update_timestamp)
    select $1, g || '@fill.example', g || '@fill.example', 0, 0, true, 'open', now(), now()
    from generate_series(1, $2) as g
    returning id
"""


def test_no_statistics_of_company_ids_can_be_out_of_date(company: Company) -> None:
    tables = sql(
        company.dsn,
        """
        select a.attrelid::regclass::text as name, a.attstattarget as target
        from pg_attribute a join pg_class c on c.oid = a.attrelid
        where a.attname = 'company_id' and c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace
        """,
    )

    assert {"lead", "account", "list_member", "event"} <= {table["name"] for table in tables}
    assert {table["name"] for table in tables if table["target"] != 0} == set()


@pytest.fixture
def grown(given_company: Callable[..., Company]) -> tuple[Company, list[int]]:
    """A company that got many leads since the last ANALYZE, and their ids."""
    for _ in range(5):
        given_company().create(*[{}] * 20)
    company = given_company()
    sql(company.dsn, "analyze lead")
    rows = sql(company.dsn, FILL, company.id, LEADS, company_id=company.id)
    return company, [row["id"] for row in rows]


def test_bulk_calls_for_a_company_that_has_just_grown_are_quick(grown: tuple[Company, list[int]]) -> None:
    company, ids = grown
    chosen = random.Random(1).sample(ids, 1_000)
    calls: dict[str, dict[str, Any]] = {
        "updateLeads": {"objects": [{"id": lead_id, "title": "CEO"} for lead_id in chosen[:500]]},
        "updateLeadsV2": {
            "objects": [{"emailAddress": f"{number}@fill.example", "title": "CTO"} for number in range(1, 501)]
        },
        "createLeads": {"objects": [{"emailAddress": new_email()} for _ in range(500)]},
        "deleteLeads": {"objects": chosen[500:]},
        "getLeads": {"where": {"id": chosen[:500]}},
    }

    for method, params in calls.items():
        with within(2.5):  # row by row it took more than ten seconds
            answer = company.envelope(method, params)
        assert len(next(iter(answer["result"].values()))) == 500
