"""A form with double opt-in holds what was sent until its person has pressed the button behind the link in an email."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from capture.forms import FormOf
from capture.public import ANN, BEN, Answer, Public

ADDRESS = ("emailAddress", "ann@example.com")
TEXT = "I agree to get the newsletter."


def optin(public: Public, *fields: str, **more: Any) -> FormOf:
    return FormOf(public, *fields, doubleOptIn=1, **more)


def link(form: FormOf, submit: int = -1) -> str:
    """The confirmURL of a submission."""
    return form.submits()[submit]["data"]["confirmURL"]


def press(form: FormOf, url: str = "") -> Answer:
    """Presses the button of the page behind a link."""
    page = form.public.ask(url or link(form))
    (action,) = re.findall(r'<form method="post" action="([^"]+)"', page.body.decode())
    return form.public.ask(action, verb="POST", body=b"")


def confirms(form: FormOf) -> list[dict[str, Any]]:
    """The data of the formConfirm events."""
    leads = [int(lead["id"] or 0) for lead in form.leads()]
    return [event["data"] for lead in leads for event in form.public.events(lead, "formConfirm")]


def reader_list(form_company: Any) -> int:
    (list_id,) = form_company.make("createList", {"name": "Readers"})
    return list_id


def members(public: Public, list_id: int) -> list[str]:
    return [member["leadID"] for member in public.company.call("getListMembers", where={"id": list_id})]


def test_a_submit_changes_nothing_of_a_known_lead_until_it_is_confirmed(public: Public) -> None:
    company = public.company
    list_id = reader_list(company)
    (lead_id,) = company.create(
        {"emailAddress": "ann@example.com", "firstName": "Ann", "isUnsubscribed": 1, "trackingID": BEN}
    )
    before = company.lead(lead_id)
    public.report("pricing", visitor=ANN)
    form = optin(public, "firstName", "lastName", listID=list_id, consentText=TEXT, updatesKnownLeads=1)

    sent = form.post(ADDRESS, ("firstName", "Anna"), ("lastName", "Lee"), ("_consent", "1"), ("trackingid__sb", ANN))

    assert sent.status == 303
    assert company.lead(lead_id) == before
    assert members(public, list_id) == []
    assert public.events(lead_id, "pageVisit", "emailResubscribe") == []
    (submit,) = form.submits()
    assert submit["lead_id"] == lead_id
    assert submit["data"]["values"] == {"emailAddress": "ann@example.com", "firstName": "Anna", "lastName": "Lee"}

    assert press(form).status == 200
    lead = company.lead(lead_id)
    assert (lead["firstName"], lead["lastName"], lead["isUnsubscribed"]) == ("Anna", "Lee", "0")
    assert lead["trackingID"] == ANN
    assert members(public, list_id) == [str(lead_id)]
    assert len(public.events(lead_id, "pageVisit")) == 1
    (event,) = public.events(lead_id, "formConfirm")
    assert (event["event_name"], event["what_type"], event["what_id"]) == (
        "Confirmed the form Contact", "form", form.id,
    )  # fmt: skip
    assert event["data"]["source"] == "confirmLink"
    assert event["data"]["consent"]["text"] == TEXT
    (again,) = public.events(lead_id, "emailResubscribe")
    assert again["data"]["source"] == [None, "confirmLink"]


def test_a_new_lead_has_its_address_alone_until_it_is_confirmed(public: Public) -> None:
    company = public.company
    list_id = reader_list(company)
    (campaign_id,) = company.make("createCampaigns", {"campaignName": "Spring"})
    form = optin(public, "firstName", listID=list_id, campaignID=campaign_id)
    assert form.post(ADDRESS, ("firstName", "Ann"), ("trackingid__sb", ANN)).status == 303

    lead = form.lead()
    assert (lead["emailAddress"], lead["firstName"], lead["trackingID"]) == ("ann@example.com", None, None)
    assert lead["campaignID"] == str(campaign_id)
    assert members(public, list_id) == []

    assert press(form).status == 200
    lead = form.lead()
    assert (lead["firstName"], lead["trackingID"]) == ("Ann", ANN)
    assert members(public, list_id) == [lead["id"]]


@pytest.mark.parametrize("verb", ["GET", "HEAD"])
def test_programs_that_follow_the_link_confirm_nothing(public: Public, verb: str) -> None:
    form = optin(public, "firstName")
    assert form.post(ADDRESS, ("firstName", "Ann")).status == 303
    for headers in ({}, {"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}):
        assert public.ask(link(form), verb=verb, headers=headers).status == 200
    assert confirms(form) == []
    assert form.lead()["firstName"] is None


def test_a_second_press_says_the_same_and_changes_nothing(public: Public) -> None:
    form = optin(public, "firstName", consentText=TEXT)
    assert form.post(ADDRESS, ("firstName", "Ann"), ("_consent", "1")).status == 303
    url = link(form)
    first = press(form, url)
    lead = form.lead()
    public.company.call("updateLeads", objects=[{"id": lead["id"], "firstName": "Anna", "isUnsubscribed": 1}])
    again = public.ask(url, verb="POST", body=b"")
    assert (again.status, again.body) == (first.status, first.body)
    assert public.ask(url).body == first.body, "the page asks no more"
    assert (form.lead()["firstName"], form.lead()["isUnsubscribed"]) == ("Anna", "1")
    assert len(confirms(form)) == 1
    assert urlsplit(url).path == url
