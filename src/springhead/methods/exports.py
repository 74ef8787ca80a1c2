"""exportLead: everything that is held on one person (our own)."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Annotated

from springhead.methods import reads
from springhead.methods.call import Call
from springhead.methods.examples import GIVEN
from springhead.methods.scoring import explained
from springhead.model.errors import Json, MissingParameters, UnexpectedArray
from springhead.model.fields import FieldSet
from springhead.model.held import LEAD_EXPORT
from springhead.model.leads import LEAD
from springhead.rpc.method import Example, Reads, Rows, method
from springhead.rpc.params import Integer
from springhead.store import held, scoring
from springhead.store.held import HELD


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(LEAD_EXPORT),
    vendor=False,
    section="own: erasure",
    examples=[
        Example(
            {"id": "{lead}"},
            [
                {"part": "lead", "data": ...},
                {"part": "score", "data": ...},
                {"part": "event", "data": ...},
            ],
            "A new lead: its fields, its score, and how it came to be.",
            given=GIVEN,
        )
    ],
)
async def export_lead(
    call: Call, *, id: Annotated[int, Integer("The lead's id; it may be deleted.", low=0, length=20)]
) -> Rows:
    """Export everything that is held on one lead, as JSON: a row for each thing, however many there are.

    `part` says what a row is, and `data` is the thing as the methods that read it show it: `lead` with all fields,
    `field` for each custom field that has a value, with its label, `score` for each line of getScoreExplanation,
    `listMember` (lists that it was removed from, too), `opportunity`, `opportunityLead`, `note`, `task`, `call`,
    `upload` with the content of the file, `pageView`, `visitor`, `event`: the whole timeline with form posts and
    history; `mergedID` and `deletedLead` for each lead that was merged into it, and `deletedPart` for what the recycle
    bin keeps. Of an erased lead there are its receipts (`erasure`). The answer is sent while it is read.
    """
    async with call.tx() as tx:
        known = await call.fields(tx)
        ids = (await held.persons(tx, call.company.id, [id]))[id]
    pages = _pages(call, ids, known)
    first = await anext(pages, None)  # what goes wrong at once is an error, and no answer that breaks off
    return Rows() if first is None else Rows(pages=_behind(first, pages))


Page = Sequence[Mapping[str, Json]]


async def _behind(first: Page, pages: AsyncGenerator[Page]) -> AsyncGenerator[Page]:
    yield first
    async for page in pages:
        yield page


async def _pages(call: Call, lead_ids: Sequence[int], known: FieldSet) -> AsyncGenerator[Page]:
    for one in HELD:
        after = None
        while True:
            async with call.tx() as tx:
                rows, after = await held.piece(
                    tx, call.company.id, one, lead_ids, known, zone=call.zone_name, after=after
                )
            if rows:
                yield [_part(one.name, reads.documents(one.noun, row)) for row in rows]
            if one.noun is LEAD and rows:
                yield await _beside(call, rows[0], known)
            if after is None:
                break


def _part(name: str, data: Mapping[str, Json]) -> Mapping[str, Json]:
    return {"part": name, "data": dict(data)}


async def _beside(call: Call, lead: Mapping[str, Json], known: FieldSet) -> list[Mapping[str, Json]]:
    """What explains a lead: the labels of its custom fields, and its score."""
    fields = [field.row() for field in known.fields if field.relationship == "lead" and lead.get(field.system_name)]
    async with call.tx() as tx, tx.atomic():
        lines = await scoring.explain(tx, call.company.id, int(str(lead["id"])))
    return [*(_part("field", field) for field in fields), *(_part("score", line) for line in explained(call, lines))]
