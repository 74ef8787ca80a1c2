"""Leads: read one, some, all, or those of a range of time (wire.md 8, 10.5 to 10.7)."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Literal

from springhead.methods.call import Call, readable
from springhead.methods.lead_examples import GIVEN, LEAD_ROW
from springhead.model.errors import InvalidParameters, Json, MissingParameters, UnexpectedArray, WrongValue
from springhead.model.fields import FieldSet
from springhead.model.leads import LEAD
from springhead.model.times import second_after, to_utc
from springhead.rpc.method import Example, Reads, Rows, method
from springhead.rpc.params import PAGE, Count, Integer, Moment, Names, OneOf, Where
from springhead.store import leads
from springhead.store.db import Tx

PIECE = 500
"""Rows of a long answer that are read and sent at a time: memory does not grow with the answer."""


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(LEAD),
    section="wire.md 10.5",
    examples=[
        Example({"id": "{id}"}, [LEAD_ROW], "A lead.", given=GIVEN),
        Example({"id": 1}, [], "An id that no lead has."),
    ],
)
async def get_lead(call: Call, *, id: Annotated[int, Integer("The lead's id.")]) -> Rows:
    """Read one lead by its id, active or not: a list of one, or an empty one when there is none."""
    return await _find(call, {"id": id}, None, limit=1, offset=0)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(LEAD),
    section="wire.md 10.6",
    differs="filters other than `id` and `emailAddress` are refused with 205, since to ignore one returns everything",
    examples=[
        Example(
            {
                "where": {"emailAddress": "Lead.One@example.com"},
                "fields": ["id", "firstName", "emailAddress"],
            },
            [{"id": ..., "firstName": "Lead", "emailAddress": "lead.one@example.com"}],
            "By email address, whatever its case; three fields of it.",
            given=GIVEN,
        ),
        Example({"where": [], "limit": 500, "offset": 0}, [LEAD_ROW], "The first page of all.", given=GIVEN),
    ],
)
async def get_leads(
    call: Call,
    *,
    where: Annotated[Mapping[str, Json], Where(LEAD, "id", "emailAddress")],
    limit: Annotated[int, Count("How many at most; 500 is the default and the cap.", cap=PAGE)] = PAGE,
    offset: Annotated[int, Count("How many to pass over.")] = 0,
    fields: Annotated[list[str] | None, Names("Only these fields; all when left out.")] = None,
) -> Rows:
    """Read the leads that match, or a page of all active ones.

    Without a filter: active leads in the order of their ids; a short page is the last one, and a deep page
    costs no more than the first. With `id` or `emailAddress`: those leads, active or not; both must match.
    With a list: any of its leads, those chosen by id first, and single values beside it do not count.
    """
    if where:
        return await _find(call, where, fields, limit=limit, offset=offset)
    async with call.tx() as tx:
        known = await call.fields(tx)
        select = await _select(call, tx, known, fields)
        page = partial(leads.page, tx, call.company.id, select, call.server.walks)
        rows = await page(zone=call.zone_name, version=known.version, limit=limit, offset=offset)
        if not rows:
            await call.verify(tx, known)
        return Rows(rows)


async def _find(call: Call, where: Mapping[str, Json], names: Sequence[str] | None, *, limit: int, offset: int) -> Rows:
    async with call.tx() as tx:
        known = await call.fields(tx)
        select = await _select(call, tx, known, names)
        rows = await leads.find(
            tx,
            call.company.id,
            select,
            where,
            zone=call.zone_name,
            version=known.version,
            limit=limit,
            offset=offset,
        )
        if not rows:
            await call.verify(tx, known)
        return Rows(rows)


async def _select(
    call: Call, tx: Tx, fields: FieldSet, names: Sequence[str] | None, *, leaving_out: Sequence[str] = ()
) -> leads.Select:
    try:
        readable(LEAD, fields, names)
    except InvalidParameters:
        await call.verify(tx, fields)
        raise
    key = ("select", "\0".join(names) if names is not None else f"all but {leaving_out}")
    found: leads.Select | None = fields.derived.get(key)
    if found is None:
        found = leads.Select(names, fields.columns["lead"], leaving_out=leaving_out)
        if names is None:
            fields.derived[key] = found
    return found


@method(
    MissingParameters,
    UnexpectedArray,
    WrongValue,
    result=Reads(LEAD),
    section="wire.md 10.7",
    differs="a date alone as `endDate` means the end of that day",
    examples=[
        Example(
            {
                "startDate": "2016-11-02 00:00:00",
                "endDate": "2999-12-31 23:59:59",
                "timestamp": "update",
                "fields": ["id", "emailAddress"],
            },
            [{"id": ..., "emailAddress": "lead.one@example.com"}],
            "Everything since a day.",
            given=GIVEN,
        ),
    ],
)
async def get_leads_date_range(
    call: Call,
    *,
    start_date: Annotated[datetime, Moment("The first second of the range.")],
    end_date: Annotated[datetime, Moment("The last second of the range; it belongs to it.", end=True)],
    timestamp: Annotated[Literal["create", "update"], OneOf("Which time to look at.", "create", "update")],
    limit: Annotated[int, Count("How many at most; 500 when left out, and there is no cap.")] = PAGE,
    offset: Annotated[int, Count("How many to pass over.")] = 0,
    fields: Annotated[list[str] | None, Names("Only these fields; all when left out.")] = None,
) -> Rows:
    """Read the active leads that were created or updated between two times, both included, oldest first.

    A lead that was created and never changed counts as updated then. A long answer is sent while it is
    read. As captured, `leadScoreWeighted` is only there when `fields` names it.
    """
    start = to_utc(start_date, call.zone)
    end = to_utc(end_date, call.zone, later=True)
    async with call.tx() as tx:
        known = await call.fields(tx)
        select = await _select(call, tx, known, fields, leaving_out=("leadScoreWeighted",))
    piece = partial(
        leads.in_range,
        company_id=call.company.id,
        select=select,
        by=timestamp,
        between=(start, second_after(end)),
        zone=call.zone_name,
        version=known.version,
    )
    async with call.tx() as tx:
        rows, last = await piece(tx, limit=min(limit, PIECE), offset=offset)
        if not rows:
            await call.verify(tx, known)
    if last is None or len(rows) < PIECE or limit <= PIECE:
        return Rows(rows)

    async def pages() -> AsyncGenerator[Sequence[Mapping[str, Json]]]:
        page, after, left = rows, last, limit - len(rows)
        yield page
        while left and len(page) == PIECE:
            async with call.tx() as tx:
                page, after = await piece(tx, limit=min(left, PIECE), offset=0, after=after)
            left -= len(page)
            if page:
                yield page

    return Rows(pages=pages())
