"""The recycle bin: what was deleted by mistake is read and comes back (our own)."""

from collections.abc import Mapping
from typing import Annotated, cast

from springhead.methods import reads
from springhead.methods.bulk.writes import WRITE_ERRORS, id_of
from springhead.methods.examples import DONE, GIVEN, LEAD_ROW, failed
from springhead.methods.reads import Limit, Offset
from springhead.model.kit.errors import ApiError, EntryExists, InvalidParameters, Json, NoSuchRecord, UnexpectedArray
from springhead.model.kit.fields import FieldSet
from springhead.model.leads.leads import LEAD, email_key
from springhead.model.leads.recycling import DELETED_LEAD
from springhead.rpc.context import Context, readable
from springhead.rpc.method import Done, Example, Outcomes, Reads, Rows, Writes, done, method, refused
from springhead.rpc.params import PAGE, Names, Objects, Where
from springhead.store.database.pool import Tx
from springhead.store.lifecycle import restoring
from springhead.store.nouns import reads as pages
from springhead.store.nouns.reads import Select

_DELETED = (*GIVEN, Example({"objects": [{"id": "{lead}"}]}, [DONE], method="deleteLeads"))
_ROW = {**LEAD_ROW, "deleteTimestamp": ..., "mergedInto": None}


@method(
    *WRITE_ERRORS,
    EntryExists,
    NoSuchRecord,
    result=Writes("restores"),
    vendor=False,
    section="own",
    examples=[
        Example(
            {"objects": [{"id": "{lead}"}, {"id": 1}]},
            [DONE, failed(404, "A record with that ID does not exist")],
            "A lead that was deleted, and one that never was.",
            given=_DELETED,
        )
    ],
)
async def restore_leads(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(LEAD, "The leads, each as `{id}` or as the bare id; 500 a call at most.")],
) -> Outcomes:
    """Bring back up to 500 leads that were deleted, each with its id and all that it had.

    That is its values, those of fields that are gone left out; its account, owner and campaign where they are still
    there; its places on lists that are still there, and on those whose filter it matches now; its links to
    opportunities that are still there, notes, tasks, calls, files and visitors. What has changed since it was deleted
    stays as it is now. Its timeline was never gone, and tells both.

    404 when it is not in the recycle bin: it was never deleted, longer ago than your company keeps leads (30 days,
    unless somebody has said otherwise), or is back already. 301 when another lead has its email address, or its value
    of a unique field, by now: the lead stays in the bin. A lead that was merged into another one comes back as a lead
    of its own, with its values; what the other one got from it stays there.
    """
    wanted: list[int | ApiError] = [id_of(one, LEAD) for one in objects]
    ids = list(dict.fromkeys(one for one in wanted if isinstance(one, int)))
    async with context.tx() as tx:
        fields = await context.fields(tx)
        async with tx.atomic():
            restored = await restoring.restore(tx, context.company.id, fields, ids)
    left, back = set(restored.found), set(restored.back)
    outcomes: list[Done] = []
    for one in wanted:
        if isinstance(one, ApiError):
            outcomes.append(refused(one))
        elif one not in left:
            outcomes.append(refused(NoSuchRecord()))
        elif one in back:
            left.remove(one)
            outcomes.append(done())
        else:
            outcomes.append(refused(EntryExists()))
    return Outcomes(outcomes)


@method(
    UnexpectedArray,
    result=Reads(DELETED_LEAD),
    vendor=False,
    section="own",
    examples=[Example({}, [_ROW], "What was deleted lately.", given=_DELETED)],
)
async def get_deleted_leads(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(DELETED_LEAD, "id", "emailAddress", required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
    fields: Annotated[list[str] | None, Names("Only these fields; all when left out.")] = None,
) -> Rows:
    """Read the leads in the recycle bin, which restoreLeads can bring back: those that were deleted last first.

    Each is as it was when it was deleted; `mergedInto` is the lead that it was merged into, if it was. `id` and
    `emailAddress`, each a value or a list of them, choose some; with both, both must match.
    """
    ids, addresses = _several(where.get("id")), _several(where.get("emailAddress"))

    async def found(tx: Tx, known: FieldSet) -> pages.Rows:
        try:
            readable(LEAD, known, [name for name in fields or () if name not in DELETED_LEAD.by_name])
        except InvalidParameters:
            await context.verify(tx, known)
            raise
        select = Select(DELETED_LEAD, fields, known.columns[LEAD.name], source=restoring.SOURCE)
        return await restoring.find(
            tx,
            context.company.id,
            select,
            ids=None if ids is None else cast("list[int]", ids),
            keys=None if addresses is None else [email_key(str(one)) for one in addresses],
            zone=context.zone_name,
            version=known.version,
            limit=limit,
            offset=offset,
        )

    return Rows(await reads.asked(context, found))


def _several(value: Json) -> list[Json] | None:
    return None if value is None else value if isinstance(value, list) else [value]
