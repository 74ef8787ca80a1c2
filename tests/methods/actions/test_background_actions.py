"""Actions of more than 500 leads: progress, stop, restart, several servers, and calls beside them (docs/actions.md)."""

from pathlib import Path
from typing import Any

from actions import counts, ended, fill, start, undo
from callers import another_client, at_once, clients
from support import Company, Server, eventually, new_company, new_email


def number(company: Company, **filter: Any) -> int:
    """How many leads match."""
    return int(company.call("getLeadCount", filter=filter)[0]["count"])


def test_a_stopped_action_changes_no_other_lead_and_what_it_changed_is_undone(company: Company) -> None:
    fill(company, 2_600, city="Berlin")
    action = start(company, kind="update", filter={"city": "Berlin"}, values={"city": "Rome"})

    company.call("stopActions", objects=[action["id"]])

    changed = number(company, city="Rome")
    (stopped,) = company.call("getActions", id=action["id"])
    assert (stopped["state"], stopped["done"], stopped["changed"]) == ("stopped", str(changed), str(changed))
    assert changed < 2_600
    assert company.code("stopActions", {"id": action["id"]}) == 302
    if changed:
        assert counts(ended(company, undo(company, action["id"])))[2] == str(changed)
    else:
        assert company.code("undoActions", {"id": action["id"]}) == 302
    assert number(company, city="Berlin") == 2_600


def test_an_undo_of_a_running_action_stops_it(company: Company) -> None:
    fill(company, 2_100, city="Berlin")
    action = start(company, kind="update", filter={"city": "Berlin"}, values={"city": "Rome"})
    eventually(lambda: company.call("getActions", id=action["id"])[0]["changed"] != "0")

    ended(company, undo(company, action["id"]))

    assert number(company, city="Berlin") == 2_100


def test_an_action_changes_the_leads_that_matched_at_its_start_and_no_others(company: Company) -> None:
    fill(company, 1_100, city="Berlin")
    action = start(company, kind="update", filter={"city": "Berlin"}, values={"city": "Berlin ", "title": "x"})
    late = fill(company, 5, city="Berlin")

    assert counts(ended(company, action)) == ("1100", "1100", "1100", "0")
    assert number(company, title="x") == 1_100
    assert all(company.lead(lead)["title"] is None for lead in late)


def test_leads_that_change_meanwhile_are_changed_once_and_keep_the_changes_of_others(company: Company) -> None:
    ids = fill(company, 1_600, city="Berlin")
    action = start(company, kind="update", filter={"city": "Berlin"}, values={"title": "x"})
    parts = (ids[1_400:1_600], ids[:200], ids[700:900])

    def write(caller: Company, number: int) -> None:
        caller.call("updateLeads", objects=[{"id": lead, "website": "w.example"} for lead in parts[number]])

    at_once(clients(company, 3), write)

    assert counts(ended(company, action)) == ("1600", "1600", "1600", "0")
    assert number(company, title="x") == 1_600
    assert number(company, website="w.example") == 600
    assert [len(company.call("getLeadHistory", id=lead, fields=["title"])) for lead in ids[:1_600:300]] == [1] * 6


def test_what_was_deleted_merged_or_erased_meanwhile_is_reported(company: Company) -> None:
    ids = fill(company, 1_003, city="Berlin")
    action = ended(company, start(company, kind="update", filter={}, values={"city": "Rome"}))
    company.call("deleteLeads", objects=[ids[1]])
    company.call("mergeLeads", objects=[{"id": ids[2], "mergeIDs": [ids[3]]}])
    company.call("eraseLeads", objects=[{"id": ids[4]}])
    company.call("updateLeads", objects=[{"id": ids[5], "city": "Bonn"}])

    undone = ended(company, undo(company, action["id"]))

    failures = {failure["code"]: set(failure["leadIDs"]) for failure in undone["failures"]}
    assert failures[409] == {str(ids[5])}
    assert failures[404] >= {str(ids[1])}
    assert str(ids[4]) not in failures[404]  # nothing of an erased person is left, not even the change
    assert number(company, city="Berlin") == 1_003 - 4
    assert company.lead(ids[2])["city"] == "Berlin"


def test_of_two_undos_at_once_one_undoes(company: Company) -> None:
    fill(company, 700, city="Berlin")
    action = ended(company, start(company, kind="update", filter={}, values={"city": "Rome"}))

    codes = at_once(clients(company, 4), lambda caller, _: caller.code("undoActions", {"id": action["id"]}))

    assert sorted(codes, key=str) == [302, 302, 302, None]
    eventually(lambda: number(company, city="Berlin") == 700)


def test_calls_beside_an_action_are_answered(company: Company, server: Server) -> None:
    neighbour = new_company(server)
    fill(company, 3_000, city="Berlin")
    (lead,) = neighbour.create({"emailAddress": new_email()})
    action = start(company, kind="delete", filter={"city": "Berlin"})

    while company.call("getActions", id=action["id"])[0]["state"] == "running":
        assert neighbour.lead(lead)["id"] == str(lead)

    assert number(company) == 0
    ended(company, undo(company, action["id"]))
    assert number(company, city="Berlin") == 3_000
    neighbour.close()


def test_an_action_goes_on_when_the_server_that_started_it_is_killed(
    company: Company, server: Server, tmp_path: Path
) -> None:
    """Two servers share the database, and take turns until one of them dies in the middle."""
    ids = fill(company, 2_600, city="Berlin")
    other = Server(tmp_path / "unused", "--no-limits", "--database-url", server.dsn)
    caller = another_client(company, other)
    action = start(caller, kind="update", filter={"city": "Berlin"}, values={"city": "Rome"})
    other.kill()
    caller.close()

    assert counts(ended(company, action)) == ("2600", "2600", "2600", "0")
    assert [len(company.call("getLeadHistory", id=lead, fields=["city"])) for lead in ids[::500]] == [1] * 6
