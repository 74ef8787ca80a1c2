"""What people change in the table of leads: a cell, many leads at once, and a new lead; and what each role may do."""

import json
from typing import Any

import pytest

from browsing import Browser, Page, new_user, signed_in
from support import Company, Server, new_company, new_email, sql

Post = Any


@pytest.fixture
def browser(server: Server, company: Company) -> Browser:
    return signed_in(server, company)[0]


@pytest.fixture
def lead(company: Company) -> int:
    return company.create(
        {"emailAddress": new_email(), "firstName": "Peter", "lastName": "van Dijk", "city": "Utrecht"}
    )[0]


def send(browser: Browser, path: str, **fields: Any) -> Page:
    """Sends a form as the scripts of the table do."""
    token = browser.get("/leads/new").token
    return browser.post(path, {"_token": token, **{name: str(value) for name, value in fields.items()}})


def save(browser: Browser, lead: int, field: str, value: str, was: str) -> Page:
    return send(browser, "/leads/cell", id=lead, field=field, value=value, was=was)


def bulk(browser: Browser, do: str, ids: list[int], **fields: Any) -> dict[str, Any]:
    page = send(browser, "/leads/bulk", do=do, ids=",".join(map(str, ids)), **fields)
    return {"status": page.status, **json.loads(page.text)}


def test_a_cell_is_saved(company: Company, browser: Browser, lead: int) -> None:
    page = save(browser, lead, "city", "Leiden", "Utrecht")
    assert page.status == 200
    assert f'data-id="{lead}"' in page.text
    assert "Leiden" in page.text
    assert company.lead(lead)["city"] == "Leiden"
    assert save(browser, lead, "city", "Leiden", "Leiden").status == 200, "nothing to change is no error"
    assert save(browser, lead, "city", "", "Leiden").status == 200
    assert company.lead(lead)["city"] in {None, ""}


def test_a_value_that_somebody_has_changed_is_not_overwritten(company: Company, browser: Browser, lead: int) -> None:
    company.call("updateLeads", objects=[{"id": lead, "city": "Delft"}])
    page = save(browser, lead, "city", "Leiden", "Utrecht")
    assert page.status == 409
    assert json.loads(page.text) == {"message": "Somebody else changed this meanwhile.", "theirs": "Delft"}
    assert company.lead(lead)["city"] == "Delft"


@pytest.mark.parametrize(
    ("typed", "parts"),
    [
        ("Pieter van Dijk", ("Pieter", "van Dijk")),
        ("Peter van den Berg", ("Peter", "van den Berg")),
        ("Ada Lovelace", ("Ada", "Lovelace")),
        ("Ada", ("Ada", "")),
    ],
)
def test_a_name_is_saved_in_its_parts(
    company: Company, browser: Browser, lead: int, typed: str, parts: tuple[str, str]
) -> None:
    assert save(browser, lead, "name", typed, "Peter van Dijk").status == 200
    stored = company.lead(lead)
    assert (stored["firstName"], stored["lastName"] or "") == parts
    assert save(browser, lead, "name", "Somebody Else", "Peter van Dijk").status == 409


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("emailAddress", ("", "Expected")),
        ("leadScore", ("many", "Expected")),
        ("city", ("x" * 300, "Expected")),
        ("updateTimestamp", ("2026-01-01 00:00:00", "cannot be changed")),
        ("nonsense", ("x", "cannot be changed")),
    ],
)
def test_a_refused_value_is_explained(
    company: Company, browser: Browser, lead: int, field: str, typed: tuple[str, str]
) -> None:
    value, sentence = typed
    was = company.lead(lead).get(field) or ""
    page = save(browser, lead, field, value, was)
    assert page.status == 422
    assert sentence.lower() in json.loads(page.text)["message"].lower()
    assert (company.lead(lead).get(field) or "") == was


def test_many_leads_get_a_status_and_it_can_be_undone(company: Company, browser: Browser) -> None:
    ids = company.create(*({"emailAddress": new_email(), "leadStatus": status} for status in ("open", "contact")))
    done = bulk(browser, "status", ids, value="qualified")
    assert done["message"] == "Status set for 2 leads."
    assert {company.lead(one)["leadStatus"] for one in ids} == {"qualified"}
    company.call("updateLeads", objects=[{"id": ids[1], "leadStatus": "customer"}])
    undone = json.loads(send(browser, "/leads/bulk", **done["undo"]).text)
    assert [company.lead(one)["leadStatus"] for one in ids] == ["open", "customer"], "a later change stays"
    assert undone["message"].startswith("1 leads are as before. 1 were not changed.")


def test_many_leads_get_an_owner(server: Server, company: Company, browser: Browser) -> None:
    owner = new_user(server, company)
    ids = company.create({"emailAddress": new_email()}, {"emailAddress": new_email()})
    assert owner.display_name in browser.get("/leads/choices?of=owner").text
    done = bulk(browser, "owner", ids, value=owner.id)
    assert {company.lead(one)["ownerID"] for one in ids} == {str(owner.id)}
    send(browser, "/leads/bulk", **done["undo"])
    assert {company.lead(one)["ownerID"] for one in ids} == {None}


def test_many_leads_go_on_a_list(company: Company, browser: Browser) -> None:
    company.call("createList", name="Berlin <fair>")
    (row,) = company.call("getActiveLists", where={})
    ids = company.create({"emailAddress": new_email()}, {"emailAddress": new_email()})
    assert "Berlin &lt;fair&gt;" in browser.get("/leads/choices?of=list").text
    done = bulk(browser, "list", ids, value=row["id"])
    assert done["message"] == "2 leads are on the list."
    assert len(company.call("getListMembers", where={"id": row["id"]})) == 2
    send(browser, "/leads/bulk", **done["undo"])
    assert company.call("getListMembers", where={"id": row["id"]}) == []


def test_many_leads_are_deleted_and_restored(company: Company, browser: Browser) -> None:
    ids = company.create({"emailAddress": new_email()}, {"emailAddress": new_email()})
    done = bulk(browser, "delete", ids)
    assert done["message"] == "2 leads deleted."
    assert company.call("getLeads", where={}) == []
    send(browser, "/leads/bulk", **done["undo"])
    assert len(company.call("getLeads", where={})) == 2


def test_an_action_that_is_wrong_is_refused(browser: Browser, lead: int) -> None:
    assert bulk(browser, "nonsense", [lead])["status"] == 422
    assert bulk(browser, "status", [lead], value="nonsense")["status"] == 422
    assert bulk(browser, "list", [lead], value="x")["status"] == 422
    assert json.loads(send(browser, "/leads/bulk", do="undo", field="city", ids='{"1":"x"}').text)["isBad"]
    assert json.loads(send(browser, "/leads/bulk", do="undo", field="ownerID", ids="[[[").text)["isBad"]
    assert send(browser, "/leads/bulk", do="delete", ids="").status in {200, 422}


def test_a_new_lead_is_created(company: Company, browser: Browser) -> None:
    email = new_email()
    token = browser.get("/leads/new").token
    fields = {
        "_token": token,
        "emailAddress": email,
        "firstName": "Ada",
        "lastName": "",
        "companyName": "",
        "phoneNumber": "",
    }
    page = browser.post("/leads/new", fields, follow=False)
    (stored,) = company.call("getLeads", where={"emailAddress": email})
    assert (page.status, page.headers["location"]) == (303, f"/leads/{stored['id']}")
    again = browser.post("/leads/new", fields)
    assert again.status == 422
    assert f'<a class="link" href="/leads/{stored["id"]}">Ada</a>' in again.text
    assert f'value="{email}"' in again.text
    known = browser.get(f"/leads/known?emailAddress={email.upper()}")
    assert f'href="/leads/{stored["id"]}"' in known.text
    assert "<a " not in browser.get("/leads/known?emailAddress=nobody@example.com").text
    for odd in ("%00", "%ff", "x" * 1_000, ""):
        assert browser.get(f"/leads/known?emailAddress={odd}").status == 200


def test_a_junior_cannot_delete(server: Server, company: Company, lead: int) -> None:
    junior, _ = signed_in(server, company, "jrSalesperson")
    assert 'data-do="delete"' not in junior.get("/leads").text
    assert bulk(junior, "delete", [lead])["isBad"]
    assert company.lead(lead)["city"] == "Utrecht"
    assert save(junior, lead, "city", "Leiden", "Utrecht").status == 200


def test_leads_of_another_company_cannot_be_changed(server: Server, company: Company, lead: int) -> None:
    other, _ = signed_in(server, new_company(server))
    assert save(other, lead, "city", "Leiden", "Utrecht").status == 422
    for do, value in (("status", "qualified"), ("owner", ""), ("list", "1"), ("delete", ""), ("restore", "")):
        bulk(other, do, [lead], value=value)
    assert company.lead(lead)["city"] == "Utrecht"
    assert sql(server.dsn, "select count(*) from lead where id = $1", lead, company_id=company.id)[0][0] == 1


@pytest.mark.parametrize("path", ["/leads/cell", "/leads/bulk", "/leads/new"])
def test_changes_need_the_token_of_the_form(browser: Browser, lead: int, path: str) -> None:
    fields = {"id": str(lead), "ids": str(lead), "field": "city", "value": "x", "was": "Utrecht", "do": "delete"}
    assert browser.post(path, {"_token": "x", **fields}).status == 403
