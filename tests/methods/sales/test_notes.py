"""Notes, rule by rule (docs/wire/notes-and-tasks.md#notes); more in the other files test_notes_*.py."""

from collections.abc import Callable
from typing import Any

import pytest

from related_objects import OBJECT_TYPES, OTHER, ROLES, about, create_target, ids_of, make_notes, notes_of, stored, user
from support import Company

NOTHING = {"code": 302, "message": "No table rows affected", "data": []}


def new(company: Company, **more: Any) -> dict[str, Any]:
    return {"authorID": user(company), "note": "Wants a demo.", **more}


def names(error: dict[str, Any]) -> list[str]:
    return [param["param"] for param in error["data"]["params"]]


# Create


def test_a_note_has_its_columns_as_strings_in_order(company: Company) -> None:
    (lead,) = company.create({})
    more = {"title": "Demo", "pinned": True, "whoID": lead, "whoType": "lead"}

    answer = company.envelope("createNotes", {"objects": [new(company, **more)]})

    assert answer["error"] == []
    (made,) = answer["result"]["creates"]
    read = company.envelope("getContactNotes", {"id": lead})
    assert read["error"] is None
    (note,) = read["result"]["note"]
    assert list(note.items())[:9] == [
        ("id", str(made["id"])),
        ("authorID", user(company)),
        ("title", "Demo"),
        ("note", "Wants a demo."),
        ("pinned", "1"),
        ("whatID", None),
        ("whatType", None),
        ("whoID", str(lead)),
        ("whoType", "lead"),
    ]
    assert list(note)[9:] == ["createTimestamp", "updateTimestamp"]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("object_type", OBJECT_TYPES)
def test_a_note_is_about_a_lead_an_account_or_an_opportunity_in_either_role(
    object_type: str, role: str, company: Company
) -> None:
    an_id = create_target(company, object_type)

    (made,) = make_notes(company, about(role, object_type, an_id))

    assert [note["id"] for note in notes_of(company, object_type, an_id)] == [str(made)]
    assert ids_of(company, object_type) == ids_of(company, object_type, where={"id": an_id}) == [made]
    others = [other for other in OBJECT_TYPES if other != object_type]
    assert [notes_of(company, other, an_id) for other in others] == [[], []]
    assert [ids_of(company, other) for other in others] == [[], []]


def test_a_note_may_be_about_two_things_and_about_one_twice(company: Company) -> None:
    (lead,) = company.create({})
    account = create_target(company, "account")

    both, twice = make_notes(
        company,
        {**about("what", "account", account), **about("who", "lead", lead)},
        {**about("what", "lead", lead), **about("who", "lead", lead)},
    )

    assert ids_of(company, "lead", where={"id": [lead, lead]}) == [both, twice]
    assert {note["id"] for note in notes_of(company, "lead", lead)} == {str(both), str(twice)}
    assert ids_of(company, "account") == [both]


@pytest.mark.parametrize("missing", ["authorID", "note"])
def test_author_and_text_are_required(missing: str, company: Company) -> None:
    (lead,) = company.create({})
    values = new(company, **about("who", "lead", lead))

    del values[missing]

    refusal = company.refusal("createNotes", values)
    assert refusal
    assert (refusal["code"], names(refusal)) == (205, [missing])
    for nothing in (None, "", " \n"):
        assert company.code("createNotes", {**values, missing: nothing}) == 205


def test_a_note_about_nothing_is_205(company: Company) -> None:
    empty: list[dict[str, Any]] = [{}, {"whoID": None, "whoType": None}, {"whatID": None, "whatType": None}]
    for more in empty:
        refusal = company.refusal("createNotes", new(company, **more))
        assert refusal
        assert refusal["code"] == 205
        assert "A note needs an association" in refusal["data"]["params"][0]["message"]


@pytest.mark.parametrize("role", ROLES)
def test_an_id_without_its_type_and_a_type_without_its_id_are_205(role: str, company: Company) -> None:
    (lead,) = company.create({})
    other = about(OTHER[role], "lead", lead)
    (note,) = make_notes(company, other)
    for half, absent in (
        ({f"{role}ID": lead}, f"{role}Type"),
        ({f"{role}Type": "lead"}, f"{role}ID"),
        ({f"{role}ID": lead, f"{role}Type": None}, f"{role}Type"),
        ({f"{role}ID": None, f"{role}Type": "lead"}, f"{role}ID"),
    ):
        for method, values in (
            ("createNotes", new(company, **half)),
            ("createNotes", new(company, **half, **other)),
            ("updateNotes", {"id": note, **half}),
            ("updateNotes", {"id": note, **half, **other}),
        ):
            refusal = company.refusal(method, values)
            assert refusal
            assert (refusal["code"], names(refusal)) == (205, [absent]), (method, half)


@pytest.mark.parametrize("object_type", ["contact", "Lead", "leads", "", "note", "task", "user", "lead ", "1"])
def test_only_the_documented_types_are_accepted(object_type: str, company: Company) -> None:
    (lead,) = company.create({})

    refusal = company.refusal("createNotes", new(company, **about("who", object_type, lead)))

    assert refusal
    assert (refusal["code"], names(refusal)) == (205, ["whoType"])
    assert refusal["data"]["params"][0]["validFormat"]["options"] == ["lead", "opportunity", "account"]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("object_type", OBJECT_TYPES)
def test_an_association_with_an_unknown_object_is_303(
    object_type: str, role: str, company: Company, given_company: Callable[..., Company]
) -> None:
    mine, theirs = create_target(company, object_type), create_target(given_company(), object_type)
    others = [other for other in OBJECT_TYPES if other != object_type]
    (note,) = make_notes(company, about(role, object_type, mine))
    for wrong in (
        about(role, object_type, theirs),
        about(role, object_type, 1),
        *(about(role, other_word, mine) for other_word in others),
    ):
        for method, values in (("createNotes", new(company, **wrong)), ("updateNotes", {"id": note, **wrong})):
            refusal = company.refusal(method, values)
            assert refusal
            assert (refusal["code"], names(refusal)) == (303, [f"{role}ID"])
    assert len(stored(company)) == 1


def test_an_unknown_author_is_303(company: Company, given_company: Callable[..., Company]) -> None:
    (lead,) = company.create({})
    theirs = user(given_company())
    for author in (theirs, 1, lead):
        refusal = company.refusal("createNotes", new(company, authorID=author, **about("who", "lead", lead)))
        assert refusal
        assert (refusal["code"], names(refusal)) == (303, ["authorID"])


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("note", "x" * 65_536, 205),
        ("note", "a\0b", 205),
        ("note", ["x"], 210),
        ("title", "x" * 256, 205),
        ("title", None, 205),
        ("pinned", 2, 205),
        ("pinned", "yes", 205),
        ("pinned", None, 205),
        ("pinned", [], 210),
        ("whoID", "x", 205),
        ("whoID", -1, 205),
        ("whoID", 2**63, 205),
        ("whoID", 1.5, 205),
        ("whoID", {"id": 1}, 210),
        ("whoType", 1, 205),
        ("whoType", True, 205),
        ("whoType", ["lead"], 210),
        ("authorID", "1 or 1=1", 205),
        ("authorID", [], 210),
        ("color", "red", 205),
        ("'; drop table note; --", "x", 205),
    ],
)
def test_a_wrong_value_refuses_its_note_alone(name: str, value: Any, code: int, company: Company) -> None:
    (lead,) = company.create({})
    right = new(company, **about("who", "lead", lead))

    outcomes = company.call("createNotes", objects=[right, {**right, name: value}, right])

    assert [outcome["success"] for outcome in outcomes] == [True, False, True]
    assert outcomes[1]["error"]["code"] == code
    assert len(notes_of(company, "lead", lead)) == 2


def test_a_note_may_be_long_and_of_any_script(company: Company) -> None:
    (lead,) = company.create({})
    text = "Größe 日本 😀\n'; drop table note; -- \u202e<b>" + "é" * 65_000

    make_notes(company, {"note": text, "title": "'" * 255, **about("who", "lead", lead)})

    (note,) = notes_of(company, "lead", lead)
    assert (note["note"], note["title"]) == (text, "'" * 255)


def test_500_notes_can_be_created_in_one_call_and_501_cannot(company: Company) -> None:
    leads = company.create(*[{}] * 250)
    both = [about(role, "lead", lead) for role in ROLES for lead in leads]

    made = make_notes(company, *both)

    assert ids_of(company, "lead") == made == sorted(made)
    assert company.error("createNotes", objects=[{}] * 501)["code"] == 209


# Update


def test_given_values_are_changed_and_missing_values_stay(company: Company) -> None:
    (lead,) = company.create({})
    (note,) = make_notes(company, {"title": "Old", **about("who", "lead", lead)})

    assert company.refusal("updateNotes", {"id": str(note), "note": "New", "pinned": "1"}) is None

    (read,) = notes_of(company, "lead", lead)
    assert (read["title"], read["note"], read["pinned"]) == ("Old", "New", "1")
    assert company.code("updateNotes", {"id": note, "note": " "}) == 205
    assert company.refusal("updateNotes", {"id": note, "title": ""}) is None


def test_an_unknown_note_and_a_change_without_effect_are_302(company: Company) -> None:
    (lead,) = company.create({})
    make_notes(company, about("who", "lead", lead))
    (read,) = notes_of(company, "lead", lead)

    assert company.refusal("updateNotes", {"id": 1, "note": "x"}) == NOTHING
    sent_back = {name: value for name, value in read.items() if name != "title"}  # docs/wire/values.md#requests
    assert company.refusal("updateNotes", sent_back) == NOTHING
    assert company.refusal("updateNotes", {"note": "x"}) == NOTHING


def test_an_association_can_change_and_a_second_one_can_be_added_and_removed(company: Company) -> None:
    first, second = company.create({}, {})
    account = create_target(company, "account")
    (note,) = make_notes(company, about("who", "lead", first))

    assert company.refusal("updateNotes", {"id": note, **about("who", "lead", second)}) is None
    assert stored(company)[note] == (None, None, "lead", second)
    assert company.refusal("updateNotes", {"id": note, **about("what", "account", account)}) is None
    assert stored(company)[note] == ("account", account, "lead", second)
    gone: dict[str, Any] = {"whoID": None, "whoType": None}
    assert company.refusal("updateNotes", {"id": note, **about("what", "account", account), **gone}) is None
    assert stored(company)[note] == ("account", account, None, None)


def test_an_update_cannot_leave_a_note_about_nothing(company: Company) -> None:
    (lead,) = company.create({})
    account = create_target(company, "account")
    (note,) = make_notes(company, {**about("who", "lead", lead), **about("what", "account", account)})
    no_who, no_what = {"whoID": None, "whoType": None}, {"whatID": None, "whatType": None}

    for more in (no_who, no_what, {**no_who, **no_what}):
        assert company.code("updateNotes", {"id": note, **more}) == 205

    assert stored(company)[note] == ("account", account, "lead", lead)


# Delete


def test_a_deleted_note_is_gone_and_its_targets_stay(company: Company) -> None:
    (lead,) = company.create({})
    gone, bare, kept = make_notes(company, *[about("who", "lead", lead)] * 3)

    outcomes = company.call("deleteNotes", objects=[{"id": gone}, str(bare), gone, 1, "x", [kept], {"note": "n"}])

    assert [outcome["error"] and outcome["error"]["code"] for outcome in outcomes] == [
        None,
        None,
        302,
        302,
        208,
        210,
        205,
    ]
    assert [note["id"] for note in notes_of(company, "lead", lead)] == [str(kept)]
    assert company.lead(lead)
