"""Lists with a filter, compared with a full evaluation (docs/wire/lists.md#rules-based-lists)."""

import asyncio
import json
import random
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from callers import another_client, at_once
from lists import add_members, counts, fill, members, new_list, true_counts
from springhead.store.database.deadlines import LAST_WRITE_SECONDS
from support import Company, Server, eventually, new_email, sql

NOTHING = {"code": 302, "message": "No table rows affected", "data": []}


def shown_filter(company: Company, list_id: int) -> Any:
    """The filter that reads of the list show, or None."""
    (row,) = company.call("getActiveLists", where={"id": list_id})
    return row.get("filter")


def change(company: Company, *leads: dict[str, Any]) -> None:
    outcomes = company.call("updateLeads", objects=list(leads))
    assert all(outcome["success"] for outcome in outcomes), outcomes


def finish_background_jobs(server: Server, company: Company) -> None:
    """Makes all delayed background jobs due and waits for their end, except the recycle bin's, which never ends."""
    sql(server.dsn, "update pass set due_at = now() where company_id = $1", company.id)
    left = "select from pass where company_id = $1 and kind <> 'recycle'"
    eventually(lambda: not sql(server.dsn, left, company.id), seconds=30)


# Creating a list


def test_a_new_list_has_all_matching_leads_when_the_call_returns(company: Company) -> None:
    berlin, _, lower, _ = company.create({"city": "Berlin"}, {"city": "Bonn"}, {"city": "BERLIN"}, {})

    list_id = new_list(company, filter={"city": "Berlin"})

    assert members(company, list_id) == [berlin, lower]
    assert counts(company, list_id) == (2, 0)


def test_the_filter_is_shown_as_the_last_key_of_lists_that_have_one(company: Company) -> None:
    plain, ruled = new_list(company), new_list(company, filter={"city": "Berlin", "leadScore": {"atLeast": "10"}})

    rows = company.call("getActiveLists")

    assert "filter" not in rows[0]
    assert list(rows[1])[-1] == "filter"
    assert rows[1]["filter"] == {"and": [{"city": {"equals": "Berlin"}}, {"leadScore": {"atLeast": 10}}]}
    assert [row["id"] for row in rows] == [str(plain), str(ruled)]


def test_a_shown_filter_can_be_sent_again_with_the_same_meaning(company: Company) -> None:
    company.create({"city": "Berlin"}, {"city": "Bonn", "leadScore": 20})
    wanted = {"or": [{"city": "berlin"}, {"not": {"leadScore": {"between": [0, 10]}}}], "title": {"empty": True}}
    list_id = new_list(company, filter=wanted)

    other = new_list(company, filter=shown_filter(company, list_id))

    assert shown_filter(company, list_id) == shown_filter(company, other)
    assert members(company, list_id) == members(company, other) != []
    assert company.error("updateList", id=list_id, filter=wanted) == NOTHING


def test_times_are_in_the_zone_of_the_call(given_company: Callable[..., Company]) -> None:
    company = given_company(time_zone="Asia/Tokyo")

    list_id = new_list(company, filter={"createTimestamp": {"atLeast": "2030-05-01 12:00:00"}})

    assert shown_filter(company, list_id) == {"createTimestamp": {"atLeast": "2030-05-01 12:00:00"}}
    assert shown_filter(company.at("v1.2"), list_id) == {"createTimestamp": {"atLeast": "2030-05-01 03:00:00"}}


@pytest.mark.parametrize(
    ("filter", "code", "named"),
    [
        ({"cit": "Berlin"}, 205, "filter.cit"),
        ({"hasOpportunity": 1}, 205, "filter.hasOpportunity"),
        ({"leadScore": "many"}, 205, "filter.leadScore"),
        ({"city": {"above": 1}}, 205, "filter.city.above"),
        ({}, 205, "filter"),
        ("Berlin", 205, "filter"),
        ([], 210, "filter"),
        ([{"city": "Berlin"}], 210, "filter"),
    ],
)
def test_a_wrong_filter_is_refused_and_its_path_is_named(company: Company, filter: Any, code: int, named: str) -> None:
    error = company.error("createList", name="x", filter=filter)

    assert error["code"] == code
    assert error["data"]["params"][0]["param"] == named
    assert company.call("getActiveLists") == []


def test_a_refused_filter_does_not_stop_other_lists(company: Company) -> None:
    (lead,) = company.create({"city": "Berlin"})

    outcomes = company.call(
        "createList",
        objects=[{"name": "a", "filter": {"x": 1}}, {"name": "b", "filter": {"city": "Berlin"}}, {"name": "c"}],
    )

    assert [outcome["error"] and outcome["error"]["code"] for outcome in outcomes] == [205, None, None]
    assert members(company, outcomes[1]["id"]) == [lead]
    assert counts(company, outcomes[2]["id"]) == (0, 0)


def test_a_company_can_have_100_lists_with_a_filter(company: Company) -> None:
    lists = [{"name": str(number), "filter": {"city": str(number)}} for number in range(100)]
    ids = company.make("createList", *lists)
    (lead,) = company.create({"city": "42"})
    assert members(company, ids[42]) == [lead]

    error = company.error("createList", name="x", filter={"city": "x"})

    assert error["code"] == 205
    assert error["data"]["params"][0]["message"] == "A company can have 100 lists with a filter"
    company.call("deleteList", id=ids[7])
    new_list(company, filter={"city": "x"})
    assert company.error("updateList", id=new_list(company), filter={"city": "y"})["code"] == 205


def test_the_filters_of_a_company_cost_2000_points_at_most_and_createlist_says_so(company: Company) -> None:
    """Every write of a lead evaluates all filters, so their cost is limited where they are made (A63)."""

    def with_tests(count: int, field: str = "lastName") -> dict[str, Any]:
        return {"or": [{field: {"contains": f"x{number}"}} for number in range(count)]}

    for number in range(19):
        new_list(company, filter=with_tests(100), name=str(number))
    almost = new_list(company, filter=with_tests(99))

    error = company.error("createList", name="x", filter=with_tests(2))
    assert error["code"] == 205
    assert error["data"]["params"][0]["message"].startswith(
        "The filters of a company's lists can cost 2000 points, and with this one they would cost 2001."
    )
    new_list(company, filter=with_tests(1))
    assert company.error("updateList", id=almost, filter=with_tests(100))["code"] == 205
    assert company.error("updateList", id=almost, filter=with_tests(2, "description"))["code"] == 205
    company.call("updateList", id=almost, filter=with_tests(1, "description"))
    company.call("createLeads", objects=[{"lastName": "x98"}])


# Following the leads


def test_a_lead_joins_and_leaves_with_the_call_that_changes_it(company: Company) -> None:
    list_id = new_list(company, filter={"city": "Berlin"})
    first, other = company.create({"city": "Berlin"}, {"city": "Bonn"})
    assert members(company, list_id) == [first]

    change(company, {"id": first, "city": "Bonn"}, {"id": other, "city": "berlin"})
    assert members(company, list_id) == [other]
    assert counts(company, list_id) == (1, 0), "a member who leaves by the filter does not count as removed"

    change(company, {"id": first, "city": "Berlin"})
    assert sorted(members(company, list_id)) == [first, other]
    assert counts(company, list_id) == (2, 0)


def test_every_way_to_change_a_lead_is_followed(company: Company) -> None:
    list_id = new_list(company, filter={"title": "CEO"})
    address = new_email()
    (lead,) = company.create({"emailAddress": address})

    for method, named in (
        ("updateLeads", {"id": lead}),
        ("updateLeadsV2", {"id": lead}),
        ("updateLeads", {"emailAddress": address}),
        ("updateLeadsV2", {"emailAddress": address.upper()}),
    ):
        assert company.code(method, {**named, "title": "CEO"}) is None
        assert members(company, list_id) == [lead], method
        assert company.code(method, {**named, "title": ""}) is None
        assert members(company, list_id) == [], method


def test_a_call_that_changes_one_lead_twice_counts_with_its_last_state(company: Company) -> None:
    list_id = new_list(company, filter={"city": "Berlin"})
    (lead,) = company.create({})

    change(company, {"id": lead, "city": "Berlin"}, {"id": lead, "city": "Bonn"})
    assert members(company, list_id) == []
    change(company, {"id": lead, "city": "Rome"}, {"id": lead, "city": "Berlin"})
    assert members(company, list_id) == [lead]


def test_one_lead_can_be_on_several_lists_and_move_between_them(company: Company) -> None:
    berlin, bonn = (new_list(company, filter={"city": city}) for city in ("Berlin", "Bonn"))
    everybody = new_list(company, filter={"city": {"empty": False}})
    (lead,) = company.create({"city": "Berlin"})
    assert [members(company, list_id) for list_id in (berlin, bonn, everybody)] == [[lead], [], [lead]]

    change(company, {"id": lead, "city": "Bonn"})

    assert [members(company, list_id) for list_id in (berlin, bonn, everybody)] == [[], [lead], [lead]]


def test_custom_fields_are_followed(company: Company) -> None:
    size, news = company.field("Size"), company.field("News", "checkbox", options=["sport", "arts"])
    list_id = new_list(company, filter={"or": [{size: "XL"}, {news: "arts"}]})
    first, other = company.create({size: "xl"}, {news: "sport,arts"})
    assert members(company, list_id) == [first, other]

    change(company, {"id": first, size: None}, {"id": other, news: "sport"})
    assert members(company, list_id) == []
    change(company, {"id": first, news: ["arts"]})
    assert members(company, list_id) == [first]


def test_a_field_that_is_created_after_the_list_can_be_in_its_next_filter(company: Company) -> None:
    list_id = new_list(company, filter={"city": "Berlin"})
    size = company.field("Size")
    (lead,) = company.create({size: "XL"})

    company.call("updateList", id=list_id, filter={size: "XL"})

    assert members(company, list_id) == [lead]


def test_statuses_are_followed_also_those_set_by_opportunities(company: Company) -> None:
    contacts = new_list(company, filter={"isContact": 1})
    buying = new_list(company, filter={"leadStatus": ["contactWithOpp", "customer"]})
    (lead,) = company.create({"leadStatus": "contact"})
    assert (members(company, contacts), members(company, buying)) == ([lead], [])

    (stage,) = company.make("createDealStages", {"dealStageName": "Offer"})
    (deal,) = company.make(
        "createOpportunities",
        {"opportunityName": "x", "dealStageID": stage, "closeDate": "2030-01-01", "primaryLeadID": lead},
    )
    assert (members(company, contacts), members(company, buying)) == ([lead], [lead])

    company.call("updateOpportunities", objects=[{"id": deal, "isClosed": 1, "isWon": 1}])
    assert (members(company, contacts), members(company, buying)) == ([], [lead])

    change(company, {"id": lead, "leadStatus": "open"})
    assert (members(company, contacts), members(company, buying)) == ([], [])


@pytest.mark.parametrize("noun", ["Account", "Campaign"])
def test_leads_that_lose_a_reference_by_a_deletion_are_followed(company: Company, noun: str) -> None:
    column, name = f"{noun.lower()}ID", f"{noun.lower()}Name"
    (target,) = company.make(f"create{noun}s", {name: "x"})
    having = new_list(company, filter={column: target})
    without = new_list(company, filter={column: {"empty": True}})
    (lead,) = company.create({column: target})
    assert (members(company, having), members(company, without)) == ([lead], [])

    company.call(f"delete{noun}s", objects=[{"id": target}])

    eventually(lambda: company.lead(lead)[column] is None)
    assert (members(company, having), members(company, without)) == ([], [lead])


def test_a_lead_that_is_deactivated_leaves_and_comes_back(company: Company) -> None:
    list_id = new_list(company, filter={"city": "Berlin"})
    lead, _ = company.create({"city": "Berlin"}, {"city": "Berlin", "active": 0})
    assert members(company, list_id) == [lead]

    change(company, {"id": lead, "active": 0})
    assert (members(company, list_id), counts(company, list_id)) == ([], (0, 0))
    change(company, {"id": lead, "active": 1})
    assert (members(company, list_id), counts(company, list_id)) == ([lead], (1, 0))


def test_a_deleted_lead_leaves_and_the_count_says_so(company: Company, server: Server) -> None:
    list_id = new_list(company, filter={"city": "Berlin"})
    first, other = company.create({"city": "Berlin"}, {"city": "Berlin"})

    company.call("deleteLeads", objects=[first])

    assert members(company, list_id) == [other]
    assert counts(company, list_id) == true_counts(server, company, list_id) == (1, 0)


def test_500_leads_of_a_call_are_followed(company: Company) -> None:
    list_id = new_list(company, filter={"leadScore": {"atLeast": 250}})
    ids = company.create(*({"leadScore": score} for score in range(500)))
    assert members(company, list_id) == ids[250:]

    change(company, *({"id": lead_id, "leadScore": 499 - index} for index, lead_id in enumerate(ids)))

    assert sorted(members(company, list_id)) == ids[:250]
    assert counts(company, list_id) == (250, 0)


def test_a_page_of_members_begins_at_its_offset_after_a_member_before_it_left(company: Company, server: Server) -> None:
    list_id = new_list(company, filter={"city": "Berlin"})
    ids = company.create(*({"city": "Berlin"} for _ in range(12)))
    sql(server.dsn, "update list_member set create_timestamp = now() - interval '1 hour'", company_id=company.id)

    def page(offset: int) -> list[int]:
        rows = company.call("getListMembers", where={"id": list_id}, limit=4, offset=offset)
        return [int(row["leadID"]) for row in rows]

    assert (
        [page(offset) for offset in (0, 4, 8)] * 2
        == [page(offset) for offset in (0, 4, 8)] * 2
        == [ids[:4], ids[4:8], ids[8:]] * 2
    )
    change(company, {"id": ids[1], "city": "Bonn"})
    assert [page(offset) for offset in (4, 8)] == [ids[5:9], ids[9:]]


def test_a_company_follows_its_own_filters_only(given_company: Callable[..., Company]) -> None:
    company, other = given_company(), given_company()
    mine, theirs = new_list(company, filter={"city": "Berlin"}), new_list(other, filter={"city": "Berlin"})

    (lead,) = company.create({"city": "Berlin"})

    assert members(company, mine) == [lead]
    assert members(other, theirs) == []


# Changing members by a call


def test_members_of_a_list_with_a_filter_cannot_be_added_or_removed_by_calls(company: Company) -> None:
    list_id = new_list(company, filter={"city": "Berlin"})
    inside, outside = company.create({"city": "Berlin"}, {})
    address = company.lead(inside)["emailAddress"]

    errors = [
        company.error("addListMember", listID=list_id, memberID=outside),
        company.error("addListMember", listID=list_id, memberID=inside),
        company.error("addListMemberEmailAddress", listID=list_id, emailAddress=address),
        company.error("removeListMember", listID=list_id, contactID=inside),
        company.error("removeListMemberEmailAddress", listID=list_id, emailAddress=address),
        company.error("removeListMembersAll", listID=list_id),
    ]

    assert {error["code"] for error in errors} == {205}
    assert {error["data"]["params"][0]["param"] for error in errors} == {"listID"}
    assert company.code("addListMembers", {"listID": list_id, "memberID": outside}) == 205
    assert members(company, list_id) == [inside]


# Changing the filter


def test_with_another_filter_the_list_has_other_members(company: Company) -> None:
    berlin, bonn, both = company.create(
        {"city": "Berlin"}, {"city": "Bonn", "title": "x"}, {"city": "Berlin", "title": "x"}
    )
    list_id = new_list(company, filter={"city": "Berlin"})
    assert members(company, list_id) == [berlin, both]

    company.call("updateList", id=list_id, filter={"title": "x"})

    assert sorted(members(company, list_id)) == [bonn, both]
    assert counts(company, list_id) == (2, 0)
    change(company, {"id": berlin, "title": "X"}, {"id": both, "city": ""})
    assert sorted(members(company, list_id)) == [berlin, bonn, both]


def test_a_new_name_leaves_the_filter_and_the_members(company: Company) -> None:
    (lead,) = company.create({"city": "Berlin"})
    list_id = new_list(company, filter={"city": "Berlin"})

    company.call("updateList", id=list_id, name="Another")

    assert shown_filter(company, list_id) == {"city": {"equals": "Berlin"}}
    assert members(company, list_id) == [lead]
    (other,) = company.create({"city": "Berlin"})
    assert members(company, list_id) == [lead, other]


def test_a_list_whose_filter_is_removed_keeps_its_members_and_accepts_changes(company: Company) -> None:
    lead, other = company.create({"city": "Berlin"}, {})
    list_id = new_list(company, filter={"city": "Berlin"})

    company.call("updateList", id=list_id, filter=None)

    assert shown_filter(company, list_id) is None
    change(company, {"id": lead, "city": "Bonn"}, {"id": other, "city": "Berlin"})
    assert members(company, list_id) == [lead]
    add_members(company, list_id, other)
    company.call("removeListMember", listID=list_id, contactID=lead)
    assert (members(company, list_id), counts(company, list_id)) == ([other], (1, 1))
    assert company.error("updateList", id=list_id, filter=None) == NOTHING


def test_a_list_that_gets_a_filter_has_only_matching_members_and_no_removed_ones(
    company: Company, server: Server
) -> None:
    list_id = new_list(company)
    stays, back, goes, forgotten, joins = company.create(
        {"city": "Berlin"}, {"city": "Berlin"}, {}, {}, {"city": "Berlin"}
    )
    add_members(company, list_id, stays, back, goes, forgotten)
    company.call(
        "removeListMembers", objects=[{"listID": list_id, "contactID": lead_id} for lead_id in (back, forgotten)]
    )
    assert counts(company, list_id) == (2, 2)

    company.call("updateList", id=list_id, filter={"city": "Berlin"})

    assert sorted(members(company, list_id)) == sorted([stays, back, joins])
    assert counts(company, list_id) == true_counts(server, company, list_id) == (3, 0)


def test_a_deleted_list_no_longer_follows_leads(company: Company, server: Server) -> None:
    company.create({"city": "Berlin"})
    list_id = new_list(company, filter={"city": "Berlin"})

    company.call("deleteList", id=list_id)

    company.create({"city": "Berlin"})
    finish_background_jobs(server, company)
    assert true_counts(server, company, list_id) == (0, 0)


def test_a_deleted_custom_field_counts_as_empty_in_filters(company: Company) -> None:
    size, other = company.field("Size"), company.field("Other")
    large_lead, small_lead = company.create({size: "XL"}, {size: "S", other: "x"})
    big = new_list(company, filter={size: "XL"})
    no_size = new_list(company, filter={size: {"empty": True}})
    others = new_list(company, filter={other: "x"})
    assert [members(company, list_id) for list_id in (big, no_size, others)] == [[large_lead], [], [small_lead]]

    company.call("deleteFields", objects=[{"systemName": size}])

    assert members(company, big) == []
    assert sorted(members(company, no_size)) == [large_lead, small_lead]
    assert members(company, others) == [small_lead]
    assert counts(company, no_size) == (2, 0)
    assert shown_filter(company, big) == {size: {"equals": "XL"}}
    (three,) = company.create({})
    assert three in members(company, no_size)


# Large companies, and concurrent writes


def test_a_list_of_a_large_company_is_filled_by_a_background_job(company: Company, server: Server) -> None:
    fill(server, company, 1, 20_000)
    sql(server.dsn, "update lead set city = 'Berlin' where id % 3 = 0", company_id=company.id)
    (row,) = sql(server.dsn, "select count(*)::int as n from lead where id % 3 = 0", company_id=company.id)

    list_id = new_list(company, filter={"city": "Berlin"})

    company.create({"city": "Berlin"})
    eventually(lambda: counts(company, list_id)[0] == row["n"] + 1, seconds=60)
    assert true_counts(server, company, list_id) == (row["n"] + 1, 0)


def under_way(company: Company, statement: str, meanwhile: Callable[[], None], *arguments: object) -> None:
    """Runs `meanwhile` during a write that knows of no filter. The write commits afterwards."""

    async def run() -> None:
        connection = await asyncpg.connect(company.dsn)
        await connection.execute("select set_config('app.company_id', $1, false)", str(company.id))
        async with connection.transaction():
            await connection.execute(statement, *arguments)
            await asyncio.to_thread(meanwhile)
        await connection.close()

    asyncio.run(run())


def test_a_write_in_progress_while_the_filter_was_created_is_followed_a_little_later(
    company: Company, server: Server
) -> None:
    (lead,) = company.create({})
    made: list[int] = []

    under_way(
        company,
        "update lead set city = 'Berlin', update_timestamp = now() where id = $1",
        lambda: made.append(new_list(company, filter={"city": "Berlin"})),
        lead,
    )

    assert members(company, made[0]) == []
    finish_background_jobs(server, company)
    assert members(company, made[0]) == [lead]
    assert counts(company, made[0]) == (1, 0)


@pytest.mark.parametrize("write", ["city = 'Bonn'", "active = false"])
def test_a_write_in_progress_that_removes_a_member_is_followed_a_little_later(
    company: Company, server: Server, write: str
) -> None:
    (lead,) = company.create({"city": "Berlin"})
    list_id = new_list(company, filter={"city": "Berlin"})

    under_way(
        company,
        f"update lead set {write}, update_timestamp = now() where id = $1",
        lambda: company.call("updateList", id=list_id, filter={"city": ["Berlin", "Rome"]}),
        lead,
    )

    assert members(company, list_id) == [lead]
    finish_background_jobs(server, company)
    assert members(company, list_id) == []
    assert counts(company, list_id) == true_counts(server, company, list_id) == (0, 0)


def test_the_second_look_begins_when_no_earlier_write_can_be_in_progress(company: Company, server: Server) -> None:
    new_list(company, filter={"city": "Berlin"})

    (row,) = sql(
        server.dsn,
        """
        select kind, extract(epoch from due_at - created_at)::float as wait,
            extract(epoch from created_at)::float - cursor / 1e6 as back
        from pass where company_id = $1
        """,
        company.id,
    )

    assert row["kind"] == "sweep_list"
    assert row["wait"] == LAST_WRITE_SECONDS
    assert LAST_WRITE_SECONDS - 0.1 < row["back"] < LAST_WRITE_SECONDS + 60


# Several servers


@pytest.fixture
def second(server: Server, tmp_path: Path) -> Generator[Server]:
    """Another server on the same database."""
    running = Server(tmp_path / "second", "--no-limits", "--database-url", server.dsn)
    yield running
    assert running.stop() == 0


def test_a_filter_created_on_one_server_is_followed_by_the_other(company: Company, second: Server) -> None:
    there = another_client(company, second)
    assert there.create({"city": "Berlin"})  # its cache has the company already

    list_id = new_list(company, filter={"city": "Berlin"})
    there.create({"city": "Berlin"})
    assert counts(company, list_id) == counts(there, list_id) == (2, 0)

    company.call("updateList", id=list_id, filter={"city": "Bonn"})
    there.create({"city": "Berlin"}, {"city": "Bonn"})
    assert counts(company, list_id) == counts(there, list_id) == (1, 0)
    there.close()


def test_lists_follow_a_status_change_on_a_server_with_old_filters(company: Company, second: Server) -> None:
    there = another_client(company, second)
    (lead,) = there.create({})
    (stage,) = there.make("createDealStages", {"dealStageName": "Offer"})
    (deal,) = there.make(
        "createOpportunities",
        {"opportunityName": "x", "dealStageID": stage, "closeDate": "2030-01-01", "primaryLeadID": lead},
    )
    list_id = new_list(company, filter={"leadStatus": "contactWithOpp"})
    assert members(company, list_id) == [lead]

    assert there.call("deleteOpportunities", objects=[deal])[0]["success"]

    assert members(company, list_id) == []
    there.close()


CITIES = ("Berlin", "Bonn", "Rome", "")
FILTERS: tuple[tuple[Any, Callable[[dict[str, Any]], bool]], ...] = (
    ({"city": "berlin"}, lambda lead: lead["city"] == "Berlin"),
    ({"city": {"empty": True}}, lambda lead: not lead["city"]),
    ({"leadScore": {"atLeast": 50}}, lambda lead: int(lead["leadScore"]) >= 50),
    (
        {"or": [{"city": ["Bonn", "Rome"]}, {"leadScore": {"less": 10}}]},
        lambda lead: lead["city"] in {"Bonn", "Rome"} or int(lead["leadScore"]) < 10,
    ),
    ({"not": {"isContact": 1}}, lambda lead: lead["leadStatus"] != "contact"),
    ({"FIELD": {"startsWith": "x"}}, lambda lead: lead["FIELD"].startswith("x")),
    ({"FIELD": "x1", "isQualified": 1}, lambda lead: lead["FIELD"] == "x1" and lead["leadStatus"] == "qualified"),
)


def some_lead(dice: random.Random, field: str) -> dict[str, Any]:
    values = {
        "city": dice.choice(CITIES),
        "leadScore": dice.randrange(100),
        "leadStatus": dice.choice(("open", "qualified", "contact")),
        "active": dice.choice((1, 1, 1, 0)),
        field: dice.choice(("", "x1", "x2", "y")),
    }
    return dict(dice.sample(list(values.items()), dice.randrange(1, 6)))


def test_random_writes_on_two_servers_end_as_a_full_evaluation(
    company: Company, server: Server, second: Server
) -> None:
    field = company.field("Field")
    known = company.create(*(some_lead(random.Random(number), field) for number in range(150)))
    sent_filters = [json.loads(json.dumps(condition).replace("FIELD", field)) for condition, _ in FILTERS]
    lists = [new_list(company, filter=sent) for sent in sent_filters]
    lock = threading.Lock()
    filter_of_list = list(range(len(lists)))

    def work(own: Company, worker: int) -> None:
        dice = random.Random(worker)
        for _ in range(25):
            chosen = dice.sample(known, 30)
            match dice.randrange(8):
                case 0:
                    new = [{"emailAddress": new_email(), **some_lead(dice, field)} for _ in range(20)]
                    known.extend(
                        outcome["id"] for outcome in own.call("createLeads", objects=new) if outcome["success"]
                    )
                case 1:
                    own.call("deleteLeads", objects=chosen[:3])
                case 2 if worker < 3:
                    with lock:
                        changed, number = dice.randrange(len(lists)), dice.randrange(len(sent_filters))
                        answer = own.envelope("updateList", {"id": lists[changed], "filter": sent_filters[number]})
                        assert answer["result"] or answer["error"]["code"] == 302, answer
                        filter_of_list[changed] = number
                case 3 if worker == 3:
                    own.call("createFields", objects=[{"relationship": "lead", "dataType": "string", "label": "x"}])
                case _:
                    answer = own.envelope(
                        "updateLeads", {"objects": [{"id": lead, **some_lead(dice, field)} for lead in chosen]}
                    )
                    assert answer["result"], answer

    at_once([another_client(company, where) for where in (server, second) for _ in range(3)], work)

    finish_background_jobs(server, company)
    leads: list[dict[str, Any]] = []
    while page := company.call("getLeads", where={}, offset=len(leads)):
        leads += page
    assert len(leads) > 100
    for list_id, number in zip(lists, filter_of_list, strict=True):
        matches = FILTERS[number][1]
        right = {
            int(lead["id"]) for lead in leads if matches({**lead, "FIELD": lead[field], "city": lead["city"] or ""})
        }
        on_list = members(company, list_id)
        assert len(on_list) == len(set(on_list))
        assert set(on_list) == right, sent_filters[number]
        assert counts(company, list_id) == true_counts(server, company, list_id) == (len(right), 0)
