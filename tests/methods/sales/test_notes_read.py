"""How notes are read: by what they are about (docs/wire/notes-and-tasks.md#notes)."""

from collections.abc import Callable
from typing import Any

import pytest

from related_objects import about, create_target, delete, ids_of, make_notes, notes_of
from support import Company, new_company, sql

NOTHING = {"code": 302, "message": "No table rows affected", "data": []}


def test_the_notes_of_one_lead_come_pinned_first_and_then_the_newest_first_in_pages(company: Company) -> None:
    (lead,) = company.create({})
    made = make_notes(company, *({"pinned": number in (1, 3), **about("who", "lead", lead)} for number in range(6)))
    order = [made[index] for index in (3, 1, 5, 4, 2, 0)]

    assert [int(note["id"] or 0) for note in notes_of(company, "lead", lead)] == order
    pages = [notes_of(company, "lead", lead, limit=2, offset=offset) for offset in (0, 2, 4, 6)]
    assert [[int(note["id"] or 0) for note in page] for page in pages] == [order[:2], order[2:4], order[4:], []]
    sql(
        company.dsn,
        "update note set create_timestamp = now() + interval '1 hour' where id = $1",
        made[0],
        company_id=company.id,
    )
    assert [note["id"] for note in notes_of(company, "lead", lead, limit=1, offset=2)] == [str(made[0])]


def test_the_notes_of_several_are_chosen_by_id_and_come_in_the_order_of_their_ids(company: Company) -> None:
    first, second, third = company.create({}, {}, {})
    made = make_notes(company, *(about("who", "lead", lead) for lead in (third, first, second, first)))

    assert ids_of(company, "lead", where={"id": [first, str(third), 1]}) == [made[0], made[1], made[3]]
    assert ids_of(company, "lead", where={"id": first}, limit=1, offset=1) == [made[3]]
    assert ids_of(company, "lead", where={"id": []}) == []
    for everything in ({}, [], None, ""):
        assert ids_of(company, "lead", where=everything) == made
    assert ids_of(company, "lead", limit=2, offset=1) == made[1:3]


@pytest.mark.parametrize(
    ("method", "several"),
    [
        ("getContactNotes", "getContactsNotes"),
        ("getAccountNotes", "getAccountsNotes"),
        ("getOpportunityNotes", "getOpportunitiesNotes"),
    ],
)
def test_an_unknown_id_has_no_notes_and_a_missing_id_is_206(method: str, several: str, company: Company) -> None:
    assert company.call(method, id=1) == company.call(method, id=-5) == []
    assert company.call(several, where={"id": [1, -5]}) == []
    assert company.error(method)["code"] == 206
    for wrong, code in (("x", 205), ([1], 210), (2**63, 205)):
        assert company.error(method, id=wrong)["code"] == code
    for where, code in (({"authorID": 1}, 205), ({"id": {}}, 210), ({"id": "x"}, 205), ([1], 205), (5, 205)):
        assert company.error(several, where=where)["code"] == code
    for name in ("limit", "offset"):
        assert company.error(several, **{name: -1})["code"] == 205
        assert company.error(method, id=1, **{name: "x"})["code"] == 205


def test_no_company_reads_changes_or_deletes_anothers_notes(
    company: Company, given_company: Callable[..., Company]
) -> None:
    other = given_company()
    (lead,) = company.create({})
    (note,) = make_notes(company, about("who", "lead", lead))

    assert other.call("getContactNotes", id=lead) == []
    assert ids_of(other, "lead") == ids_of(other, "lead", where={"id": lead}) == []
    assert other.refusal("updateNotes", {"id": note, "note": "Mine"}) == NOTHING
    assert other.refusal("deleteNotes", {"id": note}) == NOTHING
    assert notes_of(company, "lead", lead)[0]["note"] == "n"


def test_times_are_the_companys_at_v1_and_utc_at_v1_2(company: Company, server: Any) -> None:
    own = new_company(server, time_zone="America/New_York")
    (lead,) = own.create({})
    make_notes(own, about("who", "lead", lead))
    sql(own.dsn, "update note set create_timestamp = '2026-07-01 12:00:00+00'", company_id=own.id)

    assert [note["createTimestamp"] for note in notes_of(own, "lead", lead)] == ["2026-07-01 08:00:00"]
    assert [note["createTimestamp"] for note in notes_of(own.at("v1.2"), "lead", lead)] == ["2026-07-01 12:00:00"]
    own.close()


def test_a_deep_page_is_right_after_notes_were_deleted_or_moved(company: Company) -> None:
    first, second, gone = company.create({}, {}, {})
    account = create_target(company, "account")
    made = make_notes(company, *(about("who", "lead", gone if number in (2, 7) else first) for number in range(12)))
    sql(company.dsn, "update note set create_timestamp = now() - interval '1 day'", company_id=company.id)

    def pages() -> list[int]:
        return [note for offset in range(0, 16, 3) for note in ids_of(company, "lead", limit=3, offset=offset)]

    assert pages() == pages() == made
    delete(company, "lead", gone)
    left = [note for number, note in enumerate(made) if number not in (2, 7)]
    assert pages() == pages() == left
    moved: dict[str, Any] = {**about("what", "account", account), "whoID": None, "whoType": None}
    assert company.refusal("updateNotes", {"id": left[1], **moved}) is None
    assert pages() == pages() == [left[0], *left[2:]]
    assert company.refusal("updateNotes", {"id": left[1], **about("who", "lead", second)}) is None
    assert pages() == left
    assert company.refusal("deleteNotes", left[0]) is None
    assert pages() == left[1:]
