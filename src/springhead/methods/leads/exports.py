"""exportLead: all data about one person. Our addition."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Annotated

from springhead.methods import reads
from springhead.methods.examples import GIVEN_LEAD
from springhead.methods.scores.scoring import explained
from springhead.model.kit.errors import Json, MissingParameters, UnexpectedArray
from springhead.model.kit.fields import FieldSet
from springhead.model.leads.leads import LEAD
from springhead.model.leads.personal_data import LEAD_EXPORT
from springhead.rpc.context import Context
from springhead.rpc.method import Example, ReadResult, Reads, method
from springhead.rpc.params import Integer
from springhead.store.lifecycle import personal_data
from springhead.store.scores import scoring


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(LEAD_EXPORT),
    vendor=False,
    long=True,
    section="own: erasure",
    examples=[
        Example(
            {"id": "{lead}"},
            [
                {"part": "lead", "data": ...},
                {"part": "score", "data": ...},
                {"part": "event", "data": ...},
            ],
            "A new lead: its fields, its score and the event of its creation.",
            given=GIVEN_LEAD,
        )
    ],
)
async def export_lead(
    context: Context, *, id: Annotated[int, Integer("The lead's id; it may be deleted.", low=0, length=20)]
) -> ReadResult:
    """Exports all data about one lead as JSON: a row for each object, without a limit.

    `part` is the kind of the row. `data` is the object as the methods that read it show it. The parts are: `lead` with
    all fields, and the opt-out of its address; `field` for each custom field that has a value, with its label; `score`
    for each line of getScoreExplanation; `listMember` (removed memberships included); `opportunity`, `opportunityLead`,
    `note`, `task`, `call`; `upload` with the content of the file; `pageView`, `visitor`; `event` for the whole
    timeline, with form posts and history; `mergedID` and `deletedLead` for each lead that was merged into the lead;
    `deletedPart` for the contents of the recycle bin. An erased lead only has its receipts (`erasure`). The answer is
    sent while it is read.
    """
    async with context.tx() as tx:
        fields = await context.fields(tx)
        ids = (await personal_data.ids_by_lead(tx, context.company.id, [id]))[id]
    pages = _pages(context, ids, fields)
    first = await anext(pages, None)  # read before the answer starts, so that an error can still be answered
    return ReadResult() if first is None else ReadResult(pages=_chain(first, pages))


Page = Sequence[Mapping[str, Json]]


async def _chain(first: Page, pages: AsyncGenerator[Page]) -> AsyncGenerator[Page]:
    yield first
    async for page in pages:
        yield page


async def _pages(context: Context, lead_ids: Sequence[int], fields: FieldSet) -> AsyncGenerator[Page]:
    for part in personal_data.tables():
        after = None
        while True:
            async with context.tx() as tx:
                rows, after = await personal_data.read_page(
                    tx, context.company.id, part, lead_ids, fields, zone=context.zone_name, after=after
                )
            if rows:
                yield [_row(part.name, reads.decoded(part.noun, row)) for row in rows]
            if part.noun is LEAD and rows:
                yield await _labels_and_score(context, rows[0], fields)
            if after is None:
                break


def _row(name: str, data: Mapping[str, Json]) -> Mapping[str, Json]:
    return {"part": name, "data": dict(data)}


async def _labels_and_score(context: Context, lead: Mapping[str, Json], fields: FieldSet) -> list[Mapping[str, Json]]:
    """Returns the rows that explain a lead: the labels of its custom fields, and its score."""
    labels = [field.row() for field in fields.fields if field.relationship == "lead" and lead.get(field.system_name)]
    async with context.tx() as tx, tx.atomic():
        lines = await scoring.explain(tx, context.company.id, int(str(lead["id"])))
    return [*(_row("field", label) for label in labels), *(_row("score", line) for line in explained(context, lines))]
