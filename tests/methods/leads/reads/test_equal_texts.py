"""docs/searching.md says what counts as equal: every row of its table is found by filters, words and account names."""

import json
import re
from pathlib import Path

import pytest

from support import Company

PAGE = (Path(__file__).parents[4] / "docs/searching.md").read_text()
SECTION = PAGE.partition("## What counts as equal")[2].partition("\n## ")[0]
ROWS = [
    (json.loads(stored), json.loads(asked))
    for stored, asked in re.findall(r"\| `(\".+?\")` \| `(\".+?\")` \|", SECTION)
]


def test_the_table_is_read_whole() -> None:
    assert len(ROWS) == sum(line.startswith("| ") for line in SECTION.splitlines()) - 1 > 15


@pytest.mark.parametrize(("stored", "asked"), [*ROWS, *(row[::-1] for row in ROWS)])
def test_texts_of_the_table_are_one_text(company: Company, stored: str, asked: str) -> None:
    field = company.field("Own")
    (lead,) = company.create({"lastName": stored, "companyName": stored, field: stored})
    company.create({"lastName": "Other", "companyName": "Other"})

    for test in (asked, [asked], {"contains": asked}, {"startsWith": asked}, {"endsWith": asked}):
        for name in ("lastName", field):
            rows = company.call("searchLeads", filter={name: test}, fields=["id", "lastName"])
            assert rows == [{"id": str(lead), "lastName": stored}], test
    assert company.call("searchLeads", text=asked, fields=["id"]) == [{"id": str(lead)}]
    (account,) = company.make("createAccounts", {"accountName": asked})
    company.call("convertLeads", objects=[{"id": lead, "account": 1}])
    assert company.lead(lead)["accountID"] == str(account)
