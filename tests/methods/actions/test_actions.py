"""createActions, getActions, stopActions, undoActions (docs/actions.md)."""

from typing import Any

import pytest

from actions import counts, ended, fill, start, undo, values_of
from support import Company


def test_a_field_of_the_leads_of_a_filter_is_set_and_set_back(company: Company) -> None:
    berlin, rome = fill(company, 3, city="Berlin", title="a"), fill(company, 2, city="Rome")

    action = start(company, kind="update", filter={"city": "Berlin"}, values={"leadStatus": "qualified", "title": "b"})

    assert (action["state"], action["fields"], counts(action)) == (
        "done",
        ["leadStatus", "title"],
        ("3", "3", "3", "0"),
    )
    assert values_of(company, berlin, "leadStatus") == ["qualified"] * 3
    assert values_of(company, rome, "leadStatus") == ["unqualified"] * 2
    undone = undo(company, action["id"])
    assert counts(undone) == ("3", "3", "3", "0")
    assert (undone["kind"], undone["undoes"]) == ("update", action["id"])
    assert values_of(company, berlin, "leadStatus") == ["unqualified"] * 3
    assert values_of(company, berlin, "title") == ["a"] * 3
    (row,) = company.call("getActions", id=action["id"])
    assert row["undoneBy"] == undone["id"]


def test_leads_are_put_on_a_list_and_taken_off_it(company: Company) -> None:
    ids = fill(company, 3)
    (list_id,) = company.make("createList", {"name": "A list"})
    company.make("addListMember", {"listID": list_id, "memberID": ids[0]})

    action = start(company, kind="addToList", ids=ids, listID=list_id)

    assert counts(action) == ("3", "3", "2", "0")
    assert len(company.call("getListMembers", where={"id": list_id})) == 3
    assert counts(undo(company, action["id"])) == ("2", "2", "2", "0")
    assert [row["leadID"] for row in company.call("getListMembers", where={"id": list_id})] == [str(ids[0])]
    removal = start(company, kind="removeFromList", filter={}, listID=list_id)
    assert counts(removal) == ("3", "3", "1", "0")
    assert company.call("getListMembers", where={"id": list_id}) == []
    undo(company, removal["id"])
    assert [row["leadID"] for row in company.call("getListMembers", where={"id": list_id})] == [str(ids[0])]


def test_leads_are_deleted_and_come_back(company: Company) -> None:
    ids = fill(company, 3, city="Berlin")

    action = start(company, kind="delete", filter={"city": "Berlin"})

    assert counts(action) == ("3", "3", "3", "0")
    assert company.call("getLeads", where={}) == []
    assert counts(undo(company, action["id"])) == ("3", "3", "3", "0")
    assert values_of(company, ids, "city") == ["Berlin"] * 3


def test_deleted_leads_are_restored_and_deleted_again(company: Company) -> None:
    ids = fill(company, 2)
    company.envelope("deleteLeads", {"objects": ids})

    action = start(company, kind="restore", ids=[*ids, 5])

    assert counts(action) == ("3", "3", "2", "1")
    assert action["failures"] == [
        {"code": 404, "message": "A record with that ID does not exist", "params": [], "leads": 1, "leadIDs": ["5"]}
    ]
    assert len(company.call("getLeads", where={})) == 2
    undo(company, action["id"])
    assert company.call("getLeads", where={}) == []


def test_a_large_action_runs_in_the_background_and_undoes_as_one(company: Company) -> None:
    ids = fill(company, 1_203, city="Berlin")

    action = start(company, kind="update", filter={"city": "Berlin"}, values={"city": "Rome"})

    assert (action["state"], action["total"]) == ("running", "1203")
    assert counts(ended(company, action)) == ("1203", "1203", "1203", "0")
    assert company.call("getLeadCount", filter={"city": "Rome"})[0]["count"] == "1203"
    undone = ended(company, undo(company, action["id"]))
    assert counts(undone) == ("1203", "1203", "1203", "0")
    assert company.call("getLeadCount", filter={"city": "Berlin"})[0]["count"] == "1203"
    assert len(company.call("getLeadHistory", id=ids[700])) == 3


def test_an_undo_leaves_what_was_changed_since(company: Company) -> None:
    first, second, third, fourth = fill(company, 4, city="Berlin", title="a")
    action = start(company, kind="update", filter={}, values={"city": "Rome", "title": "b"})
    company.call("updateLeads", objects=[{"id": first, "city": "Bonn"}, {"id": second, "website": "x.example"}])
    company.call("deleteLeads", objects=[third])

    undone = undo(company, action["id"])

    assert counts(undone) == ("4", "4", "3", "2")
    assert {failure["code"]: failure["leadIDs"] for failure in undone["failures"]} == {
        409: [str(first)],
        404: [str(third)],
    }
    assert values_of(company, [first, second, fourth], "city") == ["Bonn", "Berlin", "Berlin"]
    assert values_of(company, [first, second, fourth], "title") == ["a"] * 3


@pytest.mark.parametrize(
    ("action", "param"),
    [
        ({"kind": "update", "values": {"city": "x"}}, "ids"),
        ({"kind": "update", "ids": [1], "filter": {}, "values": {"city": "x"}}, "ids"),
        ({"kind": "update", "filter": {}}, "values"),
        ({"kind": "update", "filter": {}, "values": {}}, "values"),
        ({"kind": "update", "filter": {}, "values": {"nothing": "x"}}, "nothing"),
        ({"kind": "update", "filter": {}, "values": {"leadScore": "x"}}, "leadScore"),
        ({"kind": "update", "filter": {}, "values": {"emailAddress": "a@example.com"}}, "emailAddress"),
        ({"kind": "update", "filter": {}, "values": {"id": 1}}, "values"),
        ({"kind": "update", "filter": {}, "values": {"city": "x"}, "expected": {"city": "y"}}, "expected"),
        ({"kind": "update", "filter": {"nothing": 1}, "values": {"city": "x"}}, "filter.nothing"),
        ({"kind": "delete", "filter": {}, "values": {"city": "x"}}, "values"),
        ({"kind": "delete", "ids": [1], "until": 4}, "until"),
        ({"kind": "delete", "ids": []}, "ids"),
        ({"kind": "delete", "ids": list(range(501))}, "ids"),
        ({"kind": "addToList", "ids": [1]}, "listID"),
        ({"kind": "restore", "filter": {}}, "ids"),
        ({"kind": "forget", "ids": [1]}, "kind"),
    ],
)
def test_a_wrong_action_is_205_and_does_nothing(company: Company, action: dict[str, Any], param: str) -> None:
    company.create({})
    before = company.call("getLeads", where={})

    error = company.refusal("createActions", action)

    assert error is not None
    assert (error["code"], param in {problem["param"] for problem in error["data"]["params"]}) == (205, True), error
    assert company.call("getLeads", where={}) == before
    assert company.call("getActions") == []


def test_a_dry_run_counts_and_its_until_leaves_out_what_was_changed_since(company: Company) -> None:
    first, second, third = fill(company, 3, city="Berlin")
    query = {"kind": "update", "filter": {"city": "Berlin"}, "values": {"title": "x"}}
    (dry,) = company.envelope("createActions", {"objects": [{**query, "dryRun": 1}]})["result"]["creates"]
    assert dry["total"] == 3
    company.call("updateLeads", objects=[{"id": second, "website": "w.example"}])
    (late,) = fill(company, 1, city="Berlin")

    action = start(company, **query, until=dry["until"])

    assert counts(action) == ("2", "2", "2", "0")
    assert values_of(company, [first, second, third, late], "title") == ["x", None, "x", None]
    assert company.call("getActions", id=action["id"])[0]["undoTimestamp"]


def test_the_action_of_one_lead_answers_as_an_update(company: Company) -> None:
    (lead,) = company.create({"city": "Berlin"})
    edit = {"kind": "update", "ids": [lead], "values": {"city": "Rome"}, "expected": {"city": "Berlin"}}
    action = start(company, **edit)

    error = company.refusal("createActions", {**edit, "values": {"city": "Bonn"}})

    assert error is not None
    assert (error["code"], error["data"]["conflict"]["city"]["value"]) == (409, "Rome")
    assert company.code("createActions", {**edit, "values": {"city": "Rome"}}) == 302
    assert len(company.call("getActions")) == 1
    undo(company, action["id"])
    assert company.lead(lead)["city"] == "Berlin"
    assert company.code("undoActions", {"id": action["id"]}) == 302


def test_an_undo_can_be_undone(company: Company) -> None:
    ids = fill(company, 3, city="Berlin")
    action = start(company, kind="delete", ids=ids)

    redo = undo(company, undo(company, action["id"])["id"])

    assert (redo["kind"], counts(redo)) == ("delete", ("3", "3", "3", "0"))
    assert company.call("getLeads", where={}) == []


def test_a_lead_that_somebody_restored_or_changed_meanwhile_is_left_alone_by_the_undo(company: Company) -> None:
    ids = fill(company, 3)
    deletion = start(company, kind="delete", ids=ids)
    company.call("restoreLeads", objects=[ids[0]])
    company.call("deleteLeads", objects=[ids[0]])

    undone = undo(company, deletion["id"])

    assert [(failure["code"], failure["leadIDs"]) for failure in undone["failures"]] == [(409, [str(ids[0])])]
    assert {row["id"] for row in company.call("getLeads", where={})} == {str(lead) for lead in ids[1:]}


def test_the_events_of_an_action_name_it_and_the_key_is_known(company: Company) -> None:
    (lead,) = company.create({})
    company.call("updateLeads", objects=[{"id": lead, "title": "x"}])
    action = start(company, kind="update", ids=[lead], values={"city": "Rome"})

    events = [row["data"] for row in company.call("exportLead", id=lead) if row["part"] == "event"]

    assert [event["actionID"] for event in events] == [None, None, action["id"]]
    assert action["keyID"]


def test_custom_fields_and_several_writes_of_one_field_go_back_to_the_first_value(company: Company) -> None:
    name = company.field("Color")
    ids = company.create({name: "red"}, {})

    action = start(company, kind="update", ids=ids, values={name: "blue"})

    undo(company, action["id"])
    assert [company.lead(lead)[name] for lead in ids] == ["red", ""]
