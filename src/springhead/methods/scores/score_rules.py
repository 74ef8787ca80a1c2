"""Score rules, which give points to leads (docs/scoring.md). Our addition."""

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
from springhead.rpc.method import Example, ReadResult, Reads, WriteResult, Writes, method
from springhead.rpc.params import PAGE, Objects, Where
from springhead.store.database.pool import Tx
from springhead.store.scores import scoring

_OBJECTS = "The score rules, each a hash of system names and values; at most 500 per call."
_SECTION = "own: scoring"
_VISIT: Mapping[str, Json] = {
    "name": "Visited prices",
    "part": "pageTracking",
    "points": 5,
    "pattern": "/pricing*",
    "most": 3,
}
_FIT: Mapping[str, Json] = {"name": "Decides", "part": "fit", "points": 20, "filter": {"title": {"contains": "chief"}}}
_GIVEN = (Example({"objects": [_VISIT]}, [CREATED], method="createScoreRules"),)
_UNUSED = {"eventSource": None, "filter": None, "fields": None}
_ROW = row(
    SCORE_RULE, **_UNUSED, name=_VISIT["name"], part=_VISIT["part"], points="5", pattern=_VISIT["pattern"], most="3"
)


async def _hooks(context: Context) -> Hooks:
    """Returns the hooks of a write, which check each score rule against its stored values and the company's fields."""
    async with context.tx() as tx:
        columns = fit_fields(await context.fields(tx))
    rules = await reads.listing(context, SCORE_RULE, {}, limit=RULES_MAX, offset=0)
    stored = {int(str(rule["id"])): rule for rule in rules.page}

    def check(record: Any) -> ApiError | None:
        return check_rule(record, stored, columns, context.zone)

    return Hooks(check=check, after_write=_rules_changed)


async def _rules_changed(context: Context, tx: Tx, _fields: FieldSet, _ids: Sequence[int]) -> None:
    if await scoring.rules_changed(tx, context.company.id) > RULES_MAX:
        message = f"A company can have {RULES_MAX} score rules"
        raise InvalidParameters(SCORE_RULE.by_name["name"].problem(message))


async def _score_leads(context: Context, outcomes: WriteResult) -> WriteResult:
    """Scores as many leads as a call has time for; a background job scores the others."""
    if any(outcome["success"] for outcome in outcomes.outcomes):
        await context.server.jobs.finish(context.company.id)
    return outcomes


@method(
    *WRITE_ERRORS,
    result=Writes("creates"),
    vendor=False,
    section=_SECTION,
    examples=[
        Example(
            {"objects": [_VISIT, _FIT]}, [CREATED, CREATED], "Points for page visits, and for the title of the lead."
        ),
    ],
)
async def create_score_rules(
    context: Context, *, objects: Annotated[list[Json], Objects(SCORE_RULE, _OBJECTS)]
) -> WriteResult:
    """Creates score rules and returns, for each, whether it was created.

    `name`, `part` and `points` are required; negative points are subtracted. Further fields depend on the part:

    - `engagement`: `eventSource`, any source except page visits. Every such event gives the points; only the newest
      `most` events count (100 is the default and the maximum). With a `pattern`, only events whose name matches count:
      `*` stands for any characters, and case is ignored.
    - `pageTracking`: every page visit gives the points; only the newest `most` visits count. With a `pattern` such as
      `/pricing*`, only pages whose path matches count. `eventSource` is `pageVisit` or `importantPageVisit`; both by
      default.
    - `completeness`: `fields`, a list of system names. The points are divided equally among the fields: each field with
      a value gives its share.
    - `fit`: `filter`, as in createList, but without the scores themselves. A lead that matches gets the points.

    A field of another part is refused with 205. A company can have 100 score rules. While any score rule is active, the
    server sets `leadScore` and `leadScoreWeighted`. All leads are scored, about the first ten thousand within the call;
    getScoring shows the progress.
    """
    return await _score_leads(context, await writes.create(context, SCORE_RULE, objects, await _hooks(context)))


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("updates"),
    vendor=False,
    section=_SECTION,
    examples=[
        Example({"objects": [{"id": "{id}", "points": 10}]}, [DONE], "More points.", given=_GIVEN),
        Example(
            {"objects": [{"id": "{id}", "isActive": 0}]},
            [DONE],
            "An inactive rule, which gives no points.",
            given=_GIVEN,
        ),
        Example({"objects": [{"id": 1, "points": 10}]}, [NOTHING_CHANGED], "An id that no rule has."),
    ],
)
async def update_score_rules(
    context: Context, *, objects: Annotated[list[Json], Objects(SCORE_RULE, _OBJECTS)]
) -> WriteResult:
    """Changes score rules, each found by its `id`; the requirements are those of createScoreRules.

    Sent fields overwrite the stored values; other fields stay. All leads are scored again; if a scoring of all leads is
    running, it starts over. An unknown score rule gets 302, and so does a score rule that already has all sent values.
    """
    return await _score_leads(context, await writes.update(context, SCORE_RULE, objects, await _hooks(context)))


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    vendor=False,
    section=_SECTION,
    examples=[
        Example(
            {"objects": [{"id": "{id}"}, {"id": 1}]},
            [DONE, NOTHING_CHANGED],
            "A score rule, and an id that no score rule has.",
            given=_GIVEN,
        )
    ],
)
async def delete_score_rules(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(SCORE_RULE, "The score rules, each as `{id}` or as the bare id.")],
) -> WriteResult:
    """Deletes score rules permanently, by id; all leads are scored again.

    If no active score rule remains, all scores become 0 once; then createLeads and updateLeads set them.
    """
    return await _score_leads(
        context, await writes.delete(context, SCORE_RULE, objects, Hooks(after_delete=_rules_changed))
    )


@method(
    UnexpectedArray,
    result=Reads(SCORE_RULE),
    vendor=False,
    section=_SECTION,
    examples=[Example({"where": {}}, [_ROW], "All score rules.", given=_GIVEN)],
)
async def get_score_rules(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(SCORE_RULE, "id", "part", "isActive", required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns a page of the score rules that match all filters, in the order of their ids.

    Fields of other parts are null. `filter` is returned as it is stored: every test with its operator, times in the
    time zone of the call.
    """
    page = await reads.listing(context, SCORE_RULE, where, limit=limit, offset=offset)
    async with context.tx() as tx:
        columns = fit_fields(await context.fields(tx))
    rules = [reads.decoded(SCORE_RULE, row) for row in page.page]
    return ReadResult(
        [
            {**rule, "filter": filters.to_json(filters.from_json(stored, columns), zone=context.zone)}
            if (stored := rule["filter"]) is not None
            else rule
            for rule in rules
        ]
    )
