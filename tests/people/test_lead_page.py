"""The page of one lead: what it shows, what people change there, and what each role may do."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from browsing import Browser, Page, new_user, noting_statements, signed_in
from hostile.corpus import NAUGHTY
from people.test_leads_table import Parsed
from support import Company, Server, new_company, new_email


@pytest.fixture
def browser(server: Server, company: Company) -> Browser:
    return signed_in(server, company)[0]


@pytest.fixture
def lead(company: Company) -> int:
    values = {"firstName": "Ada", "lastName": "Lovelace", "city": "Oslo", "title": "Chief engineer"}
    return company.create({"emailAddress": new_email(), **values})[0]


def act(browser: Browser, lead: int, do: str, **fields: Any) -> Page:
    """Sends a form of the page."""
    token = browser.get(f"/leads/{lead}").token
    sent = {name: str(value) for name, value in fields.items()}
    return browser.post(f"/leads/{lead}", {"_token": token, "do": do, **sent})


def words(page: Page) -> str:
    """The text of a page. Fails if the page has an element that is not closed, or a script of somebody else."""
    return " ".join(" ".join(Parsed(page).texts).split())


def test_a_lead_is_shown_with_its_fields_and_its_timeline(browser: Browser, lead: int) -> None:
    page = browser.get(f"/leads/{lead}")
    assert page.status == 200
    assert page.heading.startswith("Ada Lovelace")
    text = words(page)
    assert "Chief engineer" in text
    assert "Mobile phone Edit Mobile phone: Add" in text
    assert "Today" in text
    assert "Lead created" in text


def test_a_field_is_changed_and_the_change_can_be_undone(company: Company, browser: Browser, lead: int) -> None:
    editing = browser.get(f"/leads/{lead}?edit=city")
    assert re.search(r'<input class="input" id="edit" name="value" value="Oslo"', editing.text)
    page = act(browser, lead, "field", field="city", value="London", was="Oslo")
    assert page.status == 200
    assert company.lead(lead)["city"] == "London"
    assert "City saved" in words(page)
    assert "data-undo" in page.text
    assert act(browser, lead, "field", field="city", value="Oslo", was="London").status == 200
    assert company.lead(lead)["city"] == "Oslo"
    assert act(browser, lead, "field", field="city", value="", was="Oslo").status == 200
    assert company.lead(lead)["city"] in {None, ""}


def test_a_value_that_somebody_has_changed_is_shown_beside_the_own_one(
    company: Company, browser: Browser, lead: int
) -> None:
    company.call("updateLeads", objects=[{"id": lead, "city": "Bergen"}])
    page = act(browser, lead, "field", field="city", value="London", was="Oslo")
    assert page.status == 409
    assert "Somebody else changed this meanwhile. Theirs: Bergen" in words(page)
    assert 'name="was" value="Bergen"' in page.text, "the button Keep mine replaces their value"
    assert 'value="London"' in page.text
    assert company.lead(lead)["city"] == "Bergen"


def test_a_refused_value_stays_in_its_field(company: Company, browser: Browser, lead: int) -> None:
    page = act(browser, lead, "field", field="city", value="x" * 300, was="Oslo")
    assert page.status == 422
    assert f'value="{"x" * 300}"' in page.text
    assert 'aria-invalid="true"' in page.text
    for field in ("id", "createTimestamp", "name", "nonsense", "leadStatus\0"):
        assert act(browser, lead, "field", field=field, value="1", was="").status == 422, field


def test_a_text_of_several_lines_is_saved(company: Company, browser: Browser, lead: int) -> None:
    for stored in ("one\ntwo", "one\r\ntwo"):
        company.call("updateLeads", objects=[{"id": lead, "description": stored}])
        page = act(browser, lead, "field", field="description", value="one\r\ntwo\r\nthree", was="one\r\ntwo")
        assert page.status == 200
        assert company.lead(lead)["description"] == "one\ntwo\nthree"


def test_the_status_is_a_click_except_what_follows_from_opportunities(
    company: Company, browser: Browser, lead: int
) -> None:
    page = browser.get(f"/leads/{lead}")
    assert re.search(r'value="contactWithOpp"[^>]* disabled title="Follows from an open opportunity"', page.text)
    assert act(browser, lead, "status", value="qualified", was="unqualified").status == 200
    assert company.lead(lead)["leadStatus"] == "qualified"
    assert act(browser, lead, "status", value="open", was="unqualified").status == 409
    assert act(browser, lead, "status", value="contactWithOpp", was="qualified").status == 422
    assert company.lead(lead)["leadStatus"] == "qualified"


def test_a_note_a_call_and_a_task_are_written(server: Server, company: Company, browser: Browser, lead: int) -> None:
    assert "Decides with Charles" in words(act(browser, lead, "note", text="Decides with Charles"))
    text = words(act(browser, lead, "call", text="Wants figures", direction="incoming", result="reached"))
    assert "Called us Mara Okafor, reached" in text
    assert "Wants figures" in text
    text = words(act(browser, lead, "task", text="Send the quote", when="tomorrow 9"))
    assert "Send the quote" in text
    (task,) = company.call("getTasks", where={"whoID": lead})
    assert task["dueDate"] is not None
    browser, _ = signed_in(server, company)  # a user makes only so many calls a second
    refused = act(browser, lead, "task", text="Send it", when="some time")
    assert refused.status == 422
    assert ">\nSend it</textarea>" in refused.text, "what was typed stays"
    assert act(browser, lead, "note", text=" ").status == 422
    assert act(browser, lead, "finish", task=task["id"]).status == 200
    assert company.call("getTasks", where={"whoID": lead})[0]["status"] == "completed"
    other = company.create({"emailAddress": new_email()})[0]
    assert act(browser, other, "finish", task=task["id"]).status == 422


def test_a_score_is_explained(company: Company, browser: Browser, lead: int) -> None:
    rule = {"name": "Name and city", "part": "completeness", "points": 10, "fields": ["firstName", "city"]}
    company.call("createScoreRules", objects=[rule])
    for path in (f"/leads/{lead}/score", f"/leads/{lead}?all=1"):
        text = words(browser.get(path))
        assert "Completeness 10" in text, path
        assert "Name and city 2 of 2: firstName, city +10" in text, path


def test_lists_are_joined_and_left(company: Company, browser: Browser, lead: int) -> None:
    (made,) = company.call("createList", name="Newsletter", description="News")
    assert f'<option value="{made["id"]}">Newsletter' in browser.get(f"/leads/{lead}?open=list").text
    assert "Take off the list Newsletter" in act(browser, lead, "list", list=made["id"]).text
    assert "Take off the list Newsletter" not in act(browser, lead, "unlist", list=made["id"]).text


def test_a_deleted_lead_is_shown_and_restored(company: Company, browser: Browser, lead: int) -> None:
    page = act(browser, lead, "delete")
    assert page.status == 200
    assert "This lead was deleted" in words(page)
    assert "Edit City" not in page.text
    assert "Edit City" in act(browser, lead, "restore").text
    assert company.lead(lead)["city"] == "Oslo"


def test_a_merged_lead_leads_to_the_one_that_stays(company: Company, browser: Browser, lead: int) -> None:
    company.call("updateLeads", objects=[{"id": lead, "mobilePhoneNumber": "+49 170 1234567"}])
    values = {"emailAddress": new_email(), "firstName": "Ada", "city": "Rome", "mobilePhoneNumber": "0170/1234567"}
    (other,) = company.create(values)
    assert "same mobile" in words(browser.get(f"/leads/{lead}?all=1"))
    assert "same mobile" in words(browser.get(f"/leads/{lead}/same"))
    assert "Rome" in words(browser.get(f"/leads/{lead}?open=merge&with={other}"))
    assert act(browser, lead, "merge", other=other).status == 200
    page = browser.get(f"/leads/{other}")
    assert page.path == f"/leads/{lead}?merged={other}"
    assert "was merged into this one" in words(page)


def test_a_lead_is_converted(company: Company, browser: Browser, lead: int) -> None:
    company.call("createDealStages", objects=[{"dealStageName": "Offer", "defaultProbability": 40, "weight": 2}])
    form = browser.get(f"/leads/{lead}?open=convert").text
    stages = re.findall(r'<option value="(\d+)">', form)
    sent = {"leadStatus": "contact", "account": 1, "accountName": "Engines", "opportunityName": "Plan"}
    page = act(browser, lead, "convert", **sent, dealStageID=stages[0], closeDate="in 2 weeks", amount=48000)
    assert page.status == 200, words(page)
    assert "Plan 48,000" in words(browser.get(f"/leads/{lead}/deals"))
    assert "Plan 48,000" in words(browser.get(f"/leads/{lead}?all=1"))
    assert company.lead(lead)["leadStatus"] == "contactWithOpp"


def test_an_erased_lead_leaves_a_receipt_for_those_who_may_erase(
    server: Server, company: Company, browser: Browser, lead: int
) -> None:
    assert act(browser, lead, "erase", typed="something else").status == 422
    page = act(browser, lead, "erase", typed=company.lead(lead)["emailAddress"])
    assert page.status == 410
    assert "Receipt" in words(page)
    manager, _ = signed_in(server, company, "salesManager")
    assert manager.get(f"/leads/{lead}").status == 404


def test_older_events_are_on_further_pages(company: Company, browser: Browser, lead: int) -> None:
    for number in range(55):
        company.call("updateLeads", objects=[{"id": lead, "city": f"City {number}"}])
    page = browser.get(f"/leads/{lead}")
    assert page.text.count('<li class="ev">') == 50
    assert "City 54" in page.text
    older = browser.get(f"/leads/{lead}?older=50")
    assert older.text.count('<li class="ev">') == 6
    assert "Lead created" in older.text
    assert browser.get(f"/leads/{lead}?show=calls").text.count('<li class="ev">') == 0


FIELDS = {"firstName": 50, "lastName": 50, "city": 255, "companyName": 100, "title": 255, "description": 500}
"""Fields that take any text, each with its length."""


@pytest.mark.parametrize("part", range(8))
def test_any_text_stays_a_text(server: Server, company: Company, lead: int, part: int) -> None:
    browser, _ = signed_in(server, company)
    for number, text in enumerate([text for text in NAUGHTY if "\0" not in text][part::8]):
        if number % 5 == 0:
            browser, _ = signed_in(server, company)  # a user makes only so many calls a second
        changed = {name: text[:length] for name, length in FIELDS.items()}
        company.envelope("updateLeads", {"objects": [{"id": lead, **changed}]})
        company.envelope("createNotes", {"objects": [{"note": text[:500] or "x", "whoID": lead, "whoType": "lead"}]})
        assert words(browser.get(f"/leads/{lead}?edit=description"))


def test_the_page_is_there_in_german(server: Server, company: Company, lead: int) -> None:
    browser, _ = signed_in(server, company)
    fields = {"name": "Mara", "language": "de", "zone": "Europe/Berlin"}
    browser.post("/settings", {"_token": browser.get("/settings").token, **fields})
    page = act(browser, lead, "note", text="<script>alert(1)</script>")
    assert "&lt;script&gt;alert(1)" in page.text
    text = words(page)
    assert "Notiz gespeichert" in text
    assert "Verlauf" in text
    for english in ("Timeline", "Fields", "Add ", "Today", "Delete", "Lists"):
        assert english not in text


@pytest.mark.parametrize(
    "path",
    ["0", "1", "99999999999999999999999", "-1", "x", "%00", "1%27", "..%2f..", "%D9%A1"],
)
def test_what_is_no_lead_is_not_found(browser: Browser, path: str) -> None:
    assert browser.get(f"/leads/{path}").status == 404


@pytest.mark.parametrize(
    "query",
    [
        "edit=%00", "edit=%3Cscript%3E", "older=-5", "older=999999999999", "older=%D9%A1", "show=x", "open=x",
        "open=merge&with=x", "open=merge&with=999999999999999999", "tab=x", "write=x", "done=x", "done=field&field=x",
        "merged=%3Cb%3E", "edit=id", "edit=ownerID", "edit=isUnsubscribed",
    ],
)  # fmt: skip
def test_hostile_parameters_show_the_lead_all_the_same(browser: Browser, lead: int, query: str) -> None:
    page = browser.get(f"/leads/{lead}?{query}")
    assert page.status == 200
    assert words(page)


def test_leads_of_other_companies_are_not_found(server: Server, browser: Browser, lead: int) -> None:
    other, _ = signed_in(server, new_company(server))
    assert other.get(f"/leads/{lead}").status == 404
    assert other.get(f"/leads/{lead}/score").status == 404
    assert "Ada" not in other.get(f"/leads/{lead}/same").text
    token = other.get("/leads/new").token
    for do in ("field", "status", "note", "call", "task", "list", "delete", "restore", "merge", "erase", "convert"):
        sent = {"_token": token, "do": do, "field": "city", "value": "x", "was": "Oslo", "text": "x"}
        assert other.post(f"/leads/{lead}", sent).status == 404, do
    assert "Oslo" in browser.get(f"/leads/{lead}").text


def test_a_form_without_the_token_does_nothing(company: Company, browser: Browser, lead: int) -> None:
    sent = {"do": "field", "field": "city", "value": "x", "was": "Oslo"}
    assert browser.post(f"/leads/{lead}", sent).status == 403
    assert company.lead(lead)["city"] == "Oslo"


def test_a_junior_sees_and_does_no_more_than_the_role_has(server: Server, company: Company, lead: int) -> None:
    junior, user = signed_in(server, company, "jrSalesperson")
    company.call("updateLeads", objects=[{"id": lead, "ownerID": user.id}])
    page = junior.get(f"/leads/{lead}?open=delete")
    assert 'href="?open=delete' not in page.text
    assert 'href="?open=erase' not in page.text
    assert 'id="form"' not in page.text
    for do in ("delete", "erase", "merge"):
        address = company.lead(lead)["emailAddress"]
        assert act(junior, lead, do, other=lead, typed=address).status == 422, do
    assert company.lead(lead)["city"] == "Oslo"


def test_times_and_names_of_people_are_those_of_the_user(server: Server, company: Company, lead: int) -> None:
    owner = new_user(server, company)
    company.call("updateLeads", objects=[{"id": lead, "ownerID": owner.id}])
    browser, _ = signed_in(server, company)
    fields = {"name": "Mara", "language": "de", "zone": "Asia/Tokyo"}
    browser.post("/settings", {"_token": browser.get("/settings").token, **fields})
    page = browser.get(f"/leads/{lead}")
    assert " JST" in page.text
    assert owner.display_name in unescape(page.text)


def test_a_page_and_its_parts_need_at_most_twelve_statements_each(tmp_path: Path) -> None:
    with noting_statements(tmp_path) as (browser, company, user, log):
        values = {"firstName": "Ada", "companyName": "Engines", "ownerID": user.id, "mobilePhoneNumber": "0170/1234567"}
        lead, _ = company.create(*({"emailAddress": new_email(), **values} for _ in range(2)))
        (stage,) = company.call("createDealStages", objects=[{"dealStageName": "Offer", "weight": 2}])
        deal = {"opportunityName": "Plan", "dealStageID": stage["id"], "closeDate": "2027-01-01 00:00:00"}
        company.call("convertLeads", objects=[{"id": lead, "account": 1, **deal}])
        for path in (f"/leads/{lead}", f"/leads/{lead}/score", f"/leads/{lead}/same", f"/leads/{lead}/deals"):
            browser.get(path)
            counts: list[int] = []
            for _ in range(5):  # a background job may run a statement of its own meanwhile
                before = len(log.read_text())
                assert browser.get(path).status == 200
                counts.append(sum(" LOG:  " in line for line in log.read_text()[before:].splitlines()))
            assert 1 <= min(counts) <= 12, (path, counts)
