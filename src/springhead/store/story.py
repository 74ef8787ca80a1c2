"""The events that a write of leads leaves, as parts of the statement that writes: nothing changes without them."""

from collections.abc import Sequence

from springhead.model.columns import Column, Noun
from springhead.model.events import NAME_LENGTH
from springhead.store import sql

_INTO = "insert into event (company_id, lead_id, create_timestamp, event_source, event_name, event_data)"


def of_insertion(noun: Noun) -> str:
    """A CTE, begun with a comma, that tells of the rows of `made`."""
    if not noun.story:
        return ""
    source, name = noun.story.created
    return f""",
            told as (
                {_INTO}
                select $1, m.id, now(), {sql.literal(source)}, {sql.literal(name)}, null from made m order by m.id
            )"""


def of_update(noun: Noun) -> str:
    """A CTE that tells what was changed, from `locked` (the rows before) to `changed` (after).

    `event_data` has each changed field with its old and its new value, in the wire's words: `{"city": [null, "Rome"]}`.
    """
    if not noun.story:
        return ""
    told = [(*words, [noun.by_name[name]]) for name, words in noun.story.special.items()]
    rest = [column for column in noun.written if column.name not in noun.story.special]
    lines = [f"({sql.literal(source)}, {sql.literal(name)}, {_difference(columns)})" for source, name, columns in told]
    source, name = noun.story.changed
    plain = f"{_difference(rest)} || {_custom_difference()}" if noun.custom else _difference(rest)
    lines.append(f"({sql.literal(source)}, {sql.literal(name)}, {plain})")
    return f""",
            told as (
                {_INTO}
                select $1, c.id, now(), t.source,
                    left(t.name || (select string_agg(k, ', ') from jsonb_object_keys(t.data) k), {NAME_LENGTH}), t.data
                from changed c
                join locked o on o.id = c.id
                cross join lateral (values {", ".join(lines)}) as t (source, name, data)
                where t.data <> '{{}}'
                order by c.id
            )"""


def of_deletion(noun: Noun) -> str:
    """A CTE that tells of the rows of `gone`."""
    if not noun.story:
        return ""
    source, name = noun.story.deleted
    return f""",
            told as (
                {_INTO}
                select $1, g.id, now(), {sql.literal(source)}, {sql.literal(name)}, null from gone g order by g.id
            )"""


def _difference(columns: Sequence[Column]) -> str:
    """An object of the columns that differ between `o` and `c`; the array keeps a null that was or became the value."""
    pairs = [
        f"{sql.literal(column.name)}, case when c.{column.sql} is distinct from o.{column.sql}"
        f" then jsonb_build_array({sql.expression(column, table='o')}, {sql.expression(column, table='c')}) end"
        for column in columns
    ]
    return f"jsonb_strip_nulls(jsonb_build_object({', '.join(pairs)}))"


def _custom_difference() -> str:
    return """case when c.custom = o.custom then '{}' else (
                    select coalesce(jsonb_object_agg(k, jsonb_build_array(o.custom->k, c.custom->k)), '{}')
                    from jsonb_object_keys(o.custom || c.custom) k
                    where o.custom->k is distinct from c.custom->k
                ) end"""
