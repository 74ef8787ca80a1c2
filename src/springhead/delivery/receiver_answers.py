"""What a receiver answered, or why it did not."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

KEPT_BYTES = 2_000
"""What is kept of an answer at most, in UTF-8."""

LONGEST_WAIT = 86_400.0
"""The longest Retry-After that is heeded, in seconds."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt: the status of an answer, or in `error` a few words on why there was none.

    `duration` and `retry_after` are seconds. `body` is the beginning of the answer as text that PostgreSQL takes.
    """

    status: int | None = None
    error: str | None = None
    duration: float
    body: str = ""
    retry_after: float | None = None

    @property
    def accepted(self) -> bool:
        """Whether the receiver has the push: any status of 2xx."""
        return self.status is not None and 200 <= self.status <= 299


def kept(raw: bytes | bytearray) -> str:
    """The beginning of an answer as text: wrong UTF-8 replaced, and without the NUL that PostgreSQL does not take."""
    text = raw[:KEPT_BYTES].decode("utf-8", "replace").replace("\0", "")
    return text.encode()[:KEPT_BYTES].decode("utf-8", "ignore")


def wait_of(header: str | None) -> float | None:
    """The seconds of a Retry-After in either of its forms, within a day; None when there is none that can be read."""
    if header is None:
        return None
    header = header.strip()
    if re.fullmatch(r"[0-9]{1,10}", header):
        return min(float(header), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(header)
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - datetime.now(UTC).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT)
