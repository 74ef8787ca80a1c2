"""Lists whose members follow from a filter: kept right with every change of a lead, without rescanning the company.

Active leads that match are on the list, all others are not; nobody is "removed" from it. A filter that is new fills
its list in a pass over the leads. A write that was under way with the old filters may commit behind that pass: a
second one looks, when no such write can be left, once more at the leads that were changed about then.
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
from springhead.store.fields import fields as fieldsets
from springhead.store.lists.members import JOINED, among, membership_events, update_counts
from springhead.store.nouns.filters import condition
from springhead.store.nouns.table import expire_page_starts

_FILL, _SWEEP = "fill_list", "sweep_list"


class _Look(msgspec.Struct, frozen=True):
    """The statement that compares leads with rules, and what stands in it for the filters' values."""

    query: Statement
    parameters: tuple[object, ...]


class _Move(msgspec.Struct, frozen=True):
    """A lead that must join a list, or a membership that must go."""

    list_id: int
    lead_id: int
    member_id: int | None = None


async def update_members(tx: Tx, company_id: int, fields: FieldSet, lead_ids: Sequence[int]) -> None:
    """Let the rules-based lists follow these leads, which the same transaction has changed, or locked.

    `fields` may be out of date: it is loaded anew then. Costs one statement, and another when a lead joins or leaves.
    """
    if not lead_ids:
        return
    found = await _look(tx, company_id, fields, fields.list_filters, lead_ids)
    if found is None:
        fields = await fieldsets.load(tx, company_id)
        found = await _look(tx, company_id, fields, fields.list_filters, lead_ids)
    if found is None:
        raise TryAgain
    if found:
        await _move(tx, company_id, fields.list_filters, found)


async def filters_changed(tx: Tx, company_id: int, list_ids: Sequence[int]) -> int:
    """The filters of these lists were made, changed or dropped in this transaction: fill the lists that have one.

    Gives the number of the company's lists with a filter. Whoever remembers its fields must forget them.
    """
    await fieldsets.raise_version(tx, company_id)
    rows = await tx.rows(
        "select id from list where company_id = $1 and filter is not null order by id",
        company_id,
    )
    await fill(tx, company_id, sorted({row["id"] for row in rows} & set(list_ids)))
    return len(rows)


async def fill(tx: Tx, company_id: int, list_ids: Sequence[int]) -> None:
    """Evaluate the filters of these lists for all leads, in passes."""
    await background_jobs.start(tx, company_id, _FILL, *list_ids)


def lists_naming(fields: FieldSet, names: Collection[str]) -> list[int]:
    """The ids of the lists whose filter speaks of one of these fields."""
    columns = filter_fields(fields)
    wanted = set(names)
    return [rule.list_id for rule in fields.list_filters if filters.field_names(_filter(rule, columns)) & wanted]


async def _look(
    tx: Tx, company_id: int, fields: FieldSet, rules: Sequence[ListFilter], lead_ids: Sequence[int]
) -> list[_Move] | None:
    """Which of the leads must join or leave; None when the fields and rules are no longer of that version."""
    key = ("rules", *(str(rule.list_id) for rule in rules))
    look: _Look | None = fields.cache.get(key)
    if look is None:
        look = fields.cache[key] = _made(fields, rules)
    rows = await tx.rows(look.query, company_id, lead_ids, *look.parameters)
    if rows[0]["version"] != fields.version:
        return None
    moves: list[_Move] = []
    for row in rows:
        if row["lead_id"] is not None:
            fits = set(row["fits"])
            active, removed = (dict(zip(row[name], row[f"{name}_ids"], strict=True)) for name in ("active", "removed"))
            moves += [_Move(one, row["lead_id"]) for one in fits - active.keys()]
            moves += [_Move(one, row["lead_id"], mine) for one, mine in (active | removed).items() if one not in fits]
    return moves


_aggregated = [
    f"coalesce(array_agg(m.{column} order by m.list_id) filter (where {which}), '{{}}') as {name}"
    for which, of in (("not m.is_removed", "active"), ("m.is_removed", "removed"))
    for column, name in (("list_id", of), ("id", f"{of}_ids"))
]


def _filter(rule: ListFilter, columns: FilterFields) -> Filter:
    return filters.from_json(msgspec.json.decode(rule.filter), columns)


def _made(fields: FieldSet, rules: Sequence[ListFilter]) -> _Look:
    columns = filter_fields(fields)
    parameters: list[object] = []
    fits = [
        f"case when {condition(_filter(rule, columns), columns, parameters, first=3)} then {rule.list_id}::bigint end"
        for rule in rules
    ]
    # The sets of lists are compared as arrays in order. "offset 0": what fits is computed once, not for every use.
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
                    and m.list_id = any('{{{",".join(str(rule.list_id) for rule in rules)}}}'::bigint[])
            ) m
            where l.company_id = $1 and l.id = any($2::bigint[])
                and (f.fits <> m.active or m.removed <> '{{}}')
        ) d on true
        where c.id = $1
        """
    return _Look(statement(text), tuple(parameters))


# All of them are locked before the first member.
_AMONG_LISTS = f"{among('{}', 'select id from lists')} and {sql.after('lists')}"

_MOVE = statement(
    f"""
    with sent as materialized (
        select s.list_id, s.lead_id, nextval('list_member_id_seq') as new_id
        from jsonb_to_recordset($2::jsonb) as s (list_id bigint, lead_id bigint)
    ),
    lists as materialized (  -- of one that has another filter by now, the filling takes care
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
    ){
        update_counts('''
            select list_id, 1 as active, -back::int as removed from joined
            union all
            select list_id, (not is_removed)::int * -1, -is_removed::int from gone
        ''')
    },
    moved as (
        select from joined where back union all select from gone
    ){expire_page_starts(LIST_MEMBER, "moved")}{
        membership_events('''
            select list_id, lead_id, true as joins from joined
            union all
            select list_id, lead_id, false from gone where not is_removed
        ''')
    }
    select (select count(*) from joined), (select count(*) from gone)
    """
)


async def _move(tx: Tx, company_id: int, rules: Sequence[ListFilter], moves: Sequence[_Move]) -> None:
    lists = {move.list_id for move in moves}
    concerned = [rule for rule in rules if rule.list_id in lists]
    # The ids of members follow this order, and with them the order in which a page shows members of one moment.
    joining = sorted((move for move in moves if move.member_id is None), key=lambda move: (move.list_id, move.lead_id))
    await tx.rows(
        _MOVE,
        company_id,
        msgspec.json.encode(joining).decode(),
        [rule.list_id for rule in concerned],
        msgspec.json.encode({str(rule.list_id): msgspec.Raw(rule.filter.encode()) for rule in concerned}).decode(),
        [move.member_id for move in moves if move.member_id is not None],
    )


async def _evaluate(tx: Tx, company_id: int, list_id: int, lead_ids: Sequence[int]) -> None:
    """Let one list follow these leads, which somebody may be changing right now."""
    fields = await fieldsets.load(tx, company_id)
    rules = [rule for rule in fields.list_filters if rule.list_id == list_id]
    # Only those who must move are locked; a change that is under way evaluates for itself, or is swept up later.
    found = await _look(tx, company_id, fields, rules, lead_ids) if rules and lead_ids else []
    concerned = sorted(move.lead_id for move in found or ())
    if concerned:
        await tx.rows(
            "select id from lead where company_id = $1 and id = any($2::bigint[]) order by id for share",
            company_id,
            concerned,
        )
        found = await _look(tx, company_id, fields, rules, concerned)
    if found is None:
        raise TryAgain
    if found:
        await _move(tx, company_id, rules, found)


async def _fill_step(tx: Tx, company_id: int, list_id: int, cursor: int) -> int | None:
    rows = await tx.rows(
        "select id from lead where company_id = $1 and id > $2 order by id limit $3", company_id, cursor, STEP_ROWS
    )
    if cursor == 0:
        await _begin_sweep(tx, company_id, list_id)
    await _evaluate(tx, company_id, list_id, [row["id"] for row in rows])
    return rows[-1]["id"] if len(rows) == STEP_ROWS else None


async def _begin_sweep(tx: Tx, company_id: int, list_id: int) -> None:
    """Sweep when no write can be left that knows nothing of the filter, from before the filter was made."""
    begun = await tx.value(
        """
        select (extract(epoch from max(created_at)) * 1000000)::bigint from pass
        where company_id = $1 and kind = $2 and subject_id = $3
        """,
        company_id,
        _FILL,
        list_id,
    )
    await background_jobs.start(
        tx, company_id, _SWEEP, list_id, delay=LAST_WRITE_SECONDS, cursor=begun - int(LAST_WRITE_SECONDS) * 1_000_000
    )


async def _sweep_step(tx: Tx, company_id: int, list_id: int, cursor: int) -> int | None:
    """First the active leads by the time of their last change, in microseconds; then, with a cursor below 0, members.

    An inactive lead stands in no index by time: but one that is still on the list is found among its members.
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
    await _evaluate(tx, company_id, list_id, [row["id"] for row in rows])
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
    await _evaluate(tx, company_id, list_id, [row["lead_id"] for row in rows if not row["active"]])
    return -rows[-1]["id"] if len(rows) == STEP_ROWS else None


STEPS: Mapping[str, Step] = {_FILL: _fill_step, _SWEEP: _sweep_step}
