"""How pushes go: tests, secrets, what was delivered, and what is to be pushed again (our own)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET

from springhead.methods.bulk import writes
from springhead.methods.bulk.writes import WRITE_ERRORS
from springhead.methods.examples import DONE, failed
from springhead.methods.feed.subscriptions import GIVEN_SUBSCRIPTION, SECTION
from springhead.methods.reads import Limit, Offset
from springhead.model.feed.subscriptions import DELIVERY, REDELIVERY, SUBSCRIPTION, TestPushResult
from springhead.model.feed.webhooks import new_message_id, new_secret
from springhead.model.kit import times
from springhead.model.kit.errors import ApiError, InvalidParameters, Json, NoSuchRecord, UnexpectedArray
from springhead.rpc.context import Context
from springhead.rpc.method import Done, Example, Outcomes, Reads, Rows, Writes, done, method, refused
from springhead.rpc.objects import Shape
from springhead.rpc.params import PAGE, Objects, Where
from springhead.store.feed import deliveries, subscriptions

_IDS = "The subscriptions, each as `{id}` or as the bare id."
_UNKNOWN = failed(404, "A record with that ID does not exist")
_AGAIN = Shape(REDELIVERY, creating=True)


def _each(objects: Sequence[Json], found: Mapping[int, Done]) -> Outcomes:
    """The outcome of each object that names a subscription; 404 for one that is not there."""
    wanted = [writes.id_of(one, SUBSCRIPTION) for one in objects]
    return Outcomes(
        [refused(one) if isinstance(one, ApiError) else found.get(one) or refused(NoSuchRecord()) for one in wanted]
    )


def _ids(objects: Sequence[Json]) -> list[int]:
    ids = (writes.id_of(one, SUBSCRIPTION) for one in objects)
    return sorted({one for one in ids if isinstance(one, int)})


@method(
    *WRITE_ERRORS,
    NoSuchRecord,
    result=Writes("tests"),
    vendor=False,
    section=SECTION,
    examples=[
        Example(
            {"objects": [{"id": "{id}"}]},
            [{**DONE, "receiver": ...}],
            "What a receiver makes of a push; this one cannot be reached.",
            given=GIVEN_SUBSCRIPTION,
        ),
        Example({"objects": [1]}, [_UNKNOWN], "An id that no subscription has."),
    ],
)
async def test_lead_subscriptions(
    context: Context, *, objects: Annotated[list[Json], Objects(SUBSCRIPTION, _IDS)]
) -> Outcomes:
    """Send a signed push, `{"leads":[],"changes":[],"test":true}`, now, and say what the receiver answered.

    `receiver` has whether it was `accepted` (a status of 2xx), the `status`, `durationMs`, the first 2 kB of the
    `answer`, and in `error` why there was none. It is sent also where a subscription is off, once, and changes nothing.
    An Idempotency-Key is refused with 205: what was not sent again would test nothing.
    """
    if context.inside:  # which would also keep a transaction open for as long as the receiver takes
        raise InvalidParameters({"param": "Idempotency-Key", "message": "A test takes no key"})
    async with context.tx() as tx:
        found = await subscriptions.targets(tx, context.company.id, _ids(objects))
    trials = await asyncio.gather(*(context.server.pushes.trial(target) for target in found.values()))
    return _each(objects, {one: _told(trial) for one, trial in zip(found, trials, strict=True)})


def _told(trial: TestPushResult) -> Done:
    return {
        **done(),
        "receiver": {
            "accepted": trial.success,
            "status": trial.status,
            "durationMs": trial.duration_ms,
            "error": trial.error,
            "answer": trial.answer,
        },
    }


@method(
    *WRITE_ERRORS,
    NoSuchRecord,
    result=Writes("rotates"),
    vendor=False,
    section=SECTION,
    examples=[
        Example({"objects": [{"id": "{id}"}]}, [{**DONE, "secret": ...}], "A new secret.", given=GIVEN_SUBSCRIPTION),
        Example({"objects": [1]}, [_UNKNOWN], "An id that no subscription has."),
    ],
)
async def rotate_lead_subscription_secrets(
    context: Context, *, objects: Annotated[list[Json], Objects(SUBSCRIPTION, _IDS)]
) -> Outcomes:
    """Give subscriptions a new secret, and show it this once.

    For 24 hours pushes carry two signatures, of the new secret and of the one before, so that the receiver has time to
    change. This is also how the secret of a subscription is learned that subscribeToLeadUpdates has made.
    """
    secrets = {one: new_secret() for one in _ids(objects)}
    async with context.tx() as tx:
        there = await subscriptions.rotate(tx, context.company.id, secrets)
    return _each(objects, {one: {**done(), "secret": secrets[one]} for one in there})


@method(
    UnexpectedArray,
    result=Reads(DELIVERY),
    vendor=False,
    section=SECTION,
    examples=[Example({"where": {"subscriptionID": "{id}"}}, [], "Nothing was pushed yet.", given=GIVEN_SUBSCRIPTION)],
)
async def get_lead_deliveries(
    context: Context,
    *,
    where: Annotated[
        Mapping[str, Json], Where(DELIVERY, "id", "subscriptionID", "messageID", "state", required=False)
    ] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> Rows:
    """Read the deliveries that match all filters, the newest first: of each subscription the last 1,000, for 30 days.

    A delivery is a batch: all changes from `firstSequence` to `lastSequence` that concern the receiver. Its `state` is
    `waiting` until the receiver has taken it, then `delivered`; `dead` when it was given up after three days, and
    `replaced` when all since an earlier time was asked for instead. `status`, `durationMs`, `error` and the first 2 kB
    of the `answer` are those of the last attempt, at `attemptTimestamp`; the next one is at `nextTimestamp`. What was
    sent is not kept: it is put together anew for each attempt, of the leads as they are then.
    """
    async with context.tx() as tx:
        rows = await deliveries.latest(
            tx, context.company.id, where, zone=context.zone_name, limit=limit, offset=offset
        )
    return Rows(rows)


@method(
    *WRITE_ERRORS,
    NoSuchRecord,
    result=Writes("redelivers"),
    vendor=False,
    section=SECTION,
    examples=[
        Example(
            {"objects": [{"subscriptionID": "{id}", "since": "2026-03-14 00:00:00"}]},
            [DONE],
            "All changes since a time, to a receiver that has lost them.",
            given=GIVEN_SUBSCRIPTION,
        ),
        Example({"objects": [{"deliveryID": 1}]}, [_UNKNOWN], "A delivery that there is not."),
    ],
)
async def redeliver_lead_updates(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(REDELIVERY, "What is to be pushed again, each a hash.")],
) -> Outcomes:
    """Push something again: one delivery (`deliveryID`), or to a subscription (`subscriptionID`) all `since` a time.

    One delivery is pushed behind what waits already, with the changes that it had, the leads as they are now, and a
    `webhook-id` of its own; one that still waits gets 404. `since` takes the subscription back to that time, or some
    seconds before: every change from there on comes again, in order.
    """
    checked = _AGAIN.check(objects)
    checked.refuse({at: refusal for one, at in checked.placed() if (refusal := _unclear(one))})
    single = {at: one.deliveryID for one, at in checked.placed() if one.deliveryID is not UNSET}
    since = {at: one for one, at in checked.placed() if one.deliveryID is UNSET}
    outcomes = checked.refused()
    async with context.tx() as tx, tx.atomic():
        company_id, ids = context.company.id, sorted(set(single.values()))
        made = await deliveries.again(tx, company_id, ids, [new_message_id() for _ in ids]) if ids else {}
        back = [(one.subscriptionID, _moment(context, one.since)) for one in since.values()]
        there = await deliveries.rewind(tx, company_id, back) if back else set[int]()
    outcomes |= {at: _if_there(one in made, lambda one=one: done(made[one])) for at, one in single.items()}
    outcomes |= {at: _if_there(one.subscriptionID in there, done) for at, one in since.items()}
    context.server.pushes.wake(context.company.id)
    return Outcomes.in_order(outcomes)


def _if_there(there: bool, outcome: Callable[[], Done]) -> Done:
    return outcome() if there else refused(NoSuchRecord())


def _moment(context: Context, written: str) -> datetime:
    parsed = times.parse(written)
    assert parsed is not None  # noqa: S101 - it was checked
    return times.to_utc(parsed, context.zone)


def _unclear(one: Any) -> InvalidParameters | None:
    """205 unless it is one delivery, or a subscription and a time."""
    given = (one.deliveryID is not UNSET, one.subscriptionID is not UNSET, one.since is not UNSET)
    if given in {(True, False, False), (False, True, True)}:
        return None
    column = REDELIVERY.by_name["deliveryID"]
    return InvalidParameters(column.problem("Expected deliveryID, or subscriptionID and since"))
