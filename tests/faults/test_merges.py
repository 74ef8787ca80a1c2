"""Concurrent merges, deletions, restores and other writes of leads: nothing is lost or doubled."""

import random
from collections import Counter
from typing import Any

import pytest

from callers import at_once, clients
from recycling import rows
from related_objects import about, make_notes, user
from support import Company

pytestmark = pytest.mark.timeout(180)
WORKERS, CALLS, LEADS = 8, 30, 60
CITIES = ["Rome", "Oslo", "Bonn"]


class World:
    """A company with leads and all their related objects."""

    def __init__(self, company: Company) -> None:
        emails = [f"person{number}@example.com" for number in range(LEADS)]
        self.emails = emails
        self.leads = company.create(
            *(
                {"emailAddress": email, "city": random.choice(CITIES), "trackingID": f"v{number}"}
                for number, email in enumerate(emails)
            )
        )
        self.lists = [
            outcome["id"] for outcome in company.call("createList", objects=[{"name": name} for name in "abc"])
        ]
        for city in CITIES[:2]:
            company.call("createList", name=city, filter={"city": city})
        (stage,) = company.make("createDealStages", {"dealStageName": "Offer"})
        new = {"dealStageID": stage, "closeDate": "2030-01-31"}
        self.opportunities = company.make(
            "createOpportunities",
            *({**new, "opportunityName": f"o{number}", "primaryLeadID": self.leads[number]} for number in range(9)),
        )
        company.make(
            "addListMembers", *({"listID": random.choice(self.lists), "memberID": lead} for lead in self.leads)
        )
        self.user = user(company)
        make_notes(company, *(about("who", "lead", lead) for lead in self.leads))

    def work(self, own: Company, seed: int) -> list[Any]:
        """Makes random calls, one after the other. Returns the answers."""
        dice = random.Random(seed)
        return [
            own.envelope(method, {"objects": objects}) for method, objects in (self._call(dice) for _ in range(CALLS))
        ]

    def _call(self, dice: random.Random) -> tuple[str, list[Any]]:
        chosen = dice.sample(self.leads, 6)
        new = {"authorID": self.user, "note": "n", **about("what", "lead", chosen[0])}
        rule = dice.choice(["keep", "newest", "oldest"])
        merges = [{"id": group[0], "mergeIDs": group[1:], "rule": rule} for group in (chosen[:3], chosen[3:5])]
        pairs = [{"listID": dice.choice(self.lists), "memberID": lead} for lead in chosen]
        opportunity, closed, city = dice.choice(self.opportunities), dice.choice([0, 1]), dice.choice(CITIES)
        changes = {"isClosed": closed, "originatingLeadID": chosen[0]}
        return dice.choice(
            [
                ("mergeLeads", merges),
                ("mergeLeads", merges),
                ("deleteLeads", chosen[:3]),
                ("restoreLeads", chosen),
                ("restoreLeads", chosen),
                ("updateLeads", [{"id": lead, "city": city} for lead in chosen]),
                ("upsertLeads", [{"emailAddress": email, "city": city} for email in dice.sample(self.emails, 4)]),
                ("addListMembers", pairs),
                ("removeListMembers", pairs),
                ("createOpportunityLeads", [{"opportunityID": opportunity, "leadID": lead} for lead in chosen[:3]]),
                ("updateOpportunities", [{"id": deal, **changes} for deal in dice.sample(self.opportunities, 3)]),
                ("createNotes", [{**new, **about("who", "lead", lead)} for lead in chosen[1:3]]),
            ]
        )


ORPHANS = {
    "membership": "select from list_member m where not exists (select from lead l where l.id = m.lead_id)",
    "link": "select from opportunity_lead x where not exists (select from lead l where l.id = x.lead_id)",
    "primary lead": """
        select from opportunity o where o.primary_lead_id is not null and not exists (
            select from opportunity_lead x where x.opportunity_id = o.id and x.lead_id = o.primary_lead_id
        )
        """,
    "originating lead": """
        select from opportunity o where o.originating_lead_id is not null and not exists (
            select from opportunity_lead x where x.opportunity_id = o.id and x.lead_id = o.originating_lead_id
        )
        """,
    "note": """
        select from note n where coalesce(n.who_id, n.what_id) is null
            or exists (select where n.who_type = 'lead' and not exists (select from lead l where l.id = n.who_id))
            or exists (select where n.what_type = 'lead' and not exists (select from lead l where l.id = n.what_id))
        """,
    "visitor": "select from visitor v where not exists (select from lead l where l.id = v.lead_id)",
    "part": "select from deleted_lead_part p where not exists (select from deleted_lead d where d.id = p.lead_id)",
    "lead that is in the bin as well": "select from lead l join deleted_lead d on d.id = l.id",
    "lead whose id answers with another": "select from lead l join merged_lead m on m.id = l.id",
    "chain": "select from merged_lead m join merged_lead n on n.id = m.lead_id",
    "id that nothing answers for": """
        select from merged_lead m where not exists (select from lead l where l.id = m.lead_id)
            and not exists (select from deleted_lead d where d.id = m.lead_id)
        """,
    "count": """
        select from list t where (t.member_count, t.removed_count) is distinct from (
            select (count(*) filter (where not m.is_removed), count(*) filter (where m.is_removed))
            from list_member m where m.list_id = t.id
        )
        """,
    "place on a list with a filter": """
        select from list t join lead l on t.filter is not null
        where (l.city = t.name) <> exists (select from list_member m where m.list_id = t.id and m.lead_id = l.id)
        """,
    "status": """
        select from lead l where l.lead_status <> 'customer' and (l.lead_status = 'contactWithOpp') <> exists (
            select from opportunity_lead x join opportunity o on o.id = x.opportunity_id
            where x.lead_id = l.id and not o.is_closed and o.is_active
        )
        """,
}  # fmt: skip
"""What must not be there in the end."""


def test_random_merges_deletions_and_restores_leave_everything_right(company: Company) -> None:
    world = World(company)
    answers: list[Any] = []

    at_once(clients(company, WORKERS), lambda own, worker: answers.extend(world.work(own, worker)))

    assert len(answers) == WORKERS * CALLS
    refused = [answer["error"] for answer in answers if answer["result"] is None]
    assert refused == [], "no call is refused because of concurrent ones"
    codes = Counter(error["code"] for answer in answers for error in answer["error"])
    assert set(codes) <= {213, 214, 301, 302, 303, 404}, codes
    assert sum(len(answer["result"].get("merges", ())) for answer in answers) > 30
    for problem, query in ORPHANS.items():
        assert rows(company, query) == [], problem
    everyone = rows(company, "select id from lead union all select id from deleted_lead order by id")
    made = rows(company, "select distinct lead_id from event where event_source = 'leadCreation' order by lead_id")
    assert everyone == made, "each created lead exists or is in the recycle bin"
    assert len(rows(company, "select from merged_lead")) > 5
