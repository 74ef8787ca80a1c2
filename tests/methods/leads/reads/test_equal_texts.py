"""docs/searching.md says what counts as equal: every row of its tables is tried."""

import json
import re
from pathlib import Path

import pytest

from support import Company

PAGE = (Path(__file__).parents[4] / "docs/searching.md").read_text()
SECTION = PAGE.partition("## What counts as equal")[2].partition("\n## ")[0]
TEXTS, _, NAMES = SECTION.partition("| stored name |")


def rows(table: str) -> list[tuple[str, str]]:
    pairs = re.findall(r"\| `(\".+?\")` \| `(\".+?\")` \|", table)
    return [(json.loads(stored), json.loads(asked)) for stored, asked in pairs]


ROWS, NAME_ROWS = rows(TEXTS), rows(NAMES)


def test_the_tables_are_read_whole() -> None:
    assert len(ROWS) + len(NAME_ROWS) == sum(line.startswith("| ") for line in SECTION.splitlines()) - 2 > 25


@pytest.mark.parametrize(("stored", "asked"), [*NAME_ROWS, *(row[::-1] for row in NAME_ROWS)])
def test_words_find_names_without_accents_and_filters_do_not(company: Company, stored: str, asked: str) -> None:
    leads = company.create({"lastName": stored}, {"firstName": f"é {stored}"}, {"companyName": f"{stored} 한글"})
    company.create({"lastName": "Other"}, {"lastName": asked})

    found = company.call("searchLeads", text=asked, fields=["id"])
    assert {int(row["id"]) for row in found} > set(leads)
    assert len(found) == 4
    assert company.call("searchLeads", text=asked[:4], fields=["id"], total=1) == found
    assert len(company.call("searchLeads", filter={"lastName": asked}, fields=["id"])) == 1


@pytest.mark.parametrize("number", ["٠٥٠١٢٣٤٥٦٧", "０５０-１２３４５６７"])
def test_phone_numbers_with_digits_of_other_scripts_are_found(company: Company, number: str) -> None:
    plain = "0501234567"
    leads = company.create({"phoneNumber": number}, {"phoneNumber": plain})
    company.create({"phoneNumber": "0509999999"})

    for asked in (number, plain, "050 1234567"):
        for test in (asked, [asked], {"contains": asked}, {"startsWith": asked}, {"endsWith": asked}):
            found = company.call("searchLeads", filter={"phoneNumber": test}, fields=["id"])
            assert [int(row["id"]) for row in found] == leads, test
        found = company.call("searchLeads", text=asked, fields=["id"])
        assert {int(row["id"]) for row in found} == set(leads), asked


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
