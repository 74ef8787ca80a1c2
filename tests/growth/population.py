"""A company as its users fill it, by calls of the API alone: leads with everything that can be about a lead."""

import random
from typing import Any

from related_objects import user
from support import Company

BATCH = 500
NAMES = ("Ann", "Ben", "Chloé", "Dmitri", "Eve", "Farid", "Grete", "Hoa")
CITIES = ("Rome", "Köln", "Austin", "Łódź", "Osaka")
DELETED = 20
"""One lead of this many is deleted. The other numbers of objects are parts of a batch, too (`_surround`)."""


class Population:
    """A company that can grow, and ids in it by placeholder."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.leads: list[int] = []
        self.ids: dict[str, Any] = {}
        self._random = random.Random(company.id)
        self.user = user(company)
        self._plan = company.field("Plan", "picklist", options=["Free", "Pro"])
        self._city = company.field("Favourite city")
        (self._campaign,) = company.make("createCampaigns", {"campaignName": "Fair"})
        self._stages = company.make("createDealStages", *({"dealStageName": name} for name in ("Demo", "Offer", "Won")))
        self._half, self._romans = company.make(
            "createList", {"name": "Half"}, {"name": "Romans", "filter": {"city": "Rome"}}
        )
        company.make("createProducts", *({"productName": f"Product {number}"} for number in range(20)))

    def grow(self, size: int) -> None:
        """Adds batches of leads until there are `size`, deleted ones included."""
        while len(self.leads) < size:
            self._add_batch(min(BATCH, size - len(self.leads)))
        lead, merged = self.leads[len(self.leads) // 2 : len(self.leads) // 2 + 2]
        if "{merged}" not in self.ids:
            self.company.make("mergeLeads", {"id": lead, "mergeIDs": [merged]})
            self.ids |= {"{merged}": merged, "{known}": lead}
        (known,) = self.company.call("getLead", id=self.ids["{known}"])
        self.ids |= {
            "{half}": self._half,
            "{romans}": self._romans,
            "{address}": known["emailAddress"],
            "{user}": self.user,
            "{last name}": known["lastName"],
            "{city field}": self._city,
        }

    def _add_batch(self, size: int) -> None:
        number = len(self.leads)
        company = self.company
        accounts = company.make(
            "createAccounts", *({"accountName": f"Account {number + place}"} for place in range(size))
        )
        leads = company.create(*(self._lead(number + place, accounts) for place in range(size)))
        self.leads += leads
        changed = [
            {"id": lead, "title": "CTO", "isUnsubscribed": int(not place % 3)} for place, lead in enumerate(leads)
        ]
        company.call("updateLeads", objects=changed)
        self._surround(leads, accounts)
        company.call("deleteLeads", objects=leads[7::DELETED])

    def _lead(self, number: int, accounts: list[int]) -> dict[str, Any]:
        return {
            "firstName": self._random.choice(NAMES),
            "lastName": f"Name {number // 3}",
            "companyName": f"Company {number // 10}",
            "city": self._random.choice(CITIES),
            "phoneNumber": f"+39 06 {number:07}",
            "accountID": accounts[number % len(accounts)],
            "campaignID": self._campaign,
            "ownerID": self.user,
            self._plan: self._random.choice(("Free", "Pro")),
            self._city: self._random.choice(CITIES),
        }

    def _surround(self, leads: list[int], accounts: list[int]) -> None:
        company, own = self.company, self.user
        company.call("addListMembers", objects=[{"listID": self._half, "memberID": lead} for lead in leads[::2]])
        company.make(
            "createNotes",
            *({"authorID": own, "note": "Called", "whoType": "lead", "whoID": lead} for lead in leads),
        )
        company.make(
            "createTasks",
            *({"title": "Call", "ownerID": own, "whoType": "lead", "whoID": lead} for lead in leads),
        )
        deals = company.make(
            "createOpportunities",
            *(
                {
                    "opportunityName": f"Roof {lead}",
                    "closeDate": "2030-01-31",
                    "dealStageID": self._stages[lead // 1024 % len(self._stages)],
                    "ownerID": own,
                    "accountID": account,
                    "primaryLeadID": lead,
                }
                for lead, account in zip(leads, accounts, strict=False)
            ),
        )
        company.call(
            "createOpportunityLeads",
            objects=[{"opportunityID": deal, "leadID": lead} for deal, lead in zip(deals, leads[1:], strict=False)],
        )
