"""The events that a write of leads leaves, as parts of the statement that writes: nothing changes without them."""

from collections.abc import Sequence

from springhead.model.columns import Column, Noun
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
    lines.append(f"({sql.literal(source)}, {sql.literal(name)}, {_difference(rest, custom=noun.custom)})")
    return f""",
            told as (
                {_INTO}
                select $1, c.id, now(), t.source, t.name, ('{{' || t.data || '}}')::jsonb
                from changed c
                join locked o on o.id = c.id
                cross join lateral (values {", ".join(lines)}) as t (source, name, data)
                where t.data <> ''
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


def _difference(columns: Sequence[Column], *, custom: bool = False) -> str:
    """The members of a JSON object, as text: one for each column that differs between `o` and `c`.

    As text because it is read once, in the end: built as jsonb, member by member, it took twice as long.
    """
    members = [
        f"""case when c.{column.sql} is distinct from o.{column.sql} then '"{column.name}":'
            || json_build_array({sql.expression(column, table="o")}, {sql.expression(column, table="c")})::text end"""
        for column in columns
    ]
    return f"concat_ws(',', {', '.join([*members, *([_CUSTOM] if custom else [])])})"


_CUSTOM = """case when c.custom is distinct from o.custom then (
                    select string_agg(to_json(k)::text || ':' || json_build_array(o.custom->k, c.custom->k)::text, ',')
                    from jsonb_object_keys(o.custom || c.custom) k
                    where o.custom->k is distinct from c.custom->k
                ) end"""
