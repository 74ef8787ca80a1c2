"""Subscriptions: the vendor's subscribeToLeadUpdates (docs/wire/pushes.md), and all that it lacks."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from springhead.methods import reads
from springhead.methods.bulk import writes
from springhead.methods.bulk.writes import FLAT_ERRORS, WRITE_ERRORS, Hooks
from springhead.methods.examples import CREATED, DONE, NOTHING_CHANGED, row
from springhead.methods.reads import Limit, Offset
from springhead.model.feed.subscriptions import (
    DEFAULT_KINDS,
    LEAD_UPDATES,
    SUBSCRIPTION,
    SUBSCRIPTIONS_MAX,
    check_subscription,
)
from springhead.model.feed.webhooks import new_secret
from springhead.model.kit.errors import (
    ApiError,
    InvalidParameters,
    Json,
    MissingParameters,
    NothingChanged,
    UnexpectedArray,
)
from springhead.model.kit.fields import FieldSet
from springhead.model.leads.leads import LEAD
from springhead.rpc.context import Context
from springhead.rpc.method import Done, Example, Outcomes, Reads, Rows, Writes, done, method
from springhead.rpc.objects import Shape
from springhead.rpc.params import PAGE, Flat, Objects, Where
from springhead.store.database.pool import Tx
from springhead.store.feed import subscriptions

SECTION = "own: pushes"
_OBJECTS = "The subscriptions, each a hash by system name."
_URL = "https://receiver.example/pushes"
_SHAPE = Shape(LEAD_UPDATES, creating=True)
MADE = {**CREATED, "secret": ...}
GIVEN_SUBSCRIPTION = (Example({"objects": [{"url": _URL}]}, [MADE], method="createLeadSubscriptions"),)
_ROW = row(SUBSCRIPTION, url=_URL, kinds=list(DEFAULT_KINDS), sentSequence="0", failures="0")


async def _begin(context: Context, tx: Tx, ids: Sequence[int]) -> None:
    """Let new subscriptions begin; 205 for the whole call when they are too many."""
    await subscriptions.begin(tx, context.company.id, {one: new_secret() for one in ids}, utc=context.utc)
    if await subscriptions.count(tx, context.company.id) > SUBSCRIPTIONS_MAX:
        raise InvalidParameters(
            SUBSCRIPTION.by_name["url"].problem(f"A company can have {SUBSCRIPTIONS_MAX} subscriptions")
        )


async def _made(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
    await _begin(context, tx, ids)


async def _changed(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
    await subscriptions.switch(tx, context.company.id, ids)
    await subscriptions.retry(tx, context.company.id, ids)


async def _gone(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
    await subscriptions.end(tx, context.company.id, ids)


async def _hooks(context: Context) -> Hooks:
    """The hooks of a write: URLs must be allowed for pushes, and fields must exist."""
    async with context.tx() as tx:
        fields = await context.fields(tx)
    known = [*LEAD.by_name, *(column.name for column in fields.columns.get(LEAD.name, ()))]

    def check(one: Any) -> ApiError | None:
        return check_subscription(one, context.server.pushes.networks, known)

    return Hooks(check=check, after_write=_made)


@method(
    *FLAT_ERRORS,
    MissingParameters,
    result=Writes("subscribes", only_success=True),
    section="docs/wire/pushes.md#subscribetoleadupdates",
    differs=(
        "the body of a push, its signature and its retries are our own, for the vendor documents none "
        "(docs/receiving-pushes.md)"
    ),
    examples=[Example({"url": _URL}, True, "Push updates of leads to a program of yours.")],
)
async def subscribe_to_lead_updates(
    context: Context,
    *,
    objects: Annotated[list[Json], Flat(LEAD_UPDATES, "The URLs, each in a hash, instead of `url`.")],
) -> Outcomes:
    """Have the changes of leads pushed to a URL: a POST with the leads that were created, changed or deleted.

    A URL that is subscribed already is a success, and nothing changes. It must be https and lead to a public address,
    unless the operator has set otherwise. The times in its pushes are in the zone of this call: v1 the company's, v1.2
    UTC. A company can have 10 subscriptions, and gets 205 for more. The secret that signs the pushes is shown by
    rotateLeadSubscriptionSecrets.
    """
    checked = _SHAPE.check(objects)
    wrong = {
        at: refusal
        for one, at in checked.placed()
        if (refusal := check_subscription(one, context.server.pushes.networks))
    }
    checked.refuse(wrong)
    outcomes = checked.refused()
    async with context.tx() as tx, tx.atomic():
        made = await subscriptions.subscribe(tx, context.company.id, [one.url for one in checked.good])
        if made:
            await _begin(context, tx, made)
    context.server.pushes.wake(context.company.id)
    return Outcomes.in_order(outcomes | {at: done() for at in checked.positions})


@method(
    *WRITE_ERRORS,
    result=Writes("creates"),
    vendor=False,
    section=SECTION,
    examples=[
        Example({"objects": [{"url": _URL}]}, [MADE], "All changes but those of scores."),
        Example(
            {"objects": [{"url": _URL, "kinds": ["update"], "fields": ["leadStatus"]}]},
            [MADE],
            "Changes of one field, and nothing but it and the id of the lead.",
        ),
    ],
)
async def create_lead_subscriptions(
    context: Context, *, objects: Annotated[list[Json], Objects(SUBSCRIPTION, _OBJECTS)]
) -> Outcomes:
    """Create subscriptions and say, for each, whether it was created; with its secret, which is shown this once.

    `url` is required, and no two subscriptions of a company have the same one. `kinds` are the kinds of change that
    are pushed: `create`, `update`, `delete`, `merge`, `restore`, `erase` and `score`; all but the last when not given.
    With `fields` the leads in a push have these fields and their `id` only, and updates of other fields are not pushed.
    Pushes begin with the first change after this call. The times in them are in the zone of this call. A company can
    have 10 subscriptions; a call that would make more is refused whole with 205.
    """
    outcomes = await writes.create(context, SUBSCRIPTION, objects, await _hooks(context))
    ids = [outcome["id"] for outcome in outcomes.results if "id" in outcome]
    async with context.tx() as tx:
        found = await subscriptions.targets(tx, context.company.id, ids)
    context.server.pushes.wake(context.company.id)
    told: list[Done] = []
    for outcome in outcomes.results:
        target = found.get(outcome.get("id", 0))
        told.append({**outcome, "secret": target.secrets[0]} if target else outcome)
    return Outcomes(told)


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("updates"),
    vendor=False,
    section=SECTION,
    examples=[
        Example({"objects": [{"id": "{id}", "isActive": 0}]}, [DONE], "A pause.", given=GIVEN_SUBSCRIPTION),
        Example(
            {"objects": [{"id": "{id}", "url": "https://receiver.example/new"}]},
            [DONE],
            "A move.",
            given=GIVEN_SUBSCRIPTION,
        ),
        Example({"objects": [{"id": 1, "isActive": 0}]}, [NOTHING_CHANGED], "An id that no subscription has."),
    ],
)
async def update_lead_subscriptions(
    context: Context, *, objects: Annotated[list[Json], Objects(SUBSCRIPTION, _OBJECTS)]
) -> Outcomes:
    """Change subscriptions, each found by its `id`: move, pause or resume them, or choose other kinds and fields.

    What is given overwrites, what is not given stays; `fields` as null are all fields. With `isActive` as 0 nothing is
    pushed; with 1 it goes on where it was, so that nothing is lost, also where it was switched off after three days
    without a success. What waits for another attempt is tried at once. A subscription that is not there, or that is
    already as asked for, gets 302.
    """
    hooks = await _hooks(context)
    outcomes = await writes.update(context, SUBSCRIPTION, objects, Hooks(check=hooks.check, after_write=_changed))
    context.server.pushes.wake(context.company.id)
    return outcomes


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    vendor=False,
    section=SECTION,
    examples=[
        Example(
            {"objects": [{"id": "{id}"}, {"id": 1}]},
            [DONE, NOTHING_CHANGED],
            "A subscription.",
            given=GIVEN_SUBSCRIPTION,
        )
    ],
)
async def delete_lead_subscriptions(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(SUBSCRIPTION, "The subscriptions, each as `{id}` or as the bare id.")],
) -> Outcomes:
    """Delete subscriptions, by id, with what is known of their deliveries; nothing is pushed to them any more."""
    return await writes.delete(context, SUBSCRIPTION, objects, Hooks(after_delete=_gone))


@method(
    UnexpectedArray,
    result=Reads(SUBSCRIPTION),
    vendor=False,
    section=SECTION,
    examples=[Example({"where": {}}, [_ROW], "All of them.", given=GIVEN_SUBSCRIPTION)],
)
async def get_lead_subscriptions(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(SUBSCRIPTION, "id", "url", "isActive", required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> Rows:
    """Read the subscriptions that match all filters, in the order of their ids; never their secrets.

    `sentSequence` is the number of the last change that the receiver has, as in getLeadChanges; `failures` counts the
    attempts in vain since the last success. `inactiveReason` says why one is off: `paused`, or what went wrong.
    """
    found = await reads.listing(context, SUBSCRIPTION, where, limit=limit, offset=offset)
    return Rows([reads.decoded(SUBSCRIPTION, one) for one in found.page])
