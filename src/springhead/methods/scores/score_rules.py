"""Score rules: what gives a lead points; our own methods (docs/scoring.md)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from springhead.methods import reads
from springhead.methods.bulk import writes
from springhead.methods.bulk.writes import WRITE_ERRORS, Hooks
from springhead.methods.examples import CREATED, DONE, NOTHING_CHANGED, row
from springhead.methods.reads import Limit, Offset
from springhead.model.kit import filters
from springhead.model.kit.errors import ApiError, InvalidParameters, Json, NothingChanged, UnexpectedArray
from springhead.model.kit.fields import FieldSet
from springhead.model.scores import RULES_MAX, SCORE_RULE, check_rule, fit_fields
from springhead.rpc.context import Context
from springhead.rpc.method import Example, Outcomes, Reads, Rows, Writes, method
from springhead.rpc.params import PAGE, Objects, Where
from springhead.store.database.pool import Tx
from springhead.store.scores import scoring

_OBJECTS = "The rules, each a hash by system name; 500 a call at most."
_SECTION = "own: scoring"
_VISIT: Mapping[str, Json] = {
    "name": "Looked at prices",
    "part": "pageTracking",
    "points": 5,
    "pattern": "/pricing*",
    "most": 3,
}
_FIT: Mapping[str, Json] = {"name": "Decides", "part": "fit", "points": 20, "filter": {"title": {"contains": "chief"}}}
_GIVEN = (Example({"objects": [_VISIT]}, [CREATED], method="createScoreRules"),)
_NONE = {"eventSource": None, "filter": None, "fields": None}
_ROW = row(
    SCORE_RULE, **_NONE, name=_VISIT["name"], part=_VISIT["part"], points="5", pattern=_VISIT["pattern"], most="3"
)


async def _hooks(context: Context) -> Hooks:
    """The hooks of a write: each score rule is checked against its stored values and the company's fields."""
    async with context.tx() as tx:
        columns = fit_fields(await context.fields(tx))
    found = await reads.listing(context, SCORE_RULE, {}, limit=RULES_MAX, offset=0)
    stored = {int(str(one["id"])): one for one in found.page}

    def check(one: Any) -> ApiError | None:
        return check_rule(one, stored, columns, context.zone)

    return Hooks(check=check, after_write=_changed)


async def _changed(context: Context, tx: Tx, _fields: FieldSet, _ids: Sequence[int]) -> None:
    if await scoring.rules_changed(tx, context.company.id) > RULES_MAX:
        message = f"A company can have {RULES_MAX} score rules"
        raise InvalidParameters(SCORE_RULE.by_name["name"].problem(message))


async def _scored(context: Context, outcomes: Outcomes) -> Outcomes:
    """Score as many leads as a call has time for; the others follow beside the calls."""
    if any(outcome["success"] for outcome in outcomes.results):
        await context.server.jobs.finish(context.company.id)
    return outcomes


@method(
    *WRITE_ERRORS,
    result=Writes("creates"),
    vendor=False,
    section=_SECTION,
    examples=[
        Example({"objects": [_VISIT, _FIT]}, [CREATED, CREATED], "Points for visits, and for who the lead is."),
    ],
)
async def create_score_rules(
    context: Context, *, objects: Annotated[list[Json], Objects(SCORE_RULE, _OBJECTS)]
) -> Outcomes:
    """Create score rules and say, for each, whether it was created.

    `name`, `part` and `points` are required; points below 0 take away. What else a rule needs follows from its part:

    - `engagement`: `eventSource`, any but page visits. Every such event gives the points, the newest `most` of them
      (100 when not given, and at most). With a `pattern` only events whose name is like it: `*` stands for any
      characters, and case does not count.
    - `pageTracking`: every visit of a page gives the points, the newest `most` of them; with a `pattern`, such as
      `/pricing*`, only pages whose path is like it. `eventSource` is `pageVisit` or `importantPageVisit`, or both of
      them when not given.
    - `completeness`: `fields`, a list of system names. The points are shared out evenly: each field that is filled in
      gives its share.
    - `fit`: `filter`, in the language of createList, without the scores themselves. Who matches gets the points.

    Anything that belongs to another part is refused with 205. A company can have 100 rules. As soon as one is active,
    `leadScore` and `leadScoreWeighted` are the server's: all leads are scored, the first ten thousand or so within
    the call, and getScoring shows how far it is.
    """
    return await _scored(context, await writes.create(context, SCORE_RULE, objects, await _hooks(context)))


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("updates"),
    vendor=False,
    section=_SECTION,
    examples=[
        Example({"objects": [{"id": "{id}", "points": 10}]}, [DONE], "More points for the same.", given=_GIVEN),
        Example({"objects": [{"id": "{id}", "isActive": 0}]}, [DONE], "A rule that gives nothing.", given=_GIVEN),
        Example({"objects": [{"id": 1, "points": 10}]}, [NOTHING_CHANGED], "An id that no rule has."),
    ],
)
async def update_score_rules(
    context: Context, *, objects: Annotated[list[Json], Objects(SCORE_RULE, _OBJECTS)]
) -> Outcomes:
    """Change score rules, each found by its `id`; what they must be is said at createScoreRules.

    What is given overwrites, what is not given stays. All leads are scored anew, and a scoring of them that is under
    way begins again. A rule that is not there, or that is already as asked for, gets 302.
    """
    return await _scored(context, await writes.update(context, SCORE_RULE, objects, await _hooks(context)))


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    vendor=False,
    section=_SECTION,
    examples=[Example({"objects": [{"id": "{id}"}, {"id": 1}]}, [DONE, NOTHING_CHANGED], "A rule.", given=_GIVEN)],
)
async def delete_score_rules(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(SCORE_RULE, "The rules, each as `{id}` or as the bare id.")],
) -> Outcomes:
    """Delete score rules for good, by id; all leads are scored anew.

    Without an active rule all scores become 0 once more, and are then what createLeads and updateLeads make them.
    """
    return await _scored(context, await writes.delete(context, SCORE_RULE, objects, Hooks(after_delete=_changed)))


@method(
    UnexpectedArray,
    result=Reads(SCORE_RULE),
    vendor=False,
    section=_SECTION,
    examples=[Example({"where": {}}, [_ROW], "All of them.", given=_GIVEN)],
)
async def get_score_rules(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(SCORE_RULE, "id", "part", "isActive", required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> Rows:
    """Read a page of the score rules that match all filters, in the order of their ids.

    What belongs to other parts is null. `filter` is as it is kept: every test with its operator, times in the zone of
    the call.
    """
    found = await reads.listing(context, SCORE_RULE, where, limit=limit, offset=offset)
    async with context.tx() as tx:
        columns = fit_fields(await context.fields(tx))
    rules = [reads.decoded(SCORE_RULE, one) for one in found.page]
    return Rows(
        [
            {**one, "filter": filters.to_json(filters.from_json(kept, columns), zone=context.zone)}
            if (kept := one["filter"]) is not None
            else one
            for one in rules
        ]
    )
