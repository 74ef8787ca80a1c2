"""`springhead seed`: plausible people of many countries, the same people in every run."""

from collections.abc import Callable

from cli.command import springhead
from springhead.cli.people import BATCH, people
from support import Company, Server


def test_people_are_varied_and_the_same_every_time() -> None:
    batch = people(0, BATCH)
    assert batch == people(0, BATCH)
    assert batch[:7] == people(0, 7)
    later = people(BATCH, BATCH)
    leads = [lead for lead in (*batch, *later) if isinstance(lead, dict)]
    assert len({lead["emailAddress"] for lead in leads}) == 2 * BATCH
    assert len({lead["country"] for lead in leads}) >= 25
    assert len({lead["lastName"] for lead in leads}) > BATCH
    assert {lead["leadStatus"] for lead in leads} == {"open", "unqualified", "qualified", "contact", "customer"}
    domains = {str(lead["emailAddress"]).rpartition("@")[2] for lead in leads}
    assert all(domain.endswith(("example.com", "example.org", "example.net", ".example")) for domain in domains)


def test_seeding_again_skips_existing_people_and_adds_the_others(
    server: Server, given_company: Callable[..., Company]
) -> None:
    company = given_company()
    words = ("seed", "--account", company.account_id, "--data", str(server.data), "--leads")
    first = springhead(*words, "600")
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("Created 600 leads in Test in ")
    again = springhead(*words, "700")
    assert again.stdout.startswith("Created 100 leads in Test in ")
    assert again.stdout.endswith("; 600 were there already.\n")
    leads = company.call("getLeads", where={}) + company.call("getLeads", where={}, offset=500)
    assert len(leads) == 700
