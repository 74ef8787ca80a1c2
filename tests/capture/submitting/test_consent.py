"""A form with a consent box: it must be ticked, its text and time are on the timeline, and it subscribes again."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from capture.forms import FormOf, messages
from capture.public import Public

TEXT = 'I agree to get the newsletter of <b>Example</b> "Ltd".'
ADDRESS = ("emailAddress", "ann@example.com")


def test_the_box_is_on_the_page_and_in_the_script_with_its_text(public: Public) -> None:
    form = FormOf(public, consentText=TEXT)
    page = public.ask(form.path).body.decode()
    assert re.search(r'<input type="checkbox" name="_consent" value="1" required> <span>I agree', page)
    assert "<b>" not in page
    assert '"name":"_consent"' in public.ask(f"{form.path}.js").body.decode()
    assert "_consent" not in public.ask(FormOf(public).path).body.decode()


@pytest.mark.parametrize("value", [None, "", "0", "off", "false", "no"])
def test_a_submit_without_the_tick_is_refused_at_the_box(public: Public, value: str | None) -> None:
    form = FormOf(public, consentText=TEXT)
    page = form.post(ADDRESS, *([("_consent", value)] if value is not None else []))
    assert page.status == 422
    assert messages(page)["_consent"] == "Please tick this box to go on."
    assert form.leads() == []


@pytest.mark.parametrize(
    "name", ["_consent", "consent", "your-consent", "acceptance-123", "form_fields[acceptance]", "gdpr", "Einwilligung"]
)
def test_a_tick_is_on_the_timeline_with_text_and_time(public: Public, name: str) -> None:
    form = FormOf(public, consentText=TEXT)
    assert form.post(ADDRESS, (name, "on"), token=None).status == 303
    data = form.submits()[0]["data"]
    assert data["consent"]["text"] == TEXT
    time = datetime.strptime(data["consent"]["time"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - time) < timedelta(minutes=5)
    assert "inputs" not in data


def test_a_tick_subscribes_a_known_lead_again_and_it_can_join_the_list(public: Public) -> None:
    company = public.company
    (list_id,) = company.make("createList", {"name": "Readers"})
    (lead_id,) = company.create({"emailAddress": "ann@example.com", "isUnsubscribed": 1})
    company.call("addListMember", listID=list_id, memberID=lead_id)
    company.call("removeListMember", listID=list_id, memberID=lead_id)
    plain, consenting = FormOf(public, listID=list_id), FormOf(public, listID=list_id, consentText=TEXT)

    assert plain.post(ADDRESS, ("_consent", "1")).status == 303
    assert company.lead(lead_id)["isUnsubscribed"] == "1"
    assert company.call("getListMembers", where={"id": list_id}) == []

    assert consenting.post(ADDRESS, ("_consent", "1")).status == 303
    assert company.lead(lead_id)["isUnsubscribed"] == "0"
    assert len(company.call("getListMembers", where={"id": list_id})) == 1


def test_a_tick_subscribes_an_address_that_comes_back_after_its_lead_was_deleted(public: Public) -> None:
    company = public.company
    (lead_id,) = company.create({"emailAddress": "ann@example.com", "isUnsubscribed": 1})
    assert company.refusal("deleteLeads", {"id": lead_id}) is None
    form = FormOf(public, consentText=TEXT)
    assert form.post(ADDRESS, ("_consent", "1")).status == 303
    assert form.lead()["isUnsubscribed"] in {None, "0"}


def test_a_custom_field_of_that_name_is_no_consent(public: Public) -> None:
    name = public.company.field("Consent", "string", isAvailableInForms=1)
    form = FormOf(public, name, consentText=TEXT)
    assert form.post(ADDRESS, ("consent", "1")).status == 422
    assert form.post(ADDRESS, ("consent", "x"), ("_consent", "1")).status == 422, "both are named Consent"
    assert form.post(ADDRESS, (name, "x"), ("acceptance", "1")).status == 303
    assert form.lead()[name] == "x"
