"""Lists with a filter. Each change of a lead updates its memberships, without a scan of the company's leads.

The members are the active leads that match the filter; such a list keeps no removed members. A background job evaluates
a new filter for all leads (it fills the list). A write that began with the old filters may commit after this job has
read its leads. So when no such write can be left, a second job evaluates the leads that were changed since (it sweeps).
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from springhead.model.kit import filters
from springhead.model.kit.fields import FieldSet, ListFilter
from springhead.model.kit.filters import Filter, FilterFields
from springhead.model.lists import LIST_MEMBER, filter_fields
from springhead.store.database import background_jobs, sql
from springhead.store.database.background_jobs import STEP_ROWS, Step
from springhead.store.database.deadlines import LAST_WRITE_SECONDS
from springhead.store.database.pool import TryAgain, Tx
from springhead.store.database.sql import Statement, statement
from springhead.store.feed.changes import list_changed
from springhead.store.fields import fields as fieldsets
from springhead.store.lists.members import JOINED, among, membership_events, update_counts
from springhead.store.nouns.filters import condition
from springhead.store.nouns.table import expire_page_starts

_FILL, _SWEEP = "fill_list", "sweep_list"


class _MovesQuery(msgspec.Struct, frozen=True):
    """The statement that compares memberships with list filters, and its parameters: the values of the filters."""

    query: Statement
    parameters: tuple[object, ...]


class _Move(msgspec.Struct, frozen=True):
    """A lead that must join a list, or with `member_id`, a membership that must be deleted."""

    list_id: int
    lead_id: int
    member_id: int | None = None


async def update_members(tx: Tx, company_id: int, fields: FieldSet, lead_ids: Sequence[int]) -> None:
    """Updates the rules-based lists of leads that the same transaction has changed or locked.

    If `fields` is out of date, loads the current fields. Costs one statement, and another one if a lead joins or leaves
    a list.
    """
    if not lead_ids:
        return
    moves = await _find_moves(tx, company_id, fields, fields.list_filters, lead_ids)
    if moves is None:
        fields = await fieldsets.load(tx, company_id)
        moves = await _find_moves(tx, company_id, fields, fields.list_filters, lead_ids)
    if moves is None:
        raise TryAgain
    if moves:
        await _move(tx, company_id, fields.list_filters, moves, in_feed=True)


async def filters_changed(tx: Tx, company_id: int, list_ids: Sequence[int]) -> list[ListFilter]:
    """Raises the field version and fills the lists that have a filter, after this transaction has changed filters.

    Returns the filters of all of the company's lists. The caller must remove the company from its FieldCache.
    """
    await fieldsets.raise_version(tx, company_id)
    rows = await tx.rows(
        "select id, filter::text as filter from list where company_id = $1 and filter is not null order by id",
        company_id,
    )
    await fill(tx, company_id, sorted({row["id"] for row in rows} & set(list_ids)))
    return [ListFilter(row["id"], row["filter"]) for row in rows]


def cost(list_filters: Sequence[ListFilter], columns: FilterFields) -> int:
    """The points that these filters cost together, each time they are evaluated for a lead."""
    return sum(filters.cost(_parsed(list_filter, columns), columns) for list_filter in list_filters)


async def fill(tx: Tx, company_id: int, list_ids: Sequence[int]) -> None:
    """Starts background jobs that evaluate the filters of these lists for all leads."""
    await background_jobs.start(tx, company_id, _FILL, *list_ids)


def lists_naming(fields: FieldSet, names: Collection[str]) -> list[int]:
    """The ids of the lists whose filter names one of these fields."""
    columns = filter_fields(fields)
    return [
        list_filter.list_id
        for list_filter in fields.list_filters
        if not filters.field_names(_parsed(list_filter, columns)).isdisjoint(names)
    ]


async def _find_moves(
    tx: Tx, company_id: int, fields: FieldSet, list_filters: Sequence[ListFilter], lead_ids: Sequence[int]
) -> list[_Move] | None:
    """The moves that the lists of these filters need; None if the company's field version is another one now."""
    key = ("list_filters", *(str(list_filter.list_id) for list_filter in list_filters))
    moves_query: _MovesQuery | None = fields.cache.get(key)
    if moves_query is None:
        moves_query = fields.cache[key] = _moves_query(fields, list_filters)
    rows = await tx.rows(moves_query.query, company_id, lead_ids, *moves_query.parameters)
    if rows[0]["version"] != fields.version:
        return None
    moves: list[_Move] = []
    for row in rows:
        if row["lead_id"] is not None:
            fits = set(row["fits"])
            active, removed = (dict(zip(row[name], row[f"{name}_ids"], strict=True)) for name in ("active", "removed"))
            moves += [_Move(list_id, row["lead_id"]) for list_id in fits - active.keys()]
            moves += [
                _Move(list_id, row["lead_id"], member_id)
                for list_id, member_id in (active | removed).items()
                if list_id not in fits
            ]
    return moves


_aggregated = [
    f"coalesce(array_agg(m.{column} order by m.list_id) filter (where {test}), '{{}}') as {name}"
    for test, state in (("not m.is_removed", "active"), ("m.is_removed", "removed"))
    for column, name in (("list_id", state), ("id", f"{state}_ids"))
]


def _parsed(list_filter: ListFilter, columns: FilterFields) -> Filter:
    return filters.from_json(msgspec.json.decode(list_filter.filter), columns)


def _moves_query(fields: FieldSet, list_filters: Sequence[ListFilter]) -> _MovesQuery:
    columns = filter_fields(fields)
    parameters: list[object] = []
    fits: list[str] = []
    for list_filter in list_filters:
        test = condition(_parsed(list_filter, columns), columns, parameters, first=3)
        fits.append(f"case when {test} then {list_filter.list_id}::bigint end")
    list_ids = ",".join(str(list_filter.list_id) for list_filter in list_filters)
    # Compares the lists that fit with the lists of a lead as ordered arrays. `offset 0` computes `fits` once per lead.
    text = f"""
        select c.field_version as version, d.*
        from company c
        left join (
            select l.id as lead_id, f.fits, m.*
            from lead l
            cross join lateral (
                select case when l.active then array_remove(array[{", ".join(fits)}]::bigint[], null) else '{{}}' end
                    as fits
                offset 0
            ) f
            cross join lateral (
                select {", ".join(_aggregated)}
                from list_member m
                where m.company_id = $1 and m.lead_id = l.id
                    and m.list_id = any('{{{list_ids}}}'::bigint[])
            ) m
            where l.company_id = $1 and l.id = any($2::bigint[])
                and (f.fits <> m.active or m.removed <> '{{}}')
        ) d on true
        where c.id = $1
        """
    return _MovesQuery(statement(text), tuple(parameters))


# All lists are locked before the first member.
_AMONG_LISTS = f"{among('{}', 'select id from lists')} and {sql.after('lists')}"

_COUNTED = """
                select list_id, 1 as active, -back::int as removed from joined
                union all
                select list_id, (not is_removed)::int * -1, -is_removed::int from gone
            """
_MOVED = """
                select list_id, lead_id, true as joins from joined
                union all
                select list_id, lead_id, false from gone where not is_removed
            """


def _moving(*, in_feed: bool) -> Statement:
    return statement(
        f"""
        with sent as materialized (
            select s.list_id, s.lead_id, nextval('list_member_id_seq') as new_id
            from jsonb_to_recordset($2::jsonb) as s (list_id bigint, lead_id bigint)
        ),
        lists as materialized (  -- if a filter has changed, the job that fills the list updates the members
            select t.id from list t
            where t.company_id = $1 and t.id = any($3::bigint[]) and t.filter = $4::jsonb -> t.id::text
            order by t.id for update
        ),
        made as (
            insert into list_member as m (company_id, id, list_id, lead_id, create_timestamp, update_timestamp)
            select $1, s.new_id, s.list_id, s.lead_id, now(), now()
            from sent s
            where {_AMONG_LISTS.format("s.list_id")}
            order by s.list_id, s.lead_id
            {JOINED}
        ),
        joined as materialized (
            select m.list_id, m.lead_id, not {among("m.id", "select new_id from sent")} as back from made m
        ),
        gone as (
            delete from list_member m
            where m.company_id = $1 and m.id = any($5::bigint[]) and {_AMONG_LISTS.format("m.list_id")}
            returning m.list_id, m.lead_id, m.is_removed
        ){update_counts(_COUNTED)},
        moved as (
            select 1 from joined where back union all select 1 from gone
        ){expire_page_starts(LIST_MEMBER, "moved")}{membership_events(_MOVED, in_feed=in_feed)}
        select (select count(*) from joined), (select count(*) from gone)
        """
    )


_MOVE = {in_feed: _moving(in_feed=in_feed) for in_feed in (False, True)}


async def _move(
    tx: Tx, company_id: int, list_filters: Sequence[ListFilter], moves: Sequence[_Move], *, in_feed: bool
) -> None:
    list_ids = {move.list_id for move in moves}
    used = [list_filter for list_filter in list_filters if list_filter.list_id in list_ids]
    filter_by_list = {str(list_filter.list_id): msgspec.Raw(list_filter.filter.encode()) for list_filter in used}
    # Members get their ids in this order, and pages show the members of one moment in the order of their ids.
    joining = sorted((move for move in moves if move.member_id is None), key=lambda move: (move.list_id, move.lead_id))
    tx.changed |= in_feed
    await tx.rows(
        _MOVE[in_feed],
        company_id,
        msgspec.json.encode(joining).decode(),
        [list_filter.list_id for list_filter in used],
        msgspec.json.encode(filter_by_list).decode(),
        [move.member_id for move in moves if move.member_id is not None],
    )


async def _evaluate(tx: Tx, company_id: int, list_id: int, lead_ids: Sequence[int], *, in_feed: bool) -> None:
    """Updates the members of one list by these leads, which other transactions may be changing right now.

    `in_feed` says whether the change feed gets each new and each former member.
    """
    fields = await fieldsets.load(tx, company_id)
    list_filters = [list_filter for list_filter in fields.list_filters if list_filter.list_id == list_id]
    # Locks only the leads that must move. A running write updates its leads itself, or the sweep finds them later.
    moves = await _find_moves(tx, company_id, fields, list_filters, lead_ids) if list_filters and lead_ids else []
    moving = sorted(move.lead_id for move in moves or ())
    if moving:
        await tx.rows(
            "select id from lead where company_id = $1 and id = any($2::bigint[]) order by id for share",
            company_id,
            moving,
        )
        moves = await _find_moves(tx, company_id, fields, list_filters, moving)
    if moves is None:
        raise TryAgain
    if moves:
        await _move(tx, company_id, list_filters, moves, in_feed=in_feed)


async def _fill_step(tx: Tx, company_id: int, list_id: int, cursor: int) -> int | None:
    rows = await tx.rows(
        "select id from lead where company_id = $1 and id > $2 order by id limit $3", company_id, cursor, STEP_ROWS
    )
    if cursor == 0:
        await _begin_sweep(tx, company_id, list_id)
    await _evaluate(tx, company_id, list_id, [row["id"] for row in rows], in_feed=False)
    if len(rows) == STEP_ROWS:
        return rows[-1]["id"]
    await list_changed(tx, company_id, [list_id])
    return None


async def _begin_sweep(tx: Tx, company_id: int, list_id: int) -> None:
    """Starts the sweep of a list, to run when no write with the old filters can be left.

    The sweep covers the time from LAST_WRITE_SECONDS before the filter was stored.
    """
    stored_at = await tx.value(
        """
        select (extract(epoch from max(created_at)) * 1000000)::bigint from pass
        where company_id = $1 and kind = $2 and subject_id = $3
        """,
        company_id,
        _FILL,
        list_id,
    )
    await background_jobs.start(
        tx,
        company_id,
        _SWEEP,
        list_id,
        delay=LAST_WRITE_SECONDS,
        cursor=stored_at - int(LAST_WRITE_SECONDS) * 1_000_000,
    )


async def _sweep_step(tx: Tx, company_id: int, list_id: int, cursor: int) -> int | None:
    """Evaluates active leads by the time of their last change, in microseconds; then, with a negative cursor, members.

    No index has the times of inactive leads. Inactive leads that are still on the list are found as its members.
    """
    if cursor < 0:
        return await _sweep_members(tx, company_id, list_id, -cursor)
    rows = await tx.rows(
        """
        select l.id, (extract(epoch from l.update_timestamp) * 1000000)::bigint as stamp
        from lead l
        where l.company_id = $1 and l.active
            and l.update_timestamp >= timestamptz 'epoch' + $2::bigint * interval '1 microsecond'
        order by l.update_timestamp
        fetch first ($3) rows with ties
        """,
        company_id,
        cursor,
        STEP_ROWS,
    )
    await _evaluate(tx, company_id, list_id, [row["id"] for row in rows], in_feed=True)
    return rows[-1]["stamp"] + 1 if len(rows) >= STEP_ROWS else -1


async def _sweep_members(tx: Tx, company_id: int, list_id: int, after: int) -> int | None:
    rows = await tx.rows(
        """
        select m.id, m.lead_id, (select l.active from lead l where l.company_id = $1 and l.id = m.lead_id) as active
        from list_member m
        where m.company_id = $1 and m.list_id = $2 and not m.is_removed and m.id > $3
        order by m.id limit $4
        """,
        company_id,
        list_id,
        after,
        STEP_ROWS,
    )
    await _evaluate(tx, company_id, list_id, [row["lead_id"] for row in rows if not row["active"]], in_feed=True)
    return -rows[-1]["id"] if len(rows) == STEP_ROWS else None


STEPS: Mapping[str, Step] = {_FILL: _fill_step, _SWEEP: _sweep_step}
