"""Members of lists, rule by rule (docs/wire/lists.md), and exact counts."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from callers import at_once, clients
from lists import add_members, counts, fill, members, new_list, true_counts
from support import Company, Server, eventually, new_email, sql

ALREADY = {"code": 213, "message": "The lead you tried to add is already a member", "data": []}
NOBODY = {"code": 214, "message": "The lead you tried to add does not exist for this account", "data": []}
NOTHING = {"code": 302, "message": "No table rows affected", "data": []}
DONE = {"success": True, "error": None}


def remove_members(company: Company, list_id: int, *leads: int) -> list[Any]:
    outcomes = company.call("removeListMembers", objects=[{"listID": list_id, "contactID": lead} for lead in leads])
    return [outcome["error"] for outcome in outcomes]


# Adding members


def test_a_lead_is_added_to_a_list_and_the_answer_is_as_captured(company: Company) -> None:
    list_id, (lead,) = new_list(company), company.create({})

    answer = company.envelope("addListMember", {"listID": list_id, "memberID": lead})

    ((key, (outcome,)),) = answer["result"].items()
    assert key == "creates"
    assert list(outcome) == ["success", "error", "id"]
    assert outcome["success"] is True
    assert isinstance(outcome["id"], int)
    assert len(str(outcome["id"])) == 13
    assert answer["error"] == []
    assert members(company, list_id) == [lead]
    assert counts(company, list_id) == (1, 0)


def test_a_refusal_by_a_single_method_is_the_error_of_the_call(company: Company) -> None:
    list_id, (lead,) = new_list(company), company.create({})
    address = company.lead(lead)["emailAddress"]
    add_members(company, list_id, lead)

    assert company.error("addListMember", listID=list_id, memberID=lead) == ALREADY
    assert company.error("addListMember", listID=list_id, memberID=1) == NOBODY
    assert company.error("addListMemberEmailAddress", listID=list_id, emailAddress=address) == ALREADY
    assert company.error("addListMemberEmailAddress", listID=list_id, emailAddress="nobody@example.com") == NOBODY
    assert company.error("removeListMember", listID=list_id, contactID=1) == NOTHING
    assert counts(company, list_id) == (1, 0)


def test_a_refusal_by_a_bulk_method_concerns_its_object_and_is_repeated_in_the_error_list(company: Company) -> None:
    list_id, (first, other) = new_list(company), company.create({}, {})
    objects = [{"listID": list_id, "memberID": lead} for lead in (first, first, 1, str(other))]

    answer = company.envelope("addListMembers", {"objects": objects})

    assert [outcome["error"] for outcome in answer["result"]["creates"]] == [None, ALREADY, NOBODY, None]
    assert answer["error"] == [ALREADY, NOBODY]
    assert members(company, list_id) == [first, other]


def test_addresses_are_found_whatever_their_case(company: Company) -> None:
    list_id = new_list(company)
    address = new_email()
    leads = company.create({"emailAddress": address.upper()}, {"emailAddress": f"ä.{address}"})

    objects = [
        {"listID": list_id, "emailAddress": email} for email in (address, f"Ä.{address}", f" {address} ", "x@x.x")
    ]
    outcomes = company.call("addListMembersEmailAddress", objects=objects)

    assert [outcome["error"] for outcome in outcomes] == [None, None, ALREADY, NOBODY]
    assert members(company, list_id) == leads
    gone = company.call("removeListMembersEmailAddress", objects=objects)
    assert [outcome["error"] for outcome in gone] == [None, None, NOTHING, NOTHING]
    assert counts(company, list_id) == (0, 2)
    (again,) = company.call("addListMemberEmailAddress", listID=list_id, emailAddress=address)
    assert again["success"]
    assert company.call("removeListMemberEmailAddress", listID=list_id, emailAddress=address.upper()) == [DONE]


@pytest.mark.parametrize(
    ("method", "lead"),
    [
        ("addListMembers", {"memberID": 1}),
        ("addListMembersEmailAddress", {"emailAddress": "x@example.com"}),
        ("removeListMembers", {"contactID": 1}),
        ("removeListMembersEmailAddress", {"emailAddress": "x@example.com"}),
    ],
)
def test_an_unknown_list_is_303_and_comes_before_an_unknown_lead(
    company: Company, method: str, lead: dict[str, Any]
) -> None:
    refusal = company.refusal(method, {"listID": 1, **lead})

    assert refusal is not None
    assert refusal["code"] == 303
    assert refusal["data"]["params"][0]["param"] == "listID"


@pytest.mark.parametrize(
    ("method", "params", "code", "named"),
    [
        ("addListMember", {}, 206, ["listID", "memberID"]),
        ("addListMember", {"listID": 1}, 206, ["memberID"]),
        ("addListMember", {"listID": "x", "memberID": 1}, 205, ["listID"]),
        ("addListMember", {"listID": 1, "memberID": []}, 210, ["memberID"]),
        ("addListMemberEmailAddress", {"listID": 1}, 206, ["emailAddress"]),
        ("addListMemberEmailAddress", {"listID": 1, "emailAddress": "x" * 151}, 205, ["emailAddress"]),
        ("removeListMember", {"contactID": 1}, 206, ["listID"]),
        ("removeListMember", {"listID": 1}, 205, ["contactID"]),
        ("removeListMember", {"listID": 1, "contactID": 1, "memberID": 2}, 205, ["contactID"]),
        ("removeListMemberEmailAddress", {}, 206, ["listID", "emailAddress"]),
        ("removeListMembersAll", {}, 206, ["listID"]),
    ],
)
def test_missing_and_wrong_parameters_are_named(
    company: Company, method: str, params: dict[str, Any], code: int, named: list[str]
) -> None:
    error = company.error(method, **params)

    assert error["code"] == code
    assert [param["param"] for param in error["data"]["params"]] == named


def test_the_leads_and_lists_of_another_company_are_unknown(given_company: Callable[..., Company]) -> None:
    company, other = given_company(), given_company()
    mine, theirs = new_list(company), new_list(other)
    (my_lead,), (their_lead,) = company.create({}), other.create({})
    add_members(other, theirs, their_lead)

    assert company.error("addListMember", listID=mine, memberID=their_lead) == NOBODY
    assert company.error("addListMember", listID=theirs, memberID=my_lead)["code"] == 303
    assert company.error("removeListMember", listID=theirs, contactID=their_lead)["code"] == 303
    assert company.error("removeListMembersAll", listID=theirs)["code"] == 303
    address = other.lead(their_lead)["emailAddress"]
    assert company.error("addListMemberEmailAddress", listID=mine, emailAddress=address) == NOBODY
    assert company.call("getListMembers", where={"id": theirs}) == []
    assert company.call("getListMemberships", emailAddress=address) == []
    assert company.call("getLeadListMemberships", memberIDs=[their_lead]) == []
    assert counts(other, theirs) == (1, 0)


def test_one_call_can_add_members_to_several_lists(company: Company) -> None:
    first, other = new_list(company, "one"), new_list(company, "other")
    leads = company.create({}, {}, {})

    company.make(
        "addListMembers", *({"listID": list_id, "memberID": lead} for lead in leads for list_id in (other, first))
    )

    assert members(company, first) == members(company, other) == leads
    assert counts(company, first) == counts(company, other) == (3, 0)


def test_an_inactive_lead_can_be_a_member(company: Company) -> None:
    list_id, (lead,) = new_list(company), company.create({"active": 0})

    add_members(company, list_id, lead)

    assert members(company, list_id) == [lead]


# Removing members


def test_a_removed_member_is_counted_and_read_as_removed_with_the_captured_keys(company: Company) -> None:
    list_id, (lead,) = new_list(company), company.create({"firstName": "Person", "lastName": "1"})
    (membership,) = add_members(company, list_id, lead)

    assert company.call("removeListMember", listID=list_id, contactID=lead) == [DONE]

    assert counts(company, list_id) == (0, 1)
    assert members(company, list_id) == []
    answer = company.envelope("getRemovedListMembers", {"where": {"id": list_id, "flag": "removed"}})
    assert list(answer) == ["hasMore", "result", "error", "id"]
    assert (answer["hasMore"], answer["error"]) == (False, [])
    assert list(answer["result"]) == ["getWherelistLeadMembers", "hasMore"]
    (row,) = answer["result"]["getWherelistLeadMembers"]
    assert list(row.items()) == [
        ("listMemberID", str(membership)),
        ("listID", str(list_id)),
        ("isRemoved", "1"),
        ("isUnsubscribed", "0"),
        ("hardBounced", "0"),
        ("leadID", str(lead)),
        ("firstname", "Person"),
        ("lastname", "1"),
        ("emailaddress", company.lead(lead)["emailAddress"]),
    ]


def test_a_removed_lead_that_is_added_again_has_the_same_membership(company: Company) -> None:
    list_id, (lead, other) = new_list(company), company.create({}, {})
    (membership, _) = add_members(company, list_id, lead, other)
    remove_members(company, list_id, lead)

    (outcome,) = company.call("addListMember", listID=list_id, memberID=lead)

    assert outcome == {**DONE, "id": membership}
    assert counts(company, list_id) == (2, 0)
    assert members(company, list_id) == [lead, other]
    assert company.call("getRemovedListMembers", where={"id": list_id}) == []


def test_a_lead_that_is_not_a_member_cannot_be_removed(company: Company) -> None:
    list_id, (lead, other) = new_list(company), company.create({}, {})
    add_members(company, list_id, lead)

    assert remove_members(company, list_id, lead, lead, other, 1) == [None, NOTHING, NOTHING, NOTHING]
    assert remove_members(company, list_id, lead) == [NOTHING]
    assert counts(company, list_id) == (0, 1)


def test_the_lead_to_remove_can_be_named_member_id(company: Company) -> None:
    list_id, (lead,) = new_list(company), company.create({})
    add_members(company, list_id, lead)

    assert company.call("removeListMember", listID=list_id, memberID=lead, contactID=str(lead)) == [DONE]


def test_all_members_are_removed_at_once(company: Company) -> None:
    list_id, other = new_list(company), new_list(company)
    leads = company.create(*({} for _ in range(30)))
    add_members(company, list_id, *leads)
    add_members(company, other, *leads)
    remove_members(company, list_id, leads[0])

    answer = company.envelope("removeListMembersAll", {"listID": list_id})

    assert answer["result"] == {"deletes": [DONE]}
    assert answer["error"] == []
    assert counts(company, list_id) == (0, 30)
    assert counts(company, other) == (30, 0)
    assert members(company, list_id) == []
    assert company.error("removeListMembersAll", listID=list_id) == NOTHING
    assert company.error("removeListMembersAll", listID=1)["code"] == 303


def test_a_long_list_is_emptied_in_steps_and_members_added_meanwhile_stay(company: Company, server: Server) -> None:
    list_id, new = new_list(company), company.create(*({} for _ in range(3)))
    fill(server, company, list_id, 14_000)
    back = members(company, list_id)[-1]
    remove_members(company, list_id, back)
    # As after a call that leaves the work to a background job.
    sql(
        server.dsn,
        """
        insert into pass (company_id, kind, subject_id, due_at, created_at)
        values ($1, 'empty_list', $2, now() + interval '2 seconds', now())
        """,
        company.id,
        list_id,
    )
    add_members(company, list_id, *new, back)

    eventually(lambda: counts(company, list_id)[0] <= 4, seconds=20)

    assert sorted(members(company, list_id)) == sorted([*new, back])
    assert counts(company, list_id) == true_counts(server, company, list_id) == (4, 13_999)


# Reading


def test_members_are_read_as_captured(company: Company) -> None:
    list_id = new_list(company)
    (lead,) = company.create({"firstName": "Person", "lastName": "1", "emailAddress": "person.1@example.com"})
    (membership,) = add_members(company, list_id, lead)

    answer = company.envelope("getListMembers", {"where": {"id": str(list_id)}, "limit": 500, "offset": 0})

    assert list(answer) == ["hasMore", "result", "error", "id"]
    assert list(answer["result"]) == ["getWherelistMemberGets", "hasMore"]
    assert answer["error"] == []
    (row,) = answer["result"]["getWherelistMemberGets"]
    assert list(row.items()) == [
        ("id", str(membership)),
        ("listID", str(list_id)),
        ("companyName", ""),
        ("leadID", str(lead)),
        ("firstName", "Person"),
        ("lastName", "1"),
        ("emailAddress", "person.1@example.com"),
    ]


def test_pages_say_whether_there_is_more(company: Company) -> None:
    list_id, leads = new_list(company), company.create(*({} for _ in range(5)))
    add_members(company, list_id, *leads)

    def page(limit: int, offset: int) -> tuple[list[int], bool]:
        answer = company.envelope("getListMembers", {"where": {"id": list_id}, "limit": limit, "offset": offset})
        assert answer["hasMore"] == answer["result"]["hasMore"]
        return [int(row["leadID"]) for row in answer["result"]["getWherelistMemberGets"]], answer["hasMore"]

    assert page(2, 0) == (leads[:2], True)
    assert page(2, 2) == (leads[2:4], True)
    assert page(2, 4) == (leads[4:], False)
    assert page(5, 0) == (leads, False)
    assert page(0, 0) == ([], True)
    assert page(2, 9) == ([], False)


@pytest.mark.parametrize("method", ["getListMembers", "getRemovedListMembers"])
def test_the_list_must_be_named_and_an_unknown_one_is_empty(company: Company, method: str) -> None:
    assert company.error(method)["code"] == 206
    assert company.error(method, where={})["code"] == 206
    assert company.error(method, where={"id": [1]})["code"] == 210
    assert company.error(method, where={"id": "x"})["code"] == 205
    assert company.error(method, where={"id": 1, "name": "x"})["code"] == 205
    assert company.call(method, where={"id": 1}) == []


def make_members_old(server: Server, company: Company) -> None:
    """Makes the members old enough that the starts of their pages are cached."""
    sql(server.dsn, "update list_member set create_timestamp = now() - interval '1 hour'", company_id=company.id)


@pytest.mark.parametrize("change", ["remove", "bring back", "delete", "move nothing"])
def test_a_page_begins_at_its_offset_after_changes_before_it(company: Company, server: Server, change: str) -> None:
    list_id, leads = new_list(company), company.create(*({} for _ in range(20)))
    add_members(company, list_id, *leads)
    remove_members(company, list_id, leads[3])
    make_members_old(server, company)
    left = [lead for lead in leads if lead != leads[3]]

    def page(offset: int) -> list[int]:
        rows = company.call("getListMembers", where={"id": list_id}, limit=5, offset=offset)
        return [int(row["leadID"]) for row in rows]

    for _ in range(2):
        assert [page(offset) for offset in (0, 5, 10, 15)] == [left[start : start + 5] for start in (0, 5, 10, 15)]
    match change:
        case "remove":
            remove_members(company, list_id, left.pop(1))
        case "bring back":
            add_members(company, list_id, leads[3])
            left = leads
        case "delete":
            company.call("deleteLeads", objects=[left.pop(0)])
        case _:
            company.call("updateLeads", objects=[{"id": left[0], "title": "x"}])
    assert [page(offset) for offset in (5, 10, 15)] == [left[start : start + 5] for start in (5, 10, 15)]


def test_flags_select_members_who_get_no_messages(company: Company, server: Server) -> None:
    list_id = new_list(company)
    plain, unsubscribed, removed, both, bounced = company.create(
        {}, {"isUnsubscribed": 1}, {}, {"isUnsubscribed": 1}, {}
    )
    add_members(company, list_id, plain, unsubscribed, removed, both, bounced)
    remove_members(company, list_id, removed, both)
    sql(server.dsn, "update lead set hard_bounced = true where id = $1", bounced, company_id=company.id)

    def flagged(**where: Any) -> list[tuple[int, str]]:
        rows = company.call("getRemovedListMembers", where={"id": list_id, **where})
        return [(int(row["leadID"]), row["isRemoved"] + row["isUnsubscribed"] + row["hardBounced"]) for row in rows]

    assert flagged(flag="removed") == [(removed, "100"), (both, "110")]
    assert flagged() == flagged(flag="removed")
    assert flagged(flag="unsubscribed") == [(unsubscribed, "010"), (both, "110")]
    assert flagged(flag="hardbounced") == [(bounced, "001")]
    assert flagged(flag="tired") == flagged(flag="") == []
    assert company.error("getRemovedListMembers", where={"id": list_id, "flag": []})["code"] == 210
    answer = company.envelope("getRemovedListMembers", {"where": {"id": list_id}, "limit": 1})
    assert answer["hasMore"] is True
    (last,) = company.call("getRemovedListMembers", where={"id": list_id}, limit=1, offset=1)
    assert last["leadID"] == str(both)


def test_members_with_a_flag_keep_their_order_however_many_leads_have_it(company: Company) -> None:
    list_id = new_list(company)
    flagged = company.create(*[{"isUnsubscribed": 1}] * 400)
    chosen = [*flagged[::4], *company.create(*[{}] * 20)]
    random.Random(1).shuffle(chosen)
    add_members(company, list_id, *chosen)
    remove_members(company, list_id, *chosen[::3])
    expected = [str(lead) for lead in chosen if lead in flagged]

    def pages() -> list[str]:
        answers = [
            company.call(
                "getRemovedListMembers", where={"id": list_id, "flag": "unsubscribed"}, limit=40, offset=offset
            )
            for offset in (0, 40, 80)
        ]
        return [row["leadID"] for rows in answers for row in rows]

    assert pages() == expected
    for _ in range(2):  # from here on, more leads than a read looks up one by one
        company.create(*[{"isUnsubscribed": 1}] * 400)
    assert pages() == expected


def test_the_lists_of_a_lead_are_read_by_its_address(company: Company) -> None:
    first, other, _ = new_list(company, "one"), new_list(company, "other"), new_list(company, "third")
    (lead,) = company.create({})
    add_members(company, other, lead)
    add_members(company, first, lead)
    remove_members(company, other, lead)

    rows = company.call("getListMemberships", emailAddress=str(company.lead(lead)["emailAddress"]).upper())

    assert all(len(row.pop("createTimestamp")) == 19 for row in rows)
    assert rows == [
        {"id": str(first), "name": "one", "status": "active"},
        {"id": str(other), "name": "other", "status": "removed"},
    ]
    assert company.call("getListMemberships", emailAddress="nobody@example.com") == []
    assert company.error("getListMemberships")["code"] == 206
    assert company.error("getListMemberships", emailAddress=["x"])["code"] == 210
    assert company.error("getListMemberships", emailAddress=5)["code"] == 205


def test_the_memberships_of_a_lead_are_read_by_either_name_of_its_id(company: Company) -> None:
    list_id, (lead, other) = new_list(company), company.create({}, {})
    (membership, _) = add_members(company, list_id, lead, other)
    remove_members(company, list_id, lead)
    expected = [
        {"id": str(membership), "listID": str(list_id), "memberID": str(lead), "isRemoved": "1"},
    ]

    for where in ({"contactID": lead}, {"id": str(lead)}, {"id": lead, "contactID": lead}):
        answer = company.envelope("getContactListMemberships", {"where": where})
        assert answer["result"] == {"listMember": expected}
        assert answer["error"] is None
    assert company.call("getContactListMemberships", where={"id": lead, "contactID": other}) == []
    assert company.error("getContactListMemberships", where={})["code"] == 206
    assert company.error("getContactListMemberships", where={"id": [lead]})["code"] == 210


def test_the_lists_of_many_leads_are_read_as_pairs(company: Company) -> None:
    first, other = new_list(company), new_list(company)
    leads = company.create({}, {}, {})
    add_members(company, other, *leads)
    add_members(company, first, leads[1])
    remove_members(company, other, leads[2])

    answer = company.envelope("getLeadListMemberships", {"memberIDs": [str(leads[1]), leads[0], leads[2], 1]})

    pairs = [(leads[0], other), (leads[1], first), (leads[1], other)]
    rows = [{"memberID": str(lead), "listID": str(list_id)} for lead, list_id in pairs]
    assert answer == {
        "hasMore": False,
        "result": {"getWhereIns": rows, "hasMore": False},
        "error": [],
        "id": "1",
    }
    assert company.call("getLeadListMemberships", memberIDs=[]) == []


def test_more_than_100_leads_are_222(company: Company) -> None:
    assert company.call("getLeadListMemberships", memberIDs=list(range(100))) == []

    error = company.error("getLeadListMemberships", memberIDs=list(range(101)))

    assert error["code"] == 222
    assert error["message"] == "You have exceeded the amount of leads to process. A max of 100 leads is allowed"


@pytest.mark.parametrize(
    ("value", "code"), [(5, 205), ("5", 205), ([None], 205), (["x"], 205), ([2**63], 205), ([[1]], 210), (None, 206)]
)
def test_invalid_ids_are_refused(company: Company, value: Any, code: int) -> None:
    assert company.error("getLeadListMemberships", memberIDs=value)["code"] == code


# Deleted leads, and many callers


def test_a_deleted_lead_is_on_no_list_and_the_counts_say_so(company: Company, server: Server) -> None:
    first, other = new_list(company), new_list(company)
    leads = company.create(*({} for _ in range(4)))
    add_members(company, first, *leads)
    add_members(company, other, *leads[:2])
    remove_members(company, first, leads[0], leads[3])

    company.call("deleteLeads", objects=[leads[0], leads[1], leads[0], 1])

    assert counts(company, first) == true_counts(server, company, first) == (1, 1)
    assert counts(company, other) == true_counts(server, company, other) == (0, 0)
    assert members(company, first) == [leads[2]]


def test_fifty_concurrent_calls_add_a_lead_to_a_list_once(company: Company) -> None:
    list_id, (lead,) = new_list(company), company.create({})

    answers = at_once(
        clients(company, 50),
        lambda own, _: own.envelope("addListMember", {"listID": list_id, "memberID": lead}),
    )

    refused = [answer["error"] for answer in answers if answer["result"] is None]
    assert refused == [ALREADY] * 49
    assert counts(company, list_id) == (1, 0)


def test_counts_are_exact_after_concurrent_changes_of_all_kinds(company: Company, server: Server) -> None:
    lists = [new_list(company) for _ in range(3)]
    leads = company.create(*({} for _ in range(120)))
    doomed = leads[100:]

    def work(own: Company, worker: int) -> None:
        dice = random.Random(worker)
        for _ in range(12):
            pairs = [{"listID": dice.choice(lists), "memberID": dice.choice(leads)} for _ in range(40)]
            match dice.randrange(5):
                case 0 | 1:
                    own.call("addListMembers", objects=pairs)
                case 2 | 3:
                    own.call("removeListMembers", objects=pairs)
                case _ if worker == 0:
                    own.call("deleteLeads", objects=[doomed.pop() for _ in range(2) if doomed])
                case _:
                    own.envelope("removeListMembersAll", {"listID": dice.choice(lists)})

    at_once(clients(company, 8), work)

    eventually(
        lambda: not sql(server.dsn, "select from pass where company_id = $1 and kind = 'empty_list'", company.id)
    )
    for list_id in lists:
        assert counts(company, list_id) == true_counts(server, company, list_id)
        assert len(members(company, list_id)) == counts(company, list_id)[0]


def test_leads_that_are_deleted_while_they_are_added_to_lists_leave_no_membership(
    company: Company, server: Server
) -> None:
    lists = [new_list(company) for _ in range(2)]
    leads = company.create(*({} for _ in range(200)))

    def work(own: Company, worker: int) -> list[Any]:
        dice = random.Random(worker)
        if worker % 2:
            chosen = dice.sample(leads, 200)
            return [own.call("deleteLeads", objects=chosen[begin : begin + 20]) for begin in range(0, 200, 20)]
        return [
            own.call("addListMembers", objects=[{"listID": dice.choice(lists), "memberID": lead} for lead in batch])
            for batch in (dice.sample(leads, 50) for _ in range(10))
        ]

    at_once(clients(company, 6), work)

    for list_id in lists:
        assert counts(company, list_id) == true_counts(server, company, list_id) == (0, 0)


def test_a_list_that_is_deleted_while_it_is_filled_keeps_no_member(company: Company, server: Server) -> None:
    leads = company.create(*({} for _ in range(50)))
    for _ in range(5):
        list_id = new_list(company)

        def work(own: Company, worker: int, list_id: int = list_id) -> Any:
            if worker == 0:
                return own.call("deleteList", id=list_id)
            return own.call("addListMembers", objects=[{"listID": list_id, "memberID": lead} for lead in leads])

        at_once(clients(company, 4), work)

        eventually(lambda list_id=list_id: true_counts(server, company, list_id) == (0, 0))
        assert company.call("getActiveLists", where={"id": list_id}) == []
