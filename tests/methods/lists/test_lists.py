"""Lists, rule by rule (docs/wire/lists.md): create, change, delete and read them."""

from collections.abc import Callable
from typing import Any

import pytest

from lists import add_members, counts, fill, members, new_list, true_counts
from support import Company, Server, eventually, sql

NOTHING = {"code": 302, "message": "No table rows affected", "data": []}
COLUMNS = ["id", "name", "memberCount", "removedCount", "createTimestamp", "description"]


def read(company: Company, list_id: int) -> dict[str, Any]:
    (row,) = company.call("getActiveLists", where={"id": list_id})
    return row


def test_a_list_is_created_from_flat_params_and_its_id_is_an_integer(company: Company) -> None:
    answer = company.envelope("createList", {"name": "API List", "description": "…"})

    ((key, (outcome,)),) = answer["result"].items()
    assert key == "creates"
    assert list(outcome) == ["success", "error", "id"]
    assert (outcome["success"], outcome["error"], answer["error"]) == (True, None, [])
    assert isinstance(outcome["id"], int)


def test_a_list_is_read_as_captured(company: Company) -> None:
    list_id = new_list(company, "API List", description="…")

    answer = company.envelope("getActiveLists", {"where": {"id": list_id}})

    assert list(answer) == ["result", "error", "id"]
    assert answer["error"] is None
    (row,) = answer["result"]["activeList"]
    assert list(row) == COLUMNS, "no key `filter` without a filter"
    assert len(row.pop("createTimestamp")) == 19
    assert row == {
        "id": str(list_id), "name": "API List", "memberCount": "0", "removedCount": "0", "description": "…"
    }  # fmt: skip


def test_a_description_that_is_not_given_is_null(company: Company) -> None:
    assert read(company, new_list(company))["description"] is None


@pytest.mark.parametrize("params", [{}, {"description": "x"}, {"objects": None}])
def test_a_list_needs_a_name(company: Company, params: dict[str, Any]) -> None:
    error = company.error("createList", **params)

    assert error["code"] == 206
    assert [param["param"] for param in error["data"]["params"]] == ["name"]


@pytest.mark.parametrize(("name", "code"), [("", 205), ("   ", 205), ("x" * 256, 205), (None, 205), ([], 210)])
def test_a_wrong_name_refuses_a_call_for_one_list(company: Company, name: Any, code: int) -> None:
    assert company.error("createList", name=name)["code"] == code
    assert company.call("getActiveLists") == []


def test_several_lists_are_created_with_objects_and_a_refused_one_does_not_stop_the_others(company: Company) -> None:
    answer = company.envelope("createList", {"objects": [{"name": "a"}, {}, {"name": "b"}]})

    outcomes = answer["result"]["creates"]
    assert [outcome["success"] for outcome in outcomes] == [True, False, True]
    assert outcomes[1]["error"]["code"] == 205
    assert answer["error"] == [outcomes[1]["error"]]
    assert [row["name"] for row in company.call("getActiveLists")] == ["a", "b"]


def test_two_lists_can_have_the_same_name(company: Company) -> None:
    assert new_list(company, "twice") != new_list(company, "twice")


def test_counts_and_times_that_are_sent_are_ignored(company: Company) -> None:
    list_id = new_list(company, id=5, memberCount=17, removedCount="3", createTimestamp="2001-01-01 00:00:00")

    assert list_id != 5
    assert counts(company, list_id) == (0, 0)
    assert read(company, list_id)["createTimestamp"] > "2020"


def test_times_are_in_the_zone_of_the_call(given_company: Callable[..., Company]) -> None:
    company = given_company(time_zone="Asia/Tokyo")
    list_id = new_list(company)

    assert read(company, list_id)["createTimestamp"] > read(company.at("v1.2"), list_id)["createTimestamp"]


def test_a_list_is_changed_by_its_id_and_missing_values_stay(company: Company) -> None:
    list_id = new_list(company, "before", description="d")

    answer = company.envelope("updateList", {"id": list_id, "name": "after"})

    assert answer["result"] == {"updates": [{"success": True, "error": None}]}
    assert answer["error"] == []
    row = read(company, list_id)
    assert (row["name"], row["description"]) == ("after", "d")


def test_a_change_of_a_list_keeps_its_members_and_counts(company: Company) -> None:
    list_id, leads = new_list(company), company.create({}, {})
    add_members(company, list_id, *leads)

    company.call("updateList", id=list_id, name="x", memberCount=0)

    assert counts(company, list_id) == (2, 0)
    assert members(company, list_id) == leads


def test_a_change_of_an_unknown_list_or_without_effect_is_302(company: Company) -> None:
    list_id = new_list(company, "same")

    assert company.error("updateList", id=list_id, name="same") == NOTHING
    assert company.error("updateList", id=1, name="same") == NOTHING
    assert company.code("updateList", {"id": 1, "name": "same"}) == 302


def test_deleted_lists_are_gone_but_their_leads_stay(company: Company) -> None:
    first, other, third = new_list(company, "one"), new_list(company, "other"), new_list(company, "third")
    leads = company.create({}, {})
    for list_id in (first, other):
        add_members(company, list_id, *leads)

    answer = company.envelope("deleteList", {"objects": [{"id": first}, {"id": first}, {"id": 1}, str(third)]})

    assert [outcome["error"] for outcome in answer["result"]["deletes"]] == [None, NOTHING, NOTHING, None]
    assert [row["name"] for row in company.call("getActiveLists")] == ["other"]
    assert members(company, first) == []
    assert len(company.call("getLeads", where={})) == 2


def test_a_list_is_deleted_by_a_flat_id_too(company: Company) -> None:
    list_id = new_list(company)

    assert company.call("deleteList", id=str(list_id)) == [{"success": True, "error": None}]
    assert company.error("deleteList", id=list_id) == NOTHING
    assert company.error("deleteList")["code"] == 205


def test_no_read_shows_members_of_a_deleted_list_while_their_rows_still_exist(company: Company, server: Server) -> None:
    list_id, (lead,) = new_list(company), company.create({})
    add_members(company, list_id, lead)
    sql(server.dsn, "delete from list where id = $1", list_id, company_id=company.id)

    assert true_counts(server, company, list_id) == (1, 0)
    assert company.call("getListMembers", where={"id": list_id}) == []
    for flag in ("removed", "unsubscribed", "hardbounced"):
        assert company.call("getRemovedListMembers", where={"id": list_id, "flag": flag}) == []
    assert company.call("getListMemberships", emailAddress=company.lead(lead)["emailAddress"]) == []
    assert company.call("getContactListMemberships", where={"contactID": lead}) == []
    assert company.call("getLeadListMemberships", memberIDs=[lead]) == []
    assert company.call("deleteLeads", objects=[lead]) == [{"success": True, "error": None}]


def test_the_members_of_a_deleted_list_are_deleted_later(company: Company, server: Server) -> None:
    list_id = new_list(company)
    fill(server, company, list_id, 12_000)

    company.call("deleteList", id=list_id)

    eventually(lambda: true_counts(server, company, list_id) == (0, 0))
    assert sql(server.dsn, "select from pass where company_id = $1", company.id) == []


def test_lists_come_in_pages_in_the_order_of_their_ids(company: Company) -> None:
    ids = company.make("createList", *({"name": f"l{number}"} for number in range(7)))

    def page(**params: Any) -> list[int]:
        return [int(row["id"]) for row in company.call("getActiveLists", **params)]

    assert page() == page(where={}) == page(where=[]) == page(where="") == ids
    assert page(limit=3) == ids[:3]
    assert page(limit=3, offset=3) == ids[3:6]
    assert page(limit=3, offset=6) == ids[6:]
    assert page(where={"id": [ids[1], str(ids[4]), 1]}) == [ids[1], ids[4]]
    assert page(where={"id": ids[2]}, offset=1) == []


def test_an_unknown_filter_is_refused_since_ignoring_it_would_return_everything(company: Company) -> None:
    assert company.error("getActiveLists", where={"name": "x"})["code"] == 205


def test_without_tags_the_list_of_tags_is_empty(company: Company) -> None:
    answer = company.envelope("getListTags", {})

    assert list(answer) == ["hasMore", "result", "error", "id"]
    assert answer["result"] == {"getAllgetListTagss": [], "hasMore": False}
    assert answer["error"] == []


def test_stored_tags_are_read(company: Company, server: Server) -> None:
    sql(
        server.dsn,
        """
        insert into list_tag (company_id, create_timestamp, update_timestamp, label) values ($1, now(), now(), 'Spring')
        """,
        company.id,
        company_id=company.id,
    )

    (row,) = company.call("getListTags")

    assert (row["label"], row["objectType"]) == ("Spring", "list")


def test_the_lists_of_another_company_are_unknown(given_company: Callable[..., Company]) -> None:
    company, other = given_company(), given_company()
    theirs = new_list(other, "theirs")

    assert company.call("getActiveLists", where={"id": theirs}) == []
    assert company.error("updateList", id=theirs, name="mine") == NOTHING
    assert company.error("deleteList", id=theirs) == NOTHING
    assert read(other, theirs)["name"] == "theirs"
