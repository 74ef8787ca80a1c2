"""Events of forms in the change feed: for the readers that ask for them, invisible for all others."""

from collections.abc import Generator

import pytest

from capture.forms import FormOf
from capture.public import Public
from methods.feed.test_list_changes import end, feed
from support import Company

SUBMIT, CONFIRM = KINDS = ["formSubmit", "formConfirm"]
ANN = ("emailAddress", "ann@example.com")


@pytest.fixture
def public(company: Company) -> Generator[Public]:
    visitor = Public(company)
    yield visitor
    visitor.close()


def test_a_submission_is_a_change_of_its_own_with_its_data(public: Public) -> None:
    company = public.company
    form = FormOf(public, "firstName", "city")
    assert form.post(ANN, ("firstName", "Ann"), ("city", "Rome")).status == 303

    (change,), cursor = feed(company, kinds=KINDS)

    (lead,) = form.leads()
    assert (change["kind"], change["leadID"], change["formID"]) == (SUBMIT, lead["id"], str(form.id))
    assert change["changed"] is None
    assert change["data"] == form.submits()[0]["data"]
    assert change["lead"] == lead
    (event,) = [
        event
        for event in company.call("getLeadTimeline", where={"whoID": lead["id"]})
        if event["id"] == change["eventID"]
    ]
    assert event["eventSource"] == SUBMIT
    assert feed(company, cursor, kinds=KINDS) == ([], cursor)


def test_with_fields_a_submission_has_the_values_of_these_fields(public: Public) -> None:
    form = FormOf(public, "firstName", "city")
    assert form.post(ANN, ("firstName", "Ann"), ("city", "Rome")).status == 303
    (change,), _ = feed(public.company, kinds=[SUBMIT], fields=["city"])
    assert change["data"]["values"] == {"city": "Rome"}
    assert change["lead"] == {"city": "Rome"}


def test_a_held_submission_and_its_confirmation_are_in_order(public: Public) -> None:
    company = public.company
    form = FormOf(public, "firstName", doubleOptIn=1)
    assert form.post(ANN, ("firstName", "Ann")).status == 303
    (held,), cursor = feed(company, kinds=KINDS)
    url = held["data"]["confirmURL"]
    assert public.ask(url, verb="POST", body=b"").status == 200

    changes, _ = feed(company, cursor, kinds=["update", *KINDS])

    assert [change["kind"] for change in changes] == ["update", CONFIRM]
    assert changes[1]["data"]["submitID"] == held["eventID"]
    assert changes[1]["formID"] == str(form.id)


def test_readers_that_do_not_ask_see_neither_the_events_nor_their_numbers(public: Public) -> None:
    company = public.company
    form = FormOf(public, "firstName", doubleOptIn=1)
    company.create({"emailAddress": ANN[1]})
    rows, cursor = feed(company)
    assert form.post(ANN, ("firstName", "Ann")).status == 303
    assert feed(company)[0] == rows
    assert feed(company, cursor) == ([], cursor), "the cursor stays, as if nothing had happened"
    assert feed(company, kinds=["listJoin", "listLeave", "listChange"])[0] == []
    assert int(end(company)) > int(cursor)


def test_an_erasure_removes_the_events_of_forms_from_the_feed(public: Public) -> None:
    company = public.company
    form = FormOf(public, doubleOptIn=1)
    assert form.post(ANN).status == 303
    company.call("eraseLeads", objects=[{"emailAddress": ANN[1]}])
    assert feed(company, kinds=KINDS)[0] == []
