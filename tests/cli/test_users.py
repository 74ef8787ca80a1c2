"""`springhead user`: the users of a company, and links for those who cannot get in."""

import json
import time
from urllib.parse import urlsplit

from browsing import Browser
from cli.command import springhead
from support import Company, Server, new_email

PASSWORD = "a river runs through it"


def run(server: Server, company: Company, *words: str) -> tuple[int, str, str]:
    """The exit code, the output and the messages of a command about the company."""
    done = springhead("user", *words, "--company", company.account_id, "--data", server.data)
    return done.returncode, done.stdout, done.stderr


def test_a_user_is_invited_gets_in_and_is_disabled(server: Server, company: Company) -> None:
    address = new_email()
    code, link, said = run(server, company, "invite", f" {address} ", "--role", "salesManager", "--name", "Ann Berg")
    assert code == 0
    assert "works once" in said
    browser = Browser(server)
    assert browser.post(urlsplit(link.strip()).path, {"password": PASSWORD}, follow=False).status == 303
    rows = json.loads(run(server, company, "list", "--json")[1])
    (row,) = [row for row in rows if row["address"] == address]
    assert (row["name"], row["role"], row["active"], row["password"]) == ("Ann Berg", "salesManager", True, True)

    _, reset, _ = run(server, company, "reset-link", address)
    assert Browser(server).get(urlsplit(reset.strip()).path).heading == "New password"
    assert run(server, company, "disable", address)[0] == 0
    time.sleep(2.1)  # sessions are cached for two seconds
    assert browser.ask("GET", "/").headers["location"] == "/sign-in"
    for command in ("sign-in-link", "reset-link", "disable"):
        code, shown, said = run(server, company, command, address)
        assert (code, shown) == (1, ""), command
        assert "no active user" in said


def test_a_second_user_with_an_address_and_texts_that_are_no_address_or_name_are_refused(
    server: Server, company: Company
) -> None:
    address = new_email()
    assert run(server, company, "invite", address)[0] == 0
    code, _, said = run(server, company, "invite", address.upper())
    assert code == 1
    assert "already" in said
    for words in (["nobody"], ["a b@example.com"], [f"{'x' * 150}@example.com"], [new_email(), "--name", "x" * 256]):
        assert run(server, company, "invite", *words)[0] == 2, words


def test_the_last_administrator_stays(server: Server, company: Company) -> None:
    (administrator,) = company.call("getUserProfiles")
    code, _, said = run(server, company, "disable", administrator["emailAddress"])
    assert code == 1
    assert "last administrator" in said
