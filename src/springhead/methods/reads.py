"""Reads of any noun: one object by id, a page of the matching objects, or the objects of a range of time."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Literal

import msgspec

from springhead.model.kit.columns import Noun
from springhead.model.kit.errors import InvalidParameters, Json
from springhead.model.kit.fields import FieldSet
from springhead.model.kit.times import one_second_later, to_utc
from springhead.rpc.context import Context, check_field_names
from springhead.rpc.method import ReadResult
from springhead.rpc.params import PAGE, Integer, LimitOrOffset, Moment, OneOf
from springhead.store.database.pool import Tx
from springhead.store.nouns import reads

CHUNK = 500
"""A long answer is read and sent in chunks of this many rows, so that memory does not grow with the answer."""

Id = Annotated[int, Integer("The object's id.")]
Limit = Annotated[
    int,
    LimitOrOffset("The most rows to return; 500 is the default, and a larger number counts as 500.", cap=PAGE),
]
LongLimit = Annotated[int, LimitOrOffset("The most rows to return; 500 by default, without a maximum.")]
Offset = Annotated[
    int,
    LimitOrOffset(
        "How many rows to skip. To read all rows, add the rows that you got, until a page is empty. If rows of earlier "
        "pages are deleted meanwhile, the next page skips as many rows."
    ),
]
Start = Annotated[datetime, Moment("The first second of the range.")]
End = Annotated[datetime, Moment("The last second of the range, included.", end=True)]
Stamp = Annotated[Literal["create", "update"], OneOf("Which time the range refers to.", "create", "update")]


async def get(context: Context, noun: Noun, object_id: int) -> ReadResult:
    """Returns one object by its id: a list of one row, or an empty list."""
    return await find(context, noun, {"id": object_id}, limit=1, offset=0)


async def listing(
    context: Context,
    noun: Noun,
    where: Mapping[str, Json],
    names: Sequence[str] | None = None,
    *,
    limit: int,
    offset: int,
    ahead: bool = False,
) -> ReadResult:
    """Returns a page of the active objects that match all filters, in the order of their ids.

    A filter that is not in `noun.where_columns`, such as `id`, also finds inactive objects. With `ahead`, the result
    says whether more rows follow.
    """
    if set(where) - set(noun.where_columns):
        rows = await find(context, noun, where, names, limit=limit + ahead, offset=offset)
        return ReadResult.page_of(rows.page, limit) if ahead else rows

    async def page(tx: Tx, fields: FieldSet) -> reads.Rows:
        columns = await select(context, tx, noun, fields, names)
        read = partial(reads.page, tx, context.company.id, columns, where, context.server.page_starts)
        return await read(zone=context.zone_name, version=fields.version, limit=limit, offset=offset, ahead=ahead)

    rows = await run(context, page)
    return ReadResult.page_of(rows, limit) if ahead else ReadResult(rows)


Read = Callable[[Tx, FieldSet], Awaitable[reads.Rows]]
"""A read whose statement was made for a version of the custom fields. Returns no rows if the version has changed."""


async def run(context: Context, read: Read) -> reads.Rows:
    """Returns the rows of a read. If there are none, makes sure that the cached custom fields are current."""
    async with context.tx() as tx:
        fields = await context.fields(tx)
        rows = await read(tx, fields)
        if not rows:
            await context.verify(tx, fields)
        return rows


async def find(
    context: Context,
    noun: Noun,
    where: Mapping[str, Json],
    names: Sequence[str] | None = None,
    *,
    limit: int,
    offset: int,
    either: bool = False,
) -> ReadResult:
    """Returns the objects that match all filters, active or inactive. With `either`, one matching filter is enough."""

    async def matching(tx: Tx, fields: FieldSet) -> reads.Rows:
        return await reads.find(
            tx,
            context.company.id,
            await select(context, tx, noun, fields, names),
            where,
            zone=context.zone_name,
            version=fields.version,
            limit=limit,
            offset=offset,
            either=either,
        )

    return ReadResult(await run(context, matching))


async def select(
    context: Context,
    tx: Tx,
    noun: Noun,
    fields: FieldSet,
    names: Sequence[str] | None = None,
    *,
    leaving_out: Sequence[str] = (),
) -> reads.Select:
    """Returns the columns to read, with custom fields, cached per version of the fields. 205 for an unknown name."""
    try:
        check_field_names(noun, fields, names)
    except InvalidParameters:
        await context.verify(tx, fields)
        raise
    key = ("select", noun.name, "\0".join(names) if names is not None else f"all but {leaving_out}")
    columns: reads.Select | None = fields.cache.get(key)
    if columns is None:
        columns = reads.Select(noun, names, fields.columns.get(noun.name, ()), leaving_out=leaving_out)
        if names is None:
            fields.cache[key] = columns
    return columns


async def date_range(
    context: Context,
    noun: Noun,
    between: tuple[datetime, datetime],
    by: Literal["create", "update"],
    names: Sequence[str] | None = None,
    *,
    limit: int,
    offset: int,
    leaving_out: Sequence[str] = (),
) -> ReadResult:
    """Returns the objects created or updated between two times of the call's time zone, both included, oldest first.

    A long answer is sent while it is read.
    """
    start, end = between
    begin, last_second = to_utc(start, context.zone), to_utc(end, context.zone, later=True)
    async with context.tx() as tx:
        fields = await context.fields(tx)
        columns = await select(context, tx, noun, fields, names, leaving_out=leaving_out)
    read_chunk = partial(
        reads.in_range,
        company_id=context.company.id,
        select=columns,
        by=by,
        between=(begin, one_second_later(last_second)),
        zone=context.zone_name,
        version=fields.version,
    )
    async with context.tx() as tx:
        rows, last = await read_chunk(tx, limit=min(limit, CHUNK), offset=offset)
        if not rows:
            await context.verify(tx, fields)
    if last is None or len(rows) < CHUNK or limit <= CHUNK:
        return ReadResult(rows)

    async def pages() -> AsyncGenerator[Sequence[Mapping[str, Json]]]:
        page, after, remaining = rows, last, limit - len(rows)
        yield page
        while remaining and len(page) == CHUNK:
            async with context.tx() as tx:
                page, after = await read_chunk(tx, limit=min(remaining, CHUNK), offset=0, after=after)
            remaining -= len(page)
            if page:
                yield page

    return ReadResult(pages=pages())


def decoded(noun: Noun, row: Mapping[str, Json]) -> Mapping[str, Json]:
    """Returns the row with its JSON columns decoded from text."""
    return {
        name: msgspec.json.decode(value)
        if isinstance(value, str) and name in noun.by_name and noun.by_name[name].kind.sql == "jsonb"
        else value
        for name, value in row.items()
    }
