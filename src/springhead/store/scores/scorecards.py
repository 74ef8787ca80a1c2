"""Scorecards: the score rules of a company as SQL, which scores some leads in one statement.

Points are summed in hundredths and rounded once, at the end. So the lines of an explanation add up exactly.
"""

from collections.abc import Sequence

import msgspec

from springhead.model.kit import filters
from springhead.model.kit.columns import Column
from springhead.model.kit.fields import FieldSet
from springhead.model.kit.filters import FilterFields
from springhead.model.scores import (
    EVENTS_MAX,
    EVENTS_PER_RULE_MAX,
    ScoreLine,
    ScoreRule,
    completeness_fields,
    fit_fields,
    rounding_line,
    to_score,
)
from springhead.store.database.pool import Tx
from springhead.store.database.sql import Statement, after, literal, statement
from springhead.store.feed.changes import score_entry
from springhead.store.nouns.filters import condition
from springhead.store.nouns.folding import filled, folded

_DAY = 86_400
_NO_LEAD_RULE = "(null::bigint, 0::bigint, null::text)"
_RESCORE = statement(
    f"""
    with rescored as (
        update lead set lead_score = $3, lead_score_weighted = $4
        where company_id = $1 and id = $2 and (lead_score, lead_score_weighted) is distinct from ($3, $4)
        returning id
    ),
    {score_entry("rescored")}
    select id from rescored
    """
)
_NO_EVENT_RULE = "(null::bigint, null::text[], false, null::text[], 0::bigint, 0)"


async def rules(tx: Tx, company_id: int) -> list[ScoreRule]:
    """The active rules of the company, in the order of their ids."""
    rows = await tx.rows(
        """
        select id, name, part, points, event_source, pattern, most, filter::text as filter, fields::text as fields
        from score_rule where company_id = $1 and is_active order by id
        """,
        company_id,
    )
    return [
        ScoreRule(
            **{name: row[name] for name in ("id", "name", "part", "points", "event_source", "pattern", "most")},
            filter=msgspec.json.decode(row["filter"]) if row["filter"] else None,
            fields=msgspec.json.decode(row["fields"], type=tuple[str, ...]) if row["fields"] else (),
        )
        for row in rows
    ]


class Scorecard:
    """The statements that score leads by rules.

    Their parameters: `$1` is the company, `$2` the ids of the leads, `$3` the half-life in seconds, then the values of
    the rules. `decays` says whether a rule counts events, whose points decay.
    """

    def __init__(self, rules: Sequence[ScoreRule], fields: FieldSet, half_life_days: int) -> None:
        self._rules = {rule.id: rule for rule in rules}
        self._half_life = float(half_life_days * _DAY)
        self._parameters: list[object] = []
        columns = fit_fields(fields)
        # The points and the explanation of each rule that tests the lead itself.
        self._lead_rules = {rule.id: self._lead_rule(rule, columns) for rule in rules if not rule.sources}
        event_rules = [rule for rule in rules if rule.sources]
        self.decays = bool(event_rules)
        values = ", ".join(map(self._event_rule, event_rules)) or _NO_EVENT_RULE
        self._event_rules = f"""
            event_rules as materialized (
                select r.id, r.sources, r.pages, r.likes, r.points, r.most
                from (values {values}) as r (id, sources, pages, likes, points, most)
            )"""

    async def score(self, tx: Tx, company_id: int, lead_ids: Sequence[int]) -> list[int]:
        """Scores these leads; returns the ids of the leads whose score changed, which are now locked.

        Does not touch leads whose score is the same, nor `version` and `update_timestamp` of any lead.
        """
        rows = await tx.rows(self._scoring(), company_id, lead_ids, self._half_life, *self._parameters)
        tx.changed |= bool(rows)
        return sorted(row["id"] for row in rows)

    async def explain(self, tx: Tx, company_id: int, lead_id: int) -> tuple[list[ScoreLine], bool]:
        """Scores a lead; returns the lines that add up to its scores, and whether the scores changed.

        Call this in a transaction. A rule that gives no points has a line that says so.
        """
        rows = await tx.rows(self._explaining(), company_id, [lead_id], self._half_life, *self._parameters)
        lines: list[ScoreLine] = []
        for row in rows:
            event = {name: row[name] for name in ("event_id", "event_source", "event_name", "create_timestamp")}
            lines.append(
                ScoreLine(
                    rule=self._rules[row["rule_id"]],
                    part=self._rules[row["rule_id"]].part,
                    points=row["points"],
                    weighted=row["weighted"],
                    detail=row["detail"],
                    event=event if row["event_id"] else {},
                )
            )
        lines += rounding_line(lines)
        scores = (to_score(sum(line.points for line in lines)), to_score(sum(line.weighted for line in lines)))
        changed = await tx.rows(_RESCORE, company_id, lead_id, *scores)
        tx.changed |= bool(changed)
        return lines, bool(changed)

    # SQL

    def _put(self, value: object, sql_type: str) -> str:
        self._parameters.append(value)
        return f"${len(self._parameters) + 3}::{sql_type}"

    def _event_rule(self, rule: ScoreRule) -> str:
        """Returns a rule that counts events as a row."""
        sources, likes = self._put(list(rule.sources), "text[]"), self._put(rule.like_patterns, "text[]")
        pages = str(rule.part == "pageTracking").lower()
        most = rule.most or EVENTS_PER_RULE_MAX
        return f"({rule.id}::bigint, {sources}, {pages}, {likes}, {rule.points * 100}::bigint, {most})"

    def _lead_rule(self, rule: ScoreRule, columns: FilterFields) -> tuple[str, str]:
        """Returns the points and the explanation of a rule that tests the lead itself, as expressions."""
        hundredths = rule.points * 100
        if rule.filter is not None:
            fits = f"({condition(filters.from_json(rule.filter, columns), columns, self._parameters, first=4)})"
            return (
                f"case when {fits} then {hundredths} else 0 end",
                f"case when {fits} then 'fits' else 'does not fit' end",
            )
        existing = completeness_fields(columns)
        filled = {
            name: _is_filled(existing[name], custom=name in columns.custom) for name in rule.fields if name in existing
        }
        if not filled:
            return "0", "'all fields of the rule were deleted'"
        count = " + ".join(f"({test})::int" for test in filled.values())
        names = ", ".join(f"case when {test} then {literal(name)} end" for name, test in filled.items())
        points = f"round({hundredths} * ({count})::numeric / {len(filled)})::bigint"
        return points, f"({count})::text || ' of {len(filled)}: ' || concat_ws(', ', {names})"

    def _counted(self) -> str:
        """Returns a select of the events of the lead `w` that rules count; `place` is 1 for the newest of a rule."""
        return f"""
            select r.id as rule_id, r.points, r.most, e.id as event_id, e.event_source, e.event_name,
                e.create_timestamp, round(r.points * power(0.5::float8,
                    least(64, greatest(0, extract(epoch from now() - e.create_timestamp)::float8 / $3::float8))
                ))::bigint as weighted,
                row_number() over (partition by r.id order by e.create_timestamp desc, e.id desc) as place
            from (
                select e.id, e.event_source, e.event_name, e.create_timestamp, e.event_data
                from event e
                where e.company_id = $1 and e.lead_id = w.id
                order by e.create_timestamp desc, e.id desc
                limit {EVENTS_MAX}
            ) as e
            join event_rules as r on e.event_source = any(r.sources) and (r.likes is null or case when r.pages
                then coalesce(substring(e.event_data->>'url' from '^[^:]*://[^/?#]*([^?#]*)'), '') like any(r.likes)
                else {folded("e.event_name")} like any(r.likes) end)"""

    def _scoring(self) -> Statement:
        # A lateral join counts lead by lead. PostgreSQL expects few rows here, so for a plain join it would plan nested
        # loops over all leads and events.
        counted = f"""
                cross join lateral (
                    select coalesce(sum(c.points), 0) as points, coalesce(sum(c.weighted), 0) as weighted
                    from ({self._counted()}) as c
                    where c.place <= c.most
                ) as c"""
        none = "cross join (values (0, 0)) as c (points, weighted)"
        return statement(
            f"""
            with {self._event_rules},
            leads as materialized (
                select l.id, {" + ".join(points for points, _ in self._lead_rules.values()) or "0"} as points
                from lead l
                where l.company_id = $1 and l.id = any($2::bigint[]) and $3::float8 > 0
            ),
            scores as materialized (
                select w.id, {_whole("w.points + c.points")} as points, {_whole("w.points + c.weighted")} as weighted
                from leads w {counted if self.decays else none}
            ),
            changed as materialized (
                select l.id, s.points, s.weighted
                from scores s join lead l on l.company_id = $1 and l.id = s.id
                where (l.lead_score, l.lead_score_weighted) is distinct from (s.points, s.weighted)
            ),
            locked as materialized (
                select l.id from lead l
                where l.company_id = $1 and l.id = any(array(select id from changed))
                order by l.id for no key update
            ),
            rescored as (
                update lead l set lead_score = c.points, lead_score_weighted = c.weighted
                from changed c
                where l.company_id = $1 and l.id = c.id and {after("locked")}
                returning l.id
            ),
            {score_entry("rescored")}
            select id from rescored
            """
        )

    def _explaining(self) -> Statement:
        lead_rules = ", ".join(
            f"({rule_id}::bigint, ({points})::bigint, ({detail})::text)"
            for rule_id, (points, detail) in self._lead_rules.items()
        )
        return statement(
            f"""
            with {self._event_rules},
            leads as materialized (
                select l.id from lead l where l.company_id = $1 and l.id = any($2::bigint[])
            ),
            counted as materialized (
                select c.* from leads w cross join lateral ({self._counted()}) as c where c.place <= c.most
            )
            select v.rule_id, v.points, v.points as weighted, v.detail, null::bigint as event_id,
                null::text as event_source, null::text as event_name, null::timestamptz as create_timestamp
            from lead l
            cross join lateral (values {lead_rules or _NO_LEAD_RULE}) as v (rule_id, points, detail)
            where l.company_id = $1 and l.id = any($2::bigint[]) and v.rule_id is not null
            union all
            select r.id, coalesce(c.points, 0), coalesce(c.weighted, 0),
                case when c.event_id is null then 'no such event' end,
                c.event_id, c.event_source, c.event_name, c.create_timestamp
            from leads w cross join event_rules r left join counted c on c.rule_id = r.id
            where r.id is not null
            order by rule_id, create_timestamp desc, event_id desc
            """
        )


def _is_filled(column: Column, *, custom: bool) -> str:
    if custom:
        return f"{filled(f'(l.custom->>{literal(column.name)})')} is not null"
    if column.kind.sql == "text":
        return f"{filled(f'l.{column.sql}')} is not null"
    return f"l.{column.sql} is not null"


def _whole(hundredths: str) -> str:
    """Returns the SQL of a score: the same rounding and limits as `to_score` in model/scores.py."""
    return f"greatest(-32768, least(32767, round(({hundredths}) / 100.0)))::smallint"
