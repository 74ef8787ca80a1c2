"""The conversion of leads into contacts and customers, with an account and an opportunity: our own addition."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET

from springhead.methods.bulk import merged_ids
from springhead.methods.bulk.writes import WRITE_ERRORS
from springhead.methods.examples import GIVEN, NOTHING
from springhead.methods.sales import deal_stages
from springhead.model.kit.errors import (
    ApiError,
    EntryExists,
    InvalidParameters,
    Json,
    NoSuchRecord,
    NothingChanged,
    UnknownReference,
)
from springhead.model.kit.fields import FieldSet
from springhead.model.leads.conversion import CONVERSION, check_conversion, status_after
from springhead.model.leads.events import CONVERTED, Event
from springhead.model.leads.leads import email_key
from springhead.model.sales.opportunities import OPPORTUNITY
from springhead.rpc.context import Context, shape
from springhead.rpc.method import Done, Example, Outcomes, Writes, converted, method, refused
from springhead.rpc.objects import Checked
from springhead.rpc.params import Objects
from springhead.store.database.pool import TryAgain, Tx
from springhead.store.leads import conversion, events, lead_status
from springhead.store.leads.conversion import Candidate, Change, ExistingIds
from springhead.store.lists import filtered_lists
from springhead.store.nouns.table import Batch, table
from springhead.store.sales import opportunities

_OBJECTS = "The leads, each as a hash of `id` or `emailAddress` and what it is to become; 500 a call at most."
_COPIED = ("opportunityName", "dealStageID", "closeDate", "amount", "probability")
_SEEN = {
    "accountID": "account",
    "dealStageID": "deal stage",
    "ownerID": "user",
    "campaignID": "campaign",
}
_ROOF = {
    "id": "{lead}",
    "accountName": "Acme Inc.",
    "opportunityName": "A new roof",
    "dealStageID": "{dealStage}",
    "closeDate": "2030-01-31",
    "amount": 12500,
}
_ALL = {"success": True, "error": None, "leadID": ..., "accountID": ..., "opportunityID": ...}
_ALONE = {**_ALL, "accountID": None, "opportunityID": None}


@method(
    *WRITE_ERRORS,
    EntryExists,
    NoSuchRecord,
    NothingChanged,
    UnknownReference,
    result=Writes("converts"),
    vendor=False,
    section="own",
    examples=[
        Example(
            {"objects": [_ROOF]}, [_ALL], "With an account and an opportunity.", given=(*GIVEN, *deal_stages.GIVEN)
        ),
        Example(
            {"objects": [{"emailAddress": "Lead.One@example.com", "leadStatus": "customer"}]},
            [_ALONE],
            "Into a customer, by email address.",
            given=GIVEN,
        ),
        Example(
            {"objects": [{"id": "{lead}"}]},
            [NOTHING],
            "A lead that is a contact already.",
            given=(*GIVEN, Example({"objects": [{"id": "{lead}"}]}, [_ALONE], method="convertLeads")),
        ),
    ],
)
async def convert_leads(context: Context, *, objects: Annotated[list[Json], Objects(CONVERSION, _OBJECTS)]) -> Outcomes:
    """Convert up to 500 leads into contacts or customers, at will with an account and an opportunity.

    Each is named by `id` or `emailAddress`. `leadStatus` is `contact` when not given; a customer stays one, and who
    has an open opportunity is contactWithOpp.

    With `account` 1 a lead that belongs to no account gets the one that bears its `companyName`, whatever the case;
    it is made when there is none. `accountName` names another company, `accountID` an account that is there; both move
    a lead from the account that it has. Leads of one company share the account that is made for them.

    With `opportunityName` an opportunity is made, of which `dealStageID` and `closeDate` are required, and to which
    the lead is linked as primary and originating one. `ownerID` and `campaignID` are the lead's own when not given, the
    account is the lead's.

    A lead is converted as a whole or stays exactly as it was: 404 when there is none, 301 when it stands in the call
    twice (for the second time), 303 for a reference that your company does not have, 302 when nothing would change.
    What became of it is in the answer and in its timeline.
    """
    async with context.tx() as tx:
        fields = await context.fields(tx)
        checked = shape(CONVERSION, fields, creating=True).check(objects)
        checked.refuse({at: problem for one, at in checked.placed() if (problem := check_conversion(one))})
        outcomes = checked.refused()
        if checked.good:
            merged_ids.replace(CONVERSION, checked, context.attempt.merged, id_names=("id",))
            async with tx.atomic():
                outcomes |= await _Conversion(context, tx, fields).run(checked)
    return Outcomes.in_order(outcomes)


class _Plan(msgspec.Struct):
    """One lead and what is to become of it. `name` is that of an account to be found or made, `key` what it is by."""

    at: int
    asked: Any
    lead: Candidate
    status: str
    account_id: int | None
    name: str | None = None
    key: str = ""
    opportunity_id: int | None = None

    @property
    def sells(self) -> bool:
        """Whether an opportunity is to be made."""
        return self.asked.opportunityName is not UNSET

    @property
    def changes(self) -> bool:
        """Whether anything is to be done at all."""
        lead = self.lead
        new_account = self.name is not None and self.account_id is None
        return self.sells or new_account or (self.status, self.account_id) != (lead.status, lead.account_id)


class _Conversion:
    """The conversions of one call, in one transaction."""

    def __init__(self, context: Context, tx: Tx, fields: FieldSet) -> None:
        self._context, self._tx, self._fields, self._company_id = context, tx, fields, context.company.id
        self._outcomes: dict[int, Done] = {}
        self._known = ExistingIds((), (), (), ())

    async def run(self, checked: Checked) -> dict[int, Done]:
        """Refuse what cannot be, then do the rest in a statement for each kind of thing; the outcomes by place."""
        plans = self._keep(await self._found(checked), _without_company)
        self._known = await self._look_up(plans)
        plans = self._keep(plans, self._unknown)
        await self._name_accounts(plans)
        plans = self._keep(plans, _nothing)
        if plans:
            await self._make_accounts(plans)
            await self._make_opportunities(plans)
            await self._change_leads(plans)
        for plan in plans:
            self._outcomes[plan.at] = converted(plan.lead.id, plan.account_id, plan.opportunity_id)
        return self._outcomes

    def _keep(self, plans: Sequence[_Plan], look: Callable[[_Plan], ApiError | None]) -> list[_Plan]:
        kept: list[_Plan] = []
        for plan in plans:
            error = look(plan)
            if error:
                self._outcomes[plan.at] = refused(error)
            else:
                kept.append(plan)
        return kept

    async def _found(self, checked: Checked) -> list[_Plan]:
        """A plan for each lead that is there: 404 for the others, 301 for one that had its turn."""
        sent = [(one, email_key(one.emailAddress) if one.id is UNSET else "") for one in checked.good]
        ids = [one.id for one, key in sent if not key]
        leads = await conversion.lock_candidates(self._tx, self._company_id, ids, [key for _, key in sent if key])
        by_id = {lead.id: lead for lead in leads}
        await merged_ids.check_ids(self._tx, self._company_id, set(ids) - by_id.keys())
        by_key = {lead.email_key: lead for lead in leads}
        plans: dict[int, _Plan] = {}
        for (one, key), at in zip(sent, checked.positions, strict=True):
            lead = by_key.get(key) if key else by_id.get(one.id)
            if lead is None or lead.id in plans:
                name = "emailAddress" if key else "id"
                twice = CONVERSION.by_name[name].problem("This lead stands in the call twice")
                self._outcomes[at] = refused(EntryExists(twice) if lead else NoSuchRecord())
            else:
                plans[lead.id] = _plan(at, one, lead)
        return list(plans.values())

    async def _look_up(self, plans: Sequence[_Plan]) -> ExistingIds:
        """The references that the plans name, and those of the leads that are to be handed on."""

        def meant(name: str, own: Sequence[int | None]) -> set[int]:
            sent = (getattr(plan.asked, name) for plan in plans)
            return {one for one in (*sent, *own) if isinstance(one, int)}

        return await conversion.lock_existing_ids(
            self._tx,
            self._company_id,
            accounts=meant("accountID", [plan.account_id for plan in plans]),
            campaigns=meant("campaignID", [plan.lead.campaign_id for plan in plans]),
            stages=meant("dealStageID", ()),
            users=meant("ownerID", [plan.lead.owner_id for plan in plans]),
        )

    def _unknown(self, plan: _Plan) -> UnknownReference | None:
        there = {
            "accountID": self._known.accounts,
            "dealStageID": self._known.stages,
            "ownerID": self._known.users,
            "campaignID": self._known.campaigns,
        }
        problems = [
            CONVERSION.by_name[name].problem(f"Your company has no {_SEEN[name]} with that id")
            for name, ids in there.items()
            if (value := getattr(plan.asked, name)) is not UNSET and value not in ids
        ]
        return UnknownReference(*problems) if problems else None

    async def _name_accounts(self, plans: Sequence[_Plan]) -> None:
        """Find the accounts that are named; those that are not there have a key from now on, and no id yet."""
        named = [plan for plan in plans if plan.name is not None]
        names = list(dict.fromkeys(plan.name for plan in named if plan.name is not None))
        if not names:
            return
        found = dict(zip(names, await conversion.accounts_named(self._tx, self._company_id, names), strict=True))
        for plan in named:
            plan.key, plan.account_id = found[plan.name or ""]

    async def _make_accounts(self, plans: Sequence[_Plan]) -> None:
        """Make the accounts that are not there, one for each company, with the name and owner of its first lead."""
        new: dict[str, _Plan] = {}
        for plan in plans:
            if plan.name is not None and plan.account_id is None:
                new.setdefault(plan.key, plan)
        if not new:
            return
        owners = [self._own(plan.lead.owner_id, self._known.users) for plan in new.values()]
        names = [plan.name or "" for plan in new.values()]
        made = await conversion.create_accounts(self._tx, self._company_id, names, owners)
        for plan in plans:
            if plan.name is not None and plan.account_id is None:
                plan.account_id = made[plan.key]

    @staticmethod
    def _own(reference: int | None, known: Any) -> int | None:
        """A reference of the lead itself, if what it names is still there."""
        return reference if reference in known else None

    async def _make_opportunities(self, plans: Sequence[_Plan]) -> None:
        selling = [plan for plan in plans if plan.sells]
        if not selling:
            return
        documents = msgspec.json.encode([self._opportunity(plan) for plan in selling]).decode()
        batch = Batch(documents=documents, version=self._fields.version, zone=self._context.zone_name)
        made = await table(OPPORTUNITY).insert(self._tx, self._company_id, batch)
        if not made or any(row.id is None for row in made):
            self._context.server.fields.forget(self._company_id)
            raise TryAgain
        for plan, row in zip(selling, made, strict=True):
            plan.opportunity_id = row.id

    def _opportunity(self, plan: _Plan) -> dict[str, Json]:
        one, lead = plan.asked, plan.lead
        owner = self._own(lead.owner_id, self._known.users) if one.ownerID is UNSET else one.ownerID
        campaign = self._own(lead.campaign_id, self._known.campaigns) if one.campaignID is UNSET else one.campaignID
        account = plan.account_id if plan.name is not None else self._own(plan.account_id, self._known.accounts)
        return {
            **{name: value for name in _COPIED if (value := getattr(one, name)) is not UNSET},
            "ownerID": owner,
            "campaignID": campaign,
            "accountID": account,
            "primaryLeadID": lead.id,
            "originatingLeadID": lead.id,
        }

    async def _change_leads(self, plans: Sequence[_Plan]) -> None:
        """Give the leads their status and account, and let links, events and lists follow."""
        changes = [Change(plan.lead.id, plan.account_id, plan.status) for plan in plans]
        changed = await conversion.update_leads(self._tx, self._company_id, changes)
        await events.write(self._tx, self._company_id, [event for plan in plans for event in _events(plan)])
        made = [plan.opportunity_id for plan in plans if plan.opportunity_id is not None]
        if made:
            await opportunities.after_write(self._tx, self._company_id, self._fields, made)
        await filtered_lists.update_members(self._tx, self._company_id, self._fields, changed)


def _plan(at: int, one: Any, lead: Candidate) -> _Plan:
    asked = None if one.leadStatus is UNSET else one.leadStatus
    status = status_after(lead.status, asked, opportunity=one.opportunityName is not UNSET)
    plan = _Plan(at, one, lead, status, lead.account_id)
    if one.accountID is not UNSET:
        plan.account_id = one.accountID
    elif one.accountName is not UNSET:
        plan.name = one.accountName.strip()
    elif one.account is True and lead.account_id is None:
        plan.name = (lead.company_name or "").strip()
    return plan


def _without_company(plan: _Plan) -> InvalidParameters | None:
    if plan.name is None or plan.name:
        return None
    problem = CONVERSION.by_name["account"].problem("The lead has no companyName: send accountName or accountID")
    return InvalidParameters(problem)


def _nothing(plan: _Plan) -> NothingChanged | None:
    return None if plan.changes else NothingChanged()


def _events(plan: _Plan) -> list[Event]:
    """What became of a lead: what has changed of it, from what to what, and the opportunity that is new."""
    lead, became = plan.lead, dict[str, Json]()
    happened: list[Event] = []
    if plan.status != lead.status:
        became["leadStatus"] = [lead.status, plan.status]
        happened.append(lead_status.changed_event(lead.id, lead.status, plan.status))
    if plan.account_id != lead.account_id:
        became["accountID"] = [None if one is None else str(one) for one in (lead.account_id, plan.account_id)]
    if plan.opportunity_id is not None:
        became["opportunityID"] = [None, str(plan.opportunity_id)]
    return [Event(lead_id=lead.id, source=CONVERTED, name=f"Lead converted: {plan.status}", data=became), *happened]
