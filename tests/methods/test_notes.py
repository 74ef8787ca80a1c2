"""Notes, rule by rule (wire.md 15, schema.md)."""

from collections.abc import Callable
from typing import Any

import pytest

from support import Company, new_company, sql

NOTHING = {"code": 302, "message": "No table rows affected", "data": []}
WORDS = ["lead", "account", "opportunity"]
READS = {"lead": "Contact", "account": "Account", "opportunity": "Opportunity"}
SEVERAL = {"lead": "Contacts", "account": "Accounts", "opportunity": "Opportunities"}
ROLES = ["what", "who"]


def user(company: Company) -> str:
    (found,) = company.call("getUserProfiles")
    return found["id"]


def target(company: Company, word: str) -> int:
    """A new lead, account or opportunity."""
    if word == "lead":
        return company.create({})[0]
    if word == "account":
        return company.make("createAccounts", {"accountName": "Acme"})[0]
    (stage,) = company.make("createDealStages", {"dealStageName": "Offer"})
    new = {"opportunityName": "A roof", "dealStageID": stage, "closeDate": "2030-01-31"}
    return company.make("createOpportunities", new)[0]


def delete(company: Company, word: str, *ids: int) -> None:
    method = {"lead": "deleteLeads", "account": "deleteAccounts", "opportunity": "deleteOpportunities"}[word]
    assert all(one["success"] for one in company.call(method, objects=list(ids)))


def about(role: str, word: str, an_id: Any) -> dict[str, Any]:
    return {f"{role}ID": an_id, f"{role}Type": word}


def new(company: Company, **more: Any) -> dict[str, Any]:
    return {"authorID": user(company), "note": "Wants a demo.", **more}


def make(company: Company, *several: dict[str, Any]) -> list[int]:
    author = user(company)
    return company.make("createNotes", *({"authorID": author, "note": "n", **one} for one in several))


def notes_of(company: Company, word: str, an_id: int, **more: Any) -> list[dict[str, str | None]]:
    return company.call(f"get{READS[word]}Notes", id=an_id, **more)


def ids_of(company: Company, word: str, **params: Any) -> list[int]:
    return [int(one["id"]) for one in company.call(f"get{SEVERAL[word]}Notes", **params)]


def stored(company: Company) -> dict[int, tuple[Any, ...]]:
    """The associations of every note, straight from the table."""
    rows = sql(company.dsn, "select id, what_type, what_id, who_type, who_id from note", company_id=company.id)
    return {row["id"]: tuple(row.values())[1:] for row in rows}


def names(error: dict[str, Any]) -> list[str]:
    return [one["param"] for one in error["data"]["params"]]


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
@pytest.mark.parametrize("word", WORDS)
def test_a_note_is_about_a_lead_an_account_or_an_opportunity_in_either_role(
    word: str, role: str, company: Company
) -> None:
    an_id = target(company, word)

    (made,) = make(company, about(role, word, an_id))

    assert [one["id"] for one in notes_of(company, word, an_id)] == [str(made)]
    assert ids_of(company, word) == ids_of(company, word, where={"id": an_id}) == [made]
    others = [other for other in WORDS if other != word]
    assert [notes_of(company, other, an_id) for other in others] == [[], []]
    assert [ids_of(company, other) for other in others] == [[], []]


def test_a_note_may_be_about_two_things_and_about_one_twice(company: Company) -> None:
    (lead,) = company.create({})
    account = target(company, "account")

    both, twice = make(
        company,
        {**about("what", "account", account), **about("who", "lead", lead)},
        {**about("what", "lead", lead), **about("who", "lead", lead)},
    )

    assert ids_of(company, "lead", where={"id": [lead, lead]}) == [both, twice]
    assert {one["id"] for one in notes_of(company, "lead", lead)} == {str(both), str(twice)}
    assert ids_of(company, "account") == [both]


@pytest.mark.parametrize("missing", ["authorID", "note"])
def test_author_and_text_are_required(missing: str, company: Company) -> None:
    (lead,) = company.create({})
    one = new(company, **about("who", "lead", lead))

    del one[missing]

    refusal = company.refusal("createNotes", one)
    assert refusal
    assert (refusal["code"], names(refusal)) == (205, [missing])
    for nothing in (None, "", " \n"):
        assert company.code("createNotes", {**one, missing: nothing}) == 205


def test_a_note_about_nothing_is_205(company: Company) -> None:
    empty: list[dict[str, Any]] = [{}, {"whoID": None, "whoType": None}, {"whatID": None, "whatType": None}]
    for more in empty:
        refusal = company.refusal("createNotes", new(company, **more))
        assert refusal
        assert refusal["code"] == 205
        assert "A note is about something" in refusal["data"]["params"][0]["message"]


@pytest.mark.parametrize("role", ROLES)
def test_an_id_without_its_type_and_a_type_without_its_id_are_205(role: str, company: Company) -> None:
    (lead,) = company.create({})
    other = about({"what": "who", "who": "what"}[role], "lead", lead)
    (note,) = make(company, other)
    for half, absent in (
        ({f"{role}ID": lead}, f"{role}Type"),
        ({f"{role}Type": "lead"}, f"{role}ID"),
        ({f"{role}ID": lead, f"{role}Type": None}, f"{role}Type"),
        ({f"{role}ID": None, f"{role}Type": "lead"}, f"{role}ID"),
    ):
        for method, one in (
            ("createNotes", new(company, **half)),
            ("createNotes", new(company, **half, **other)),
            ("updateNotes", {"id": note, **half}),
            ("updateNotes", {"id": note, **half, **other}),
        ):
            refusal = company.refusal(method, one)
            assert refusal
            assert (refusal["code"], names(refusal)) == (205, [absent]), (method, half)


@pytest.mark.parametrize("word", ["contact", "Lead", "leads", "", "note", "task", "user", "lead ", "1"])
def test_only_the_documented_types_are_taken(word: str, company: Company) -> None:
    (lead,) = company.create({})

    refusal = company.refusal("createNotes", new(company, **about("who", word, lead)))

    assert refusal
    assert (refusal["code"], names(refusal)) == (205, ["whoType"])
    assert refusal["data"]["params"][0]["validFormat"]["options"] == ["lead", "opportunity", "account"]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("word", WORDS)
def test_what_the_company_does_not_have_is_303(
    word: str, role: str, company: Company, given_company: Callable[..., Company]
) -> None:
    mine, theirs = target(company, word), target(given_company(), word)
    others = [other for other in WORDS if other != word]
    (note,) = make(company, about(role, word, mine))
    for wrong in (about(role, word, theirs), about(role, word, 1), *(about(role, one, mine) for one in others)):
        for method, one in (("createNotes", new(company, **wrong)), ("updateNotes", {"id": note, **wrong})):
            refusal = company.refusal(method, one)
            assert refusal
            assert (refusal["code"], names(refusal)) == (303, [f"{role}ID"])
    assert len(stored(company)) == 1


def test_an_author_that_the_company_does_not_have_is_303(
    company: Company, given_company: Callable[..., Company]
) -> None:
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

    assert [one["success"] for one in outcomes] == [True, False, True]
    assert outcomes[1]["error"]["code"] == code
    assert len(notes_of(company, "lead", lead)) == 2


def test_a_note_may_be_long_and_of_any_script(company: Company) -> None:
    (lead,) = company.create({})
    text = "Größe 日本 😀\n'; drop table note; -- \u202e<b>" + "é" * 65_000

    make(company, {"note": text, "title": "'" * 255, **about("who", "lead", lead)})

    (note,) = notes_of(company, "lead", lead)
    assert (note["note"], note["title"]) == (text, "'" * 255)


def test_500_notes_go_through_in_one_call_and_501_do_not(company: Company) -> None:
    leads = company.create(*[{}] * 250)
    both = [about(role, "lead", lead) for role in ROLES for lead in leads]

    made = make(company, *both)

    assert ids_of(company, "lead") == made == sorted(made)
    assert company.error("createNotes", objects=[{}] * 501)["code"] == 209


# Update


def test_what_is_given_overwrites_and_what_is_not_given_stays(company: Company) -> None:
    (lead,) = company.create({})
    (note,) = make(company, {"title": "Old", **about("who", "lead", lead)})

    assert company.refusal("updateNotes", {"id": str(note), "note": "New", "pinned": "1"}) is None

    (read,) = notes_of(company, "lead", lead)
    assert (read["title"], read["note"], read["pinned"]) == ("Old", "New", "1")
    assert company.code("updateNotes", {"id": note, "note": " "}) == 205
    assert company.refusal("updateNotes", {"id": note, "title": ""}) is None


def test_what_is_not_there_or_changes_nothing_is_302(company: Company) -> None:
    (lead,) = company.create({})
    make(company, about("who", "lead", lead))
    (read,) = notes_of(company, "lead", lead)

    assert company.refusal("updateNotes", {"id": 1, "note": "x"}) == NOTHING
    sent_back = {name: value for name, value in read.items() if name != "title"}  # null is no text (wire.md 5)
    assert company.refusal("updateNotes", sent_back) == NOTHING
    assert company.refusal("updateNotes", {"note": "x"}) == NOTHING


def test_an_association_moves_and_a_second_one_comes_and_goes(company: Company) -> None:
    one, two = company.create({}, {})
    account = target(company, "account")
    (note,) = make(company, about("who", "lead", one))

    assert company.refusal("updateNotes", {"id": note, **about("who", "lead", two)}) is None
    assert stored(company)[note] == (None, None, "lead", two)
    assert company.refusal("updateNotes", {"id": note, **about("what", "account", account)}) is None
    assert stored(company)[note] == ("account", account, "lead", two)
    gone: dict[str, Any] = {"whoID": None, "whoType": None}
    assert company.refusal("updateNotes", {"id": note, **about("what", "account", account), **gone}) is None
    assert stored(company)[note] == ("account", account, None, None)


def test_an_update_cannot_leave_a_note_about_nothing(company: Company) -> None:
    (lead,) = company.create({})
    account = target(company, "account")
    (note,) = make(company, {**about("who", "lead", lead), **about("what", "account", account)})
    who, what = {"whoID": None, "whoType": None}, {"whatID": None, "whatType": None}

    for more in (who, what, {**who, **what}):
        assert company.code("updateNotes", {"id": note, **more}) == 205

    assert stored(company)[note] == ("account", account, "lead", lead)


# Delete


def test_a_deleted_note_is_gone_and_what_it_was_about_stays(company: Company) -> None:
    (lead,) = company.create({})
    gone, bare, kept = make(company, *[about("who", "lead", lead)] * 3)

    outcomes = company.call("deleteNotes", objects=[{"id": gone}, str(bare), gone, 1, "x", [kept], {"note": "n"}])

    assert [one["error"] and one["error"]["code"] for one in outcomes] == [None, None, 302, 302, 208, 210, 205]
    assert [one["id"] for one in notes_of(company, "lead", lead)] == [str(kept)]
    assert company.lead(lead)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("word", WORDS)
def test_what_is_deleted_takes_the_notes_about_nothing_else_with_it(word: str, role: str, company: Company) -> None:
    (other,) = company.create({})
    other_role = {"what": "who", "who": "what"}[role]
    gone, kept = target(company, word), target(company, word)
    alone, both, twice, elsewhere = make(
        company,
        about(role, word, gone),
        {**about(role, word, gone), **about(other_role, "lead", other)},
        {**about(role, word, gone), **about(other_role, word, gone)},
        about(role, word, kept),
    )
    before = stored(company)

    delete(company, word, gone)

    left = stored(company)
    assert {alone, twice} & set(left) == set()
    assert left[elsewhere] == before[elsewhere]
    assert left[both] == (("lead", other, None, None) if other_role == "what" else (None, None, "lead", other))
    assert ids_of(company, word) == sorted([elsewhere, *([both] if word == "lead" else [])])
    assert [one["id"] for one in notes_of(company, "lead", other)] == [str(both)]


def test_an_id_of_another_type_is_not_taken_for_the_deleted_one(company: Company) -> None:
    """Ids of different tables do not meet by themselves; were they ever to, the type decides."""
    (lead,) = company.create({})
    (note,) = make(company, about("who", "lead", lead))
    sql(company.dsn, "update note set what_type = 'account', what_id = $1", lead, company_id=company.id)

    delete(company, "lead", lead)

    assert stored(company) == {note: ("account", lead, None, None)}


def test_500_leads_take_their_notes_with_them(company: Company) -> None:
    leads = company.create(*[{}] * 500)
    make(company, *(about("who", "lead", lead) for lead in leads))

    delete(company, "lead", *leads)

    assert stored(company) == {}


# Reads


def test_the_notes_of_one_lead_come_pinned_first_and_then_the_newest_first_in_pages(company: Company) -> None:
    (lead,) = company.create({})
    made = make(company, *({"pinned": at in (1, 3), **about("who", "lead", lead)} for at in range(6)))
    order = [made[at] for at in (3, 1, 5, 4, 2, 0)]

    assert [int(one["id"] or 0) for one in notes_of(company, "lead", lead)] == order
    pages = [notes_of(company, "lead", lead, limit=2, offset=at) for at in (0, 2, 4, 6)]
    assert [[int(one["id"] or 0) for one in page] for page in pages] == [order[:2], order[2:4], order[4:], []]
    sql(
        company.dsn,
        "update note set create_timestamp = now() + interval '1 hour' where id = $1",
        made[0],
        company_id=company.id,
    )
    assert [one["id"] for one in notes_of(company, "lead", lead, limit=1, offset=2)] == [str(made[0])]


def test_the_notes_of_several_are_chosen_by_id_and_come_in_the_order_of_their_ids(company: Company) -> None:
    one, two, three = company.create({}, {}, {})
    made = make(company, *(about("who", "lead", lead) for lead in (three, one, two, one)))

    assert ids_of(company, "lead", where={"id": [one, str(three), 1]}) == [made[0], made[1], made[3]]
    assert ids_of(company, "lead", where={"id": one}, limit=1, offset=1) == [made[3]]
    assert ids_of(company, "lead", where={"id": []}) == []
    for everything in ({}, [], None, ""):
        assert ids_of(company, "lead", where=everything) == made
    assert ids_of(company, "lead", limit=2, offset=1) == made[1:3]


@pytest.mark.parametrize("word", WORDS)
def test_an_unknown_id_has_no_notes_and_none_is_206(word: str, company: Company) -> None:
    assert notes_of(company, word, 1) == notes_of(company, word, -5) == []
    method = f"get{READS[word]}Notes"
    assert company.error(method)["code"] == 206
    for wrong, code in (("x", 205), ([1], 210), (2**63, 205)):
        assert company.error(method, id=wrong)["code"] == code
    several = f"get{SEVERAL[word]}Notes"
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
    (note,) = make(company, about("who", "lead", lead))

    assert other.call("getContactNotes", id=lead) == []
    assert ids_of(other, "lead") == ids_of(other, "lead", where={"id": lead}) == []
    assert other.refusal("updateNotes", {"id": note, "note": "Mine"}) == NOTHING
    assert other.refusal("deleteNotes", {"id": note}) == NOTHING
    assert notes_of(company, "lead", lead)[0]["note"] == "n"


def test_times_are_the_companys_at_v1_and_utc_at_v1_2(company: Company, server: Any) -> None:
    own = new_company(server, time_zone="America/New_York")
    (lead,) = own.create({})
    make(own, about("who", "lead", lead))
    sql(own.dsn, "update note set create_timestamp = '2026-07-01 12:00:00+00'", company_id=own.id)

    assert [one["createTimestamp"] for one in notes_of(own, "lead", lead)] == ["2026-07-01 08:00:00"]
    assert [one["createTimestamp"] for one in notes_of(own.at("v1.2"), "lead", lead)] == ["2026-07-01 12:00:00"]
    own.close()


def test_a_deep_page_is_right_after_notes_have_gone_or_are_about_something_else(company: Company) -> None:
    one, two, gone = company.create({}, {}, {})
    account = target(company, "account")
    made = make(company, *(about("who", "lead", gone if at in (2, 7) else one) for at in range(12)))
    sql(company.dsn, "update note set create_timestamp = now() - interval '1 day'", company_id=company.id)

    def pages() -> list[int]:
        return [note for at in range(0, 16, 3) for note in ids_of(company, "lead", limit=3, offset=at)]

    assert pages() == pages() == made
    delete(company, "lead", gone)
    left = [note for at, note in enumerate(made) if at not in (2, 7)]
    assert pages() == pages() == left
    moved: dict[str, Any] = {**about("what", "account", account), "whoID": None, "whoType": None}
    assert company.refusal("updateNotes", {"id": left[1], **moved}) is None
    assert pages() == pages() == [left[0], *left[2:]]
    assert company.refusal("updateNotes", {"id": left[1], **about("who", "lead", two)}) is None
    assert pages() == left
    assert company.refusal("deleteNotes", left[0]) is None
    assert pages() == left[1:]
