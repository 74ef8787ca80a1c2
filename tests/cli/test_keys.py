"""Companies and keys, created and changed while the server runs, and without a server."""

import json
import re
from pathlib import Path
from typing import Any

from cli.command import springhead
from support import Company, Server, eventually


def run(server: Server, *words: str) -> str:
    done = springhead(*words, "--data", server.data)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(server: Server, *words: str) -> Any:
    return json.loads(run(server, *words, "--json"))


def status(company: Company) -> int:
    return company.send(b'{"method": "getLeads", "params": {"where": {}}, "id": 1}')[0]


def test_a_new_company_has_deal_stages_so_an_opportunity_can_be_created_at_once(server: Server) -> None:
    made = read(server, "company", "create", "Sales & Sons")
    company = Company(server.url, made["accountID"], made["secretKey"])

    stages = company.call("getDealStages", where={})

    assert [(row["dealStageName"], row["defaultProbability"], row["weight"]) for row in stages] == [
        ("Qualified", "20", "1"),
        ("Meeting", "40", "2"),
        ("Proposal", "60", "3"),
        ("Negotiation", "80", "4"),
    ]
    assert {row["isEditable"] for row in stages} == {"1"}
    new = {"opportunityName": "A roof", "dealStageID": stages[2]["id"], "closeDate": "2030-01-31"}
    (deal,) = company.make("createOpportunities", new)
    assert company.call("getOpportunity", id=deal)[0]["probability"] == "60"
    assert company.code("updateDealStages", {"id": stages[0]["id"], "dealStageName": "Contacted"}) is None
    assert company.code("deleteDealStages", {"id": stages[1]["id"]}) is None
    company.close()


def test_a_key_is_made_shown_once_used_and_revoked_beside_the_running_server(server: Server) -> None:
    made = read(server, "company", "create", "Keys & Sons", "--time-zone", "Asia/Tokyo")
    account = made["accountID"]
    assert re.fullmatch(r"[0-9A-F]{32}", account)
    shown = run(server, "key", "create", account, "--label", "second", "--plain-success")
    (secret,) = re.findall(r"^secretKey  (5EAD[0-9A-F]{48})$", shown, re.MULTILINE)

    first = Company(server.url, account, made["secretKey"])
    second = Company(server.url, account, secret)
    assert first.envelope("createLeads", {"objects": [{"emailAddress": "a@example.com"}]})["error"] == []
    assert second.envelope("createLeads", {"objects": [{"emailAddress": "b@example.com"}]})["error"] is None

    first_row, second_row = read(server, "key", "list", account)
    assert (first_row["label"], first_row["plainSuccess"], first_row["revoked"]) == ("first key", False, None)
    assert (second_row["label"], second_row["plainSuccess"], second_row["revoked"]) == ("second", True, None)
    assert secret not in run(server, "key", "list", account)

    assert "is revoked" in run(server, "key", "revoke", account, str(second_row["id"]))
    eventually(lambda: status(second) == 401, seconds=2.5)
    assert status(first) == 200
    again = springhead("key", "revoke", account, str(second_row["id"]), "--data", server.data)
    assert again.returncode == 1
    assert again.stderr.startswith(f"Error: The company has no active key {second_row['id']}, so nothing was revoked.")
    first.close()
    second.close()


def test_a_companys_name_zone_and_limits_can_be_set(server: Server) -> None:
    account = read(server, "company", "create", "Before")["accountID"]
    changes = ("--name=After", "--time-zone=Europe/Berlin", "--per-second=20", "--per-day=7", "--objects-per-call=3")
    changes = (*changes, "--recycle-days=0")
    (changed,) = read(server, "company", "set", account, *changes)
    assert changed | {"id": 0} == {
        "id": 0,
        "accountID": account,
        "name": "After",
        "timeZone": "Europe/Berlin",
        "perSecond": 20,
        "perDay": 7,
        "objectsPerCall": 3,
        "recycleDays": 0,
    }
    assert changed in read(server, "company", "list")


def test_wrong_arguments_are_explained_and_change_nothing(server: Server, tmp_path: Path) -> None:
    before = run(server, "company", "list")
    for words, message in (
        (("company", "create", "X", "--time-zone", "Mars/Olympus"), "'Mars/Olympus' is not a time zone"),
        (("company", "create", "a\x1b[2J"), "a name must have 1 to 255 printable characters"),
        (("company", "create", "X", "--administrator", "nobody"), "'nobody' is not an email address"),
        (("company", "set", "1"), "Nothing to change was given"),
        (("company", "set", "1", "--per-second", "0"), "0 is not in the range"),
        (("key", "create", "NOBODY"), "There is no company 'NOBODY'. To see all, run: springhead company list"),
        (("seed", "--leads", "1", "--account", "NOBODY"), "There is no company 'NOBODY'"),
    ):
        done = springhead(*words, "--data", server.data)
        assert done.returncode in {1, 2}, words
        assert message in done.stderr
        assert "Traceback" not in done.stderr
    assert run(server, "company", "list") == before

    done = springhead("company", "list", "--data", tmp_path / "nowhere")
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: There is no Springhead data in {tmp_path / 'nowhere'}.")
    assert not (tmp_path / "nowhere").exists()


def test_commands_work_on_a_folder_whose_server_is_stopped(tmp_path: Path) -> None:
    server = Server.on_copy(tmp_path / "data")
    assert server.stop() == 0
    (company,) = read(server, "company", "list")
    assert company["accountID"] == server.ready["accountID"]
    assert "Created 3 leads in My company" in run(server, "seed", "--leads", "3")
    assert "The database is up to date." in run(server, "db", "migrate")
    again = Server(tmp_path / "data")
    client = Company(again.url, server.ready["accountID"], server.ready["secretKey"])
    assert len(client.call("getLeads", where={})) == 3
    client.close()
    assert again.stop() == 0
