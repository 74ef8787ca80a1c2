"""All personal data of a lead stands in one list (store/lifecycle/personal_data.py): a new table needs a line there."""

import re

import pytest

from springhead.store.database import sql as text
from springhead.store.lifecycle.personal_data import ELSEWHERE, HELD, Held
from support import Server, sql

DERIVED = {"company_id", "version", "email_key", "email_domain", "address_mark", "logged_at"}
"""What an export need not show: it is the server's, or follows from what it does show."""

OF_THE_LEAD = {"lead_id", "deleted_lead_id", "visitor_id", "token", "data", "lead"}
"""The lead itself, its visitor (which is exported), the name in a file's address, the file, which is in base64."""


def columns(server: Server) -> dict[str, set[str]]:
    """The columns of every table that holds data of a company, and of the company itself."""
    rows = sql(
        server.dsn,
        """
        select c.relname as table, a.attname as column from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relkind in ('r', 'p') and c.relnamespace = current_schema()::regnamespace
            and a.attnum > 0 and not a.attisdropped
        """,
    )
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["table"], set()).add(row["column"])
    return {name: names for name, names in found.items() if "company_id" in names or name == "company"}


def test_every_table_is_said_to_hold_something_on_leads_or_nothing(server: Server) -> None:
    held = [one.noun.table for one in HELD]

    assert len(held) == len(set(held))
    assert set(columns(server)) == {*held, *ELSEWHERE}
    assert not set(held) & set(ELSEWHERE)


def test_what_is_said_to_hold_nothing_on_leads_names_none_of_them(server: Server) -> None:
    for table, names in columns(server).items():
        if table in ELSEWHERE and table != "change":  # whose ids are those of events that are gone
            assert not {name for name in names if re.search("lead_ids?$|^wh[ao]t?_id$|^tracking_id$", name)}, table


@pytest.mark.parametrize("one", HELD, ids=lambda one: one.name)
def test_an_export_shows_every_column(one: Held, server: Server) -> None:
    shown = set(re.findall(r"\b[ld]\.(\w+)", text.select_list(one.columns)))
    if one.custom:
        shown.add("custom")

    assert columns(server)[one.noun.table] - shown - DERIVED - OF_THE_LEAD == set()
