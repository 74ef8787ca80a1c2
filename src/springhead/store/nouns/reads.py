"""Reads of any noun: objects by filters, a page at any offset, or the objects of a range of time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import asyncpg

from springhead.model.kit.columns import Column, Noun
from springhead.model.kit.errors import Json
from springhead.store.database import sql
from springhead.store.database.pool import Tx
from springhead.store.database.sql import Statement, statement
from springhead.store.nouns import paging
from springhead.store.nouns.custom_values import CustomValues, Rows
from springhead.store.nouns.paging import PageStarts
from springhead.store.nouns.where import WhereClause

_STAMP = {"create": "create_timestamp", "update": "update_timestamp"}


class Select:
    """The columns to read of a noun, as SQL with the parameters `$1` company, `$2` time zone, `$3` field version.

    `list` is the select list. `scope` is the condition on the company, `guard` also one on the field version. `active`
    excludes soft-deleted objects. `source` is the text after `from` and defines the alias `l`; only reads that show
    columns of several tables name it.
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
        self.custom = CustomValues(column.name for column in custom if wanted is None or column.name in wanted)
        self.list = self.custom.add_to(sql.select_list(sql.shown(noun, names, leaving_out=leaving_out)))
        self.scope = "l.company_id = $1 and $2::text is not null and $3::bigint is not null"
        self.guard = f"{self.scope} and $3 = (select field_version from company where id = $1)"
        self.active = f"l.{noun.by_name[noun.active_flag].sql}" if noun.active_flag else "true"

    def rows(self, records: Sequence[asyncpg.Record]) -> list[dict[str, Any]]:
        """The records as the API shows them, with the columns that a statement adds after `list`."""
        return self.custom.rows(records)


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
    """The objects that match the filters, active or not; for filters that few objects match, such as ids.

    Returns no rows also if the field version has changed.
    """
    where = WhereClause(select.noun, filters, first=6, either=either)
    query = statement(
        f"select {select.list} from {select.source} where {select.guard} and {where.condition}"
        f" order by {where.order} limit $4 offset $5"
    )
    rows = await tx.rows(query, company_id, zone, version, limit, offset, *where.parameters)
    return select.rows(rows)


async def page(
    tx: Tx,
    company_id: int,
    select: Select,
    filters: Mapping[str, Json],
    page_starts: PageStarts,
    *,
    zone: str,
    version: int,
    limit: int,
    offset: int,
    condition: str = "true",
    ahead: bool = False,
) -> Rows:
    """A page of the active objects that match, in the order of their ids. A deep page costs as much as the first.

    A page whose start is not remembered costs one scan of an index. `filters` are on the noun's `where_columns`;
    `condition` is further SQL on `l`, the same for all pages of a listing. With `ahead`, returns one row more if other
    rows follow the page.
    """
    listing = paging.listing(company_id, select.noun.name, filters, condition)
    start = page_starts.find(listing, offset) if offset else None
    where = WhereClause(select.noun, filters, first=7)
    records: list[asyncpg.Record] = []

    async def read(begin: str, *position: int | None) -> list[asyncpg.Record]:
        query = _page_query(select, f"{condition} and {where.condition}", begin)
        return await tx.rows(query, company_id, zone, version, limit + ahead, *position, *where.parameters)

    if start:
        records = await read(_AFTER_START, start.after, start.generation)
        if not records:
            page_starts.forget(listing, offset)
    if not records:
        records = await read(_AT_OFFSET if offset else _FIRST, offset, None)
    rows = select.rows(records)
    ids = [(row.pop("#id"), row.pop("#generation")) for row in rows]
    _remember(page_starts, listing, offset, ids[:limit])
    return rows


_AFTER_START = "l.id > $5 and {generation} = $6"
_AT_OFFSET = """l.id >= (select l.id from {table} l where {matching} order by l.id limit 1 offset $5)
            and $6::bigint is null"""
_FIRST = "$5 = 0 and $6::bigint is null"
"""Where a page begins: after a remembered start of the same generation, at an offset, or with the first row."""


def _page_query(select: Select, condition: str, begin: str) -> Statement:
    table = select.noun.table
    matching = f"l.company_id = $1 and {select.active} and {condition}"
    generation = f"coalesce((select generation from shift where company_id = $1 and noun = '{table}'), 0)"
    return statement(
        f"""
        select {select.list},
            case when l.create_timestamp < now() - interval '{paging.SETTLED_SECONDS} seconds'
                then {generation} end as "#generation", l.id as "#id"
        from {select.source}
        where {select.guard} and {matching} and {begin.format(table=table, matching=matching, generation=generation)}
        order by l.id
        limit $4
        """
    )


def _remember(
    page_starts: PageStarts, listing: paging.Listing, offset: int, ids: Sequence[tuple[int, int | None]]
) -> None:
    """Remembers the starts of this page and of the next page; `ids` has the ids and generations of this page."""
    if not ids:
        return
    (first_id, first_generation), (last_id, last_generation) = ids[0], ids[-1]
    if offset and first_generation is not None:
        page_starts.keep(listing, offset, first_id - 1, first_generation)
    if last_generation is not None:
        page_starts.keep(listing, offset + len(ids), last_id, last_generation)


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
    """The active objects created or updated from the first moment to before the second, oldest first.

    Also returns the key of the last row: with it as `after`, the next part of the same answer begins. Such a part keeps
    the fields of the first part, so that a change of fields does not end the answer early.
    """
    stamp = _STAMP[by]
    guard = select.scope if after else select.guard
    query = statement(
        f"""
        select {select.list}, l.{stamp} as "#stamp", l.id as "#id"
        from {select.source}
        where {guard} and l.company_id = $1 and l.id = any(array(
            select l.id from {select.noun.table} l
            where l.company_id = $1 and {select.active} and l.{stamp} >= $4 and l.{stamp} < $5
                and {f"(l.{stamp}, l.id) > ($8, $9)" if after else "true"}
            order by l.{stamp}, l.id
            limit $6 offset $7
        ))
        order by l.{stamp}, l.id
        """
    )
    records = await tx.rows(query, company_id, zone, version, *between, limit, offset, *(after or ()))
    last = (records[-1]["#stamp"], records[-1]["#id"]) if records else None
    rows = select.rows(records)
    for row in rows:
        del row["#stamp"], row["#id"]
    return rows, last
