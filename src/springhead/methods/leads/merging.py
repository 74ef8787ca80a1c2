"""mergeLeads: several leads of the same person become one lead. Our addition."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import UNSET

from springhead.methods.bulk.unique_fields import VALUE_TAKEN
from springhead.methods.bulk.writes import WRITE_ERRORS
from springhead.methods.examples import CREATED, GIVEN_LEAD
from springhead.model.kit.columns import unknown_references
from springhead.model.kit.errors import (
    ApiError,
    EntryExists,
    InvalidParameters,
    Json,
    NoSuchRecord,
    NothingChanged,
    TooManyObjects,
    UnknownReference,
)
from springhead.model.kit.fields import FieldSet
from springhead.model.leads.leads import LEAD
from springhead.model.leads.merging import MERGE, MERGE_RULES, check_merge, merged_lead, set_values
from springhead.rpc.context import Context, object_schema
from springhead.rpc.method import Example, Outcome, WriteResult, Writes, method, refused, succeeded
from springhead.rpc.params import PAGE, Objects
from springhead.store.database.pool import Tx
from springhead.store.fields import unique_values
from springhead.store.leads import merged_ids as ids
from springhead.store.leads import opt_outs
from springhead.store.lifecycle import merging, recycling
from springhead.store.lifecycle.merging import REFERENCES, Lead, Merge

_OBJECTS = "The leads that stay, each with the leads to merge into it; at most 500 merged leads per call."
_ADDRESS = LEAD.by_name["emailAddress"]
_TWO_LEADS = (
    *GIVEN_LEAD,
    Example({"objects": [{"emailAddress": "lead.two@example.com", "city": "Rome"}]}, [CREATED], method="createLeads"),
)


@method(
    *WRITE_ERRORS,
    EntryExists,
    NoSuchRecord,
    NothingChanged,
    UnknownReference,
    result=Writes("merges"),
    vendor=False,
    section="own",
    examples=[
        Example(
            {"objects": [{"id": "{lead}", "mergeIDs": ["{other lead}"], "rule": "newest"}]},
            [CREATED],
            "Two leads become one, with the values of the lead that was changed last.",
            given=_TWO_LEADS,
        ),
    ],
)
async def merge_leads(context: Context, *, objects: Annotated[list[Json], Objects(MERGE, _OBJECTS)]) -> WriteResult:
    """Merges leads: in each object, the lead `id` stays, and up to 50 other leads (`mergeIDs`) are merged into it.

    For each field, the first value that is not empty is kept, in the order of the `rule`. `keep` (the default) takes
    the lead that stays, then the others, last changed first. `newest` takes all of them, last changed first. `oldest`
    takes all of them, first created first. `valuesFrom` names, for single fields, the lead whose value is taken, even
    if it is empty. `values` sets values directly, as updateLeads does. By rule alone, the lead that stays keeps its
    `emailAddress` and `active`, and it is unsubscribed if any of the leads is. An address with an opt-out stays
    unsubscribed with all rules and values.

    List memberships, events, links to opportunities, notes, tasks, calls, files and visitors move to the lead that
    stays, without duplicates: if it is already on a list, it keeps its own membership, even a removed one. The events
    of the others' creation and of changes of their values do not move. If one of the others has a won opportunity, the
    lead becomes a customer.

    The ids of the others stay valid: reads and writes that name such an id mean the lead that stays, even after further
    merges; only deleteLeads does not accept it. The others are in the recycle bin, and restoreLeads makes such a lead
    independent again. The timeline of the lead gets an event `leadMerge` with the ids under `merged` and each changed
    value. The timelines of the others end with an event `leadDeletion`, which has `mergedInto`.

    The outcome has the `id` of the lead that stays. 404: a lead does not exist. 302: all of them were merged into it
    before. 301: the new address, or the value of a unique field, belongs to another lead. 303: a value names an object
    that your company does not have. Objects are applied in order, each completely or not at all.
    """
    async with context.tx() as tx:
        fields = await context.fields(tx)
        checked = object_schema(MERGE, fields, creating=True).check(objects)
        problems = {
            position: error for record, position in checked.with_positions() if (error := check_merge(record, fields))
        }
        plans = [
            _MergePlan(position, record) for record, position in checked.with_positions() if position not in problems
        ]
        problems |= {plan.position: error for plan in plans if (error := plan.read_values(fields))}
        checked.refuse(problems)
        if checked.refusals:
            await context.verify(tx, fields)
        plans = [plan for plan in plans if plan.position not in problems]
        if (merge_count := sum(len(plan.record.mergeIDs) for plan in plans)) > PAGE:
            problem = MERGE.by_name["mergeIDs"].problem(f"Expected at most {PAGE} leads in all, got {merge_count}")
            raise TooManyObjects(problem, limit=PAGE)
        call_merges = _Merging(context, tx, fields)
        if plans:
            async with tx.atomic():
                await call_merges.run(plans)
    if call_merges.jobs_pending:
        await context.server.jobs.finish(context.company.id)
    return WriteResult.in_order(checked.refused_outcomes() | call_merges.outcomes)


class _MergePlan:
    """The merge of one object: the surviving lead, the merged leads, and the leads whose values are taken."""

    def __init__(self, position: int, record: Any) -> None:
        self.position, self.record = position, record
        self.survivor = 0
        self.merged: list[int] = []
        self.value_sources: dict[str, int] = {}
        self.values: dict[str, Any] = {}

    @property
    def leads(self) -> set[int]:
        """The ids of the survivor and of the merged leads."""
        return {self.survivor, *self.merged}

    def read_values(self, fields: FieldSet) -> ApiError | None:
        """Checks the sent `values` as an update does, and sets them in the plan. Returns the error, or None."""
        if self.record.values is UNSET:
            return None
        sent_values = {name: value for name, value in self.record.values.items() if name != "id"}
        checked = object_schema(LEAD, fields, creating=False).check([sent_values])
        if checked.refusals:
            return checked.refusals[0]
        (record,) = checked.valid
        self.values = {name: value for name in sent_values if (value := getattr(record, name, UNSET)) is not UNSET}
        if not self.values.get(_ADDRESS.name, "x").strip():
            return InvalidParameters(_ADDRESS.problem("Expected an email address, not an empty text"))
        return None

    def resolve(self, survivors: Mapping[int, int]) -> ApiError | None:
        """Replaces merged ids by survivors. Returns 404 for an unknown lead, 302 if there is nothing to merge."""
        for lead_id in (self.record.id, *self.record.mergeIDs):
            if lead_id not in survivors:
                column = MERGE.by_name["id" if lead_id == self.record.id else "mergeIDs"]
                return NoSuchRecord({"params": [column.problem(f"Your company has no lead {lead_id}")]})
        self.survivor = survivors[self.record.id]
        self.merged = sorted({survivors[lead_id] for lead_id in self.record.mergeIDs} - {self.survivor})
        if self.record.valuesFrom is not UNSET:
            self.value_sources = {name: survivors[lead_id] for name, lead_id in self.record.valuesFrom.items()}
        return None if self.merged else NothingChanged()


class _Merging:
    """The merges of one call, in one transaction. `outcomes` are by position in the call."""

    def __init__(self, context: Context, tx: Tx, fields: FieldSet) -> None:
        self._tx, self._fields, self._company_id = tx, fields, context.company.id
        self._source = context.source
        self.outcomes: dict[int, Outcome] = {}
        self.jobs_pending = False

    async def run(self, remaining: Sequence[_MergePlan]) -> None:
        """Merges in rounds. In each round, no lead belongs to two objects."""
        await recycling.lock_recycling(self._tx, self._company_id)
        while remaining:
            sent_ids = {lead_id for plan in remaining for lead_id in (plan.record.id, *plan.record.mergeIDs)}
            survivors = await ids.resolve(self._tx, self._company_id, sent_ids)
            used_leads: set[int] = set()
            now: list[_MergePlan] = []
            later: list[_MergePlan] = []
            for plan in remaining:
                error = plan.resolve(survivors)
                if error and not plan.leads & used_leads:
                    self.outcomes[plan.position] = refused(error)
                    continue
                (later if plan.leads & used_leads else now).append(plan)
                used_leads |= plan.leads
            await self._round(now)
            remaining = later

    async def _round(self, plans: Sequence[_MergePlan]) -> None:
        merged_leads = {lead_id for plan in plans for lead_id in plan.merged}
        leads = await merging.lock_leads(
            self._tx, self._company_id, merged_leads | {plan.survivor for plan in plans}, merged_leads
        )
        existing = await self._existing(plans, leads)
        merges = {plan.position: self._merge(plan, leads, existing) for plan in plans}
        survivors = [merge.lead for merge in merges.values()]
        opted_out = await opt_outs.find(self._tx, self._company_id, {lead["email_key"] for lead in survivors})
        for lead in survivors:
            if lead["email_key"] in opted_out:
                lead["is_unsubscribed"] = True
        refusals = await self._refusals(plans, merges, existing)
        self.outcomes |= {position: refused(error) for position, error in refusals.items()}
        accepted = [plan for plan in plans if plan.position not in refusals]
        if accepted:
            merge = merging.merge(
                self._tx,
                self._company_id,
                self._fields,
                [merges[plan.position] for plan in accepted],
                source=self._source,
            )
            self.jobs_pending = await merge or self.jobs_pending
        self.outcomes |= {plan.position: succeeded(plan.survivor) for plan in accepted}

    async def _existing(self, plans: Sequence[_MergePlan], leads: Mapping[int, Lead]) -> Mapping[str, set[int]]:
        """Locks the objects to which the merged leads and sent values refer; returns the ids that exist."""
        ids_by_column = {
            column: {leads[lead_id][column] for plan in plans for lead_id in plan.merged} for column in REFERENCES
        }
        for column in LEAD.reference_columns:
            ids_by_column[column.sql] |= {plan.values.get(column.name) for plan in plans}
        return await merging.lock_references(
            self._tx,
            self._company_id,
            {column: ids_of_column - {None} for column, ids_of_column in ids_by_column.items()},
        )

    def _merge(self, plan: _MergePlan, leads: Mapping[int, Lead], existing: Mapping[str, set[int]]) -> Merge:
        for lead_id in plan.merged:
            for column in REFERENCES:
                if leads[lead_id][column] not in existing.get(column, ()):
                    leads[lead_id][column] = None
        rule = MERGE_RULES[0] if plan.record.rule is UNSET else plan.record.rule
        value_sources = {name: leads[lead_id] for name, lead_id in plan.value_sources.items()}
        lead = merged_lead(
            leads[plan.survivor], [leads[lead_id] for lead_id in plan.merged], rule, value_sources, self._fields
        )
        set_values(lead, plan.values)
        return Merge(lead, plan.merged)

    async def _refusals(
        self, plans: Sequence[_MergePlan], merges: Mapping[int, Merge], existing: Mapping[str, set[int]]
    ) -> dict[int, ApiError]:
        """Returns 303 if a value names a missing object, and 301 if another lead has the address or a unique value."""
        keys = {plan.position: merges[plan.position].lead["email_key"] for plan in plans if self._changes_address(plan)}
        owners = await merging.address_owners(self._tx, self._company_id, set(keys.values())) if keys else {}
        customs = {plan.survivor: merges[plan.position].lead["custom"] for plan in plans}
        allowed_holders = {plan.survivor: plan.leads for plan in plans}
        conflicts = await unique_values.find_conflicts(
            self._tx, self._company_id, self._fields, customs, among=allowed_holders
        )
        refusals: dict[int, ApiError] = {}
        for plan in plans:
            unknown = [
                column
                for column in LEAD.reference_columns
                if (value := plan.values.get(column.name)) is not None and value not in existing.get(column.sql, ())
            ]
            key = keys.get(plan.position)
            if unknown:
                refusals[plan.position] = unknown_references(unknown)
            elif key is not None and owners.setdefault(key, plan.survivor) not in plan.leads:
                refusals[plan.position] = EntryExists()
            elif plan.survivor in conflicts:
                fields = [self._fields.unique_fields[name] for name in conflicts[plan.survivor]]
                refusals[plan.position] = EntryExists(*(field.column.problem(VALUE_TAKEN) for field in fields))
        return refusals

    @staticmethod
    def _changes_address(plan: _MergePlan) -> bool:
        return _ADDRESS.name in plan.values or plan.value_sources.get(_ADDRESS.name, plan.survivor) != plan.survivor
