"""Scores of leads: the rules that give points, and the explanation of a score. Pure; these nouns are our own."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal, cast
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Meta

from springhead.model.kit import filters
from springhead.model.kit.columns import Column, Kind, Noun, choice, flag, integer, moment, text
from springhead.model.kit.errors import InvalidParameters, Json, Problem
from springhead.model.kit.fields import FieldSet
from springhead.model.kit.filters import FilterFields
from springhead.model.kit.texts import folded
from springhead.model.leads.events import SOURCES
from springhead.model.lists import filter_fields

Part = Literal["completeness", "engagement", "pageTracking", "fit"]
PARTS: tuple[Part, ...] = ("completeness", "engagement", "pageTracking", "fit")
"""The parts of a score, as the vendor names them (docs/wire/application.md#scoring)."""

PAGE_SOURCES = ("pageVisit", "importantPageVisit")
"""The event sources of the part pageTracking. All other sources belong to engagement."""

RULES_MAX = 100
"""How many rules a company can have. The scoring of a lead evaluates all of them."""

EVENTS_PER_RULE_MAX = 100
"""How many events a rule counts: the largest `most`, and its default. The newest events count."""

EVENTS_MAX = 2_000
"""How many events of a lead its scoring reads, the newest first. This bounds the cost of one lead."""

FIELDS_MAX = 100
HALF_LIFE, HALF_LIFE_MAX = 30, 3_650
"""Days after which an event is worth half of its points: the default, and the largest value."""

SCORES = ("leadScore", "leadScoreWeighted")
SCORE_MAX = 2**15 - 1

_ID = integer(18, "bigint")
_NAME = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
_FILTER = Kind(
    type="hash",
    sql="jsonb",
    accepts=dict[str, Any],
    expected='Expected a filter: an object such as {"city": "Berlin"}',
)
_FIELDS = Kind(
    type="list",
    sql="jsonb",
    accepts=Annotated[list[_NAME], Meta(min_length=1, max_length=FIELDS_MAX)],
    expected=f"Expected a list of 1 to {FIELDS_MAX} system names of fields",
)

SCORE_RULE = Noun(
    name="scoreRule",
    table="score_rule",
    about="A rule that gives points to leads.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="name", kind=text(255), required=True),
        Column(name="part", kind=choice(PARTS), required=True),
        Column(name="points", kind=integer(6, "smallint", low=-SCORE_MAX), required=True),
        Column(name="eventSource", kind=choice(SOURCES), nullable=True),
        Column(name="pattern", kind=text(255), nullable=True),
        Column(name="most", kind=integer(3, "smallint", low=1), nullable=True),
        Column(name="filter", kind=_FILTER, nullable=True),
        Column(name="fields", kind=_FIELDS, nullable=True),
        Column(name="isActive", kind=flag(), default="true"),
        Column(name="createTimestamp", kind=moment(), writable=False),
        Column(name="updateTimestamp", kind=moment(), writable=False),
    ),
    where_columns=("part", "isActive"),
)

SCORING = Noun(
    name="scoring",
    table="scoring",
    about="The settings of scoring, and the progress of a scoring of all leads.",
    columns=(
        Column(name="halfLifeDays", kind=integer(4, "smallint", low=1), required=True),
        Column(name="isActive", kind=flag(), writable=False),
        Column(name="isRunning", kind=flag(), writable=False),
        Column(name="leadsDone", kind=_ID, writable=False),
        Column(name="leadsTotal", kind=_ID, writable=False),
        Column(name="startTimestamp", kind=moment(), writable=False),
        Column(name="endTimestamp", kind=moment(), writable=False),
    ),
)

SCORE_EXPLANATION = Noun(
    name="scoreExplanation",
    table="event",
    about="A reason for a lead's score: the points that a rule, or an event that a rule counts, gave.",
    columns=(
        Column(name="scoreRuleID", kind=_ID, writable=False),
        Column(name="name", kind=text(255), writable=False),
        Column(name="part", kind=choice((*PARTS, "set", "rounding")), writable=False),
        Column(name="points", kind=text(18), writable=False),
        Column(name="pointsWeighted", kind=text(18), writable=False),
        Column(name="detail", kind=text(65_535, type="text"), writable=False),
        Column(name="eventID", kind=_ID, writable=False),
        Column(name="eventSource", kind=choice(SOURCES), writable=False),
        Column(name="eventName", kind=text(255), writable=False),
        Column(name="createTimestamp", kind=moment(), writable=False),
    ),
)


class ScoreRule(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An active score rule as it is stored. Properties that belong to rules of another part are None."""

    id: int
    name: str
    part: Part
    points: int
    event_source: str | None = None
    pattern: str | None = None
    most: int | None = None
    filter: Json = None
    fields: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources of the events that the rule counts."""
        return (self.event_source,) if self.event_source else PAGE_SOURCES if self.part == "pageTracking" else ()

    @property
    def like_patterns(self) -> list[str] | None:
        """The patterns for SQL's `like`. An event counts if its text matches one of them. None if all events count.

        For page visits, the text is the path of the address. Browsers send it percent-encoded, and with or without a
        slash at the end, so there are several patterns. For other events, the text is the event's name, folded.
        """
        if not self.pattern:
            return None
        if self.part != "pageTracking":
            return [_like(folded(self.pattern))]
        plain = unquote(self.pattern).removesuffix("/")
        spellings = dict.fromkeys((plain, quote(plain, safe="/*!$&'()+,;=:@~-._")))
        return [_like(path) for spelling in spellings for path in (spelling, f"{spelling}/")]


def _like(pattern: str) -> str:
    for special in "\\%_":
        pattern = pattern.replace(special, f"\\{special}")
    return pattern.replace("*", "%")


def decay_interval(half_life_days: int) -> timedelta:
    """Returns the time after which the scores of a lead are computed again: half-life / 30, but at most a day.

    So an event never has more than 2.3 % too many points.
    """
    return min(timedelta(days=1), timedelta(days=half_life_days) / 30)


def fit_fields(fields: FieldSet) -> FilterFields:
    """Returns the fields that a fit rule can test: the fields of list filters, without the scores themselves."""
    testable = filter_fields(fields)
    standard = {name: column for name, column in testable.standard.items() if name not in SCORES}
    return FilterFields(standard, testable.custom)


def completeness_fields(columns: FilterFields) -> Mapping[str, Column]:
    """Returns the fields that a completeness rule can name: those that callers can write."""
    return {**{name: column for name, column in columns.standard.items() if column.writable}, **columns.custom}


_PROPERTIES: Mapping[str, tuple[str, ...]] = {
    "completeness": ("fields",),
    "engagement": ("eventSource", "pattern", "most"),
    "pageTracking": ("eventSource", "pattern", "most"),
    "fit": ("filter",),
}
_REQUIRED = {"completeness": "fields", "engagement": "eventSource", "fit": "filter"}
_ALL_PROPERTIES = tuple(dict.fromkeys(name for names in _PROPERTIES.values() for name in names))


def check_rule(
    record: Any, stored: Mapping[int, Mapping[str, Json]], columns: FilterFields, zone: ZoneInfo
) -> InvalidParameters | None:
    """Returns the error (205) of a rule whose properties, sent or stored, do not go together, or None.

    Replaces the filter of a valid rule by its canonical form.
    """
    if record.pattern == "":
        record.pattern = None
    rule: dict[str, Json] = dict(stored.get(getattr(record, "id", 0), {}))
    rule |= {name: value for name in ("part", *_ALL_PROPERTIES) if (value := getattr(record, name)) is not UNSET}
    part = cast("str | None", rule.get("part"))
    if part is None:  # an update of a rule that does not exist: the write will refuse it with 302
        return None
    allowed, needed = _PROPERTIES[part], _REQUIRED.get(part)
    problems = [
        _problem(name, f"Not allowed in a rule of the part {part}")
        for name in _ALL_PROPERTIES
        if rule.get(name) is not None and name not in allowed
    ]
    if needed and rule.get(needed) is None:
        problems.append(_problem(needed, f"Required in a rule of the part {part}"))
    source = rule.get("eventSource")
    if part == "pageTracking" and source is not None and source not in PAGE_SOURCES:
        problems.append(_problem("eventSource", f"Expected one of: {', '.join(PAGE_SOURCES)}"))
    if part == "engagement" and source in PAGE_SOURCES:
        problems.append(_problem("eventSource", "Page visits belong to the part pageTracking"))
    if isinstance(record.most, int) and record.most > EVENTS_PER_RULE_MAX:
        problems.append(_problem("most", f"Expected at most {EVENTS_PER_RULE_MAX}"))
    if record.fields is not UNSET and record.fields is not None:
        problems += _field_problems(record.fields, columns)
    if record.filter is not UNSET and record.filter is not None:
        try:
            record.filter = filters.to_json(filters.parse(record.filter, columns, zone=zone))
        except InvalidParameters as refusal:
            return refusal.with_traceback(None)
    return InvalidParameters(*problems) if problems else None


def _field_problems(names: Sequence[str], columns: FilterFields) -> list[Problem]:
    known = completeness_fields(columns)
    repeated = sorted({name for name in names if names.count(name) > 1})
    return [
        *(_problem("fields", f"{name}: rules cannot name this field") for name in names if name not in known),
        *(_problem("fields", f"{name}: sent twice") for name in repeated),
    ]


def _problem(name: str, message: str) -> Problem:
    return SCORE_RULE.by_name[name].problem(message)


def field_names(rule: ScoreRule, columns: FilterFields) -> set[str]:
    """Returns the system names of the fields that the rule names or tests."""
    tested = filters.field_names(filters.from_json(rule.filter, columns)) if rule.filter is not None else set[str]()
    return {*rule.fields, *tested}


class ScoreLine(msgspec.Struct, frozen=True, kw_only=True):
    """The points that a rule, or an event that it counts, gives a lead. They are in hundredths of a point."""

    rule: ScoreRule | None = None
    part: str = ""
    points: int
    weighted: int
    detail: str | None = None
    event: Mapping[str, Any] = {}


def to_score(hundredths: int) -> int:
    """Returns a sum of hundredths as a score: rounded, halves away from zero, and limited to the range of scores."""
    rounded = (abs(hundredths) * 2 + 100) // 200
    return max(-SCORE_MAX - 1, min(SCORE_MAX, rounded if hundredths >= 0 else -rounded))


def rounding_line(lines: Sequence[ScoreLine]) -> list[ScoreLine]:
    """Returns the line that makes up the difference between the sum of the lines and the scores, if there is one."""
    points, weighted = sum(line.points for line in lines), sum(line.weighted for line in lines)
    missing = (to_score(points) * 100 - points, to_score(weighted) * 100 - weighted)
    if not any(missing):
        return []
    detail = "Scores are whole numbers from -32768 to 32767"
    return [ScoreLine(part="rounding", points=missing[0], weighted=missing[1], detail=detail)]


def points_text(hundredths: int) -> str:
    """Returns hundredths of a point as the wire shows them: `12`, `-0.5`, `3.33`."""
    sign = "-" if hundredths < 0 else ""
    whole_points, rest = divmod(abs(hundredths), 100)
    return f"{sign}{whole_points}" + (f".{rest:02}".rstrip("0") if rest else "")
