"""The addresses that people and programs put into forms."""

import pytest

from capture.forms import FormOf
from capture.public import Public


@pytest.mark.parametrize("spelling", ["\ufeffann@example.com", "ann\u200b@example.com", "\u00a0Ann@example.com "])
def test_a_form_stores_no_invisible_characters_of_an_address_and_finds_the_lead(public: Public, spelling: str) -> None:
    company = public.company
    (lead_id,) = company.create({"emailAddress": "ann@example.com"})
    form = FormOf(public, "firstName")

    assert form.post(emailAddress=spelling, firstName="Ann").status == 303
    assert form.post(emailAddress=spelling.replace("nn", "lex"), firstName="Alex").status == 303

    assert [lead["emailAddress"] for lead in company.call("getLeads", where={})][1].lower() == "alex@example.com"
    assert company.lead(lead_id)["firstName"] == "Ann"
    sent = [event["data"]["values"]["emailAddress"].lower() for event in form.submits()]
    assert sent == ["ann@example.com", "alex@example.com"]
