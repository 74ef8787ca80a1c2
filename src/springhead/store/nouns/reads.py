"""Reads of any noun: some objects, a page at the same cost however deep it lies, or those of a range of time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from springhead.model.kit.columns import Column, Noun
from springhead.model.kit.errors import Json
from springhead.store.database import sql
from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement
from springhead.store.nouns import paging
from springhead.store.nouns.paging import Walks
from springhead.store.nouns.where import Where

_STAMP = {"create": "create_timestamp", "update": "update_timestamp"}

Rows = list[dict[str, Json]]


class Select:
    """What to read of a noun, as a select list: it speaks `$1` company, `$2` zone name, `$3` field version.

    `source` is what stands behind `from` and makes the alias `l`; only reads that show columns of several
    tables name it.
    """

    def __init__(
        self,
        noun: Noun,
        names: Sequence[str] | None = None,
        custom: Sequence[Column] = (),
        *,
        leaving_out: Sequence[str] = (),
        source: str = "",
    ) -> None:
        wanted = set(names) if names is not None else None
        self.noun = noun
        self.source = source or f"{noun.table} l"
        self.list = sql.select_list(
            sql.shown(noun, names, leaving_out=leaving_out),
            [column for column in custom if wanted is None or column.name in wanted],
        )
        self.scope = "l.company_id = $1 and $2::text is not null and $3::bigint is not null"
        self.guard = f"{self.scope} and $3 = (select field_version from company where id = $1)"
        self.living = f"l.{noun.by_name[noun.active_flag].sql}" if noun.active_flag else "true"


async def find(
    tx: Tx,
    company_id: int,
    select: Select,
    filters: Mapping[str, Json],
    *,
    zone: str,
    version: int,
    limit: int,
    offset: int,
    either: bool = False,
) -> Rows:
    """The objects that filters choose, living or not; for filters that choose few, such as ids.

    No rows can also mean that the field version has changed.
    """
    where = Where(select.noun, filters, first=6, either=either)
    query = statement(
        f"select {select.list} from {select.source} where {select.guard} and {where.condition}"
        f" order by {where.order} limit $4 offset $5"
    )
    rows = await tx.rows(query, company_id, zone, version, limit, offset, *where.parameters)
    return [dict(row) for row in rows]


async def page(
    tx: Tx,
    company_id: int,
    select: Select,
    filters: Mapping[str, Json],
    walks: Walks,
    *,
    zone: str,
    version: int,
    limit: int,
    offset: int,
    condition: str = "true",
    ahead: bool = False,
) -> Rows:
    """A page of the living objects that match, in the order of their ids, at the same cost however deep it lies.

    A start that nobody has walked to costs one pass over an index. `filters` are over the noun's
    `where_columns`; `condition` is further SQL on `l`, the same for all pages of a walk. With `ahead` there is one row
    more when others follow the page.
    """
    noun = select.noun
    walk = paging.walk(company_id, noun.name, filters, condition)
    start = walks.find(walk, offset) if offset else None
    where = Where(noun, filters, first=7)
    matching = f"l.company_id = $1 and {select.living} and {condition} and {where.condition}"
    generation = f"coalesce((select generation from shift where company_id = $1 and noun = '{noun.table}'), 0)"
    begin = (
        f"l.id > $5 and {generation} = $6"
        if start
        else f"""l.id >= (select l.id from {noun.table} l where {matching} order by l.id limit 1 offset $5)
            and $6::bigint is null"""
        if offset
        else "$5 = 0 and $6::bigint is null"
    )
    query = statement(
        f"""
        select {select.list},
            case when l.create_timestamp < now() - interval '{paging.SETTLED_SECONDS} seconds'
                then {generation} end as "#generation", l.id as "#id"
        from {select.source}
        where {select.guard} and {matching} and {begin}
        order by l.id
        limit $4
        """
    )
    begins: tuple[int, int | None] = (start.after, start.generation) if start else (offset, None)
    found = await tx.rows(query, company_id, zone, version, limit + ahead, *begins, *where.parameters)
    if start and not found:
        walks.forget(walk, offset)
        return await page(
            tx,
            company_id,
            select,
            filters,
            walks,
            zone=zone,
            version=version,
            limit=limit,
            offset=offset,
            condition=condition,
            ahead=ahead,
        )
    rows = [dict(row) for row in found]
    marks = [(row.pop("#id"), row.pop("#generation")) for row in rows]
    _remember(walks, walk, offset, marks[:limit])
    return rows


def _remember(walks: Walks, walk: paging.Walk, offset: int, marks: Sequence[tuple[int, int | None]]) -> None:
    for begins, (row_id, generation) in ((offset, marks[0]), (offset + len(marks), marks[-1])) if marks else ():
        if begins and generation is not None:
            walks.keep(walk, begins, row_id - (begins == offset), generation)


async def in_range(
    tx: Tx,
    *,
    company_id: int,
    select: Select,
    by: Literal["create", "update"],
    between: tuple[datetime, datetime],
    zone: str,
    version: int,
    limit: int,
    offset: int,
    after: tuple[datetime, int] | None = None,
) -> tuple[Rows, tuple[datetime, int] | None]:
    """Living objects created or updated from the first moment to before the second one, oldest first.

    Also gives the key of the last row, after which the next piece of the same answer begins. An answer
    keeps the fields that it began with: a change of fields meanwhile must not cut it short.
    """
    stamp = _STAMP[by]
    guard = select.scope if after else select.guard
    query = statement(
        f"""
        select {select.list}, l.{stamp} as "#stamp", l.id as "#id"
        from (
            select l.company_id, l.id from {select.noun.table} l
            where l.company_id = $1 and {select.living} and l.{stamp} >= $4 and l.{stamp} < $5
                and {f"(l.{stamp}, l.id) > ($8, $9)" if after else "true"}
            order by l.{stamp}, l.id
            limit $6 offset $7
        ) as chosen
        join {select.source} on l.company_id = $1 and l.id = chosen.id
        where {guard}
        order by l.{stamp}, l.id
        """
    )
    found = await tx.rows(query, company_id, zone, version, *between, limit, offset, *(after or ()))
    last = (found[-1]["#stamp"], found[-1]["#id"]) if found else None
    rows = [dict(row) for row in found]
    for row in rows:
        del row["#stamp"], row["#id"]
    return rows, last
