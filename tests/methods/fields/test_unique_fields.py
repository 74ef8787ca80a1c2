"""Unique custom fields (our own): how a field becomes unique, and what every write does about it."""

import asyncio
import random
import threading
from collections import Counter
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callers import at_once, clients
from support import Company, Server, eventually, new_email, sql

TAKEN = "Another lead has this value, and the field is unique"


def codes(outcomes: list[dict[str, Any]]) -> list[int | None]:
    return [outcome["error"] and outcome["error"]["code"] for outcome in outcomes]


def read(company: Company, name: str) -> dict[str, Any]:
    (field,) = company.call("getFields", where={"systemName": name})
    return field


def make_unique(company: Company, name: str, unique: Any = 1) -> dict[str, Any] | None:
    """Makes a field unique. Returns the refusal, or None."""
    return company.refusal("updateFields", {"id": read(company, name)["id"], "isUnique": unique})


def number_of_values(company: Company) -> int:
    return len(sql(company.dsn, "select 1 from unique_value", company_id=company.id))


def values_agree(company: Company) -> bool:
    """Whether the table of unique values has exactly the values of the leads."""
    rows = sql(
        company.dsn,
        """
        select count(*) as wrong from (
            select f.unique_id, l.id, sha256(convert_to(btrim(normalize(l.custom->>f.system_name, nfc)), 'UTF8')) as key
            from lead l join field f on f.unique_id is not null and btrim(l.custom->>f.system_name) <> ''
        ) w full join (
            select u.* from unique_value u join field f on f.unique_id = u.unique_id -- the others go in a pass
        ) u on u.unique_id = w.unique_id and u.key = w.key and u.lead_id = w.id
        where w.id is null or u.lead_id is null
        """,
        company_id=company.id,
    )
    return rows[0]["wrong"] == 0


@pytest.fixture
def code(company: Company) -> str:
    """A field that was created unique."""
    return company.field("Code", isUnique=1)


# How a field becomes unique


def test_a_field_says_that_it_is_unique_only_where_it_is(company: Company, code: str) -> None:
    plain = company.field("Plain")

    assert list(read(company, code).items())[-1] == ("isUnique", "1")
    assert "isUnique" not in read(company, plain)
    assert make_unique(company, plain) is None
    assert read(company, plain)["isUnique"] == "1"
    assert make_unique(company, plain, "0") is None
    assert "isUnique" not in read(company, plain)
    assert make_unique(company, plain, 0) is not None, "nothing to change"


@pytest.mark.parametrize(
    ("relationship", "data_type"),
    [("lead", "checkbox"), ("lead", "boolean"), ("lead", "picklist"), ("account", "phone")],
)
def test_only_lead_fields_with_free_values_can_be_unique(company: Company, relationship: str, data_type: str) -> None:
    definition = {"relationship": relationship, "dataType": data_type, "label": "x"}
    refused = company.refusal("createFields", {**definition, "isUnique": 1})

    assert refused is not None
    assert (refused["code"], refused["data"]["params"][0]["param"]) == (205, "isUnique")
    assert company.code("createFields", {**definition, "isUnique": 0}) is None
    assert company.code("createFields", {**definition, "isUnique": "x"}) == 205


def test_existing_values_of_leads_are_recorded(company: Company) -> None:
    name = company.field("Code")
    lead, _ = company.create({name: "a"}, {name: ""})
    assert number_of_values(company) == 0

    assert make_unique(company, name) is None

    assert values_agree(company)
    assert number_of_values(company) == 1
    refused = company.refusal("createLeads", {"emailAddress": new_email(), name: "a"})
    assert refused is not None
    assert (refused["code"], refused["message"]) == (301, "Entry already exists")
    assert [(param["param"], param["message"]) for param in refused["data"]["params"]] == [(name, TAKEN)]
    assert company.lead(lead)[name] == "a"


def test_a_field_with_duplicate_values_is_refused_and_one_value_is_named(company: Company) -> None:
    name = company.field("Code")
    company.create(*({name: value} for value in ("b", "a", "b ", " b", "c", "c", "A", "")))

    refused = make_unique(company, name)

    assert refused is not None
    assert refused["code"] == 205
    (problem,) = refused["data"]["params"]
    assert problem["param"] == "isUnique"
    assert problem["message"] == "Several leads have the same value: 2 values in all, such as 'b', which 3 have"
    assert "isUnique" not in read(company, name)
    assert company.code("createLeads", {"emailAddress": new_email(), name: "b"}) is None


def test_the_field_becomes_unique_after_concurrent_writes_have_ended(company: Company) -> None:
    """A write that began before the field became unique does not know that. Its value is recorded nevertheless."""
    name = company.field("Code")
    (lead,) = company.create({})

    async def slow() -> None:
        connection = await asyncpg.connect(company.dsn)
        await connection.execute("select set_config('app.company_id', $1, false)", str(company.id))
        async with connection.transaction():
            await connection.execute(
                "update lead set custom = jsonb_build_object($2::text, 'a') where id = $1", lead, name
            )
            other = company.at("v1.2")
            thread = threading.Thread(target=lambda: make_unique(other, name))
            thread.start()
            eventually(lambda: read(company, name).get("isUnique") == "filling")
            refused = company.error("upsertLeads", objects=[{name: "a"}], key=name)
            assert (refused["code"], refused["data"]["params"][0]["param"]) == (205, "key")
        thread.join()
        await connection.close()

    asyncio.run(slow())
    eventually(lambda: read(company, name)["isUnique"] == "1")
    assert values_agree(company)
    assert company.code("createLeads", {"emailAddress": new_email(), name: "a"}) == 301


def test_a_duplicate_that_a_background_job_finds_makes_the_field_not_unique(company: Company) -> None:
    """As with too many leads to check in the call: a background job checks them."""
    name = company.field("Code")
    company.create({name: "a"}, {name: "a"}, {name: "b"})
    sql(
        company.dsn,
        "with f as (update field set unique_id = 77777 where system_name = $1 returning company_id) "
        "insert into pass (company_id, kind, subject_id, cursor, due_at, created_at) "
        "select company_id, 'unique-fill', 77777, 0, now(), now() from f",
        name,
        company_id=company.id,
    )

    eventually(lambda: "isUnique" not in read(company, name) and number_of_values(company) == 0)
    sql(company.dsn, "update company set field_version = field_version + 1 where id = $1", company.id)
    assert company.code("createLeads", {"emailAddress": new_email(), name: "a"}) is None


def test_a_field_that_is_no_longer_unique_releases_its_values(company: Company, code: str) -> None:
    company.create({code: "a"})

    assert make_unique(company, code, 0) is None

    eventually(lambda: number_of_values(company) == 0)
    assert make_unique(company, code) is None
    assert values_agree(company)
    company.call("updateFields", objects=[{"id": read(company, code)["id"], "isUnique": 0}])
    company.call("deleteFields", objects=[{"systemName": company.field("Other", isUnique=1)}])
    again = company.field("Code", isUnique=1)
    company.create({again: "a"})
    company.call("deleteFields", objects=[{"systemName": again}])
    eventually(lambda: number_of_values(company) == 0)


# What writes do


def test_a_value_belongs_to_one_lead_and_other_objects_of_the_call_succeed(company: Company, code: str) -> None:
    company.create({code: "a"})
    emails = [new_email() for _ in range(6)]

    outcomes = company.call(
        "createLeads",
        objects=[
            {"emailAddress": emails[0], code: " a\t"},
            {"emailAddress": emails[1], code: "A"},
            {"emailAddress": emails[2], code: "b"},
            {"emailAddress": emails[3], code: "b"},
            {"emailAddress": emails[4], code: ""},
            {"emailAddress": emails[5], code: "  "},
        ],
    )

    assert codes(outcomes) == [301, None, None, 301, None, None]
    assert values_agree(company)


def test_a_value_of_a_refused_object_is_free_for_the_next(company: Company, code: str) -> None:
    company.create({"emailAddress": "a@example.com"})

    outcomes = company.call(
        "createLeads",
        objects=[
            {"emailAddress": "a@example.com", code: "x"},
            {"emailAddress": "b@example.com", code: "x", "ownerID": 1},
            {"emailAddress": "c@example.com", code: "x"},
            {"emailAddress": "c@example.com", code: "y"},
        ],
    )

    assert codes(outcomes) == [301, 303, None, 301]
    assert values_agree(company)


def test_composed_and_decomposed_letters_are_equal(company: Company, code: str) -> None:
    company.create({code: "Å"})

    assert company.code("createLeads", {"emailAddress": new_email(), code: "A\u030a"}) == 301
    assert company.code("createLeads", {"emailAddress": new_email(), code: "x" * 255}) is None
    assert company.code("createLeads", {"emailAddress": new_email(), code: "\U0001f600" * 255}) is None


@pytest.mark.parametrize("method", ["updateLeads", "updateLeadsV2", "upsertLeads"])
def test_a_change_to_a_value_of_another_lead_is_301(company: Company, code: str, method: str) -> None:
    first, second = company.create(
        {"emailAddress": new_email(), code: "a"}, {"emailAddress": "two@example.com", code: "b"}
    )

    outcomes = company.call(
        method,
        objects=[
            {"id": second, code: "a"},
            {"emailAddress": "two@example.com", code: "a", "title": "x"},
            {"id": first, code: " a", "title": "x"},
            {"id": second, code: "c"},
            {"id": first, code: "b"},
        ],
    )

    assert codes(outcomes) == [301, 301, None, None, None]
    assert values_agree(company)
    assert company.lead(second)["title"] is None


def test_deleted_and_emptied_values_are_free(company: Company, code: str) -> None:
    first, second = company.create({code: "a"}, {code: "b"})

    company.call("deleteLeads", objects=[{"id": first}])
    company.call("updateLeads", objects=[{"id": second, code: None}])

    assert number_of_values(company) == 0
    assert (
        codes(company.call("createLeads", objects=[{"emailAddress": new_email(), code: x} for x in "ab"])) == [None] * 2
    )


def test_two_leads_can_swap_their_values_over_a_third_one(company: Company, code: str) -> None:
    first, second = company.create({code: "a"}, {code: "b"})

    outcomes = company.call(
        "updateLeads", objects=[{"id": first, code: "c"}, {"id": second, code: "a"}, {"id": first, code: "b"}]
    )
    straight = company.call("updateLeads", objects=[{"id": first, code: "a"}, {"id": second, code: "b"}])

    assert codes(outcomes) == [None] * 3
    assert codes(straight) == [301, 301], "each value is taken at its turn"
    assert (company.lead(first)[code], company.lead(second)[code]) == ("b", "a")
    assert values_agree(company)


@pytest.mark.parametrize("first", [{}, {"title": "x"}])
def test_a_value_that_a_later_object_frees_is_taken_until_then(
    company: Company, code: str, first: dict[str, Any]
) -> None:
    holder, other = company.create({code: "a"}, {})

    outcomes = company.call(
        "updateLeads", objects=[{"id": other, **first}, {"id": other, code: "a"}, {"id": holder, code: "c"}]
    )

    assert codes(outcomes) == [None if first else 302, 301, None]
    assert (company.lead(holder)[code], company.lead(other)[code]) == ("c", "")
    assert values_agree(company)


VALUES = st.sampled_from(["a", "b", "c", "a ", ""])
CHANGE = st.one_of(
    st.fixed_dictionaries(
        {"id": st.sampled_from([0, 1, 2])}, optional={"code": VALUES, "title": st.sampled_from("xy")}
    ),
    st.fixed_dictionaries({"id": st.sampled_from([0, 1, 2])}, optional={"code": VALUES, "other": VALUES}),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(CHANGE, max_size=8))
def test_a_call_does_what_its_objects_would_do_one_by_one(company: Company, changes: list[dict[str, Any]]) -> None:
    names = {"code": company.field("Code", isUnique=1), "other": company.field("Other", isUnique=1), "title": "title"}
    ids = company.create({names["code"]: "a"}, {names["code"]: "b"}, {})
    model: list[dict[str, str]] = [{"code": "a"}, {"code": "b"}, {}]
    expected: list[int | None] = []
    for change in changes:
        target, values = change["id"], {name: value for name, value in change.items() if name != "id"}
        holders = {
            (name, value.strip()): number
            for number, lead in enumerate(model)
            for name, value in lead.items()
            if name != "title" and value.strip()
        }
        if any(
            holders.get((name, value.strip()), target) != target for name, value in values.items() if name != "title"
        ):
            expected.append(301)
            continue
        after = {name: value for name, value in (model[target] | values).items() if value}
        expected.append(None if after != model[target] else 302)
        model[target] = after

    sent = [{"id": ids[row["id"]], **{names[k]: v for k, v in row.items() if k != "id"}} for row in changes]
    actual = codes(company.call("updateLeads", objects=sent)) if sent else []

    assert actual == expected
    for lead_id, wanted in zip(ids, model, strict=True):
        lead = company.lead(lead_id)
        assert {k: lead[n] for k, n in names.items() if lead[n]} == wanted
    assert values_agree(company)
    for name in (names["code"], names["other"]):
        company.call("deleteFields", objects=[{"systemName": name}])


# upsertLeads by a unique field


def test_leads_are_found_by_a_unique_field(company: Company, code: str) -> None:
    (there,) = company.create({"emailAddress": "there@example.com", code: "C-1"})

    outcomes = company.call(
        "upsertLeads",
        key=code,
        objects=[
            {code: " C-1", "city": "Oslo"},
            {code: "C-2", "emailAddress": "new@example.com"},
            {code: "C-2", "city": "Rome", "emailAddress": "newer@example.com"},
            {code: "C-3", "emailAddress": "there@example.com"},
            {code: "C-4", "city": "Rome"},
            {code: "", "emailAddress": "x@example.com"},
            {"emailAddress": "there@example.com"},
            {code: "C-1", "id": there},
        ],
    )

    assert codes(outcomes) == [None, None, None, 301, 205, 205, 205, 205]
    assert [outcome.get("created") for outcome in outcomes[:3]] == [False, True, False]
    assert (outcomes[0]["id"], outcomes[2]["id"]) == (there, outcomes[1]["id"])
    assert [outcome["error"]["data"]["params"][0]["param"] for outcome in outcomes[4:]] == [
        "emailAddress",
        code,
        code,
        "id",
    ]
    assert (company.lead(there)["city"], company.lead(there)["emailAddress"]) == ("Oslo", "there@example.com")
    made = company.lead(outcomes[1]["id"])
    assert (made["city"], made["emailAddress"], made[code]) == ("Rome", "newer@example.com", "C-2")
    assert values_agree(company)


def test_a_key_that_is_not_unique_is_205_and_says_which_there_are(company: Company, code: str) -> None:
    plain = company.field("Plain")

    for key in (plain, "city", "x", "leadStatus"):
        refused = company.error("upsertLeads", key=key, objects=[{"emailAddress": new_email()}])
        assert (refused["code"], refused["data"]["params"][0]["param"]) == (205, "key")
        assert refused["data"]["validParams"] == ["id", "emailAddress", code]


def test_a_key_can_be_the_address_or_the_id(company: Company) -> None:
    (there,) = company.create({"emailAddress": "there@example.com"})

    by_address = company.call(
        "upsertLeads",
        key="emailAddress",
        objects=[{"emailAddress": "there@example.com"}, {"id": there}, {"id": there, "emailAddress": "x@example.com"}],
    )
    by_id = company.call(
        "upsertLeads",
        key="id",
        objects=[{"id": there, "emailAddress": "new@example.com"}, {"emailAddress": "new@example.com"}, {"id": 1}],
    )

    assert codes(by_address) == [None, 205, 205]
    assert codes(by_id) == [None, 205, 404]
    assert company.lead(there)["emailAddress"] == "new@example.com"


def test_two_unique_fields_are_checked_independently(company: Company, code: str) -> None:
    other = company.field("Other", isUnique=1)
    first, second = company.create({code: "a", other: "a"}, {code: "b", other: "b"})

    outcomes = company.call(
        "upsertLeads",
        key=code,
        objects=[{code: "a", other: "b"}, {code: "b", other: "c"}, {code: "a", other: "b"}, {code: "c", other: "c"}],
    )

    assert codes(outcomes) == [301, None, None, 301]
    assert (company.lead(first)[other], company.lead(second)[other]) == ("b", "c")


# At once


@pytest.mark.timeout(120)
def test_calls_that_race_for_the_same_values_make_one_lead_each_and_none_fails(company: Company, code: str) -> None:
    values = [f"C-{number}" for number in range(60)]

    def work(own: Company, worker: int) -> list[dict[str, Any]]:
        mine = random.sample(values, 60)
        leads = [{code: value, "emailAddress": f"{value}.{worker}@example.com", "title": str(worker)} for value in mine]
        return own.call("upsertLeads", key=code, objects=leads)

    answers = at_once(clients(company, 5), work)

    outcomes = [outcome for answer in answers for outcome in answer]
    assert set(codes(outcomes)) == {None}, Counter(map(str, codes(outcomes)))
    assert sum(outcome["created"] for outcome in outcomes) == 60
    assert number_of_values(company) == len(sql(company.dsn, "select 1 from lead", company_id=company.id)) == 60
    assert values_agree(company)


@pytest.mark.timeout(120)
def test_concurrent_writes_of_all_kinds_leave_values_unique(company: Company, code: str, server: Server) -> None:
    ids = company.create(*({} for _ in range(12)))

    def work(own: Company, worker: int) -> set[int | None]:
        seen: set[int | None] = set()
        for number in range(10):
            chosen = random.sample(ids, 8)
            values = [random.choice("abcdefgh") for _ in chosen]
            pairs = list(zip(chosen, values, strict=True))
            if worker == 0:
                leads = [{"emailAddress": new_email(), code: value} for value in values[:3]]
                made = own.call("createLeads", objects=leads)
                seen |= set(codes(made))
                gone = [{"id": outcome["id"]} for outcome in made if outcome["success"]]
                seen |= set(codes(own.call("deleteLeads", objects=gone))) if gone else set()
            elif worker == 1:
                seen |= set(codes(own.call("updateLeads", objects=[{"id": i, code: v} for i, v in pairs])))
            elif worker == 2:
                seen |= set(codes(own.call("upsertLeads", objects=[{"id": i, code: ""} for i in chosen])))
            else:
                leads = [{code: v, "title": str(number)} for v in values]
                seen |= set(codes(own.call("upsertLeads", key=code, objects=leads)))
        return seen

    answers = at_once(clients(company, 4), work)

    assert set().union(*answers) <= {None, 301, 302, 205}, answers
    assert values_agree(company)
