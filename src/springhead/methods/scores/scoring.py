"""How leads are scored, how far it is, and why a lead has its score; our own methods (docs/scoring.md)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from springhead.methods.bulk.writes import FLAT_ERRORS
from springhead.methods.examples import CREATED, DONE, GIVEN_LEAD
from springhead.model.kit.errors import InvalidParameters, Json, MissingParameters, NothingChanged, UnexpectedArray
from springhead.model.scores import HALF_LIFE, HALF_LIFE_MAX, SCORE_EXPLANATION, SCORING, ScoreLine, points_text
from springhead.rpc.context import Context
from springhead.rpc.method import Example, Outcomes, Reads, Rows, Writes, done, method, refused
from springhead.rpc.objects import Shape
from springhead.rpc.params import Flat, Integer
from springhead.store.leads import merged_ids
from springhead.store.scores import scoring
from springhead.store.scores.scoring import Scoring

_SECTION = "own: scoring"
_SHAPE = Shape(SCORING, creating=True)
_RULE: Mapping[str, Json] = {"name": "Known", "part": "completeness", "points": 10, "fields": ["firstName", "city"]}
_RULED = (*GIVEN_LEAD, Example({"objects": [_RULE]}, [CREATED], method="createScoreRules"))


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
            "One rule, and all leads are scored.",
            given=_RULED,
        )
    ],
)
async def get_scoring(context: Context) -> Rows:
    """Read how your leads are scored, and how far a scoring of all of them is.

    `isActive` says whether any rule is active. `isRunning`, `leadsDone` and `leadsTotal` are about the scoring of all
    leads that was begun last, by a change of the rules or of the half-life, or for the decay of points, once a day
    or, where half-lives are shorter than 30 days, 30 times in one; `leadsTotal` is null until it has counted them.
    """
    async with context.tx() as tx:
        found = await scoring.of_company(tx, context.company.id)
    return Rows([_row(context, found)])


def _row(context: Context, found: Scoring | None) -> Mapping[str, Json]:
    if found is None:
        return dict.fromkeys(SCORING.by_name) | {
            "halfLifeDays": str(HALF_LIFE), "isActive": "0", "isRunning": "0", "leadsDone": "0"
        }  # fmt: skip
    return {
        "halfLifeDays": str(found.half_life_days),
        "isActive": str(int(found.is_active)),
        "isRunning": str(int(found.started_at is not None and found.ended_at is None)),
        "leadsDone": str(found.leads_done),
        "leadsTotal": None if found.leads_total is None else str(found.leads_total),
        "startTimestamp": _moment(context, found.started_at),
        "endTimestamp": _moment(context, found.ended_at),
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
    context: Context, *, objects: Annotated[list[Json], Flat(SCORING, "The settings, as the only object.")]
) -> Outcomes:
    """Change how your leads are scored.

    `halfLifeDays`, 1 to 3650 and 30 at first: after that many days an event adds half of its points to
    `leadScoreWeighted`, after twice as many a quarter. All leads are scored anew. 302 when it is so already.
    """
    checked = _SHAPE.check(objects)
    outcomes = checked.refused()
    async with context.tx() as tx, tx.atomic():
        for one, at in checked.placed():
            if one.halfLifeDays > HALF_LIFE_MAX:
                problem = SCORING.by_name["halfLifeDays"].problem(f"Expected at most {HALF_LIFE_MAX} days")
                outcomes[at] = refused(InvalidParameters(problem))
            elif await scoring.change_half_life(tx, context.company.id, one.halfLifeDays):
                outcomes[at] = done()
            else:
                outcomes[at] = refused(NothingChanged())
    if any(outcome["success"] for outcome in outcomes.values()):
        await context.server.jobs.finish(context.company.id)
    return Outcomes.in_order(outcomes)


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
    examples=[Example({"leadID": "{lead}"}, [_LINE], "One of two fields is filled in.", given=_RULED)],
)
async def get_score_explanation(
    context: Context, *, lead_id: Annotated[int, Integer("The lead's id.", low=0, length=20)]
) -> Rows:
    """Read why a lead has its score: which rule gave which points, and for which event, and when that was.

    The lead is scored at this moment. `points` of all lines add up to its `leadScore`, `pointsWeighted` to its
    `leadScoreWeighted`, exactly: a last line `rounding` has what is missing to a whole number, or is too much for a
    score. An event has a line for each rule that counts it; a rule that gives nothing has one that says so. Without an
    active rule the only line, `set`, has the scores that createLeads and updateLeads gave.
    """
    async with context.tx() as tx, tx.atomic():
        lines = await scoring.explain(tx, context.company.id, lead_id)
        if not lines and (answers := await merged_ids.survivors(tx, context.company.id, [lead_id])):
            lines = await scoring.explain(tx, context.company.id, answers[lead_id])
    return Rows([_told(context, line) for line in lines])


def _told(context: Context, line: ScoreLine) -> Mapping[str, Json]:
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
    """The lines of an explanation as they are read."""
    return [_told(context, line) for line in lines]
