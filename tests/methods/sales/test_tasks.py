"""Tasks, rule by rule (docs/wire/notes-and-tasks.md#tasks); their columns are our choice."""

from collections.abc import Callable
from typing import Any

import pytest

from related_objects import DELETES, OBJECT_TYPES, ROLES, create_target, user
from support import Company, new_company, sql

NOTHING = {"code": 302, "message": "No table rows affected", "data": []}


def make(company: Company, *several: dict[str, Any]) -> list[int]:
    return company.make("createTasks", *({"title": "Call back", **values} for values in several))


def ids(company: Company, **where: Any) -> list[int]:
    return [int(row["id"]) for row in company.call("getTasks", where=where)]


def task(company: Company, task_id: int) -> dict[str, str | None]:
    (row,) = company.call("getTasks", where={"id": task_id})
    return row


def names(error: dict[str, Any] | None) -> list[str]:
    assert error
    return [param["param"] for param in error["data"]["params"]]


# Create


def test_a_task_has_its_columns_as_strings_in_order(company: Company) -> None:
    (lead,) = company.create({})
    new = {
        "ownerID": user(company),
        "title": "Call back",
        "description": "About the roof",
        "dueDate": "2026-03-20 09:00:00",
        "priority": "high",
        "status": "inProgress",
        "whoID": lead,
        "whoType": "lead",
    }

    (made,) = company.make("createTasks", new)

    answer = company.envelope("getTasks", {"where": {"id": made}})
    assert answer["error"] is None
    (read,) = answer["result"]["task"]
    assert list(read.items())[:12] == [
        ("id", str(made)),
        ("ownerID", user(company)),
        ("title", "Call back"),
        ("description", "About the roof"),
        ("dueDate", "2026-03-20 09:00:00"),
        ("priority", "high"),
        ("status", "inProgress"),
        ("whatID", None),
        ("whatType", None),
        ("whoID", str(lead)),
        ("whoType", "lead"),
        ("completedTimestamp", None),
    ]
    assert list(read)[12:] == ["createTimestamp", "updateTimestamp"]


def test_only_the_title_is_required(company: Company) -> None:
    (made,) = make(company, {})

    read = task(company, made)

    assert (read["status"], read["priority"]) == ("open", "normal")
    assert {read[name] for name in ("ownerID", "description", "dueDate", "whatID", "whoID")} == {None}
    for values in ({}, {"title": ""}, {"title": " "}, {"title": None}):
        assert names(company.refusal("createTasks", values)) == ["title"]


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("title", "x" * 256, 205),
        ("title", "a\0b", 205),
        ("title", ["x"], 210),
        ("description", "x" * 65_536, 205),
        ("description", None, 205),
        ("dueDate", "tomorrow", 205),
        ("dueDate", "infinity", 205),
        ("dueDate", "2026-02-30", 205),
        ("dueDate", "2026-03-20 25:00:00", 205),
        ("dueDate", "", 205),
        ("dueDate", 1, 205),
        ("dueDate", [], 210),
        ("priority", "urgent", 205),
        ("priority", "HIGH", 205),
        ("priority", None, 205),
        ("status", "done", 205),
        ("status", "", 205),
        ("status", ["open"], 210),
        ("ownerID", "me", 205),
        ("ownerID", 1, 303),
        ("ownerID", [1], 210),
        ("whoID", 1, 205),
        ("whatType", "lead", 205),
        ("color", "red", 205),
    ],
)
def test_a_wrong_value_refuses_its_task_alone(name: str, value: Any, code: int, company: Company) -> None:
    outcomes = company.call("createTasks", objects=[{"title": "a"}, {"title": "b", name: value}, {"title": "c"}])

    assert [outcome["error"] and outcome["error"]["code"] for outcome in outcomes] == [None, code, None]
    assert [row["title"] for row in company.call("getTasks")] == ["a", "c"]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("object_type", OBJECT_TYPES)
def test_a_task_can_be_about_objects_of_the_company(
    object_type: str, role: str, company: Company, given_company: Callable[..., Company]
) -> None:
    mine, theirs = create_target(company, object_type), create_target(given_company(), object_type)

    (made,) = make(company, {f"{role}ID": mine, f"{role}Type": object_type})

    assert (task(company, made)[f"{role}ID"], task(company, made)[f"{role}Type"]) == (str(mine), object_type)
    for wrong in (theirs, 1):
        for method, values in (("createTasks", {"title": "x"}), ("updateTasks", {"id": made})):
            refusal = company.refusal(method, {**values, f"{role}ID": wrong, f"{role}Type": object_type})
            assert refusal
            assert (refusal["code"], names(refusal)) == (303, [f"{role}ID"])
    other = "account" if object_type == "lead" else "lead"
    assert company.code("createTasks", {"title": "x", f"{role}ID": mine, f"{role}Type": other}) == 303


# Update and delete


def test_given_values_change_missing_values_stay_and_null_unsets(company: Company) -> None:
    (lead,) = company.create({})
    (made,) = make(
        company,
        {"ownerID": user(company), "dueDate": "2026-03-20", "whoID": lead, "whoType": "lead", "priority": "low"},
    )

    assert company.refusal("updateTasks", {"id": made, "title": "Write"}) is None
    read = task(company, made)
    assert (read["title"], read["priority"], read["dueDate"]) == ("Write", "low", "2026-03-20 00:00:00")
    for half in ({"whoID": None}, {"whoType": None}, {"whatID": lead}, {"whatType": "lead"}):
        assert company.code("updateTasks", {"id": made, **half}) == 205
    empty = {"ownerID": None, "dueDate": None, "whoID": None, "whoType": None}
    assert company.refusal("updateTasks", {"id": made, **empty}) is None
    read = task(company, made)
    assert {read[name] for name in empty} == {None}
    assert company.refusal("updateTasks", {"id": made, **empty}) == NOTHING
    sent_back = {name: value for name, value in read.items() if name != "description"}  # docs/wire/values.md#requests
    assert company.refusal("updateTasks", sent_back) == NOTHING
    assert company.refusal("updateTasks", {"id": 1, "title": "x"}) == NOTHING


def test_a_task_has_the_time_of_its_completion(company: Company) -> None:
    new, done = make(company, {}, {"status": "completed", "completedTimestamp": "2001-01-01 00:00:00"})
    assert task(company, new)["completedTimestamp"] is None
    first = task(company, done)["completedTimestamp"]
    assert first == task(company, done)["createTimestamp"]

    sql(
        company.dsn,
        "update task set completed_timestamp = completed_timestamp - interval '1 day'",
        company_id=company.id,
    )
    earlier = task(company, done)["completedTimestamp"]
    assert company.refusal("updateTasks", {"id": done, "title": "Called"}) is None
    assert task(company, done)["completedTimestamp"] == earlier != first, "the time of the first completion stays"
    assert company.refusal("updateTasks", {"id": done, "status": "open"}) is None
    assert task(company, done)["completedTimestamp"] is None
    assert company.call("updateTasks", objects=[{"id": new, "status": status} for status in ("open", "completed")])
    assert task(company, new)["completedTimestamp"] == task(company, new)["updateTimestamp"]


def test_a_deleted_task_is_gone_and_its_targets_stay(company: Company) -> None:
    (lead,) = company.create({})
    gone, bare, kept = make(company, *[{"whoID": lead, "whoType": "lead"}] * 3)

    outcomes = company.call("deleteTasks", objects=[{"id": gone}, str(bare), gone, 1, "x", [kept], {}])

    assert [outcome["error"] and outcome["error"]["code"] for outcome in outcomes] == [
        None,
        None,
        302,
        302,
        208,
        210,
        205,
    ]
    assert ids(company) == [kept]
    assert company.lead(lead)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("object_type", OBJECT_TYPES)
def test_a_task_stays_when_its_targets_are_deleted(object_type: str, role: str, company: Company) -> None:
    gone = create_target(company, object_type)
    other = company.make("createAccounts", {"accountName": "Other"})[0]
    other_role = {"what": "who", "who": "what"}[role]
    alone, both = make(
        company,
        {f"{role}ID": gone, f"{role}Type": object_type},
        {f"{role}ID": gone, f"{role}Type": object_type, f"{other_role}ID": other, f"{other_role}Type": "account"},
    )

    assert company.refusal(DELETES[object_type], gone) is None

    assert ids(company) == [alone, both]
    for task_id in (alone, both):
        assert (task(company, task_id)[f"{role}ID"], task(company, task_id)[f"{role}Type"]) == (None, None)
    assert task(company, both)[f"{other_role}ID"] == str(other)
    assert ids(company, **{f"{role}ID": gone}) == []


# Read


def test_all_filters_must_match_and_a_list_matches_any_of_its_values(company: Company) -> None:
    first, second = company.create({}, {})
    account = create_target(company, "account")
    mine = {"ownerID": user(company)}
    a, b, c, d = make(
        company,
        {**mine, "whoID": first, "whoType": "lead", "priority": "high"},
        {"whoID": second, "whoType": "lead", "whatID": account, "whatType": "account"},
        {**mine, "status": "completed"},
        {"whatID": first, "whatType": "lead", "status": "inProgress"},
    )

    assert ids(company) == [a, b, c, d]
    assert ids(company, id=[d, str(a), 1]) == [a, d]
    assert ids(company, **mine) == [a, c]
    assert ids(company, **mine, status="open") == [a]
    assert ids(company, status=["open", "inProgress"]) == [a, b, d]
    assert ids(company, priority="high") == [a]
    assert ids(company, whoType="lead") == [a, b]
    assert ids(company, whoID=second) == ids(company, whoID=[second], whoType="lead") == [b]
    assert ids(company, whoID=[first, second]) == [a, b]
    assert ids(company, whatID=first) == [d]
    assert ids(company, whatID=account, whatType="lead") == []
    assert ids(company, whatType=["account", "lead"], whatID=[account, first]) == [b, d]
    assert ids(company, id=a, status="completed") == []
    assert ids(company, status=[]) == []


def test_pages_come_in_the_order_of_ids(company: Company) -> None:
    made = make(company, *[{}] * 5)

    pages = [company.call("getTasks", where=[], limit=2, offset=offset) for offset in (0, 2, 4, 6)]

    assert [[int(row["id"]) for row in page] for page in pages] == [made[:2], made[2:4], made[4:], []]
    assert len(company.call("getTasks")) == 5


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ({"title": "x"}, 205),
        ({"status": "done"}, 205),
        ({"priority": 1}, 205),
        ({"id": "x"}, 205),
        ({"ownerID": None}, 205),
        ({"whoID": {}}, 210),
        ({"whoType": [["lead"]]}, 210),
        ({"id": [2**63]}, 205),
        ([1], 205),
        ("x", 205),
    ],
)
def test_a_wrong_filter_refuses_the_call(where: Any, code: int, company: Company) -> None:
    assert company.error("getTasks", where=where)["code"] == code


def test_times_are_the_companys_at_v1_and_utc_at_v1_2(server: Any) -> None:
    own = new_company(server, time_zone="America/New_York")
    v12 = own.at("v1.2")
    (summer,) = make(own, {"dueDate": "2026-07-01 08:00:00"})
    (winter,) = make(v12, {"dueDate": "2026-01-01 12:00:00"})

    assert task(v12, summer)["dueDate"] == "2026-07-01 12:00:00"
    assert task(own, winter)["dueDate"] == "2026-01-01 07:00:00"
    assert own.refusal("updateTasks", {"id": winter, "dueDate": "2026-01-01 07:00:00"}) == NOTHING
    assert v12.refusal("updateTasks", {"id": winter, "dueDate": "2026-01-01 07:00:00"}) is None
    assert task(own, winter)["dueDate"] == "2026-01-01 02:00:00"
    own.close()


def test_a_deep_page_is_right_after_tasks_were_completed_reassigned_or_lost_their_targets(company: Company) -> None:
    (lead,) = company.create({})
    mine = {"ownerID": user(company), "whoID": lead, "whoType": "lead"}
    made = make(company, *[mine] * 10)
    sql(company.dsn, "update task set create_timestamp = now() - interval '1 day'", company_id=company.id)

    def pages(**where: Any) -> list[int]:
        read = [company.call("getTasks", where=where, limit=3, offset=offset) for offset in range(0, 15, 3)]
        return [int(row["id"]) for page in read for row in page]

    for where in ({"status": "open"}, {"ownerID": mine["ownerID"]}, {"whoID": lead}, {"whoType": "lead"}):
        assert pages(**where) == pages(**where) == made
    assert company.refusal("updateTasks", {"id": made[2], "status": "completed"}) is None
    assert pages(status="open") == [*made[:2], *made[3:]]
    assert company.refusal("updateTasks", {"id": made[4], "ownerID": None}) is None
    assert pages(ownerID=mine["ownerID"]) == [*made[:4], *made[5:]]
    assert company.refusal("updateTasks", {"id": made[6], "whoID": None, "whoType": None}) is None
    assert pages(whoID=lead) == pages(whoType="lead") == [*made[:6], *made[7:]]
    assert company.refusal("deleteLeads", lead) is None
    assert pages(whoID=lead) == pages(whoType="lead") == []
    assert pages() == made


def test_no_company_sees_or_changes_anothers_tasks(company: Company, given_company: Callable[..., Company]) -> None:
    other = given_company()
    (made,) = make(company, {})

    assert ids(other) == ids(other, id=made) == []
    assert other.refusal("updateTasks", {"id": made, "title": "Mine"}) == NOTHING
    assert other.refusal("deleteTasks", {"id": made}) == NOTHING
    assert task(company, made)["title"] == "Call back"


def test_500_tasks_are_written_in_one_call(company: Company) -> None:
    made = make(company, *[{}] * 500)

    outcomes = company.call("updateTasks", objects=[{"id": task_id, "status": "completed"} for task_id in made])

    assert all(outcome["success"] for outcome in outcomes)
    assert ids(company, status="completed") == made
    assert all(row["completedTimestamp"] for row in company.call("getTasks"))
    assert company.error("createTasks", objects=[{}] * 501)["code"] == 209
