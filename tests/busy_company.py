"""A company that runs every kind of write, with several objects a call, in both orders of the objects."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from related_objects import about, user
from springhead.capture import submissions
from springhead.capture.submissions import Confirmation, Submission
from springhead.methods.leads.opt_outs import opt_out
from springhead.model.capture.confirmations import ConfirmLink
from springhead.model.leads.opt_outs import LINK, address_hash
from springhead.rpc.context import Context
from springhead.store.capture import forms, sites, visitors
from springhead.store.capture.visitors import View
from springhead.store.feed import changes
from springhead.store.scores import scoring
from support import Company, new_email, sql

SEVERAL = range(4)


class BusyCompany:
    """Four leads with all related objects. Every write is repeated with its objects in reversed order."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.user = user(company)
        self.code = company.field("Code", "textarea", isUnique=1)
        self.text = company.field("Text")
        self.rules = company.make(
            "createScoreRules",
            {"name": "Came", "part": "engagement", "points": 4, "eventSource": "leadCreation"},
            {"name": "Title", "part": "fit", "points": 3, "filter": {"title": "A"}},
        )
        self.filtered = company.make("createList", *({"name": letter, "filter": {"title": letter}} for letter in "AB"))
        self.accounts = company.make("createAccounts", *({"accountName": f"Account {number}"} for number in SEVERAL))
        self.campaigns = company.make(
            "createCampaigns", *({"campaignName": f"Campaign {number}"} for number in SEVERAL)
        )
        self.stages = company.make("createDealStages", *({"dealStageName": f"Stage {number}"} for number in SEVERAL))
        self.products = company.make("createProducts", *({"productName": f"Product {number}"} for number in SEVERAL))
        self.lists = company.make("createList", {"name": "Fair"}, {"name": "Letter"})
        self.forms = company.make(
            "createForms",
            *(
                {
                    "name": "Contact",
                    "fields": [{"systemName": "emailAddress"}],
                    "listID": list_id,
                    "notifyUserID": self.user,
                }
                for list_id in self.lists
            ),
        )
        self.subscriptions = company.make(
            "createLeadSubscriptions",
            *({"url": f"https://receiver.example/{number}", "isActive": 0} for number in SEVERAL),
        )
        self.leads = self.new_leads()
        self.surround()

    def new_leads(self) -> list[int]:
        """Leads that refer to everything a lead can refer to."""
        return self.company.create(
            *(
                {
                    "accountID": account,
                    "campaignID": campaign,
                    "ownerID": self.user,
                    "title": "A",
                    self.code: new_email(),
                }
                for account, campaign in zip(self.accounts, self.campaigns, strict=True)
            )
        )

    def surround(self) -> None:
        """Creates every object that can be about a lead."""
        opportunity = {"opportunityName": "Roof", "closeDate": "2030-01-31", "ownerID": self.user}
        self.opportunities = self.company.make(
            "createOpportunities",
            *(
                {
                    **opportunity,
                    "primaryLeadID": lead,
                    "accountID": account,
                    "campaignID": campaign,
                    "dealStageID": stage,
                }
                for lead, account, campaign, stage in zip(
                    reversed(self.leads), self.accounts, self.campaigns, self.stages, strict=True
                )
            ),
        )
        self.links = self.company.make(
            "createOpportunityLeads",
            *(
                {"opportunityID": deal, "leadID": lead}
                for deal, lead in zip(self.opportunities, self.leads, strict=True)
                if lead != self.leads[0] or deal != self.opportunities[-1]
            ),
        )
        self.twice(
            "addListMembers", *({"listID": list_id, "memberID": lead} for list_id in self.lists for lead in self.leads)
        )
        subjects = [
            {**about("who", "lead", lead), **about("what", word, other)}
            for word, others in (("account", self.accounts), ("opportunity", self.opportunities), ("lead", self.leads))
            for lead, other in zip(self.leads, reversed(others), strict=True)
        ]
        note = {"authorID": self.user, "note": "n"}
        self.notes = self.company.make("createNotes", *({**note, **subject} for subject in subjects))
        self.tasks = self.company.make("createTasks", *({"title": "t", **subject} for subject in subjects))
        call = {"userID": self.user, "direction": "incoming", "createTimestamp": "2026-01-01"}
        self.call("logCalls", *({**call, "leadID": lead} for lead in self.leads))

    def call(self, method: str, *objects: Any) -> list[Any]:
        """Makes a write. Returns its outcomes."""
        return self.company.call(method, objects=list(objects))

    def twice(self, method: str, *objects: dict[str, Any]) -> None:
        """Writes objects in both orders, with different values the second time, so that both writes change them."""
        self.call(method, *objects)
        self.call(
            method,
            *({**values, **{name: "B" for name in values if values[name] == "A"}} for values in reversed(objects)),
        )

    def update_everything(self) -> None:
        """Changes all objects of every noun, in both orders."""
        for method, ids, values in (
            ("updateAccounts", self.accounts, {"industry": "A", "ownerID": self.user}),
            ("updateCampaigns", self.campaigns, {"campaignAlias": "A", "ownerID": self.user}),
            ("updateDealStages", self.stages, {"description": "A"}),
            ("updateProduct", self.products, {"description": "A"}),
            ("updateList", self.lists, {"description": "A"}),
            ("updateForms", self.forms, {"thankYouText": "A"}),
            ("updateLeads", self.leads, {"title": "A", "accountID": self.accounts[0], self.text: "A"}),
            ("updateLeadsV2", self.leads, {"title": "A", "campaignID": self.campaigns[0], self.code: "A"}),
            ("upsertLeads", self.leads, {"title": "A", "ownerID": self.user, self.code: "A"}),
            ("updateOpportunities", self.opportunities, {"opportunityName": "A", "dealStageID": self.stages[0]}),
            ("updateNotes", self.notes, {"title": "A"}),
            ("updateTasks", self.tasks, {"description": "A", **about("who", "lead", self.leads[0])}),
            ("updateScoreRules", self.rules, {"name": "A"}),
        ):
            self.twice(method, *({"id": object_id, **values} for object_id in ids))
        self.call("updateTasks", *({"id": task, "status": "completed"} for task in reversed(self.tasks)))
        self.call(
            "updateOpportunities",
            *({"id": opportunity, "isClosed": 1, "isWon": 1} for opportunity in self.opportunities),
        )
        self.twice("updateList", *({"id": list_id, "filter": {"title": "A"}} for list_id in self.filtered))
        self.twice("updateFields", {"id": self.field_id(self.text), "label": "A"})
        self.call("updateFields", {"id": self.field_id(self.code), "isUnique": 0})
        self.call("updateFields", {"id": self.field_id(self.code), "isUnique": 1})

    def field_id(self, name: str) -> str:
        """The id of a custom field."""
        return self.company.call("getFields", where={"systemName": name})[0]["id"]

    def recognize(self) -> None:
        """Links the visitors to leads."""
        names = [f"visitor-{number}" for number in reversed(SEVERAL)]
        self.call(
            "updateLeads", *({"id": lead, "trackingID": name} for lead, name in zip(self.leads, names, strict=True))
        )
        self.company.create({"trackingID": "visitor-9"})

    def decide(self) -> None:
        """Opts the leads out and in again, and gives them other addresses."""
        for flag in (1, 0, 1):
            self.twice("updateLeads", *({"id": lead, "title": "A", "isUnsubscribed": flag} for lead in self.leads))
        self.twice("updateLeads", *({"id": lead, "title": "A", "emailAddress": new_email()} for lead in self.leads))

    def move_members(self) -> None:
        """Removes leads from lists and adds them again, by id and by address."""
        pairs = [{"listID": list_id, "contactID": lead} for list_id in self.lists for lead in self.leads]
        self.twice("removeListMembers", *pairs)
        addresses = [
            {"listID": list_id, "emailAddress": self.company.lead(lead)["emailAddress"]}
            for list_id in reversed(self.lists)
            for lead in reversed(self.leads)
        ]
        self.twice("addListMembersEmailAddress", *addresses)
        self.twice("removeListMembersEmailAddress", *addresses)
        self.twice("addListMembers", *({"listID": pair["listID"], "memberID": pair["contactID"]} for pair in pairs))
        self.company.call("removeListMembersAll", listID=self.lists[1])
        self.act()

    def act(self) -> None:
        """Changes leads by actions and undoes them, at once and in the background."""
        by_ids = {"ids": self.leads}
        kinds = (
            {"kind": "update", "filter": {}, "values": {"industry": "Roofs", "leadStatus": "open"}},
            {"kind": "addToList", **by_ids, "listID": self.lists[0]},
            {"kind": "removeFromList", **by_ids, "listID": self.lists[0]},
            {"kind": "delete", **by_ids},
        )
        self.call("createActions", {**kinds[0], "dryRun": 1})
        for action in kinds:
            (outcome,) = self.call("createActions", action)
            self.call("undoActions", outcome["id"])

    def convert(self) -> None:
        """Converts leads. Some need a new account and an opportunity."""
        leads = self.company.create(*({"companyName": name} for name in ("Zeta", "Alpha", "Zeta", "Beta")))
        self.call(
            "convertLeads",
            *(
                {"id": lead, "opportunityName": "A", "dealStageID": self.stages[0], "closeDate": "2030-01-01"}
                for lead in reversed(leads)
            ),
        )
        self.twice("convertLeads", *({"id": lead, "accountID": self.accounts[1]} for lead in self.leads))

    def merge_and_restore(self) -> None:
        """Merges leads, deletes leads, restores all of them, and erases them."""
        first, second, third, fourth = self.leads
        self.call("mergeLeads", {"id": fourth, "mergeIDs": [third]}, {"id": second, "mergeIDs": [first]})
        self.call("restoreLeads", third, first)
        self.call("deleteLeads", *reversed(self.leads))
        self.call("restoreLeads", *reversed(self.leads))
        self.call("eraseLeads", *reversed(self.leads[2:]))

    def delete_everything(self) -> None:
        """Deletes all objects of every noun, the last one first."""
        for method, ids in (
            ("deleteNotes", self.notes),
            ("deleteTasks", self.tasks),
            ("deleteOpportunityLeads", self.links),
            ("deleteAccounts", self.accounts),
            ("deleteCampaigns", self.campaigns),
            ("deleteOpportunities", self.opportunities),
            ("deleteDealStages", self.stages),
            ("deleteProduct", self.products),
            ("deleteList", [*self.lists, *self.filtered]),
            ("deleteForms", self.forms),
            ("deleteLeadSubscriptions", self.subscriptions),
            ("deleteScoreRules", self.rules),
            ("deleteLeads", self.leads),
        ):
            self.call(method, *reversed(ids))
        self.call("deleteFields", {"systemName": self.code}, {"systemName": self.text})


async def visit(context: Context) -> None:
    """Records page views, and deletes visitors who have not come for long."""
    views = [
        View(tracking_id=f"visitor-{number}", seen=1e9 + number, source="pageVisit", name="p", data={})
        for number in (*SEVERAL, 9)
    ]
    async with context.tx() as tx:
        await visitors.write_views(tx, context.company.id, views)
        await visitors.write_views(tx, context.company.id, [*reversed(views)])
        await visitors.delete_old(tx, context.company.id)


async def submit(context: Context, form_id: int, address: str) -> None:
    """Submits a form as a visitor with page views, at once and with double opt-in."""
    company_id = context.company.id
    async with context.tx() as tx:
        site = await sites.of_company(tx, company_id)
        public_id = await tx.value("select public_id from form where company_id = $1 and id = $2", company_id, form_id)
        form = await forms.find_by_public_id(tx, company_id, public_id)
    assert form is not None
    sent = Submission(values={"emailAddress": address}, files={}, tracking_id="visitor-1", nonce=address)
    await submissions.store(context, site, form, sent)
    held = msgspec.structs.replace(form, double_opt_in=True)
    await submissions.store(context, site, held, msgspec.structs.replace(sent, nonce=f"{address} held"))
    async with context.tx() as tx:
        event_id = await tx.value(
            "select max(id) from event where company_id = $1 and what_id = $2", company_id, form_id
        )
    assert await submissions.confirm(context, held, ConfirmLink(form_id, event_id, 2**40)) is Confirmation.DONE


async def unsubscribe(context: Context, deleted_lead: int, address: str) -> None:
    """Clicks on the unsubscribe link of a deleted lead, whose address another lead has now."""
    context = msgspec.structs.replace(context, source=LINK)
    assert await opt_out(context, deleted_lead, address_hash(context.company.id, address))


def let_time_pass(company: Company) -> None:
    """Makes all delayed work due."""
    sql(company.dsn, "update scoring set due_at = now() where company_id = $1", company.id)
    sql(company.dsn, "update pass set due_at = now() where company_id = $1", company.id)


async def work_beside_the_calls(context: Context) -> None:
    """Numbers the changes, scores the leads, and runs the background jobs that are due."""
    company_id = context.company.id
    async with context.tx() as tx:
        await changes.number(tx, company_id)
    await scoring.score_new_events(context.server.database, company_id)
    await context.server.jobs.finish(company_id)


def live(company: Company, run: Callable[[Company, Callable[[Context], Awaitable[Any]]], Any]) -> None:
    """Runs every kind of write and of delayed work for a company. `run` does the work that is no call."""
    busy = BusyCompany(company)
    run(company, visit)
    busy.recognize()
    run(company, visit)
    for address in (new_email(), str(company.lead(busy.leads[0])["emailAddress"])):
        run(company, lambda context, address=address: submit(context, busy.forms[0], address))
        run(company, lambda context, address=address: unsubscribe(context, 1, address))
    busy.decide()
    for happen in (
        busy.update_everything, busy.move_members, busy.convert, busy.merge_and_restore, busy.delete_everything
    ):  # fmt: skip
        happen()
        let_time_pass(company)
        run(company, work_beside_the_calls)
