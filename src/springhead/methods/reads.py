"""Reads of any noun: one by id, a page of those that match, or those of a range of time."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Literal

import msgspec

from springhead.model.kit.columns import Noun
from springhead.model.kit.errors import InvalidParameters, Json
from springhead.model.kit.fields import FieldSet
from springhead.model.kit.times import one_second_later, to_utc
from springhead.rpc.context import Context, readable
from springhead.rpc.method import Rows
from springhead.rpc.params import PAGE, Count, Integer, Moment, OneOf
from springhead.store.database.pool import Tx
from springhead.store.nouns import reads

PIECE = 500
"""Rows of a long answer that are read and sent at a time: memory does not grow with the answer."""

Id = Annotated[int, Integer("The object's id.")]
Limit = Annotated[int, Count("How many at most; 500 is the default and the cap.", cap=PAGE)]
LongLimit = Annotated[int, Count("How many at most; 500 when left out, and there is no cap.")]
Offset = Annotated[int, Count("How many to pass over.")]
Start = Annotated[datetime, Moment("The first second of the range.")]
End = Annotated[datetime, Moment("The last second of the range; it belongs to it.", end=True)]
Stamp = Annotated[Literal["create", "update"], OneOf("Which time to look at.", "create", "update")]


async def get(context: Context, noun: Noun, object_id: int) -> Rows:
    """One object by its id: a list of one, or an empty one."""
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
) -> Rows:
    """A page of the objects that match all filters, in the order of their ids; all living ones without a filter.

    With `ahead` it says whether there are more.
    """
    if set(where) - set(noun.paged):
        found = await find(context, noun, where, names, limit=limit + ahead, offset=offset)
        return Rows.first(found.page, limit) if ahead else found

    async def page(tx: Tx, known: FieldSet) -> reads.Rows:
        chosen = await select(context, tx, noun, known, names)
        read = partial(reads.page, tx, context.company.id, chosen, where, context.server.walks)
        return await read(zone=context.zone_name, version=known.version, limit=limit, offset=offset, ahead=ahead)

    rows = await asked(context, page)
    return Rows.first(rows, limit) if ahead else Rows(rows)


Read = Callable[[Tx, FieldSet], Awaitable[reads.Rows]]
"""A read whose statement was made with these fields; none of its rows come when the company's are others by now."""


async def asked(context: Context, read: Read) -> reads.Rows:
    """The rows that are read; before there are none, it is made sure that the fields are still those asked with."""
    async with context.tx() as tx:
        known = await context.fields(tx)
        rows = await read(tx, known)
        if not rows:
            await context.verify(tx, known)
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
) -> Rows:
    """The objects that filters choose, living or not; with `either` any filter will do."""

    async def chosen(tx: Tx, known: FieldSet) -> reads.Rows:
        return await reads.find(
            tx,
            context.company.id,
            await select(context, tx, noun, known, names),
            where,
            zone=context.zone_name,
            version=known.version,
            limit=limit,
            offset=offset,
            either=either,
        )

    return Rows(await asked(context, chosen))


async def select(
    context: Context,
    tx: Tx,
    noun: Noun,
    fields: FieldSet,
    names: Sequence[str] | None = None,
    *,
    leaving_out: Sequence[str] = (),
) -> reads.Select:
    """What to read, custom fields included, made once for each version of them; 205 for an unknown name."""
    try:
        readable(noun, fields, names)
    except InvalidParameters:
        await context.verify(tx, fields)
        raise
    key = ("select", noun.name, "\0".join(names) if names is not None else f"all but {leaving_out}")
    found: reads.Select | None = fields.cache.get(key)
    if found is None:
        found = reads.Select(noun, names, fields.columns.get(noun.name, ()), leaving_out=leaving_out)
        if names is None:
            fields.cache[key] = found
    return found


async def ranged(
    context: Context,
    noun: Noun,
    between: tuple[datetime, datetime],
    by: Literal["create", "update"],
    names: Sequence[str] | None = None,
    *,
    limit: int,
    offset: int,
    leaving_out: Sequence[str] = (),
) -> Rows:
    """Objects created or updated between two times of the call's zone, both included, oldest first.

    A long answer is sent while it is read.
    """
    start, end = between
    begin, last_second = to_utc(start, context.zone), to_utc(end, context.zone, later=True)
    async with context.tx() as tx:
        known = await context.fields(tx)
        chosen = await select(context, tx, noun, known, names, leaving_out=leaving_out)
    piece = partial(
        reads.in_range,
        company_id=context.company.id,
        select=chosen,
        by=by,
        between=(begin, one_second_later(last_second)),
        zone=context.zone_name,
        version=known.version,
    )
    async with context.tx() as tx:
        rows, last = await piece(tx, limit=min(limit, PIECE), offset=offset)
        if not rows:
            await context.verify(tx, known)
    if last is None or len(rows) < PIECE or limit <= PIECE:
        return Rows(rows)

    async def pages() -> AsyncGenerator[Sequence[Mapping[str, Json]]]:
        page, after, left = rows, last, limit - len(rows)
        yield page
        while left and len(page) == PIECE:
            async with context.tx() as tx:
                page, after = await piece(tx, limit=min(left, PIECE), offset=0, after=after)
            left -= len(page)
            if page:
                yield page

    return Rows(pages=pages())


def documents(noun: Noun, row: Mapping[str, Json]) -> Mapping[str, Json]:
    """A row with what its columns of JSON hold, in place of the text of it."""
    return {
        name: msgspec.json.decode(value)
        if isinstance(value, str) and name in noun.by_name and noun.by_name[name].kind.sql == "jsonb"
        else value
        for name, value in row.items()
    }
