"""CTEs that write events of leads, as part of the statement that inserts, updates, deletes or merges the leads."""

from collections.abc import Sequence

from springhead.model.kit.columns import Column, Noun
from springhead.model.leads.events import MERGED
from springhead.store.database import sql
from springhead.store.feed.changes import event_entry
from springhead.store.leads import opt_out_clauses

_INTO = "insert into event (company_id, lead_id, create_timestamp, event_source, event_name, event_data)"


def of_insertion(noun: Noun) -> str:
    """Returns a CTE (with leading comma) that writes an event for each row of `inserted`, if the noun has events.

    The rows of `unsubscribed` (opt_out_clauses.py) have a second event.
    """
    if not noun.events:
        return ""
    if not noun.opt_out_flag:
        return _events(noun.events.created, "inserted")
    created, unsubscribed = (
        f"{sql.literal(source)} as source, {sql.literal(name)} as name"
        for source, name in (noun.events.created, noun.events.special[noun.opt_out_flag])
    )
    return f""",
            events as (
                {_INTO}
                select $1, r.id, now(), r.source, r.name, r.data
                from (
                    select id, 1 as place, {created}, null::jsonb as data from inserted
                    union all
                    select id, 2, {unsubscribed}, jsonb_build_object(
                        {sql.literal(noun.opt_out_flag)}, jsonb_build_array(null, '1'),
                        'source', jsonb_build_array(null, source)
                    )
                    from unsubscribed
                ) r
                order by r.id, r.place
                returning id
            ),
            {event_entry("events")}"""


def of_deletion(noun: Noun) -> str:
    """Returns a CTE (with leading comma) that writes an event for each row of `deleted`, if the noun has events."""
    return _events(noun.events.deleted, "deleted") if noun.events else ""


def _events(texts: tuple[str, str], rows: str) -> str:
    source, name = texts
    return f""",
            events as (
                {_INTO}
                select $1, r.id, now(), {sql.literal(source)}, {sql.literal(name)}, null from {rows} r order by r.id
                returning id
            ),
            {event_entry("events")}"""


def of_update(noun: Noun) -> str:
    """Returns a CTE (with leading comma) that writes events about changed fields, if the noun has events.

    Compares `locked` (the rows before the update) with `changed` (the rows after it). `event_data` holds the old and
    the new value of each changed field as the API shows them: `{"city": [null, "Rome"]}`. An opt-out or opt-in has its
    source, too.
    """
    if not noun.events:
        return ""
    special = {noun.by_name[name]: texts for name, texts in noun.events.special.items()}
    lines = [
        _line(texts, [_member(column, _became_set(column)) + _source(noun, column)])
        for column, texts in special.items()
    ]
    plain = [_member(column) for column in noun.writable_columns if column.name not in noun.events.special]
    plain += [_member(column, _became_unset(noun, column)) for column in special if column.kind.sql == "boolean"]
    if noun.opt_out_flag:
        flag = noun.by_name[noun.opt_out_flag]
        opted_in = f"case when {opt_out_clauses.OPTED_IN} then {_pair(flag)}{_source(noun, flag)} end"
        lines.append(_line(noun.events.opted_in, [opted_in]))
    lines.append(_line(noun.events.changed, [*plain, *([_CUSTOM] if noun.custom else [])]))
    return f""",
            events as (
                {_INTO}
                select $1, c.id, now(), t.source, t.name, ('{{' || t.data || '}}')::jsonb
                from changed c
                join locked o on o.id = c.id
                cross join lateral (values {", ".join(lines)}) as t (source, name, data)
                where t.data <> ''
                order by c.id
                returning id
            ),
            {event_entry("events")}"""


def of_merge(noun: Noun) -> str:
    """Returns a CTE (with leading comma) that writes a merge event for each row of `changed`, if the noun has events.

    The event holds the ids in the column `merged`, and the changed fields as in `of_update`.
    """
    if not noun.events:
        return ""
    merged = "'\"merged\":[null,' || c.merged::text || ']'"
    members = [merged, *map(_member, noun.writable_columns), *([_CUSTOM] if noun.custom else [])]
    return f""",
            events as (
                {_INTO}
                select $1, c.id, now(), '{MERGED}', 'Leads merged',
                    ('{{' || concat_ws(',', {", ".join(members)}) || '}}')::jsonb
                from changed c
                join locked o on o.id = c.id
                order by c.id
                returning id
            ),
            {event_entry("events")}"""


def _line(texts: tuple[str, str], members: Sequence[str]) -> str:
    """Returns a row of event source, event name, and the members of a JSON object ("" if no field was changed).

    The members are text, because building jsonb member by member takes twice as long.
    """
    source, name = texts
    return f"({sql.literal(source)}, {sql.literal(name)}, concat_ws(',', {', '.join(members)}))"


def _member(column: Column, condition: str = "") -> str:
    """Returns the SQL of a column's JSON member: null if the column is equal in `o` and `c`, or empty in both.

    `condition` (with leading `and`) can exclude more changes.
    """
    old, new = f"o.{column.sql}", f"c.{column.sql}"
    if column.kind.sql == "text":
        old, new = f"nullif({old}, '')", f"nullif({new}, '')"
    return f"""case when {new} is distinct from {old}{condition} then {_pair(column)} end"""


def _pair(column: Column) -> str:
    return f"""'"{column.name}":'
            || json_build_array({sql.expression(column, table="o")}, {sql.expression(column, table="c")})::text"""


def _became_set(column: Column) -> str:
    return f" and c.{column.sql}" if column.kind.sql == "boolean" else ""


def _became_unset(noun: Noun, column: Column) -> str:
    opts_in = f" and not {opt_out_clauses.OPTED_IN}" if column.name == noun.opt_out_flag else ""
    return f" and c.{column.sql} is not true{opts_in}"


def _source(noun: Noun, column: Column) -> str:
    """Returns the SQL of the member `source` (with leading comma) beside the flag of opt-outs."""
    return """ || ',"source":' || json_build_array(null, c.source)::text""" if column.name == noun.opt_out_flag else ""


# Takes both objects apart once. `->` for each key would decompress the whole object for each key.
_CUSTOM = """case when c.custom is distinct from o.custom then (
                    select string_agg(to_json(key)::text || ':' || json_build_array(b.value, a.value)::text, ',')
                    from jsonb_each(o.custom) b full join jsonb_each(c.custom) a using (key)
                    where b.value is distinct from a.value
                ) end"""
