"""The scoring of leads: settings, progress, and the explanation of a score (docs/scoring.md). Our addition."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from springhead.methods.bulk.writes import FLAT_ERRORS
from springhead.methods.examples import CREATED, DONE, GIVEN_LEAD
from springhead.model.kit.errors import InvalidParameters, Json, MissingParameters, NothingChanged, UnexpectedArray
from springhead.model.scores import HALF_LIFE, HALF_LIFE_MAX, SCORE_EXPLANATION, SCORING, ScoreLine, points_text
from springhead.rpc.context import Context
from springhead.rpc.method import Example, ReadResult, Reads, WriteResult, Writes, method, refused, succeeded
from springhead.rpc.objects import ObjectSchema
from springhead.rpc.params import FlatOrObjects, Integer
from springhead.store.leads import merged_ids
from springhead.store.scores import scoring
from springhead.store.scores.scoring import Scoring

_SECTION = "own: scoring"
_SHAPE = ObjectSchema(SCORING, creating=True)
_RULE: Mapping[str, Json] = {"name": "Known", "part": "completeness", "points": 10, "fields": ["firstName", "city"]}
_WITH_RULE = (*GIVEN_LEAD, Example({"objects": [_RULE]}, [CREATED], method="createScoreRules"))


@method(
    result=Reads(SCORING),
    vendor=False,
    section=_SECTION,
    examples=[
        Example(
            {},
            [
                {
                    "halfLifeDays": "30",
                    "isActive": "1",
                    "isRunning": "0",
                    "leadsDone": "1",
                    "leadsTotal": "1",
                    "startTimestamp": ...,
                    "endTimestamp": ...,
                }
            ],
            "One score rule; all leads are scored.",
            given=_WITH_RULE,
        )
    ],
)
async def get_scoring(context: Context) -> ReadResult:
    """Returns the settings of the scoring of leads, and the progress of the last scoring of all leads.

    `isActive` says whether any score rule is active. `isRunning`, `leadsDone` and `leadsTotal` describe the scoring of
    all leads that started last. It starts when score rules or the half-life change, and for the decay of points: once a
    day or, for half-lives shorter than 30 days, 30 times per half-life. `leadsTotal` is null until the leads are
    counted.
    """
    async with context.tx() as tx:
        current = await scoring.of_company(tx, context.company.id)
    return ReadResult([_row(context, current)])


def _row(context: Context, current: Scoring | None) -> Mapping[str, Json]:
    if current is None:
        return dict.fromkeys(SCORING.by_name) | {
            "halfLifeDays": str(HALF_LIFE), "isActive": "0", "isRunning": "0", "leadsDone": "0"
        }  # fmt: skip
    return {
        "halfLifeDays": str(current.half_life_days),
        "isActive": str(int(current.is_active)),
        "isRunning": str(int(current.started_at is not None and current.ended_at is None)),
        "leadsDone": str(current.leads_done),
        "leadsTotal": None if current.leads_total is None else str(current.leads_total),
        "startTimestamp": _moment(context, current.started_at),
        "endTimestamp": _moment(context, current.ended_at),
    }


def _moment(context: Context, moment: datetime | None) -> str | None:
    return moment.astimezone(context.zone).strftime("%Y-%m-%d %H:%M:%S") if moment else None


@method(
    *FLAT_ERRORS,
    MissingParameters,
    NothingChanged,
    result=Writes("updates"),
    vendor=False,
    section=_SECTION,
    examples=[Example({"halfLifeDays": 14}, [DONE], "Events are worth half of their points after two weeks.")],
)
async def update_scoring(
    context: Context, *, objects: Annotated[list[Json], FlatOrObjects(SCORING, "The settings, as the only object.")]
) -> WriteResult:
    """Changes the settings of the scoring of leads.

    `halfLifeDays` is 1 to 3650, and 30 by default. After this number of days, an event adds half of its points to
    `leadScoreWeighted`; after twice as many days, a quarter. All leads are scored again. If nothing changes, 302.
    """
    checked = _SHAPE.check(objects)
    outcomes = checked.refused_outcomes()
    async with context.tx() as tx, tx.atomic():
        for record, position in checked.with_positions():
            if record.halfLifeDays > HALF_LIFE_MAX:
                problem = SCORING.by_name["halfLifeDays"].problem(f"Expected at most {HALF_LIFE_MAX} days")
                outcomes[position] = refused(InvalidParameters(problem))
            elif await scoring.change_half_life(tx, context.company.id, record.halfLifeDays):
                outcomes[position] = succeeded()
            else:
                outcomes[position] = refused(NothingChanged())
    if any(outcome["success"] for outcome in outcomes.values()):
        await context.server.jobs.finish(context.company.id)
    return WriteResult.in_order(outcomes)


_LINE = {
    "scoreRuleID": ..., "name": "Known", "part": "completeness", "points": "5", "pointsWeighted": "5",
    "detail": "1 of 2: firstName", "eventID": None, "eventSource": None, "eventName": None, "createTimestamp": None,
}  # fmt: skip


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(SCORE_EXPLANATION),
    vendor=False,
    section=_SECTION,
    examples=[
        Example(
            {"leadID": "{lead}"}, [_LINE], "A score rule about two fields, of which the lead has one.", given=_WITH_RULE
        )
    ],
)
async def get_score_explanation(
    context: Context, *, lead_id: Annotated[int, Integer("The lead's id.", low=0, length=20)]
) -> ReadResult:
    """Returns why a lead has its score: the points of each score rule, with the event and its time.

    The lead is scored at this moment. The `points` of all lines add up exactly to its `leadScore`, and `pointsWeighted`
    to its `leadScoreWeighted`: a last line `rounding` has the difference to a whole number, or to the limit of scores.
    An event has a line for each score rule that counts it. A score rule without points has a line that says so. If no
    score rule is active, the only line, `set`, has the scores set by createLeads and updateLeads.
    """
    async with context.tx() as tx, tx.atomic():
        lines = await scoring.explain(tx, context.company.id, lead_id)
        if not lines and (survivors := await merged_ids.survivors(tx, context.company.id, [lead_id])):
            lines = await scoring.explain(tx, context.company.id, survivors[lead_id])
    return ReadResult([_line_row(context, line) for line in lines])


def _line_row(context: Context, line: ScoreLine) -> Mapping[str, Json]:
    event = line.event
    return {
        "scoreRuleID": str(line.rule.id) if line.rule else None,
        "name": line.rule.name if line.rule else None,
        "part": line.part,
        "points": points_text(line.points),
        "pointsWeighted": points_text(line.weighted),
        "detail": line.detail,
        "eventID": str(event["event_id"]) if event else None,
        "eventSource": event.get("event_source"),
        "eventName": event.get("event_name"),
        "createTimestamp": _moment(context, event.get("create_timestamp")),
    }


def explained(context: Context, lines: Sequence[ScoreLine]) -> list[Mapping[str, Json]]:
    """Returns the lines of an explanation as rows."""
    return [_line_row(context, line) for line in lines]
