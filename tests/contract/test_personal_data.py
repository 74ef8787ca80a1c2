"""One list has all personal data of leads (store/lifecycle/personal_data.py), also of nouns that refer to leads."""

import re

import pytest

from springhead import methods
from springhead.model.kit.columns import WRITTEN_NOUNS
from springhead.store.database import sql as text
from springhead.store.lifecycle.personal_data import NO_PERSONAL_DATA, PersonalData, tables
from support import Server, sql

DERIVED = {"company_id", "version", "email_key", "email_domain", "address_mark", "logged_at"}
"""What an export need not show: it is the server's, or follows from what it does show."""

OF_THE_LEAD = {"lead_id", "deleted_lead_id", "visitor_id", "token", "data", "lead"}
"""The lead itself, its visitor (which is exported), the name in a file's address, the file, which is in base64."""


IDS_ALONE = {"change", "action_part"}
"""Tables with ids of leads and nothing else: those of deleted events, and those of an action for 30 minutes."""

assert methods.leads, "importing the methods registers their nouns"
WITH_LEADS = tables()
WITHOUT_LEADS = {*NO_PERSONAL_DATA, *WRITTEN_NOUNS} - {data.noun.table for data in WITH_LEADS}


def columns(server: Server) -> dict[str, set[str]]:
    """The columns of the table company and of every table with data of a company."""
    rows = sql(
        server.dsn,
        """
        select c.relname as table, a.attname as column from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relkind in ('r', 'p') and c.relnamespace = current_schema()::regnamespace
            and a.attnum > 0 and not a.attisdropped
        """,
    )
    by_table: dict[str, set[str]] = {}
    for row in rows:
        by_table.setdefault(row["table"], set()).add(row["column"])
    return {name: names for name, names in by_table.items() if "company_id" in names or name == "company"}


def test_every_table_is_declared_with_or_without_personal_data(server: Server) -> None:
    with_leads = [data.noun.table for data in WITH_LEADS]

    assert len(with_leads) == len(set(with_leads))
    assert set(columns(server)) == {*with_leads, *WITHOUT_LEADS}
    assert not set(with_leads) & set(NO_PERSONAL_DATA)


def test_a_table_without_personal_data_has_no_column_that_names_a_lead(server: Server) -> None:
    for table, names in columns(server).items():
        if table in WITHOUT_LEADS and table not in IDS_ALONE:
            assert not {name for name in names if re.search("lead_ids?$|^wh[ao]t?_id$|^tracking_id$", name)}, table


@pytest.mark.parametrize("data", WITH_LEADS, ids=lambda data: data.name)
def test_an_export_shows_every_column(data: PersonalData, server: Server) -> None:
    shown = set(re.findall(r"\b[ld]\.(\w+)", text.select_list(data.columns)))
    if data.custom:
        shown.add("custom")

    assert columns(server)[data.noun.table] - shown - DERIVED - OF_THE_LEAD == set()
