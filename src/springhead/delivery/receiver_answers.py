"""The answer of a receiver, or the reason why there is none."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

KEPT_BYTES = 2_000
"""The most bytes that are stored of an answer, in UTF-8."""

LONGEST_WAIT = 86_400.0
"""The longest Retry-After in seconds; a longer one is shortened to it."""


class ReceiverAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of an attempt: the status of the answer, or in `error` the reason why there is no answer.

    `duration` and `retry_after` are seconds. `body` is the beginning of the answer, as text that PostgreSQL can store.
    """

    status: int | None = None
    error: str | None = None
    duration: float
    body: str = ""
    retry_after: float | None = None

    @property
    def accepted(self) -> bool:
        """Whether the receiver accepted the push, with any 2xx status."""
        return self.status is not None and 200 <= self.status <= 299


def stored_text(raw: bytes | bytearray) -> str:
    """Returns the beginning of an answer as text: wrong UTF-8 replaced, and without NUL, which PostgreSQL refuses."""
    text = raw[:KEPT_BYTES].decode("utf-8", "replace").replace("\0", "")
    return text.encode()[:KEPT_BYTES].decode("utf-8", "ignore")


def wait_of(header: str | None) -> float | None:
    """Returns the seconds of a Retry-After in either of its forms, a day at most; None if it is missing or invalid."""
    if header is None:
        return None
    header = header.strip()
    if re.fullmatch(r"[0-9]{1,10}", header):
        return min(float(header), LONGEST_WAIT)
    try:
        date = parsedate_to_datetime(header)
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - datetime.now(UTC).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT)
