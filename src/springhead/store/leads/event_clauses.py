"""The events that a write of leads leaves, as parts of the statement that writes: nothing changes without them."""

from collections.abc import Sequence

from springhead.model.kit.columns import Column, Noun
from springhead.model.leads.events import MERGED
from springhead.store.database import sql
from springhead.store.feed.changes import noted

_INTO = "insert into event (company_id, lead_id, create_timestamp, event_source, event_name, event_data)"


def of_insertion(noun: Noun) -> str:
    """A CTE, begun with a comma, that tells of the rows of `made`."""
    return _told(noun.story.created, "made") if noun.story else ""


def of_deletion(noun: Noun) -> str:
    """A CTE that tells of the rows of `gone`."""
    return _told(noun.story.deleted, "gone") if noun.story else ""


def _told(words: tuple[str, str], rows: str) -> str:
    source, name = words
    return f""",
            told as (
                {_INTO}
                select $1, r.id, now(), {sql.literal(source)}, {sql.literal(name)}, null from {rows} r order by r.id
                returning id
            ),
            {noted("told")}"""


def of_update(noun: Noun) -> str:
    """A CTE that tells what was changed, from `locked` (the rows before) to `changed` (after).

    `event_data` has each changed field with its old and its new value, in the wire's words: `{"city": [null, "Rome"]}`.
    """
    if not noun.story:
        return ""
    special = {noun.by_name[name]: words for name, words in noun.story.special.items()}
    lines = [_line(words, [_member(column, flagged=True)]) for column, words in special.items()]
    plain = [_member(column) for column in noun.written if column.name not in noun.story.special]
    plain += [_member(column, flagged=False) for column in special if column.kind.sql == "boolean"]
    lines.append(_line(noun.story.changed, [*plain, *([_CUSTOM] if noun.custom else [])]))
    return f""",
            told as (
                {_INTO}
                select $1, c.id, now(), t.source, t.name, ('{{' || t.data || '}}')::jsonb
                from changed c
                join locked o on o.id = c.id
                cross join lateral (values {", ".join(lines)}) as t (source, name, data)
                where t.data <> ''
                order by c.id
                returning id
            ),
            {noted("told")}"""


def of_merge(noun: Noun) -> str:
    """A CTE that tells of each row of `changed` that `merged` ids were merged into it, and what that has changed."""
    if not noun.story:
        return ""
    merged = "'\"merged\":[null,' || c.merged::text || ']'"
    members = [merged, *map(_member, noun.written), *([_CUSTOM] if noun.custom else [])]
    return f""",
            told as (
                {_INTO}
                select $1, c.id, now(), '{MERGED}', 'Leads merged',
                    ('{{' || concat_ws(',', {", ".join(members)}) || '}}')::jsonb
                from changed c
                join locked o on o.id = c.id
                order by c.id
                returning id
            ),
            {noted("told")}"""


def _line(words: tuple[str, str], members: Sequence[str]) -> str:
    """A row of source, sentence, and the members of a JSON object, as text: "" when nothing was changed.

    As text because it is read once, in the end: built as jsonb, member by member, it took twice as long.
    """
    source, name = words
    return f"({sql.literal(source)}, {sql.literal(name)}, concat_ws(',', {', '.join(members)}))"


def _member(column: Column, *, flagged: bool | None = None) -> str:
    """The member of a column that differs between `o` and `c`, else null; of a flag only when it became `flagged`."""
    became = {True: f" and c.{column.sql}", False: f" and c.{column.sql} is not true"}
    only = became[flagged] if flagged is not None and column.kind.sql == "boolean" else ""
    return f"""case when c.{column.sql} is distinct from o.{column.sql}{only} then '"{column.name}":'
            || json_build_array({sql.expression(column, table="o")}, {sql.expression(column, table="c")})::text end"""


_CUSTOM = """case when c.custom is distinct from o.custom then (
                    select string_agg(to_json(k)::text || ':' || json_build_array(o.custom->k, c.custom->k)::text, ',')
                    from jsonb_object_keys(o.custom || c.custom) k
                    where o.custom->k is distinct from c.custom->k
                ) end"""
