"""A form with double opt-in holds what was sent until its person has pressed the button behind the link in an email."""

import html
import json
import re
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from capture.forms import FormOf, custom
from capture.public import ANN, BEN, Answer, Public
from related_objects import user
from springhead.model.capture import form_texts, signing
from springhead.model.capture.confirmations import LINKS_A_DAY
from support import Company, Server, eventually, new_company

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


def signed(form: FormOf, event_id: int, *, seconds: int = 86_400) -> str:
    """The token of a link that expires in so many seconds."""
    return signing.sign(form.public.signing_key, "confirm", form.id, event_id, int(time.time()) + seconds)


@pytest.fixture
def another(server: Server) -> Generator[Public]:
    """A visitor of another company's site."""
    company = new_company(server)
    visitor = Public(company)
    yield visitor
    visitor.close()
    company.close()


def reader_list(company: Company) -> int:
    (list_id,) = company.make("createList", {"name": "Readers"})
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
    eventually(lambda: len(public.events(lead_id, "pageVisit")) == 1)  # the server writes page views in batches
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


# Submissions before and after others


def test_each_submission_has_its_own_link_and_the_newer_one_counts(public: Public) -> None:
    form = optin(public, "firstName", "city")
    assert form.post(ADDRESS, ("firstName", "Anne"), ("city", "Rome")).status == 303
    assert form.post(ADDRESS, ("firstName", "Ann")).status == 303
    older, newer = link(form, 0), link(form, 1)
    assert older != newer

    assert press(form, newer).status == 200
    assert public.ask(older, verb="POST", body=b"").status == 200, "as if it had been pressed before"
    assert (form.lead()["firstName"], form.lead()["city"]) == ("Ann", None)
    assert len(confirms(form)) == 1


def test_the_older_of_two_can_be_confirmed_first(public: Public) -> None:
    form = optin(public, "firstName")
    for name in ("Anne", "Ann"):
        assert form.post(ADDRESS, ("firstName", name)).status == 303
    for submit, name in ((0, "Anne"), (1, "Ann")):
        assert press(form, link(form, submit)).status == 200
        assert form.lead()["firstName"] == name
    assert len(confirms(form)) == 2


def test_a_confirmed_lead_that_submits_again_stays_confirmed(public: Public) -> None:
    company = public.company
    list_id = reader_list(company)
    form = optin(public, "firstName", listID=list_id, consentText=TEXT)
    assert form.post(ADDRESS, ("_consent", "1")).status == 303
    assert press(form).status == 200
    before, held = form.lead(), members(public, list_id)
    assert form.post(ADDRESS, ("firstName", "Eve"), ("_consent", "1")).status == 303
    assert (form.lead(), members(public, list_id)) == (before, held)


def test_another_form_needs_a_confirmation_of_its_own(public: Public) -> None:
    company = public.company
    one, two = optin(public), optin(public, listID=reader_list(company))
    assert one.post(ADDRESS).status == two.post(ADDRESS).status == 303
    assert press(two, link(two, 1)).status == 200
    assert public.ask(link(one, 0)).status == 200
    assert b"<button>" in public.ask(link(one, 0)).body


def test_only_a_consent_box_subscribes_again(public: Public) -> None:
    company = public.company
    list_id = reader_list(company)
    (lead_id,) = company.create({"emailAddress": "ann@example.com", "isUnsubscribed": 1})
    company.call("addListMember", listID=list_id, memberID=lead_id)
    company.call("removeListMember", listID=list_id, memberID=lead_id)
    plain, asking = optin(public, listID=list_id), optin(public, listID=list_id, consentText=TEXT)

    assert plain.post(ADDRESS).status == 303
    assert press(plain).status == 200
    assert company.lead(lead_id)["isUnsubscribed"] == "1"
    assert members(public, list_id) == []

    assert asking.post(ADDRESS, ("_consent", "1")).status == 303
    assert company.lead(lead_id)["isUnsubscribed"] == "1"
    company.call("updateForms", objects=[{"id": asking.id, "consentText": ""}])
    assert TEXT in public.ask(link(asking)).body.decode(), "the text that was ticked, whatever the form says today"
    assert press(asking).status == 200
    assert company.lead(lead_id)["isUnsubscribed"] == "0"
    assert members(public, list_id) == [str(lead_id)]


def test_a_link_that_was_used_subscribes_nobody_again(public: Public) -> None:
    form = optin(public, consentText=TEXT)
    assert form.post(ADDRESS, ("_consent", "1")).status == 303
    url = link(form)
    assert press(form).status == 200
    public.company.call("updateLeads", objects=[{"id": form.lead()["id"], "isUnsubscribed": 1}])
    assert public.ask(url, verb="POST", body=b"").status == 200
    assert form.lead()["isUnsubscribed"] == "1"


def test_nobody_can_fill_a_mailbox_by_a_form(public: Public) -> None:
    form = optin(public)
    for _ in range(LINKS_A_DAY + 2):
        assert form.post(ADDRESS).status == 303
    assert form.post(("emailAddress", "ben@example.com")).status == 303
    submits = [submit["data"] for submit in form.submits()]
    assert ["confirmURL" in data for data in submits] == [*[True] * LINKS_A_DAY, False, False, True]
    assert "confirmURL" in submits[LINKS_A_DAY]["dropped"]


def test_presses_at_the_same_time_confirm_once(public: Public) -> None:
    form = optin(public, "firstName", notifyUserID=user(public.company))
    assert form.post(ADDRESS, ("firstName", "Ann")).status == 303
    url = link(form)

    def pressed(_number: int) -> int:
        visitor = Public(public.company)
        status = visitor.ask(url, verb="POST", body=b"").status
        visitor.close()
        return status

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(pressed, range(8))) == [200] * 8
    assert len(confirms(form)) == 1
    assert len(public.company.call("getTasks", where={})) == 1


# Links that confirm nothing


def test_a_link_works_at_its_form_and_company_alone(public: Public, another: Public) -> None:
    form, other, foreign = optin(public), optin(public), optin(another)
    assert form.post(ADDRESS).status == foreign.post(ADDRESS).status == 303
    token = link(form).rpartition("/")[2]
    (event,) = public.rows("select id from event where company_id = $1 and event_source = 'formSubmit'")
    tomorrow = int(time.time()) + 86_400
    key = public.signing_key
    wrong = [
        token[:-2], f"{token}AA", f"{token}=", "x", "A" * 9_000, token.swapcase(), form.token(),
        signing.sign(key, "confirm", other.id, event["id"], tomorrow),
        signing.sign(key, "form", form.id, event["id"], tomorrow),
        signing.sign(key, "confirm", form.id, event["id"]),
        signing.sign(key, "confirm", form.id, str(event["id"]), tomorrow),
        signing.sign(another.signing_key, "confirm", form.id, event["id"], tomorrow),
    ]  # fmt: skip
    paths = [f"{form.path}/confirm/{text}" for text in wrong]
    paths += [f"{form_path}/confirm/{token}" for form_path in (other.path, foreign.path)]
    for path in paths:
        for verb in ("GET", "HEAD", "POST"):
            page = public.ask(path, verb=verb, body=b"" if verb == "POST" else None)
            assert page.status == 404, path
    assert confirms(form) == confirms(foreign) == []


def test_a_signed_link_to_another_event_confirms_nothing(public: Public) -> None:
    """The signature holds; what it names is no submission of this form, or of nobody."""
    form, plain = optin(public), FormOf(public)
    assert plain.post(ADDRESS).status == 303
    for row in public.rows("select id from event where company_id = $1"):
        path = f"{form.path}/confirm/{signed(form, row['id'])}"
        assert public.ask(path).status == public.ask(path, verb="POST", body=b"").status == 410
    path = f"{form.path}/confirm/{signed(form, 2**62)}"
    assert public.ask(path).status == public.ask(path, verb="POST", body=b"").status == 410


def test_an_expired_link_says_so_unless_it_was_used(public: Public) -> None:
    form = optin(public, "firstName")
    assert form.post(ADDRESS, ("firstName", "Ann")).status == 303
    (event,) = public.rows("select id from event where company_id = $1 and event_source = 'formSubmit'")
    expired = f"{form.path}/confirm/{signed(form, event['id'], seconds=-1)}"
    for page in (public.ask(expired), public.ask(expired, verb="POST", body=b"")):
        assert page.status == 410
        assert form_texts.text("en", "link_expired") in page.body.decode()
    assert form.lead()["firstName"] is None
    assert press(form).status == 200
    assert public.ask(expired).status == public.ask(expired, verb="POST", body=b"").status == 200


@pytest.mark.parametrize("how", ["deleteLeads", "eraseLeads"])
def test_nothing_is_written_of_a_lead_that_is_gone(public: Public, how: str) -> None:
    form = optin(public, "firstName")
    assert form.post(ADDRESS, ("firstName", "Ann"), ("trackingid__sb", ANN)).status == 303
    url, lead_id = link(form), form.lead()["id"]
    public.company.call(how, objects=[{"id": lead_id}])
    before = public.rows("select count(*)::int as events from event where company_id = $1")
    for page in (public.ask(url), public.ask(url, verb="POST", body=b"")):
        assert page.status == 410
        assert form_texts.text("en", "link_gone") in page.body.decode()
    assert form.leads() == []
    assert public.rows("select count(*)::int as events from event where company_id = $1") == before
    if how == "deleteLeads":
        public.company.call("restoreLeads", objects=[{"id": lead_id}])
        assert press(form, url).status == 200
        assert form.lead()["firstName"] == "Ann"


def test_a_link_of_a_lead_with_another_address_confirms_nothing(public: Public) -> None:
    """The person who has got the link owns the old address."""
    form = optin(public, "firstName")
    assert form.post(ADDRESS, ("firstName", "Ann")).status == 303
    url = link(form)
    public.company.call("updateLeads", objects=[{"id": form.lead()["id"], "emailAddress": "new@example.com"}])
    assert public.ask(url).status == public.ask(url, verb="POST", body=b"").status == 410
    public.company.create({"emailAddress": "ann@example.com"})
    assert public.ask(url, verb="POST", body=b"").status == 410
    assert {lead["firstName"] for lead in form.leads()} == {None}


def test_a_merged_lead_keeps_its_link_if_the_address_stays(public: Public) -> None:
    company = public.company
    form = optin(public, "firstName")
    assert form.post(ADDRESS, ("firstName", "Ann")).status == 303
    url, held_id = link(form), int(form.lead()["id"] or 0)
    (old_id,) = company.create({"emailAddress": "old@example.com"})
    company.call("mergeLeads", objects=[{"id": held_id, "mergeIDs": [old_id]}])
    assert press(form, url).status == 200
    assert company.lead(held_id)["firstName"] == "Ann"


def test_links_of_closed_and_deleted_forms_are_not_found(public: Public) -> None:
    form = optin(public)
    assert form.post(ADDRESS).status == 303
    url = link(form)
    public.company.call("updateForms", objects=[{"id": form.id, "isActive": 0}])
    assert public.ask(url).status == public.ask(url, verb="POST", body=b"").status == 404
    public.company.call("updateForms", objects=[{"id": form.id, "isActive": 1, "doubleOptIn": 0}])
    assert b"<button>" in public.ask(url).body, "what was held stays held"
    public.company.call("deleteForms", objects=[{"id": form.id}])
    assert public.ask(url).status == public.ask(url, verb="POST", body=b"").status == 404
    assert confirms(form) == []


# What the confirmation writes


def test_values_that_fields_no_longer_take_are_named_on_the_timeline(public: Public) -> None:
    company = public.company
    size = custom(company, "Size", "string")
    colour = custom(company, "Colour", "picklist", options=["Red", "Green"])
    form = optin(public, "firstName", size, colour)
    assert form.post(ADDRESS, ("firstName", "Ann"), (size, "44"), (colour, "Red")).status == 303
    fields = {field["systemName"]: field["id"] for field in company.call("getFields", where={})}
    company.call("updateFields", objects=[{"id": fields[colour], "options": ["Green", "Blue"]}])
    company.call("deleteFields", objects=[{"id": fields[size]}])
    assert press(form).status == 200
    assert form.lead()["firstName"] == "Ann"
    (data,) = confirms(form)
    assert sorted(data["notWritten"]) == sorted([size, colour])


def test_a_file_is_in_its_field_when_it_is_confirmed(public: Public) -> None:
    cv = custom(public.company, "CV", "upload")
    form = optin(public, cv)
    assert form.files(ADDRESS, (cv, ("cv.txt", b"1"))).status == 303
    assert not form.lead()[cv]
    assert press(form).status == 200
    assert public.ask(form.lead()[cv] or "").body == b"1"


def test_the_user_gets_a_task_with_the_confirmation(public: Public) -> None:
    company = public.company
    form = optin(public, "firstName", notifyUserID=user(company))
    assert form.post(ADDRESS, ("firstName", "Ann")).status == 303
    assert company.call("getTasks", where={}) == []
    assert press(form).status == 200
    (task,) = company.call("getTasks", where={})
    assert task["title"] == "Confirmed lead from form Contact"
    assert "firstName: Ann" in task["description"]


# The pages


@pytest.mark.parametrize("language", form_texts.LANGUAGES)
def test_the_pages_are_in_the_language_of_the_visitor(public: Public, language: str) -> None:
    def says(page: Answer, key: str, **values: object) -> bool:
        return form_texts.text(language, key, **values) in html.unescape(page.body.decode())

    form = optin(public, logoURL="https://cdn.example.com/logo.svg")
    asked = {"Accept-Language": language}
    assert form.post(ADDRESS).status == 303
    url, name = link(form), public.rows("select name from company where id = $1")[0]["name"]
    assert says(public.ask(f"{form.path}/thanks", headers=asked), "check_mail")
    page = public.ask(url, headers=asked)
    assert f'<html lang="{language}">' in page.body.decode()
    assert says(page, "confirm_question", company=name)
    assert says(page, "confirm_button")
    assert '<img class="logo" src="https://cdn.example.com/logo.svg"' in page.body.decode()
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "light-dark" in page.body.decode()
    assert says(public.ask(f"{form.path}/confirm/x", headers=asked), "no_link")
    assert says(public.ask(url, verb="POST", body=b"", headers=asked), "thanks")


def test_thanks_and_redirect_come_with_the_confirmation(public: Public) -> None:
    form = optin(public, redirectURL="https://www.example.com/thanks", thankYouText="Welcome!")
    sent = form.post(ADDRESS)
    assert sent.headers["location"] == f"{form.path}/thanks"
    by_script = json.loads(form.post(ADDRESS, script=True).body)
    assert by_script == {"ok": True, "message": form_texts.text("en", "check_mail"), "redirect": None}
    page = public.ask(link(form))
    assert "form-action 'self' https: http:" in page.headers["content-security-policy"]
    confirmed = press(form)
    assert (confirmed.status, confirmed.headers["location"]) == (303, "https://www.example.com/thanks")


def test_a_known_and_an_unknown_address_get_the_same_answer(public: Public) -> None:
    public.company.create({"emailAddress": "ann@example.com"})
    form = optin(public)
    answers = [form.post(("emailAddress", address), script=True) for address in ("ann@example.com", "b@example.com")]
    assert answers[0].body == answers[1].body


def test_what_is_typed_and_configured_is_text_on_the_page(public: Public) -> None:
    form = optin(public, name="<b>x</b>", consentText="<script>x</script>")
    assert form.post(ADDRESS, ("_consent", "1")).status == 303
    page = public.ask(link(form)).body.decode()
    assert "<b>" not in page
    assert "<script" not in page
