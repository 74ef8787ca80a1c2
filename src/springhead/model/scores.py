"""Scores of leads: the rules that give points, and what is told of how a score came about. Pure; our own nouns."""

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
from springhead.model.leads.events import SOURCES
from springhead.model.lists import filter_fields

Part = Literal["completeness", "engagement", "pageTracking", "fit"]
PARTS: tuple[Part, ...] = ("completeness", "engagement", "pageTracking", "fit")
"""The parts of a score, as the vendor names them (docs/wire/application.md#scoring)."""

PAGE_SOURCES = ("pageVisit", "importantPageVisit")
"""The sources of page tracking; all others are engagement."""

RULES_MAX = 100
"""How many rules a company can have: every one is looked at with every lead that is scored."""

EVENTS_PER_RULE_MAX = 100
"""How many events a rule can count, and counts when it does not say: the newest ones."""

EVENTS_MAX = 2_000
"""How many events of a lead are looked at, of any kind: the newest ones. It bounds what one lead can cost."""

FIELDS_MAX = 100
HALF_LIFE, HALF_LIFE_MAX = 30, 3_650
"""Days after which an event is worth half of its points: when nobody has said, and at most."""

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
    about="Why a lead has points.",
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
    about="How a company's leads are scored, and how far a scoring of all of them is.",
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
    about="One reason of a lead's score: what a rule, or an event that it counts, gave.",
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
    """An active rule as it is stored; what belongs to another part is None."""

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
        """The sources of the events that it counts."""
        return (self.event_source,) if self.event_source else PAGE_SOURCES if self.part == "pageTracking" else ()

    @property
    def like_patterns(self) -> list[str] | None:
        """The patterns of SQL's `like`, of which the event's text must match one; None when any will do.

        Those of pages are for the path of the address, which browsers send percent-encoded, with and without a
        slash at the end; those of other events for the sentence in small letters.
        """
        if not self.pattern:
            return None
        if self.part != "pageTracking":
            return [_like(self.pattern.lower())]
        plain = unquote(self.pattern).removesuffix("/")
        spelt = dict.fromkeys((plain, quote(plain, safe="/*!$&'()+,;=:@~-._")))
        return [_like(one) for path in spelt for one in (path, f"{path}/")]


def _like(pattern: str) -> str:
    for special in "\\%_":
        pattern = pattern.replace(special, f"\\{special}")
    return pattern.replace("*", "%")


def decay_interval(half_life_days: int) -> timedelta:
    """After how long scores sink of themselves: a thirtieth of the half-life, and a day at most.

    So an event has never more than 2.3 % too many points.
    """
    return min(timedelta(days=1), timedelta(days=half_life_days) / 30)


def fit_fields(fields: FieldSet) -> FilterFields:
    """The fields that a fit rule can test: those of a list's filter, but for the scores themselves."""
    found = filter_fields(fields)
    return FilterFields({name: column for name, column in found.standard.items() if name not in SCORES}, found.custom)


def completeness_fields(columns: FilterFields) -> Mapping[str, Column]:
    """The fields that a completeness rule can name: those that somebody fills in."""
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
    one: Any, stored: Mapping[int, Mapping[str, Json]], columns: FilterFields, zone: ZoneInfo
) -> InvalidParameters | None:
    """205 for a rule that could not work, as it would be together with what is stored; its filter is made canonical."""
    if one.pattern == "":
        one.pattern = None
    found: dict[str, Json] = dict(stored.get(getattr(one, "id", 0), {}))
    found |= {name: value for name in ("part", *_ALL_PROPERTIES) if (value := getattr(one, name)) is not UNSET}
    part = cast("str | None", found.get("part"))
    if part is None:  # an update of what is not there: 302 says so
        return None
    belong, needed = _PROPERTIES[part], _REQUIRED.get(part)
    wrong = [
        _problem(name, f"Does not belong to a rule of the part {part}")
        for name in _ALL_PROPERTIES
        if found.get(name) is not None and name not in belong
    ]
    if needed and found.get(needed) is None:
        wrong.append(_problem(needed, f"A rule of the part {part} needs it"))
    source = found.get("eventSource")
    if part == "pageTracking" and source is not None and source not in PAGE_SOURCES:
        wrong.append(_problem("eventSource", f"Expected one of: {', '.join(PAGE_SOURCES)}"))
    if part == "engagement" and source in PAGE_SOURCES:
        wrong.append(_problem("eventSource", "Visits of pages belong to the part pageTracking"))
    if isinstance(one.most, int) and one.most > EVENTS_PER_RULE_MAX:
        wrong.append(_problem("most", f"Expected at most {EVENTS_PER_RULE_MAX}"))
    if one.fields is not UNSET and one.fields is not None:
        wrong += _field_problems(one.fields, columns)
    if one.filter is not UNSET and one.filter is not None:
        try:
            one.filter = filters.to_json(filters.parse(one.filter, columns, zone=zone))
        except InvalidParameters as refusal:
            return refusal.with_traceback(None)
    return InvalidParameters(*wrong) if wrong else None


def _field_problems(names: Sequence[str], columns: FilterFields) -> list[Problem]:
    known = completeness_fields(columns)
    twice = sorted({name for name in names if names.count(name) > 1})
    return [
        *(_problem("fields", f"{name}: no field that is filled in") for name in names if name not in known),
        *(_problem("fields", f"{name}: named twice") for name in twice),
    ]


def _problem(name: str, message: str) -> Problem:
    return SCORE_RULE.by_name[name].problem(message)


def field_names(rule: ScoreRule, columns: FilterFields) -> set[str]:
    """The system names of the fields that the rule speaks of."""
    tested = filters.field_names(filters.from_json(rule.filter, columns)) if rule.filter is not None else set[str]()
    return {*rule.fields, *tested}


class ScoreLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule, or one event that it counts, gives a lead: in hundredths of a point."""

    rule: ScoreRule | None = None
    part: str = ""
    points: int
    weighted: int
    detail: str | None = None
    event: Mapping[str, Any] = {}


def to_score(hundredths: int) -> int:
    """A sum of hundredths as a score: the nearest whole number, halves away from zero, as far as a score goes."""
    rounded = (abs(hundredths) * 2 + 100) // 200
    return max(-SCORE_MAX - 1, min(SCORE_MAX, rounded if hundredths >= 0 else -rounded))


def rounding_line(lines: Sequence[ScoreLine]) -> list[ScoreLine]:
    """What is missing from the lines to the whole numbers of the scores: one more line, or none."""
    points, weighted = sum(line.points for line in lines), sum(line.weighted for line in lines)
    missing = (to_score(points) * 100 - points, to_score(weighted) * 100 - weighted)
    if not any(missing):
        return []
    detail = "Scores are whole numbers from -32768 to 32767"
    return [ScoreLine(part="rounding", points=missing[0], weighted=missing[1], detail=detail)]


def points_text(hundredths: int) -> str:
    """Hundredths of a point as the wire shows them: `12`, `-0.5`, `3.33`."""
    sign, size = "-" if hundredths < 0 else "", abs(hundredths)
    whole_points, rest = divmod(size, 100)
    return f"{sign}{whole_points}" + (f".{rest:02}".rstrip("0") if rest else "")
