"""The conversion of leads into contacts and customers, with an account and an opportunity. Our addition."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET

from springhead.methods.bulk import merged_ids
from springhead.methods.bulk.writes import WRITE_ERRORS
from springhead.methods.examples import GIVEN_LEAD, NOTHING_CHANGED
from springhead.methods.sales import deal_stages
from springhead.model.kit.columns import unknown_references
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
from springhead.rpc.context import Context, object_schema
from springhead.rpc.method import Example, Outcome, WriteResult, Writes, converted, method, refused
from springhead.rpc.objects import CheckedObjects
from springhead.rpc.params import Objects
from springhead.store.database.pool import TryAgain, Tx
from springhead.store.leads import conversion, events, lead_status
from springhead.store.leads.conversion import Candidate, ConvertedLead, ExistingIds
from springhead.store.lists import filtered_lists
from springhead.store.nouns.table import RecordBatch, table
from springhead.store.sales import opportunities

_OBJECTS = "The leads, each a hash of `id` or `emailAddress` and the values of the conversion; at most 500 per call."
_COPIED = ("opportunityName", "dealStageID", "closeDate", "amount", "probability")
_ROOF = {
    "id": "{lead}",
    "accountName": "Acme Inc.",
    "opportunityName": "A new roof",
    "dealStageID": "{dealStage}",
    "closeDate": "2030-01-31",
    "amount": 12500,
}
_ALL = {"success": True, "error": None, "leadID": ..., "accountID": ..., "opportunityID": ...}
_LEAD_ONLY = {**_ALL, "accountID": None, "opportunityID": None}


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
            {"objects": [_ROOF]},
            [_ALL],
            "A conversion with an account and an opportunity.",
            given=(*GIVEN_LEAD, *deal_stages.GIVEN_STAGE),
        ),
        Example(
            {"objects": [{"emailAddress": "Lead.One@example.com", "leadStatus": "customer"}]},
            [_LEAD_ONLY],
            "A lead, found by email address, becomes a customer.",
            given=GIVEN_LEAD,
        ),
        Example(
            {"objects": [{"id": "{lead}"}]},
            [NOTHING_CHANGED],
            "A lead that is already a contact.",
            given=(*GIVEN_LEAD, Example({"objects": [{"id": "{lead}"}]}, [_LEAD_ONLY], method="convertLeads")),
        ),
    ],
)
async def convert_leads(
    context: Context, *, objects: Annotated[list[Json], Objects(CONVERSION, _OBJECTS)]
) -> WriteResult:
    """Converts up to 500 leads into contacts or customers, optionally with an account and an opportunity.

    Each lead is found by `id` or `emailAddress`. `leadStatus` is `contact` by default. A customer stays a customer, and
    a lead with an open opportunity becomes contactWithOpp instead of contact.

    With `account` 1, a lead without an account gets the account whose name is its `companyName`, regardless of case; if
    there is none, the account is created. `accountName` names another company, and `accountID` an existing account;
    both replace the account of the lead. Leads with the same company name share the new account.

    With `opportunityName`, an opportunity is created; then `dealStageID` and `closeDate` are required. The lead is
    linked to it as primary and originating lead. `ownerID` and `campaignID` are the lead's by default; the account is
    the lead's. A repeated call creates a second opportunity: send an `Idempotency-Key` to make the call safe to retry.

    A lead is converted completely, or not changed at all. 404: there is no such lead. 301: an earlier object of the
    call names the same lead. 303: your company does not have the referenced object. 302: nothing would change. The
    outcome and the timeline of the lead show the result.
    """
    async with context.tx() as tx:
        fields = await context.fields(tx)
        checked = object_schema(CONVERSION, fields, creating=True).check(objects)
        checked.refuse(
            {
                position: problem
                for record, position in checked.with_positions()
                if (problem := check_conversion(record))
            }
        )
        outcomes = checked.refused_outcomes()
        if checked.valid:
            merged_ids.replace(CONVERSION, checked, context.attempt.merged, id_names=("id",))
            async with tx.atomic():
                outcomes |= await _Conversion(context, tx, fields).run(checked)
    return WriteResult.in_order(outcomes)


class _ConversionPlan(msgspec.Struct):
    """The conversion of one lead. `name` is the name of the account to find or create, `key` is its normalised form."""

    position: int
    record: Any
    lead: Candidate
    status: str
    account_id: int | None
    name: str | None = None
    key: str = ""
    opportunity_id: int | None = None

    @property
    def creates_opportunity(self) -> bool:
        """Whether the conversion creates an opportunity."""
        return self.record.opportunityName is not UNSET

    @property
    def changes(self) -> bool:
        """Whether the conversion changes anything."""
        lead = self.lead
        new_account = self.name is not None and self.account_id is None
        return (
            self.creates_opportunity or new_account or (self.status, self.account_id) != (lead.status, lead.account_id)
        )


class _Conversion:
    """The conversions of one call, in one transaction."""

    def __init__(self, context: Context, tx: Tx, fields: FieldSet) -> None:
        self._context, self._tx, self._fields, self._company_id = context, tx, fields, context.company.id
        self._outcomes: dict[int, Outcome] = {}
        self._existing = ExistingIds((), (), (), ())

    async def run(self, checked: CheckedObjects) -> dict[int, Outcome]:
        """Refuses impossible conversions and applies the others, with one statement per kind of object.

        Returns the outcomes by position.
        """
        plans = self._accept(await self._plans(checked), _check_company)
        self._existing = await self._existing_references(plans)
        plans = self._accept(plans, self._check_references)
        await self._name_accounts(plans)
        plans = self._accept(plans, _check_changes)
        if plans:
            await self._create_accounts(plans)
            await self._create_opportunities(plans)
            await self._change_leads(plans)
        for plan in plans:
            self._outcomes[plan.position] = converted(plan.lead.id, plan.account_id, plan.opportunity_id)
        return self._outcomes

    def _accept(
        self, plans: Sequence[_ConversionPlan], check: Callable[[_ConversionPlan], ApiError | None]
    ) -> list[_ConversionPlan]:
        accepted: list[_ConversionPlan] = []
        for plan in plans:
            error = check(plan)
            if error:
                self._outcomes[plan.position] = refused(error)
            else:
                accepted.append(plan)
        return accepted

    async def _plans(self, checked: CheckedObjects) -> list[_ConversionPlan]:
        """Returns a plan for each lead. Refuses unknown leads (404), and leads that an earlier object names (301)."""
        sent = [(record, email_key(record.emailAddress) if record.id is UNSET else "") for record in checked.valid]
        ids = [record.id for record, key in sent if not key]
        leads = await conversion.lock_candidates(self._tx, self._company_id, ids, [key for _, key in sent if key])
        by_id = {lead.id: lead for lead in leads}
        await merged_ids.check_ids(self._tx, self._company_id, set(ids) - by_id.keys())
        by_key = {lead.email_key: lead for lead in leads}
        plans: dict[int, _ConversionPlan] = {}
        for (record, key), position in zip(sent, checked.positions, strict=True):
            lead = by_key.get(key) if key else by_id.get(record.id)
            if lead is None or lead.id in plans:
                name = "emailAddress" if key else "id"
                twice = CONVERSION.by_name[name].problem("This lead is in the call twice")
                self._outcomes[position] = refused(EntryExists(twice) if lead else NoSuchRecord())
            else:
                plans[lead.id] = _plan(position, record, lead)
        return list(plans.values())

    async def _existing_references(self, plans: Sequence[_ConversionPlan]) -> ExistingIds:
        """Locks the objects to which the plans and their leads refer; returns the ids that exist."""

        def ids_of(name: str, lead_references: Sequence[int | None]) -> set[int]:
            sent = (getattr(plan.record, name) for plan in plans)
            return {object_id for object_id in (*sent, *lead_references) if isinstance(object_id, int)}

        return await conversion.lock_existing_ids(
            self._tx,
            self._company_id,
            accounts=ids_of("accountID", [plan.account_id for plan in plans]),
            campaigns=ids_of("campaignID", [plan.lead.campaign_id for plan in plans]),
            stages=ids_of("dealStageID", ()),
            users=ids_of("ownerID", [plan.lead.owner_id for plan in plans]),
        )

    def _check_references(self, plan: _ConversionPlan) -> UnknownReference | None:
        """Returns 303 if the plan names an object that the company does not have."""
        existing = {
            "accountID": self._existing.accounts,
            "dealStageID": self._existing.stages,
            "ownerID": self._existing.users,
            "campaignID": self._existing.campaigns,
        }
        unknown = [
            CONVERSION.by_name[name]
            for name, ids in existing.items()
            if (value := getattr(plan.record, name)) is not UNSET and value not in ids
        ]
        return unknown_references(unknown) if unknown else None

    async def _name_accounts(self, plans: Sequence[_ConversionPlan]) -> None:
        """Looks up the accounts by name. A plan whose account does not exist gets the key of the name, but no id."""
        naming = [plan for plan in plans if plan.name is not None]
        names = list(dict.fromkeys(plan.name for plan in naming if plan.name is not None))
        if not names:
            return
        accounts = dict(zip(names, await conversion.accounts_named(self._tx, self._company_id, names), strict=True))
        for plan in naming:
            plan.key, plan.account_id = accounts[plan.name or ""]

    async def _create_accounts(self, plans: Sequence[_ConversionPlan]) -> None:
        """Creates the missing accounts, one for each company name, with the owner of the first lead of that name."""
        new: dict[str, _ConversionPlan] = {}
        for plan in plans:
            if plan.name is not None and plan.account_id is None:
                new.setdefault(plan.key, plan)
        if not new:
            return
        owners = [self._if_exists(plan.lead.owner_id, self._existing.users) for plan in new.values()]
        names = [plan.name or "" for plan in new.values()]
        account_ids = await conversion.create_accounts(self._tx, self._company_id, names, owners)
        for plan in plans:
            if plan.name is not None and plan.account_id is None:
                plan.account_id = account_ids[plan.key]

    @staticmethod
    def _if_exists(reference: int | None, existing_ids: Any) -> int | None:
        """Returns a reference of the lead if the object still exists, else None."""
        return reference if reference in existing_ids else None

    async def _create_opportunities(self, plans: Sequence[_ConversionPlan]) -> None:
        creating = [plan for plan in plans if plan.creates_opportunity]
        if not creating:
            return
        documents = msgspec.json.encode([self._opportunity(plan) for plan in creating]).decode()
        batch = RecordBatch(documents=documents, version=self._fields.version, zone=self._context.zone_name)
        inserted = await table(OPPORTUNITY).insert(self._tx, self._company_id, batch)
        if not inserted or any(row.id is None for row in inserted):
            self._context.server.fields.forget(self._company_id)
            raise TryAgain
        for plan, row in zip(creating, inserted, strict=True):
            plan.opportunity_id = row.id

    def _opportunity(self, plan: _ConversionPlan) -> dict[str, Json]:
        record, lead = plan.record, plan.lead
        owner = self._if_exists(lead.owner_id, self._existing.users) if record.ownerID is UNSET else record.ownerID
        campaign = (
            self._if_exists(lead.campaign_id, self._existing.campaigns)
            if record.campaignID is UNSET
            else record.campaignID
        )
        account = (
            plan.account_id if plan.name is not None else self._if_exists(plan.account_id, self._existing.accounts)
        )
        return {
            **{name: value for name in _COPIED if (value := getattr(record, name)) is not UNSET},
            "ownerID": owner,
            "campaignID": campaign,
            "accountID": account,
            "primaryLeadID": lead.id,
            "originatingLeadID": lead.id,
        }

    async def _change_leads(self, plans: Sequence[_ConversionPlan]) -> None:
        """Writes status and account of the leads, then updates links, events and filtered lists."""
        changes = [ConvertedLead(plan.lead.id, plan.account_id, plan.status) for plan in plans]
        changed = await conversion.update_leads(self._tx, self._company_id, changes)
        await events.write(self._tx, self._company_id, [event for plan in plans for event in _events(plan)])
        created = [plan.opportunity_id for plan in plans if plan.opportunity_id is not None]
        if created:
            await opportunities.after_write(self._tx, self._company_id, self._fields, created)
        await filtered_lists.update_members(self._tx, self._company_id, self._fields, changed)


def _plan(position: int, record: Any, lead: Candidate) -> _ConversionPlan:
    requested_status = None if record.leadStatus is UNSET else record.leadStatus
    status = status_after(lead.status, requested_status, opportunity=record.opportunityName is not UNSET)
    plan = _ConversionPlan(position, record, lead, status, lead.account_id)
    if record.accountID is not UNSET:
        plan.account_id = record.accountID
    elif record.accountName is not UNSET:
        plan.name = record.accountName.strip()
    elif record.account is True and lead.account_id is None:
        plan.name = (lead.company_name or "").strip()
    return plan


def _check_company(plan: _ConversionPlan) -> InvalidParameters | None:
    if plan.name is None or plan.name:
        return None
    problem = CONVERSION.by_name["account"].problem("The lead has no companyName: send accountName or accountID")
    return InvalidParameters(problem)


def _check_changes(plan: _ConversionPlan) -> NothingChanged | None:
    return None if plan.changes else NothingChanged()


def _events(plan: _ConversionPlan) -> list[Event]:
    """Returns the event of the conversion, and an event for a new status."""
    lead, changed = plan.lead, dict[str, Json]()
    status_events: list[Event] = []
    if plan.status != lead.status:
        changed["leadStatus"] = [lead.status, plan.status]
        status_events.append(lead_status.changed_event(lead.id, lead.status, plan.status))
    account_ids = (lead.account_id, plan.account_id)
    if plan.account_id != lead.account_id:
        changed["accountID"] = [None if account_id is None else str(account_id) for account_id in account_ids]
    if plan.opportunity_id is not None:
        changed["opportunityID"] = [None, str(plan.opportunity_id)]
    return [
        Event(lead_id=lead.id, source=CONVERTED, name=f"Lead converted: {plan.status}", data=changed),
        *status_events,
    ]
