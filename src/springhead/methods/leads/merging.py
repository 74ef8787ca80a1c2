"""mergeLeads: leads that are one person become one (our own)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import UNSET

from springhead.methods.bulk.rounds import SEEN
from springhead.methods.bulk.unique_fields import VALUE_TAKEN
from springhead.methods.bulk.writes import WRITE_ERRORS
from springhead.methods.examples import CREATED, GIVEN
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
from springhead.rpc.context import Context, shape
from springhead.rpc.method import Done, Example, Outcomes, Writes, done, method, refused
from springhead.rpc.params import PAGE, Objects
from springhead.store.database.pool import Tx
from springhead.store.fields import unique_values
from springhead.store.leads import merged_ids as ids
from springhead.store.lifecycle import merging, recycling
from springhead.store.lifecycle.merging import REFERENCES, Lead, Merge

_OBJECTS = "The leads that stay, each with those that are merged into it; 500 of these a call at most."
_ADDRESS = LEAD.by_name["emailAddress"]
_TWO = (
    *GIVEN,
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
            "Two leads into one, whose values are those that were changed last.",
            given=_TWO,
        ),
    ],
)
async def merge_leads(context: Context, *, objects: Annotated[list[Json], Objects(MERGE, _OBJECTS)]) -> Outcomes:
    """Merge leads: of each object the lead `id` stays, and up to 50 others, `mergeIDs`, become part of it.

    For each field the first value that is not empty wins, by `rule`: that of the lead that stays, then of the others,
    last changed first (`keep`, when not given); of all of them, last changed first (`newest`); or created first
    (`oldest`). `valuesFrom` names for single fields the lead whose value is taken, empty or not, and `values` gives
    values of any kind, as updateLeads takes them. By rule alone the lead that stays keeps its `emailAddress` and
    `active`, and is unsubscribed when one of the leads is.

    Places on lists, events, links to opportunities, notes, tasks, calls, files and visitors move to the lead that
    stays, none twice: on a list it keeps its own place, removed or not. What the others' records went through (their
    creation, changes of their values) is not moved. A won opportunity among theirs makes it a customer.

    The others' ids go on answering: reads and writes that name one mean the lead that stays, also when that is merged
    on; deleteLeads alone does not take them. They are in the recycle bin, and restoreLeads makes one a lead of its own
    again. On the timeline a `leadMerge` has the ids under `merged` and each changed value; the others end with a
    `leadDeletion` that says `mergedInto`.

    The outcome has the `id` of the lead that stays. 404 when a lead is not there, 302 when all were merged into it
    before, 301 when the new address or the value of a unique field is another lead's, 303 when a value names what your
    company does not have. Objects work one after the other, each as a whole or not at all.
    """
    async with context.tx() as tx:
        fields = await context.fields(tx)
        checked = shape(MERGE, fields, creating=True).check(objects)
        problems = {at: wrong for one, at in checked.placed() if (wrong := check_merge(one, fields))}
        plans = [_Plan(at, one) for one, at in checked.placed() if at not in problems]
        problems |= {plan.at: wrong for plan in plans if (wrong := plan.read(fields))}
        checked.refuse(problems)
        if checked.refusals:
            await context.verify(tx, fields)
        plans = [plan for plan in plans if plan.at not in problems]
        if (many := sum(len(plan.asked.mergeIDs) for plan in plans)) > PAGE:
            problem = MERGE.by_name["mergeIDs"].problem(f"Expected at most {PAGE} leads in all, got {many}")
            raise TooManyObjects(problem, limit=PAGE)
        work = _Merging(context, tx, fields)
        if plans:
            async with tx.atomic():
                await work.run(plans)
    if work.left_over:
        await context.server.jobs.finish(context.company.id)
    return Outcomes.in_order(checked.refused() | work.outcomes)


class _Plan:
    """One object: the lead that stays, those that go, and whose values are taken, once their ids are resolved."""

    def __init__(self, at: int, asked: Any) -> None:
        self.at, self.asked = at, asked
        self.stays = 0
        self.others: list[int] = []
        self.chosen: dict[str, int] = {}
        self.values: dict[str, Any] = {}

    @property
    def leads(self) -> set[int]:
        """All of them."""
        return {self.stays, *self.others}

    def read(self, fields: FieldSet) -> ApiError | None:
        """Check the values, as an update with them would."""
        if self.asked.values is UNSET:
            return None
        given = {name: value for name, value in self.asked.values.items() if name != "id"}
        checked = shape(LEAD, fields, creating=False).check([given])
        if checked.refusals:
            return checked.refusals[0]
        (good,) = checked.good
        self.values = {name: value for name in given if (value := getattr(good, name, UNSET)) is not UNSET}
        if not self.values.get(_ADDRESS.name, "x").strip():
            return InvalidParameters(_ADDRESS.problem("Expected an email address, not an empty text"))
        return None

    def resolve(self, found: Mapping[int, int]) -> ApiError | None:
        """Find the leads that the ids mean."""
        for lead_id in (self.asked.id, *self.asked.mergeIDs):
            if lead_id not in found:
                column = MERGE.by_name["id" if lead_id == self.asked.id else "mergeIDs"]
                return NoSuchRecord({"params": [column.problem(f"Your company has no lead {lead_id}")]})
        self.stays = found[self.asked.id]
        self.others = sorted({found[one] for one in self.asked.mergeIDs} - {self.stays})
        if self.asked.valuesFrom is not UNSET:
            self.chosen = {name: found[one] for name, one in self.asked.valuesFrom.items()}
        return None if self.others else NothingChanged()


class _Merging:
    """The merges of one call, in one transaction; `outcomes` by the place of their objects."""

    def __init__(self, context: Context, tx: Tx, fields: FieldSet) -> None:
        self._tx, self._fields, self._company_id = tx, fields, context.company.id
        self.outcomes: dict[int, Done] = {}
        self.left_over = False

    async def run(self, left: Sequence[_Plan]) -> None:
        """Merge in rounds: in each of them no lead stands in two objects."""
        await recycling.lock_recycling(self._tx, self._company_id)
        while left:
            asked = {one for plan in left for one in (plan.asked.id, *plan.asked.mergeIDs)}
            found = await ids.resolve(self._tx, self._company_id, asked)
            seen: set[int] = set()
            now: list[_Plan] = []
            later: list[_Plan] = []
            for plan in left:
                error = plan.resolve(found)
                if error and not plan.leads & seen:
                    self.outcomes[plan.at] = refused(error)
                    continue
                (later if plan.leads & seen else now).append(plan)
                seen |= plan.leads
            await self._round(now)
            left = later

    async def _round(self, plans: Sequence[_Plan]) -> None:
        going = {one for plan in plans for one in plan.others}
        leads = await merging.lock_leads(self._tx, self._company_id, going | {plan.stays for plan in plans}, going)
        known = await self._known(plans, leads)
        mergers = {plan.at: self._merger(plan, leads, known) for plan in plans}
        refusals = await self._refusals(plans, mergers, known)
        self.outcomes |= {at: refused(error) for at, error in refusals.items()}
        right = [plan for plan in plans if plan.at not in refusals]
        if right:
            merge = merging.merge(self._tx, self._company_id, self._fields, [mergers[plan.at] for plan in right])
            self.left_over = await merge or self.left_over
        self.outcomes |= {plan.at: done(plan.stays) for plan in right}

    async def _known(self, plans: Sequence[_Plan], leads: Mapping[int, Lead]) -> Mapping[str, set[int]]:
        """What is there of all that the leads that go, and the values, refer to."""
        wanted = {column: {leads[one][column] for plan in plans for one in plan.others} for column in REFERENCES}
        for column in LEAD.referring:
            wanted[column.sql] |= {plan.values.get(column.name) for plan in plans}
        return await merging.lock_references(
            self._tx, self._company_id, {column: found - {None} for column, found in wanted.items()}
        )

    def _merger(self, plan: _Plan, leads: Mapping[int, Lead], known: Mapping[str, set[int]]) -> Merge:
        for other in plan.others:
            for column in REFERENCES:
                if leads[other][column] not in known.get(column, ()):
                    leads[other][column] = None
        rule = MERGE_RULES[0] if plan.asked.rule is UNSET else plan.asked.rule
        chosen = {name: leads[one] for name, one in plan.chosen.items()}
        lead = merged_lead(leads[plan.stays], [leads[one] for one in plan.others], rule, chosen, self._fields)
        set_values(lead, plan.values)
        return Merge(lead, plan.others)

    async def _refusals(
        self, plans: Sequence[_Plan], mergers: Mapping[int, Merge], known: Mapping[str, set[int]]
    ) -> dict[int, ApiError]:
        """303 for a value that names what is not there, 301 for an address or a unique value that is another lead's."""
        keys = {plan.at: mergers[plan.at].lead["email_key"] for plan in plans if self._readdressed(plan)}
        owners = await merging.address_owners(self._tx, self._company_id, set(keys.values())) if keys else {}
        customs = {plan.stays: mergers[plan.at].lead["custom"] for plan in plans}
        among = {plan.stays: plan.leads for plan in plans}
        doubled = await unique_values.find_conflicts(self._tx, self._company_id, self._fields, customs, among=among)
        refusals: dict[int, ApiError] = {}
        for plan in plans:
            unknown = [
                column.problem(f"Your company has no {SEEN[str(column.refers)]} with that id")
                for column in LEAD.referring
                if (value := plan.values.get(column.name)) is not None and value not in known.get(column.sql, ())
            ]
            key = keys.get(plan.at)
            if unknown:
                refusals[plan.at] = UnknownReference(*unknown)
            elif key is not None and owners.setdefault(key, plan.stays) not in plan.leads:
                refusals[plan.at] = EntryExists()
            elif plan.stays in doubled:
                fields = [self._fields.unique_fields[name] for name in doubled[plan.stays]]
                refusals[plan.at] = EntryExists(*(field.column.problem(VALUE_TAKEN) for field in fields))
        return refusals

    @staticmethod
    def _readdressed(plan: _Plan) -> bool:
        return _ADDRESS.name in plan.values or plan.chosen.get(_ADDRESS.name, plan.stays) != plan.stays
