"""Changes of lists in the change feed: complete for the readers that ask for them, invisible for all others."""

from collections.abc import Generator
from typing import Any

import pytest

from capture.forms import FormOf
from capture.public import Public
from lists import add_members, members, new_list
from recycling import deleted, restored
from springhead.store.database.background_jobs import STEP_ROWS
from support import Company, Server, eventually, sql

JOIN, LEAVE, CHANGE = KINDS = ["listJoin", "listLeave", "listChange"]
ALL = ["create", "update", "delete", "merge", "restore", "erase", "score", *KINDS]
Row = dict[str, Any]


def feed(company: Company, cursor: str = "", **params: Any) -> tuple[list[Row], str]:
    """All changes after a cursor, read page by page, and the cursor after them."""
    changes: list[Row] = []
    while True:
        result = company.envelope("getLeadChanges", {"cursor": cursor, **params})["result"]
        changes += result["leadChange"]
        cursor = result["cursor"]
        if not result["more"]:
            return changes, cursor


def end(company: Company) -> str:
    """The cursor of the end of the feed."""
    return feed(company, "now")[1]


def moves(company: Company, cursor: str, *kinds: str) -> list[tuple[str, int | None, int | None]]:
    """The kind, the lead and the list of the changes after a cursor: of lists, or of these kinds."""
    rows, _ = feed(company, cursor, kinds=list(kinds or KINDS))
    return [(row["kind"], id_of(row, "leadID"), id_of(row, "listID")) for row in rows]


def id_of(row: Row, name: str) -> int | None:
    """The id of the lead or of the list of a change, None without one."""
    return int(row[name]) if row.get(name) else None


# Each way in which a membership changes


def test_members_that_are_added_and_removed_by_id(company: Company) -> None:
    first, second = company.create({}, {})
    one, two = new_list(company), new_list(company)
    cursor = end(company)

    add_members(company, one, second, first)
    company.call("addListMember", listID=two, memberID=first)
    company.call("removeListMember", listID=two, contactID=first)
    company.call("removeListMembers", objects=[{"listID": one, "contactID": first}, {"listID": one, "contactID": 1}])
    company.call("addListMember", listID=one, memberID=first)

    assert moves(company, cursor) == [
        (JOIN, first, one), (JOIN, second, one), (JOIN, first, two), (LEAVE, first, two), (LEAVE, first, one),
        (JOIN, first, one),
    ]  # fmt: skip


def test_members_that_are_added_and_removed_by_address(company: Company) -> None:
    (lead,) = company.create({"emailAddress": "ann@example.com"})
    list_id = new_list(company)
    cursor = end(company)

    company.call("addListMembersEmailAddress", objects=[{"listID": list_id, "emailAddress": "ANN@example.com"}])
    company.call("removeListMemberEmailAddress", listID=list_id, emailAddress="ann@example.com")

    assert moves(company, cursor) == [(JOIN, lead, list_id), (LEAVE, lead, list_id)]


def test_a_call_that_changes_no_membership_is_no_change(company: Company) -> None:
    (lead,) = company.create({})
    list_id = new_list(company)
    add_members(company, list_id, lead)
    cursor = end(company)

    company.error("addListMember", listID=list_id, memberID=lead)
    company.call("addListMembers", objects=[{"listID": list_id, "memberID": lead}, {"listID": list_id, "memberID": 1}])
    company.call("removeListMembers", objects=[{"listID": list_id, "contactID": 1}])
    company.call("updateList", id=list_id, name="Another name")

    assert feed(company, cursor, kinds=ALL) == ([], cursor)


@pytest.fixture
def public(company: Company) -> Generator[Public]:
    """A visitor of the company's site."""
    somebody = Public(company)
    yield somebody
    somebody.close()


def test_a_form_puts_its_lead_on_a_list(public: Public) -> None:
    company, list_id = public.company, new_list(public.company)
    form = FormOf(public, "firstName", listID=list_id)
    cursor = end(company)

    form.post(emailAddress="ann@example.com", firstName="Ann")

    lead = int(str(form.lead()["id"]))
    assert moves(company, cursor, *ALL) == [("create", lead, None), (JOIN, lead, list_id)]


def test_a_lead_joins_and_leaves_lists_by_their_filters(company: Company) -> None:
    berlin = new_list(company, filter={"city": "Berlin"})
    (lead,) = company.create({})
    cursor = end(company)

    (other,) = company.create({"city": "Berlin"})
    company.call("updateLeads", objects=[{"id": lead, "city": "Berlin"}])
    company.call("updateLeads", objects=[{"id": lead, "city": "Bonn"}, {"id": other, "active": 0}])

    assert moves(company, cursor, *ALL) == [
        ("create", other, None), (JOIN, other, berlin),
        ("update", lead, None), (JOIN, lead, berlin),
        ("update", lead, None), ("update", other, None), (LEAVE, lead, berlin), (LEAVE, other, berlin),
    ]  # fmt: skip


def test_a_score_moves_a_lead_on_a_list(company: Company) -> None:
    hot = new_list(company, filter={"leadScore": {"atLeast": 10}})
    (lead,) = company.create({"title": "Chief"})
    cursor = end(company)

    rule = {"name": "Decides", "part": "fit", "points": 20, "filter": {"title": {"contains": "chief"}}}
    company.make("createScoreRules", rule)

    assert moves(company, cursor, "score", *KINDS) == [("score", lead, None), (JOIN, lead, hot)]


def test_a_merge_is_one_change_of_the_lists_of_the_surviving_lead(company: Company) -> None:
    survivor, merged = company.create({}, {})
    shared, own, former, left = (new_list(company) for _ in range(4))
    add_members(company, shared, survivor, merged)
    add_members(company, own, merged)
    add_members(company, left, survivor, merged)
    add_members(company, former, merged)
    company.call("removeListMembers", objects=[{"listID": left, "contactID": merged}])
    company.call("removeListMembers", objects=[{"listID": former, "contactID": merged}])
    before = moves(company, "")
    cursor = end(company)

    company.call("mergeLeads", objects=[{"id": survivor, "mergeIDs": [merged]}])

    assert moves(company, cursor, "delete", "merge", *KINDS) == [
        (CHANGE, survivor, None), ("delete", merged, None), ("merge", survivor, None)
    ]  # fmt: skip
    # Earlier changes stay those of the merged lead: of `survivor` they would say that it left a list that it is on.
    assert moves(company, "")[: len(before)] == before
    assert (LEAVE, merged, left) in before
    assert members(company, left) == [survivor]


def test_a_restored_lead_has_one_change_of_its_lists(company: Company) -> None:
    (lead,) = company.create({"city": "Berlin"})
    plain, former, gone = (new_list(company) for _ in range(3))
    for list_id in (plain, former, gone):
        add_members(company, list_id, lead)
    company.call("removeListMembers", objects=[{"listID": former, "contactID": lead}])
    filtered = new_list(company, filter={"city": "Berlin"})
    cursor = end(company)

    deleted(company, lead)
    company.call("deleteList", id=gone)
    restored(company, lead)

    assert moves(company, cursor, "delete", "restore", *KINDS) == [
        ("delete", lead, None), (CHANGE, None, gone), ("restore", lead, None), (CHANGE, lead, None),
        (JOIN, lead, filtered),
    ]  # fmt: skip
    assert [members(company, list_id) for list_id in (plain, former, filtered)] == [[lead], [], [lead]]


def test_an_erased_leads_changes_of_memberships_are_gone(company: Company, server: Server) -> None:
    erased, kept = company.create({}, {})
    list_id = new_list(company)
    add_members(company, list_id, erased, kept)
    company.call("removeListMembers", objects=[{"listID": list_id, "contactID": erased}])
    cursor = end(company)

    deleted(company, erased)
    restored(company, erased)
    assert (CHANGE, erased, None) not in moves(company, cursor), "it was no longer on the list"
    add_members(company, list_id, erased)
    deleted(company, erased)
    restored(company, erased)
    assert (CHANGE, erased, None) in moves(company, cursor)

    company.call("eraseLeads", objects=[{"id": erased}])

    assert moves(company, "", *ALL) == [("create", kept, None), (JOIN, kept, list_id), ("erase", erased, None)]
    assert moves(company, cursor, *ALL) == [("erase", erased, None)]
    left = sql(
        server.dsn,
        "select from event where company_id = $1 and lead_id = $2 and what_id = $3",
        company.id, erased, list_id, company_id=company.id,
    )  # fmt: skip
    assert left == []


# Changes of many members at once


@pytest.mark.parametrize("size", [3, STEP_ROWS + 1])
def test_a_filter_that_fills_a_list_is_one_change_however_many_leads_join(
    company: Company, server: Server, size: int
) -> None:
    sql(
        server.dsn,
        """
        insert into lead (company_id, email_key, lead_score, lead_score_weighted, active, create_timestamp,
            update_timestamp, lead_status, email_address, city)
        select $1, n || '@fill.example', 0, 0, true, now(), now(), 'open', n || '@fill.example', 'Berlin'
        from generate_series(1, $2::int) as n
        """,
        company.id, size, company_id=company.id,
    )  # fmt: skip
    cursor = end(company)

    list_id = new_list(company, filter={"city": "Berlin"})
    eventually(lambda: moves(company, cursor) != [])
    assert moves(company, cursor) == [(CHANGE, None, list_id)]
    assert int(end(company)) == int(cursor) + 1
    assert len(members(company, list_id)) == size

    cursor = end(company)
    company.call("updateList", id=list_id, filter={"city": "Bonn"})
    eventually(lambda: moves(company, cursor) != [])
    assert moves(company, cursor) == [(CHANGE, None, list_id)]
    assert members(company, list_id) == []


def test_the_sweep_after_a_new_filter_names_the_leads_that_it_finds(company: Company, server: Server) -> None:
    """A write that began with the old filters has committed after the list was filled."""
    list_id = new_list(company, filter={"city": "Berlin"})
    (lead,) = company.create({})
    cursor = end(company)
    sql(server.dsn, "update lead set city = 'Berlin' where company_id = $1", company.id, company_id=company.id)

    sql(server.dsn, "update pass set due_at = now() where company_id = $1", company.id)
    eventually(lambda: members(company, list_id) == [lead])

    assert moves(company, cursor) == [(JOIN, lead, list_id)]


def test_a_list_that_is_emptied_or_deleted_is_one_change(company: Company) -> None:
    leads = company.create({}, {}, {})
    emptied, gone = new_list(company), new_list(company)
    for list_id in (emptied, gone):
        add_members(company, list_id, *leads)
    cursor = end(company)

    company.call("removeListMembersAll", listID=emptied)
    company.call("deleteList", objects=[{"id": gone}, {"id": 1}])

    assert moves(company, cursor) == [(CHANGE, None, emptied), (CHANGE, None, gone)]
    assert members(company, emptied) == members(company, gone) == []


def test_a_deleted_field_changes_the_lists_whose_filters_name_it(company: Company) -> None:
    colour = company.field("Colour")
    list_id = new_list(company, filter={colour: "red"})
    company.create({colour: "red"})
    cursor = end(company)

    (field,) = company.call("getFields", where={"systemName": colour})
    company.call("deleteFields", objects=[{"id": field["id"]}])

    assert moves(company, cursor) == [(CHANGE, None, list_id)]
    assert members(company, list_id) == []


# Rows, numbers and pages


def test_a_change_of_a_list_has_the_current_lead_and_only_it_has_a_list(company: Company) -> None:
    (lead,) = company.create({})
    list_id = new_list(company)
    add_members(company, list_id, lead)
    company.call("updateLeads", objects=[{"id": lead, "city": "Oslo"}])
    company.call("deleteList", id=list_id)

    created, joined, updated, gone = feed(company, kinds=ALL)[0]

    keys = ["sequence", "eventID", "kind", "leadID", "createTimestamp", "changed", "lead"]
    with_list = [*keys[:4], "listID", *keys[4:]]
    assert [list(row) for row in (created, joined, updated, gone)] == [keys, with_list, keys, with_list]
    (event,) = company.call("getLeadTimeline", where={"whoID": lead, "eventSource": JOIN})
    assert joined == {
        "sequence": "2", "eventID": event["id"], "kind": JOIN, "leadID": str(lead), "listID": str(list_id),
        "createTimestamp": event["createTimestamp"], "changed": None, "lead": company.lead(lead),
    }  # fmt: skip
    assert [gone[name] for name in ("eventID", "kind", "leadID", "listID", "changed", "lead")] == [
        None, CHANGE, None, str(list_id), None, None,
    ]  # fmt: skip


@pytest.fixture
def mixed(company: Company) -> Company:
    """A company with many changes of lists between few changes of leads."""
    lists = [new_list(company) for _ in range(3)]
    for size in (2, 1, 5):
        leads = company.create(*[{}] * size)
        for list_id in lists:
            add_members(company, list_id, *leads)
            company.call("removeListMembersAll", listID=list_id)
        company.call("updateLeads", objects=[{"id": lead, "city": "Oslo"} for lead in leads])
        add_members(company, lists[0], *leads)
    return company


def test_all_changes_together_are_numbered_without_gaps(mixed: Company) -> None:
    changes, cursor = feed(mixed, kinds=ALL)
    numbers = [int(change["sequence"]) for change in changes]
    assert numbers == list(range(1, len(numbers) + 1))
    assert cursor == str(len(numbers))


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 500])
@pytest.mark.parametrize("kinds", [None, ["update"], KINDS, [CHANGE], ["create", LEAVE, JOIN], ALL])
def test_pages_of_any_size_give_every_change_of_the_kinds_once(
    mixed: Company, kinds: list[str] | None, limit: int
) -> None:
    more: Row = {} if kinds is None else {"kinds": kinds}
    wanted = kinds or [kind for kind in ALL if kind not in KINDS]
    expected = [change for change in feed(mixed, kinds=ALL)[0] if change["kind"] in wanted]

    changes, cursor = feed(mixed, limit=limit, **more)

    assert changes == expected
    seen = feed(mixed, kinds=ALL)[0] if set(wanted) & set(KINDS) else feed(mixed)[0]
    assert cursor == seen[-1]["sequence"], "the last change of a lead, unless changes of lists were asked for"
    middle = str((int(changes[0]["sequence"]) + int(changes[-1]["sequence"])) // 2)
    again, _ = feed(mixed, middle, limit=limit, **more)
    assert again == [change for change in expected if int(change["sequence"]) > int(middle)]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_readers_that_do_not_ask_get_full_pages_of_changes_of_leads(mixed: Company, limit: int) -> None:
    """Every page but the last is full, and no page is empty, however many changes of lists lie between."""
    cursor, pages, more = "", list[list[Row]](), True
    while more:
        result = mixed.envelope("getLeadChanges", {"cursor": cursor, "limit": limit})["result"]
        pages.append(result["leadChange"])
        cursor, more = result["cursor"], result["more"]

    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert 0 < len(pages[-1]) <= limit
    assert {change["kind"] for page in pages for change in page} == {"create", "update"}
    assert {name for page in pages for change in page for name in change} == {
        "sequence", "eventID", "kind", "leadID", "createTimestamp", "changed", "lead"
    }  # fmt: skip
    assert feed(mixed, cursor) == ([], cursor)


def test_readers_that_do_not_ask_skip_any_number_of_changes_of_lists_at_once(company: Company, server: Server) -> None:
    """100,000 changes of lists lie between two changes of leads. Both are on one page."""
    (lead,) = company.create({})
    list_id = new_list(company)
    end(company)
    sql(
        server.dsn,
        "insert into change (company_id, list_ids, of_lists, first, last)"
        " select $1, array[$2::bigint], true, n + 1, n + 1 from generate_series(1, 100000) n",
        company.id, list_id,
    )  # fmt: skip
    sql(server.dsn, "update feed set last = 100001 where company_id = $1", company.id, company_id=company.id)
    company.call("updateLeads", objects=[{"id": lead, "city": "Oslo"}])

    result = company.envelope("getLeadChanges", {"limit": 2})["result"]

    assert [change["sequence"] for change in result["leadChange"]] == ["1", "100002"]
    assert (result["cursor"], result["more"]) == ("100002", False)


def test_a_cursor_of_a_reader_that_did_not_ask_is_good_for_one_that_asks(company: Company) -> None:
    (lead,) = company.create({})
    list_id = new_list(company)
    add_members(company, list_id, lead)
    _, cursor = feed(company)
    company.call("removeListMember", listID=list_id, contactID=lead)

    assert moves(company, cursor) == [(JOIN, lead, list_id), (LEAVE, lead, list_id)]
