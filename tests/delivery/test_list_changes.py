"""Changes of lists are pushed to the subscriptions that ask for them, and are no push for the others."""

from collections.abc import Callable
from typing import Any

from standardwebhooks import Webhook

from delivery.pushes import caught_up, changes, state, subscribe
from delivery.receiver import Receiver
from delivery.test_retries import failed, make_due
from lists import add_members, new_list
from springhead.model.feed.changes import KINDS, LIST_KINDS
from support import Company, eventually

JOIN, LEAVE, CHANGE = LIST_KINDS
COMMON = ["sequence", "eventID", "kind", "leadID", "createTimestamp", "changed"]


def test_changes_of_lists_are_pushed_in_order_beside_changes_of_leads(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    made = subscribe(company, receiver, kinds=list(KINDS))
    (lead,) = company.create({"firstName": "Ada"})
    list_id = new_list(company)

    add_members(company, list_id, lead)
    company.call("updateLeads", objects=[{"id": lead, "city": "Rome"}])
    company.call("removeListMember", listID=list_id, contactID=lead)
    company.call("deleteList", id=list_id)
    caught_up(company, made)

    pushed = changes(receiver, made)
    assert [(change["sequence"], change["kind"], change["leadID"], change.get("listID")) for change in pushed] == [
        ("1", "create", str(lead), None), ("2", JOIN, str(lead), str(list_id)), ("3", "update", str(lead), None),
        ("4", LEAVE, str(lead), str(list_id)), ("5", CHANGE, None, str(list_id)),
    ]  # fmt: skip
    fed = company.envelope("getLeadChanges", {"kinds": list(KINDS), "leads": 0})["result"]["leadChange"]
    assert pushed == fed
    last = [row for post in receiver.of(made["path"]) for row in post.json()["leads"]][-1]
    assert last == company.lead(lead)


def test_a_push_of_the_change_of_a_whole_list_has_no_lead(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    company.create({"city": "Berlin"}, {"city": "Berlin"})
    made = subscribe(company, receiver, kinds=[CHANGE], fields=["city"])

    list_id = new_list(company, filter={"city": "Berlin"})

    (post,) = receiver.wait(1)
    body = post.json()
    assert body["leads"] == []
    assert [(change["kind"], change["leadID"], change["listID"]) for change in body["changes"]] == [
        (CHANGE, None, str(list_id))
    ]
    caught_up(company, made)


def test_pushes_without_these_kinds_do_not_change(pushing_company: Callable[..., Company], receiver: Receiver) -> None:
    """Neither by default nor by the vendor's call; the payload and the signature are what they were."""
    company = pushing_company()
    assert company.call("subscribeToLeadUpdates", url=receiver.url("/200/vendor")) is True
    made = subscribe(company, receiver)
    assert not set(state(company, made)["kinds"]) & set(LIST_KINDS)
    filtered, plain = new_list(company, filter={"city": "Rome"}), new_list(company)

    (lead,) = company.create({})
    caught_up(company, made)
    add_members(company, plain, lead)
    company.call("removeListMembersAll", listID=plain)
    company.call("deleteList", id=plain)
    caught_up(company, made)
    company.call("updateLeads", objects=[{"id": lead, "city": "Rome"}])
    assert [row["leadID"] for row in company.call("getListMembers", where={"id": filtered})] == [str(lead)]
    caught_up(company, made)

    posts = receiver.of(made["path"])
    assert len(posts) == 2, "one for each change of the lead, none for changes of lists"
    for post in posts:
        assert Webhook(made["secret"]).verify(post.body, post.headers) == post.json()
        assert list(post.json()) == ["leads", "changes"]
        assert [list(change) for change in post.json()["changes"]] == [COMMON]
    expected = [("create", None), ("update", {"city": [None, "Rome"]})]
    for path in (made["path"], "/200/vendor"):
        eventually(lambda path=path: len(changes(receiver, {"path": path})) == len(expected))
        pushed: list[Any] = changes(receiver, {"path": path})
        assert [(change["kind"], change["changed"]) for change in pushed] == expected


def test_a_retry_has_the_changes_of_its_batch_and_no_later_ones(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    """Numbers of changes of lists that were skipped before and in the batch make room for no later change."""
    company = pushing_company()
    list_id, others = new_list(company), company.create({}, {}, {})
    made = subscribe(company, receiver)
    receiver.answers[made["path"]] = "500"
    add_members(company, list_id, *others)
    (first,) = company.create({})
    failed(company, made, 1)
    company.call("removeListMembers", objects=[{"listID": list_id, "contactID": lead} for lead in others])
    later = company.create({}, {}, {})
    failed(company, made, 2)

    assert [[int(change["leadID"]) for change in post.json()["changes"]] for post in receiver.of(made["path"])] == [
        [first], [first]
    ]  # fmt: skip
    receiver.answers[made["path"]] = "200"
    make_due(company)
    caught_up(company, made)
    assert [int(change["leadID"]) for change in changes(receiver, made)] == [first, first, first, *later]
    assert len(receiver.of(made["path"])) == 4
