"""Subscriptions to the changes of leads, and their deliveries (docs/wire/pushes.md)."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from springhead.model.feed import receiver_addresses
from springhead.model.feed.changes import KINDS, LEAD_KINDS, SCORE
from springhead.model.feed.receiver_addresses import Networks
from springhead.model.kit.columns import Column, Kind, Noun, choice, flag, integer, moment, text
from springhead.model.kit.errors import InvalidParameters, Problem

SUBSCRIPTIONS_MAX = 10
"""How many subscriptions a company can have. This limits the pushes that one change causes."""

SECRET_HOURS = 24
"""For how many hours after a rotation the old secret still signs, beside the new one."""

ANSWER_LENGTH = 2_000
"""How many bytes of a receiver's answer are stored."""

DELIVERIES_KEPT = 1_000
"""How many deliveries of a subscription are stored."""

DELIVERY_DAYS = 30
"""For how many days at most a delivery is stored."""

STATES = ("waiting", "delivered", "dead", "replaced")
"""The states of a delivery: not yet delivered, delivered, given up, or replaced by a redelivery."""

PAUSED = "paused"
FIELDS_MAX = 200
_ID = integer(18, "bigint")
_KINDS = Kind(
    type="list",
    sql="jsonb",
    accepts=Annotated[list[Literal[KINDS]], Meta(min_length=1, max_length=len(KINDS))],  # type: ignore[valid-type]
    expected=f"Expected a list of: {', '.join(KINDS)}",
)
_NAME = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
_FIELDS = Kind(
    type="list",
    sql="jsonb",
    accepts=Annotated[list[_NAME], Meta(min_length=1, max_length=FIELDS_MAX)],
    expected=f"Expected a list of 1 to {FIELDS_MAX} system names of fields",
)
DEFAULT_KINDS = tuple(kind for kind in LEAD_KINDS if kind != SCORE)
"""The kinds that a subscription gets by default: changes of leads, without scores, which change without a call."""

_ALL_NETWORKS = Networks.of(("0.0.0.0/0", "::/0"), http=True)


def _url_key(url: str) -> str:
    """Returns the canonical form of a URL, in which URLs are stored and found; a text that is no URL as it is."""
    try:
        return receiver_addresses.canonical_url(url, _ALL_NETWORKS)
    except receiver_addresses.ForbiddenUrl:
        return url


CHALLENGE_STATES = ("waiting", "passed", "failed")
"""The states of a subscription with a challenge: not yet answered, answered, or answered wrongly or not at all."""

_CHALLENGE_STATE = f"""case when not l.challenge then null when l.passed_url = l.url then 'passed'
        when l.is_active or l.inactive_reason = '{PAUSED}' then 'waiting' else 'failed' end"""

_PUSH = "(select p.{} from push p where p.company_id = $1 and p.subscription_id = l.id)"

SUBSCRIPTION = Noun(
    name="leadSubscription",
    table="subscription",
    about="A subscription to changes of leads: the URL of the receiver, and the kinds of changes that it gets.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(
            name="url",
            kind=text(receiver_addresses.URL_LENGTH),
            required=True,
            key_sql="url_key",
            make_key=_url_key,
        ),
        Column(
            name="kinds",
            kind=_KINDS,
            default="'[" + ", ".join(f'"{kind}"' for kind in DEFAULT_KINDS) + "]'::jsonb",
            default_text="all kinds of changes of leads except `score`",
        ),
        Column(name="fields", kind=_FIELDS, nullable=True),
        Column(name="challenge", kind=flag(), default="false"),
        Column(name="challengeState", kind=choice(CHALLENGE_STATES), writable=False, read=_CHALLENGE_STATE),
        Column(name="isActive", kind=flag(), default="true"),
        Column(name="inactiveReason", kind=text(255), writable=False),
        Column(name="sentSequence", kind=_ID, writable=False, read=_PUSH.format("sent")),
        Column(name="failures", kind=_ID, writable=False, read=_PUSH.format("failures")),
        Column(name="createTimestamp", kind=moment(), writable=False),
        Column(name="updateTimestamp", kind=moment(), writable=False),
    ),
    unique=("url",),
)

LEAD_UPDATES = Noun(
    name="leadUpdates",
    table="subscription",
    about="The vendor's form of a subscription to changes of leads: a URL.",
    columns=(SUBSCRIPTION.by_name["url"],),
)

REDELIVERY = Noun(
    name="leadRedelivery",
    table="delivery",
    about="A request to push again: one delivery, or all changes since a time to one subscription.",
    columns=(
        Column(name="deliveryID", kind=_ID),
        Column(name="subscriptionID", kind=_ID),
        Column(name="since", kind=moment()),
    ),
)

DELIVERY = Noun(
    name="leadDelivery",
    table="delivery",
    about="A batch of changes that was pushed, or will be pushed, to one receiver.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="subscriptionID", kind=_ID, writable=False),
        Column(name="messageID", kind=text(64), writable=False),
        Column(name="firstSequence", kind=_ID, writable=False),
        Column(name="lastSequence", kind=_ID, writable=False),
        Column(name="state", kind=choice(STATES), writable=False),
        Column(name="leads", kind=_ID, writable=False),
        Column(name="attempts", kind=_ID, writable=False),
        Column(name="status", kind=integer(3, "smallint"), writable=False),
        Column(name="durationMs", kind=_ID, writable=False),
        Column(name="error", kind=text(255), writable=False),
        Column(name="answer", kind=text(ANSWER_LENGTH), writable=False),
        Column(name="createTimestamp", kind=moment(), writable=False),
        Column(name="attemptTimestamp", kind=moment(), writable=False, read="l.tried_at"),
        Column(name="nextTimestamp", kind=moment(), writable=False, read="l.next_at"),
    ),
)


class Target(msgspec.Struct, frozen=True):
    """The URL of a subscription, and the secrets that sign its pushes, the newest first."""

    id: int
    url: str
    secrets: tuple[str, ...]


class TestPushResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a test push. `error` says why there was no answer."""

    success: bool
    status: int | None
    duration_ms: int
    error: str | None
    answer: str | None


def check_subscription(record: Any, networks: Networks, known: Sequence[str] = ()) -> InvalidParameters | None:
    """Returns the error (205) of a wrong subscription, or None. Replaces a valid URL by its canonical form."""
    problems: list[Problem] = []
    if isinstance(record.url, str):
        try:
            record.url = receiver_addresses.canonical_url(record.url, networks)
        except receiver_addresses.ForbiddenUrl as problem:
            problems.append(SUBSCRIPTION.by_name["url"].problem(f"The url {problem}"))
    if fields := getattr(record, "fields", None) or ():
        unknown = [name for name in fields if name not in known]
        problems += [SUBSCRIPTION.by_name["fields"].problem(f"{name[:255]}: not a field of leads") for name in unknown]
    return InvalidParameters(*problems[:100]) if problems else None
