"""restoreLeads and getDeletedLeads: the recycle bin. Our addition."""

from collections.abc import Mapping
from typing import Annotated, cast

from springhead.methods import reads
from springhead.methods.bulk.writes import WRITE_ERRORS, id_of
from springhead.methods.examples import DONE, GIVEN_LEAD, LEAD_ROW, failed
from springhead.methods.reads import Limit, Offset
from springhead.model.kit.errors import ApiError, EntryExists, InvalidParameters, Json, NoSuchRecord, UnexpectedArray
from springhead.model.kit.fields import FieldSet
from springhead.model.leads.leads import LEAD, email_key
from springhead.model.leads.recycling import DELETED_LEAD
from springhead.rpc.context import Context, check_field_names
from springhead.rpc.method import Example, Outcome, ReadResult, Reads, WriteResult, Writes, method, refused, succeeded
from springhead.rpc.params import PAGE, Names, Objects, Where
from springhead.store.database.pool import Tx
from springhead.store.lifecycle import restoring
from springhead.store.nouns import reads as pages
from springhead.store.nouns.reads import Select

_DELETED = (*GIVEN_LEAD, Example({"objects": [{"id": "{lead}"}]}, [DONE], method="deleteLeads"))
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
            "A deleted lead, and an id that no deleted lead has.",
            given=_DELETED,
        )
    ],
)
async def restore_leads(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(LEAD, "The leads, each as `{id}` or as the bare id; at most 500 per call.")],
) -> WriteResult:
    """Restores up to 500 deleted leads, each with its id and everything that belonged to it.

    Restored are its values, except those of deleted fields; its account, owner and campaign, if they still exist; its
    memberships of lists that still exist, and of lists whose filter it now matches; its links to opportunities that
    still exist; its notes, tasks, calls, files and visitors. Objects that were changed since the deletion keep their
    current values. `isUnsubscribed` follows the last decision of the address. The timeline was never deleted; it shows
    both the deletion and the restoration.

    404: the lead is not in the recycle bin, because it was never deleted, was already restored, or was deleted longer
    ago than your company's retention period (30 days by default). 301: another lead now has its email address or its
    value of a unique field; the lead stays in the bin. A lead that was merged into another lead becomes independent
    again, with its own values; the other lead keeps what it got from it.
    """
    ids_or_errors: list[int | ApiError] = [id_of(record, LEAD) for record in objects]
    ids = list(dict.fromkeys(lead_id for lead_id in ids_or_errors if isinstance(lead_id, int)))
    async with context.tx() as tx:
        fields = await context.fields(tx)
        async with tx.atomic():
            restored = await restoring.restore(tx, context.company.id, fields, ids)
    remaining, restored_ids = set(restored.in_bin), set(restored.restored)
    outcomes: list[Outcome] = []
    for lead_id in ids_or_errors:
        if isinstance(lead_id, ApiError):
            outcomes.append(refused(lead_id))
        elif lead_id not in remaining:
            outcomes.append(refused(NoSuchRecord()))
        elif lead_id in restored_ids:
            remaining.remove(lead_id)
            outcomes.append(succeeded())
        else:
            outcomes.append(refused(EntryExists()))
    return WriteResult(outcomes)


@method(
    UnexpectedArray,
    result=Reads(DELETED_LEAD),
    vendor=False,
    section="own",
    examples=[Example({}, [_ROW], "The deleted leads.", given=_DELETED)],
)
async def get_deleted_leads(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(DELETED_LEAD, "id", "emailAddress", required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
    fields: Annotated[list[str] | None, Names("Only these fields; all fields by default.")] = None,
) -> ReadResult:
    """Returns the leads in the recycle bin, which restoreLeads can restore, last deleted first.

    Each lead is as it was when it was deleted. `mergedInto` is the lead into which it was merged, if it was. The
    filters `id` and `emailAddress` take a value or a list; if both are sent, both must match.
    """
    ids, addresses = _values(where.get("id")), _values(where.get("emailAddress"))

    async def deleted(tx: Tx, field_set: FieldSet) -> pages.Rows:
        try:
            check_field_names(LEAD, field_set, [name for name in fields or () if name not in DELETED_LEAD.by_name])
        except InvalidParameters:
            await context.verify(tx, field_set)
            raise
        select = Select(DELETED_LEAD, fields, field_set.columns[LEAD.name], source=restoring.SOURCE)
        return await restoring.find(
            tx,
            context.company.id,
            select,
            ids=None if ids is None else cast("list[int]", ids),
            keys=None if addresses is None else [email_key(str(address)) for address in addresses],
            zone=context.zone_name,
            version=field_set.version,
            limit=limit,
            offset=offset,
        )

    return ReadResult(await reads.run(context, deleted))


def _values(value: Json) -> list[Json] | None:
    """Returns the value or values of a filter, or None if it was not sent."""
    return None if value is None else value if isinstance(value, list) else [value]
