"""Deliveries of pushes: tests, secrets, the log of deliveries, and redelivery. Our addition."""

import asyncio
from collections.abc import Mapping, Sequence
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
from springhead.rpc.method import Example, Outcome, ReadResult, Reads, WriteResult, Writes, method, refused, succeeded
from springhead.rpc.objects import ObjectSchema
from springhead.rpc.params import PAGE, Objects, Where
from springhead.store.feed import deliveries, subscriptions

_IDS = "The subscriptions, each as `{id}` or as the bare id."
_UNKNOWN = failed(404, "A record with that ID does not exist")
_REDELIVERIES = ObjectSchema(REDELIVERY, creating=True)


def _outcomes(objects: Sequence[Json], by_subscription: Mapping[int, Outcome]) -> WriteResult:
    """Returns the outcome of each object by its subscription; 404 for an unknown subscription."""
    outcomes: list[Outcome] = []
    for record in objects:
        subscription_id = writes.id_of(record, SUBSCRIPTION)
        if isinstance(subscription_id, ApiError):
            outcomes.append(refused(subscription_id))
        else:
            outcomes.append(by_subscription.get(subscription_id) or refused(NoSuchRecord()))
    return WriteResult(outcomes)


def _ids(objects: Sequence[Json]) -> list[int]:
    ids = (writes.id_of(record, SUBSCRIPTION) for record in objects)
    return sorted({subscription_id for subscription_id in ids if isinstance(subscription_id, int)})


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
            "A test push; this receiver cannot be reached.",
            given=GIVEN_SUBSCRIPTION,
        ),
        Example({"objects": [1]}, [_UNKNOWN], "An id that no subscription has."),
    ],
)
async def test_lead_subscriptions(
    context: Context, *, objects: Annotated[list[Json], Objects(SUBSCRIPTION, _IDS)]
) -> WriteResult:
    """Sends a signed test push, `{"leads":[],"changes":[],"test":true}`, and returns the answer of the receiver.

    `receiver` has `accepted` (whether the status is 2xx), the `status`, `durationMs`, the first 2 kB of the `answer`,
    and `error` if there was no answer. The push is sent once, also for an inactive subscription, and changes nothing.
    An Idempotency-Key is refused with 205, because a repeated call would test nothing.
    """
    if context.inside:  # an open transaction would last until the receiver answers
        raise InvalidParameters({"param": "Idempotency-Key", "message": "A test push takes no Idempotency-Key"})
    async with context.tx() as tx:
        targets = await subscriptions.targets(tx, context.company.id, _ids(objects))
    results = await asyncio.gather(*(context.server.pushes.send_test(target) for target in targets.values()))
    answers = {target_id: _test_outcome(result) for target_id, result in zip(targets, results, strict=True)}
    return _outcomes(objects, answers)


def _test_outcome(result: TestPushResult) -> Outcome:
    return {
        **succeeded(),
        "receiver": {
            "accepted": result.success,
            "status": result.status,
            "durationMs": result.duration_ms,
            "error": result.error,
            "answer": result.answer,
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
) -> WriteResult:
    """Replaces the secrets of subscriptions and returns the new ones, which are only shown now.

    For 24 hours, pushes have two signatures, with the new and with the previous secret, so that the receiver has time
    to change. This is also how to learn the secret of a subscription that subscribeToLeadUpdates has created. A push
    that waits after a failed attempt is tried again at once.
    """
    secrets = {subscription_id: new_secret() for subscription_id in _ids(objects)}
    async with context.tx() as tx:
        rotated = await subscriptions.rotate(tx, context.company.id, secrets)
        await subscriptions.retry(tx, context.company.id, sorted(rotated))  # pushes that could not be signed
    context.server.pushes.wake(context.company.id)
    return _outcomes(objects, {row_id: {**succeeded(), "secret": secrets[row_id]} for row_id in rotated})


@method(
    UnexpectedArray,
    result=Reads(DELIVERY),
    vendor=False,
    section=SECTION,
    examples=[
        Example(
            {"where": {"subscriptionID": "{id}"}},
            [],
            "A subscription without deliveries yet.",
            given=GIVEN_SUBSCRIPTION,
        )
    ],
)
async def get_lead_deliveries(
    context: Context,
    *,
    where: Annotated[
        Mapping[str, Json], Where(DELIVERY, "id", "subscriptionID", "messageID", "state", required=False)
    ] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns the deliveries that match all filters, newest first.

    The last 1,000 deliveries of each subscription are kept for 30 days. A delivery is a batch: all changes from
    `firstSequence` to `lastSequence` that concern the receiver. `state` is `waiting` until the receiver has accepted
    it, then `delivered`; `dead` if it was given up after three days; `replaced` if redeliverLeadUpdates has started
    again from an earlier time. `status`, `durationMs`, `error` and the first 2 kB of the `answer` are those of the last
    attempt, at `attemptTimestamp`. `nextTimestamp` is the time of the next attempt. Payloads are not stored: each
    attempt builds the payload again from the current leads.
    """
    async with context.tx() as tx:
        rows = await deliveries.latest(
            tx, context.company.id, where, zone=context.zone_name, limit=limit, offset=offset
        )
    return ReadResult(rows)


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
            "All changes since a time, for a receiver that has lost them.",
            given=GIVEN_SUBSCRIPTION,
        ),
        Example({"objects": [{"deliveryID": 1}]}, [_UNKNOWN], "An id that no delivery has."),
    ],
)
async def redeliver_lead_updates(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(REDELIVERY, "The redeliveries, each a hash of system names and values.")],
) -> WriteResult:
    """Pushes again: one delivery (`deliveryID`), or all changes `since` a time to a subscription (`subscriptionID`).

    A single delivery is queued behind the waiting deliveries, with its own changes, the current leads and a new
    `webhook-id`; a delivery that still waits gets 404. `since` moves the subscription back to that time, or to some
    seconds before it: every change since then is pushed again, in order.
    """
    checked = _REDELIVERIES.check(objects)
    checked.refuse({position: error for record, position in checked.with_positions() if (error := _check(record))})
    placed = checked.with_positions()
    delivery_ids = {position: record.deliveryID for record, position in placed if record.deliveryID is not UNSET}
    rewinds = {position: record for record, position in placed if record.deliveryID is UNSET}
    outcomes = checked.refused_outcomes()
    async with context.tx() as tx, tx.atomic():
        company_id, ids = context.company.id, sorted(set(delivery_ids.values()))
        created = await deliveries.repeat(tx, company_id, ids, [new_message_id() for _ in ids]) if ids else {}
        starts = [(record.subscriptionID, _moment(context, record.since)) for record in rewinds.values()]
        rewound = await deliveries.rewind(tx, company_id, starts) if starts else set[int]()
    for position, delivery_id in delivery_ids.items():
        outcomes[position] = succeeded(created[delivery_id]) if delivery_id in created else refused(NoSuchRecord())
    for position, record in rewinds.items():
        outcomes[position] = succeeded() if record.subscriptionID in rewound else refused(NoSuchRecord())
    context.server.pushes.wake(context.company.id)
    return WriteResult.in_order(outcomes)


def _moment(context: Context, written: str) -> datetime:
    parsed = times.parse(written)
    assert parsed is not None  # noqa: S101 - the schema has checked it
    return times.to_utc(parsed, context.zone)


def _check(record: Any) -> InvalidParameters | None:
    """Returns 205 unless the object has a delivery, or a subscription and a time."""
    sent = (record.deliveryID is not UNSET, record.subscriptionID is not UNSET, record.since is not UNSET)
    if sent in {(True, False, False), (False, True, True)}:
        return None
    column = REDELIVERY.by_name["deliveryID"]
    return InvalidParameters(column.problem("Expected deliveryID, or subscriptionID and since"))
