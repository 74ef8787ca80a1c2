"""Forms as a person sees them: the page, the effects of a submit, and the error messages."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from capture.forms import EMAIL, FormOf, custom, inputs, messages
from capture.public import ANN, Public
from support import Company

THANKS = "Thank you. We have received what you sent."


def test_a_submit_of_the_page_creates_a_lead_with_its_list_campaign_and_timeline(public: Public) -> None:
    company = public.company
    (list_id,) = company.make("createList", {"name": "Readers"})
    (campaign_id,) = company.make("createCampaigns", {"campaignName": "Spring"})
    form = FormOf(public, "firstName", "description", listID=list_id, campaignID=campaign_id, thankYouText="Welcome!")
    page = public.ask(form.path)
    assert page.status == 200
    assert set(inputs(page)) == {"emailAddress", "firstName", "description", "_token"}

    sent = form.post(emailAddress="Ann@Example.com ", firstName="Ann", description="one\r\ntwo")

    assert (sent.status, sent.headers["location"]) == (303, f"{form.path}/thanks")
    assert "Welcome!" in public.ask(sent.headers["location"]).body.decode()
    lead = form.lead()
    assert (lead["emailAddress"], lead["firstName"], lead["description"]) == ("Ann@Example.com", "Ann", "one\ntwo")
    assert lead["campaignID"] == str(campaign_id)
    (member,) = company.call("getListMembers", where={"id": list_id})
    assert member["leadID"] == lead["id"]
    (event,) = company.call("getLeadTimeline", where={"whoID": lead["id"], "eventSource": "formSubmit"})
    assert (event["whatType"], event["whatID"]) == ("form", str(form.id))
    assert event["eventName"] == "Submitted the form Contact"
    assert json.loads(event["eventData"])["values"] == {
        "emailAddress": "Ann@Example.com", "firstName": "Ann", "description": "one\ntwo"
    }  # fmt: skip


def test_a_submit_of_a_known_address_changes_that_lead_and_empties_nothing(public: Public) -> None:
    company = public.company
    (lead_id,) = company.create({"emailAddress": "ann@example.com", "firstName": "Ann", "city": "Rome", "title": "Dr"})
    (campaign_id,) = company.make("createCampaigns", {"campaignName": "Spring"})
    form = FormOf(public, "firstName", "city", "title", campaignID=campaign_id, updatesKnownLeads=1)

    assert form.post(emailAddress="ANN@example.com", firstName="Anna", city="", title="  ").status == 303

    lead = form.lead()
    assert (lead["id"], lead["firstName"], lead["city"], lead["title"]) == (str(lead_id), "Anna", "Rome", "Dr")
    assert (lead["emailAddress"], lead["campaignID"]) == ("ann@example.com", None)
    assert [event["lead_id"] for event in form.submits()] == [lead_id]


def test_a_submit_never_resubscribes_a_lead_and_activates_an_inactive_one(public: Public) -> None:
    company = public.company
    (list_id,) = company.make("createList", {"name": "Readers"})
    away, gone = company.create(
        {"emailAddress": "away@example.com", "isUnsubscribed": 1}, {"emailAddress": "gone@example.com", "active": 0}
    )
    for lead in (away, gone):
        company.call("addListMember", listID=list_id, memberID=lead)
        company.call("removeListMember", listID=list_id, memberID=lead)
    form = FormOf(public, listID=list_id)

    assert form.post(emailAddress="away@example.com").status == 303
    assert form.post(emailAddress="gone@example.com").status == 303

    assert company.lead(away)["isUnsubscribed"] == "1"
    assert company.lead(gone)["active"] == "1"
    members = company.call("getListMembers", where={"id": list_id})
    assert [member["leadID"] for member in members] == [str(gone)], "an unsubscribed member stays removed"
    assert len(form.submits()) == 2


def test_a_value_that_another_lead_has_in_a_unique_field_refuses_no_submit(public: Public) -> None:
    company = public.company
    code = company.field("Code", isUnique=1, isAvailableInForms=1)
    company.create({"emailAddress": "other@example.com", code: "C-1"}, {"emailAddress": "there@example.com"})
    form = FormOf(public, "firstName", code)

    for address in ("new@example.com", "there@example.com"):
        assert form.post(("emailAddress", address), ("firstName", "Ann"), (code, "C-1")).status == 303
        (lead,) = company.call("getLeads", where={"emailAddress": address})
        assert (lead["firstName"], lead[code]) == ("Ann", "")
        (event,) = company.call("getLeadTimeline", where={"whoID": lead["id"], "eventSource": "formSubmit"})
        assert json.loads(event["eventData"])["values"][code] == "C-1"
    assert form.post(("emailAddress", "new@example.com"), (code, "C-2")).status == 303
    assert company.call("getLeads", where={"emailAddress": "new@example.com"})[0][code] == "C-2"


def test_a_list_with_a_filter_follows_a_submit(public: Public) -> None:
    (list_id,) = public.company.make("createList", {"name": "Berlin", "filter": {"city": "Berlin"}})
    form = FormOf(public, "city")

    assert form.post(emailAddress="ann@example.com", city="Berlin").status == 303

    assert len(public.company.call("getListMembers", where={"id": list_id})) == 1


def test_a_user_who_is_to_be_notified_gets_a_task(public: Public) -> None:
    company = public.company
    (user,) = company.call("getUserProfiles")
    form = FormOf(public, "firstName", notifyUserID=user["id"])

    form.post(emailAddress="ann@example.com", firstName="Ann")
    form.post(emailAddress="ann@example.com", firstName="Anna")

    tasks = company.call("getTasks")
    assert [task["title"] for task in tasks] == ["New lead from form Contact", "A known lead from form Contact"]
    assert {(task["ownerID"], task["whoID"], task["whoType"]) for task in tasks} == {
        (user["id"], form.lead()["id"], "lead")
    }
    assert tasks[0]["description"] == "emailAddress: ann@example.com\nfirstName: Ann"


def test_the_visitor_is_linked_to_the_lead_however_the_tracking_id_is_sent(public: Public) -> None:
    public.report("pricing")
    form = FormOf(public)
    for number, pairs in enumerate([[("trackingid__sb", ANN)], [("TrackingID__sb", ANN)], [("__ss_tk", ANN)]]):
        assert form.post(*pairs, emailAddress=f"lead{number}@example.com").status == 303
    body = f"emailAddress=cookie@example.com&_token={form.token()}".encode()
    assert form.raw(body, headers={"Cookie": f"a=b; __ss_tk={ANN}"}).status == 303
    assert {lead["trackingID"] for lead in form.leads()} == {ANN}


def test_a_visitor_who_objects_to_tracking_is_not_linked_but_the_lead_is_stored(public: Public) -> None:
    form = FormOf(public)
    for number, header in enumerate(({"DNT": "1"}, {"Sec-GPC": "1"})):
        body = f"emailAddress=lead{number}@example.com&trackingid__sb={ANN}&_token={form.token()}".encode()
        assert form.raw(body, headers=header).status == 303
    assert {lead["trackingID"] for lead in form.leads()} == {None}


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("email", "ann@example.com", "emailAddress"),
        ("E-Mail", "ann@example.com", "emailAddress"),
        ("EMAILADDRESS", "ann@example.com", "emailAddress"),
        ("email[]", "ann@example.com", "emailAddress"),
        ("first_name", "Ann", "firstName"),
        ("first-name", "Ann", "firstName"),
        ("fname", "Ann", "firstName"),
        ("company", "Acme", "companyName"),
        ("phone", "123", "phoneNumber"),
        ("Zip", "123", "zipcode"),
        ("message", "Hi", "description"),
    ],
)
def test_existing_forms_can_use_other_spellings_of_names(public: Public, name: str, value: str, field: str) -> None:
    form = FormOf(public, "firstName", "companyName", "phoneNumber", "zipcode", "description")
    known = [] if field == "emailAddress" else [("emailAddress", "ann@example.com")]

    assert form.post((name, value), ("unknown", "x"), ("id", "5"), *known, token=None).status == 303

    assert form.lead()[field] == value


def test_a_custom_field_can_be_named_by_its_id_and_fields_that_are_not_in_the_form_are_ignored(public: Public) -> None:
    size = custom(public.company, "Shoe size", "string")
    other = custom(public.company, "Hat size", "string")
    (field,) = [row for row in public.company.call("getFields", where={}) if row["systemName"] == size]
    form = FormOf(public, size)

    pairs = [
        (f"field_{field['id']}", "44"), (other, "57"), ("leadStatus", "customer"), ("ownerID", "5"), ("active", "0"),
        ("isUnsubscribed", "1"), ("leadScore", "999"), ("firstName", "Eve"),
    ]  # fmt: skip
    sent = form.post(*pairs, token=None, emailAddress="ann@example.com")

    assert sent.status == 303
    lead = form.lead()
    assert (lead[size], lead[other], lead["leadStatus"], lead["firstName"]) == ("44", "", "unqualified", None)
    assert form.submits()[0]["data"]["values"] == {"emailAddress": "ann@example.com", size: "44"}


TYPES: list[tuple[str, dict[str, Any], list[str], str]] = [
    ("picklist", {"options": ["a", "b"]}, ["b"], "b"),
    ("radio", {"options": ["a", "b"]}, ["a"], "a"),
    ("checkbox", {"options": ["a", "b", "c"]}, ["a", "c"], "a,c"),
    ("boolean", {}, ["1"], "1"),
    ("bit", {}, ["on"], "1"),
    ("date", {}, ["2026-03-14"], "2026-03-14"),
    ("datetime", {}, ["2026-03-14T09:26"], "2026-03-14 09:26:00"),
    ("url", {}, ["https://example.com/x"], "https://example.com/x"),
    ("textarea", {}, ["a\r\n\r\nb"], "a\n\nb"),
    ("string", {}, ["a\r\nb\nc"], "a b c"),
    ("phone", {}, ["+49 30 1"], "+49 30 1"),
    ("hidden", {}, ["x"], "x"),
]


@pytest.mark.parametrize(("kind", "more", "sent", "stored"), TYPES, ids=[kind for kind, *_ in TYPES])
def test_every_type_of_field_is_shown_and_stored(
    public: Public, kind: str, more: dict[str, Any], sent: list[str], stored: str
) -> None:
    name = custom(public.company, "Thing", kind, **more)
    form = FormOf(public, name)
    assert f'name="{name}"' in public.ask(form.path).body.decode()

    body = urlencode(
        [*((name, value) for value in sent), ("emailAddress", "ann@example.com"), ("_token", form.token())]
    )
    assert form.raw(body.encode()).status == 303

    assert form.lead()[name] == stored


@pytest.mark.parametrize(
    ("kind", "more", "sent", "message"),
    [
        ("picklist", {"options": ["a"]}, "b", "Please choose one of the options."),
        ("checkbox", {"options": ["a"]}, "b", "Please choose from the options."),
        ("date", {}, "2026-02-30", "Please enter a date as year-month-day, such as 2026-03-14."),
        ("datetime", {}, "soon", "Please enter a date and a time, such as 2026-03-14 09:30."),
        ("url", {}, "javascript:alert(1)", "Please enter a web address, such as https://example.com."),
        ("boolean", {}, "perhaps", "Please answer with yes or no."),
        ("string", {}, "x" * 256, "Please keep this to 255 characters; it has 256."),
        ("string", {"isRequired": 1}, " ", "Please fill in this field."),
        ("picklist", {"options": ["a"], "isRequired": 1}, "", "Please choose one."),
    ],
)
def test_a_wrong_value_has_a_message_at_its_field_and_the_input_stays(
    public: Public, kind: str, more: dict[str, Any], sent: str, message: str
) -> None:
    name = custom(public.company, "Thing", kind, **more)
    form = FormOf(public, "firstName", "description", name)

    page = form.post((name, sent), emailAddress="ann@example.com", firstName="Ann", description="one\ntwo")

    assert page.status == 422
    assert messages(page) == {name: message, "": "Please check the fields below."}
    assert inputs(page)["firstName"] == "Ann"
    assert inputs(page)["description"] == "one\ntwo"
    assert form.leads() == []
    answer = form.post((name, sent), emailAddress="ann@example.com", script=True)
    assert answer.status == 422
    assert json.loads(answer.body)["errors"] == {name: message}


@pytest.mark.parametrize(
    "address", ["", "ann", "ann@", "@example.com", "ann@example", "ann@exa mple.com", "a@b@example.com", "<x>@a.com"]
)
def test_a_wrong_email_address_has_a_message(public: Public, address: str) -> None:
    form = FormOf(public)
    page = form.post(emailAddress=address)
    assert page.status == 422
    assert list(messages(page)) == ["emailAddress", ""]


@pytest.mark.parametrize("address", ["o'hara+tag@example.co.uk", "ann@exämple.example", "ännchen@example.com"])
def test_addresses_of_all_scripts_are_accepted(public: Public, address: str) -> None:
    form = FormOf(public)
    assert form.post(emailAddress=address).status == 303
    assert form.lead()["emailAddress"] == address


def test_a_form_has_its_own_values_and_labels(public: Public) -> None:
    persona = {"systemName": "persona", "value": "Buyer"}
    form = FormOf(
        public, {"systemName": "firstName", "label": "Vorname", "placeholder": "Anna", "required": 1}, persona
    )
    page = public.ask(form.path)
    assert inputs(page)["persona"] == "Buyer"
    assert '<label for="firstName">Vorname</label>' in page.body.decode()
    assert 'placeholder="Anna"' in page.body.decode()
    assert messages(form.post(emailAddress="ann@example.com"))["firstName"] == "Please fill in this field."


def test_several_options_can_be_preselected(public: Public) -> None:
    several = custom(public.company, "Colours", "checkbox", options=["red", "green", "blue"])
    single = custom(public.company, "Size", "radio", options=["S", "M"])
    form = FormOf(public, {"systemName": several, "value": "red,blue"}, {"systemName": single, "value": "M"})
    text = public.ask(form.path).body.decode()
    assert re.findall(r'value="(\w+)" checked', text) == ["red", "blue", "M"]


def test_every_input_has_a_label_and_every_message_belongs_to_its_input(public: Public) -> None:
    names = [custom(public.company, f"Thing {kind}", kind, **more) for kind, more, *_ in TYPES if kind != "hidden"]
    form = FormOf(public, *names, "description")

    text = form.post(emailAddress="ann").body.decode()

    for tag in re.findall(r"<(?:input|select|textarea) [^>]*>", text):
        kind = re.search(r'type="(\w+)"', tag)
        if kind and kind[1] == "hidden":
            continue
        given = re.search(r' id="([^"]*)"', tag)
        labelled = given and f'<label for="{given[1]}">' in text
        assert labelled or re.search(rf"<label[^>]*>[^<]*{re.escape(tag)}", text), tag
    described = re.findall(r'aria-describedby="([^"]*)"', text)
    assert described
    assert all(f'id="{hint}"' in text for hint in described)
    ids = re.findall(r' id="([^"]*)"', text)
    assert len(ids) == len(set(ids))


def test_a_submit_redirects_to_the_address_of_the_form(public: Public) -> None:
    form = FormOf(public, redirectURL="https://www.example.com/thanks?a=b")
    sent = form.post(("redirectURL", "https://evil.example"), ("next", "//evil.example"), emailAddress="a@example.com")
    assert (sent.status, sent.headers["location"]) == (303, "https://www.example.com/thanks?a=b")
    answer = form.post(emailAddress="a@example.com", script=True)
    assert json.loads(answer.body) == {"ok": True, "message": THANKS, "redirect": "https://www.example.com/thanks?a=b"}


def test_the_script_of_any_site_may_post_and_read_the_answer(public: Public) -> None:
    form = FormOf(public)
    script = public.ask(f"{form.path}.js")
    assert script.status == 200
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert script.headers["cross-origin-resource-policy"] == "cross-origin"

    answer = form.post(("_page", "https://www.example.com/x?y"), emailAddress="a@example.com", script=True)

    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "*")
    assert "access-control-allow-credentials" not in answer.headers
    assert json.loads(answer.body) == {"ok": True, "message": THANKS, "redirect": None}
    assert form.submits()[0]["data"]["page"] == "https://www.example.com/x?y"


def test_an_inactive_form_and_an_unknown_form_are_404(public: Public, given_company: Callable[..., Company]) -> None:
    form = FormOf(public)
    assert public.company.refusal("updateForms", {"id": form.id, "isActive": 0}) is None
    for path in (form.path, "/f/" + "A" * 22, "/f/x", "/f/" + "é", f"{form.path}x"):
        for end in ("", ".js", "/thanks"):
            if path.isascii():
                assert public.ask(path + end).status == 404
    assert form.post(emailAddress="a@example.com").status == 404
    assert form.leads() == []


def test_a_change_of_a_form_shows_at_once(public: Public) -> None:
    form = FormOf(public)
    public.ask(form.path)
    fields = [EMAIL, {"systemName": "city", "label": "Town"}]
    assert public.company.refusal("updateForms", {"id": form.id, "fields": fields, "name": "Other"}) is None
    page = public.ask(form.path).body.decode()
    assert ">Town" in page
    assert "<h1>Other</h1>" in page


def test_a_deleted_field_is_no_longer_in_the_form(public: Public) -> None:
    size = custom(public.company, "Shoe size", "string", isRequired=1)
    form = FormOf(public, size)
    assert public.company.refusal("deleteFields", {"systemName": size}) is None
    assert size not in public.ask(form.path).body.decode()
    assert form.post((size, "44"), emailAddress="a@example.com").status == 303


def test_submits_of_one_address_at_the_same_time_make_one_lead(public: Public) -> None:
    from concurrent.futures import ThreadPoolExecutor

    form = FormOf(public, "firstName")

    def send(number: int) -> int:
        other = Public(public.company)
        try:
            body = f"email=ann@example.com&firstName=Ann{number}".encode()
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            return other.ask(form.path, verb="POST", body=body, headers=headers).status
        finally:
            other.close()

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(send, range(24))) == {303}

    assert len(form.leads()) == 1
    assert len(form.submits()) == 24
