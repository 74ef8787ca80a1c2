"""Subscriptions to changes of leads: the vendor's subscribeToLeadUpdates (docs/wire/pushes.md), and our additions."""

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
from springhead.rpc.method import Example, Outcome, ReadResult, Reads, WriteResult, Writes, method, succeeded
from springhead.rpc.objects import ObjectSchema
from springhead.rpc.params import PAGE, FlatOrObjects, Objects, Where
from springhead.store.database.pool import Tx
from springhead.store.feed import subscriptions

SECTION = "own: pushes"
_OBJECTS = "The subscriptions, each a hash of system names and values."
_URL = "https://receiver.example/pushes"
_SHAPE = ObjectSchema(LEAD_UPDATES, creating=True)
CREATED_WITH_SECRET = {**CREATED, "secret": ...}
GIVEN_SUBSCRIPTION = (Example({"objects": [{"url": _URL}]}, [CREATED_WITH_SECRET], method="createLeadSubscriptions"),)
_ROW = row(SUBSCRIPTION, url=_URL, kinds=list(DEFAULT_KINDS), sentSequence="0", failures="0")


async def _begin(context: Context, tx: Tx, ids: Sequence[int]) -> None:
    """Starts new subscriptions. Raises 205 for the whole call if the company then has too many."""
    if await subscriptions.count(tx, context.company.id) > SUBSCRIPTIONS_MAX:
        raise InvalidParameters(
            SUBSCRIPTION.by_name["url"].problem(f"A company can have {SUBSCRIPTIONS_MAX} subscriptions")
        )
    await subscriptions.begin(
        tx, context.company.id, {subscription_id: new_secret() for subscription_id in ids}, utc=context.utc
    )


async def _after_create(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
    await _begin(context, tx, ids)


async def _after_update(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
    await subscriptions.switch(tx, context.company.id, ids)


async def _after_delete(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
    await subscriptions.end(tx, context.company.id, ids)


async def _hooks(context: Context) -> Hooks:
    """Returns the hooks of a write, which check that pushes may go to the URLs and that the fields exist."""
    async with context.tx() as tx:
        fields = await context.fields(tx)
    field_names = [*LEAD.by_name, *(column.name for column in fields.columns.get(LEAD.name, ()))]

    def check(record: Any) -> ApiError | None:
        return check_subscription(record, context.server.pushes.networks, field_names)

    return Hooks(check=check, after_write=_after_create)


@method(
    *FLAT_ERRORS,
    MissingParameters,
    result=Writes("subscribes", only_success=True),
    section="docs/wire/pushes.md#subscribetoleadupdates",
    differs=(
        "the body of a push, its signature and its retries are our choice: the vendor documents none "
        "(docs/receiving-pushes.md)"
    ),
    examples=[Example({"url": _URL}, True, "Changes of leads are pushed to a URL.")],
)
async def subscribe_to_lead_updates(
    context: Context,
    *,
    objects: Annotated[list[Json], FlatOrObjects(LEAD_UPDATES, "The URLs, each as a hash, instead of `url`.")],
) -> WriteResult:
    """Subscribes a URL to changes of leads: a POST with the leads that were created, changed or deleted.

    If the URL is already subscribed, the call is a success and changes nothing. The URL must be https and lead to a
    public address, unless the operator has configured otherwise. Times in the pushes are in the time zone of this call:
    the company's at v1, UTC at v1.2. A company can have 10 subscriptions; more get 205. rotateLeadSubscriptionSecrets
    returns the secret that signs the pushes.
    """
    checked = _SHAPE.check(objects)
    networks = context.server.pushes.networks
    checked.refuse(
        {
            position: error
            for record, position in checked.with_positions()
            if (error := check_subscription(record, networks))
        }
    )
    outcomes = checked.refused_outcomes()
    async with context.tx() as tx, tx.atomic():
        created = await subscriptions.subscribe(tx, context.company.id, [record.url for record in checked.valid])
        if created:
            await _begin(context, tx, created)
    context.server.pushes.wake(context.company.id)
    return WriteResult.in_order(outcomes | {position: succeeded() for position in checked.positions})


@method(
    *WRITE_ERRORS,
    result=Writes("creates"),
    vendor=False,
    section=SECTION,
    examples=[
        Example(
            {"objects": [{"url": _URL}]}, [CREATED_WITH_SECRET], "A subscription to all changes except score changes."
        ),
        Example(
            {"objects": [{"url": _URL, "kinds": ["update"], "fields": ["leadStatus"]}]},
            [CREATED_WITH_SECRET],
            "A subscription to changes of one field; leads have this field and their id only.",
        ),
    ],
)
async def create_lead_subscriptions(
    context: Context, *, objects: Annotated[list[Json], Objects(SUBSCRIPTION, _OBJECTS)]
) -> WriteResult:
    """Creates subscriptions and returns, for each, whether it was created and its secret, which is only shown now.

    `url` is required and unique among the subscriptions of a company. `kinds` are the kinds of change that are pushed:
    `create`, `update`, `delete`, `merge`, `restore`, `erase` and `score`; all except `score` by default. Changes of
    lists (`listJoin`, `listLeave`, `listChange`) and events of forms (`formSubmit`, `formConfirm`) are pushed as
    getLeadChanges returns them if `kinds` names them. With
    `fields`, leads in a push only have these fields and their `id`, and updates of other fields are not pushed. The
    first push has the first change after this call. With `challenge`, pushes begin when the receiver has answered a
    challenge: a push with a text that it must send back. Until then `challengeState` is `waiting`. Times in pushes are
    in the time zone of this call. A company can have 10 subscriptions; a call that would exceed this is refused
    completely with 205.
    """
    outcomes = await writes.create(context, SUBSCRIPTION, objects, await _hooks(context))
    ids = [outcome["id"] for outcome in outcomes.outcomes if "id" in outcome]
    async with context.tx() as tx:
        targets = await subscriptions.targets(tx, context.company.id, ids)
    context.server.pushes.wake(context.company.id)
    with_secrets: list[Outcome] = []
    for outcome in outcomes.outcomes:
        target = targets.get(outcome.get("id", 0))
        with_secrets.append({**outcome, "secret": target.secrets[0]} if target else outcome)
    return WriteResult(with_secrets)


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("updates"),
    vendor=False,
    section=SECTION,
    examples=[
        Example(
            {"objects": [{"id": "{id}", "isActive": 0}]}, [DONE], "A paused subscription.", given=GIVEN_SUBSCRIPTION
        ),
        Example(
            {"objects": [{"id": "{id}", "url": "https://receiver.example/new"}]},
            [DONE],
            "A new URL.",
            given=GIVEN_SUBSCRIPTION,
        ),
        Example({"objects": [{"id": 1, "isActive": 0}]}, [NOTHING_CHANGED], "An id that no subscription has."),
    ],
)
async def update_lead_subscriptions(
    context: Context, *, objects: Annotated[list[Json], Objects(SUBSCRIPTION, _OBJECTS)]
) -> WriteResult:
    """Changes subscriptions, each found by its `id`: the URL, the kinds, the fields, or whether it is active.

    Sent fields overwrite the stored values; other fields stay. `fields` null means all fields. With `isActive` 0,
    nothing is pushed. With `isActive` 1, pushes continue where they stopped, so that no change is lost; this also holds
    for a subscription that was deactivated after three days without a success. A receiver that has failed its challenge
    gets a new one, and so does a new URL. Deliveries that wait for a retry are
    tried at once. An unknown subscription gets 302, and so does a subscription that already has all sent values.
    """
    hooks = await _hooks(context)
    outcomes = await writes.update(context, SUBSCRIPTION, objects, Hooks(check=hooks.check, after_write=_after_update))
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
            "A subscription, and an id that no subscription has.",
            given=GIVEN_SUBSCRIPTION,
        )
    ],
)
async def delete_lead_subscriptions(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(SUBSCRIPTION, "The subscriptions, each as `{id}` or as the bare id.")],
) -> WriteResult:
    """Deletes subscriptions, by id, with the log of their deliveries; nothing more is pushed to them."""
    return await writes.delete(context, SUBSCRIPTION, objects, Hooks(after_delete=_after_delete))


@method(
    UnexpectedArray,
    result=Reads(SUBSCRIPTION),
    vendor=False,
    section=SECTION,
    examples=[Example({"where": {}}, [_ROW], "All subscriptions.", given=GIVEN_SUBSCRIPTION)],
)
async def get_lead_subscriptions(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(SUBSCRIPTION, "id", "url", "isActive", required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns the subscriptions that match all filters, in the order of their ids, without their secrets.

    `sentSequence` is the number of the last change that was delivered, as in getLeadChanges. `failures` counts the
    failed attempts since the last success. `inactiveReason` says why a subscription is inactive: `paused`, for how long
    nothing was delivered, with the status of the last attempt, or why its challenge has failed. `challengeState` is
    `waiting`, `passed` or `failed`, and null without a challenge.
    """
    rows = await reads.listing(context, SUBSCRIPTION, where, limit=limit, offset=offset)
    return ReadResult([reads.decoded(SUBSCRIPTION, row) for row in rows.page])
