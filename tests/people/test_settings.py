"""Administrators manage the people of their company at the pages, and nobody else does."""

import re

import pytest

from browsing import Browser, Page, new_user, signed_in
from hostile.corpus import NAUGHTY
from springhead.model.companies.roles import ROLES
from support import Company, Server, new_company, new_email, sql

PASSWORD = "a river runs through it"


def send(browser: Browser, **fields: str) -> Page:
    """The answer to a form of the page about people."""
    return browser.post("/settings/people", {"_token": browser.get("/settings/people").token, **fields})


def test_an_administrator_invites_changes_a_role_and_disables(server: Server, company: Company) -> None:
    browser, _ = signed_in(server, company)
    address = new_email()
    page = send(browser, do="invite", address=address, name="Ann Berg", role="jrSalesperson")
    (path,) = re.findall(r'value="http://[^/]+(/sign-in/[^"]+)"', page.text)
    assert Browser(server).post(path, {"password": PASSWORD}, follow=False).status == 303

    (row,) = sql(server.dsn, "select id from user_profile where email_address = $1", address, company_id=company.id)
    send(browser, do="role", id=str(row["id"]), role="salesManager")
    changed = "select role, is_active from user_profile where id = $1"
    assert [tuple(one) for one in sql(server.dsn, changed, row["id"], company_id=company.id)] == [
        ("salesManager", True)
    ]
    assert "/sign-in/" in send(browser, do="reset", id=str(row["id"])).text
    send(browser, do="disable", id=str(row["id"]))
    assert sql(server.dsn, changed, row["id"], company_id=company.id)[0]["is_active"] is False


@pytest.mark.parametrize("role", [name for name in ROLES if name != "administrator"])
def test_other_roles_have_no_page_about_people(server: Server, company: Company, role: str) -> None:
    browser, user = signed_in(server, company, role)
    assert browser.get("/settings/people").status == 404
    token = browser.get("/settings").token
    for fields in ({"do": "invite", "address": new_email(), "name": "x", "role": "administrator"}, {"do": "x"}):
        assert browser.post("/settings/people", {"_token": token, **fields}).status == 404
    (row,) = sql(server.dsn, "select count(*) as n from user_profile where id > $1", user.id, company_id=company.id)
    assert row["n"] == 0


def test_people_of_another_company_are_out_of_reach(server: Server, company: Company) -> None:
    browser, _ = signed_in(server, company)
    other = new_user(server, new_company(server), "salesperson")
    for what in ("role", "reset", "disable"):
        assert send(browser, do=what, id=str(other.id), role="administrator").status == 404


def test_what_cannot_be_stored_is_refused_and_stays_typed(server: Server, company: Company) -> None:
    browser, user = signed_in(server, company)
    for address in ("nobody", "a b@example.com", "x" * 151 + "@example.com", "", user.email_address.upper()):
        page = send(browser, do="invite", address=address, name="Ann", role="salesperson")
        assert page.status == 422, address
        assert "/sign-in/" not in page.text
        assert 'value="Ann"' in page.text
    assert send(browser, do="invite", address=new_email(), name="Ann", role="owner").status == 422
    for odd in ("", "x", "9" * 30, "1.5"):
        assert send(browser, do="disable", id=odd).status == 404


def test_names_are_shown_as_they_are(server: Server, company: Company) -> None:
    browser, _ = signed_in(server, company)
    names = [name for name in NAUGHTY if name.strip() and name.isprintable() and len(name) <= 255][:30]
    for name in names:
        page = browser.post("/settings", {"_token": browser.get("/settings").token, "name": name, "language": "en"})
        assert page.status == 200, name
        assert "<script>alert" not in page.text


def test_a_password_is_changed_with_the_old_one(server: Server, company: Company) -> None:
    browser, user = signed_in(server, company)
    token = browser.get("/settings").token
    assert browser.post("/settings/password", {"_token": token, "new": PASSWORD}).status == 200
    wrong = {"_token": token, "old": "not the old one", "new": "another river"}
    browser.get("/settings")
    page = browser.post("/settings/password", wrong)
    assert page.status == 422, "the first password is needed from now on"
    assert browser.post("/settings/password", {**wrong, "old": PASSWORD}).status == 200
    fields = {"email": user.email_address, "password": "another river"}
    assert Browser(server).post("/sign-in", fields, follow=False).status == 303
