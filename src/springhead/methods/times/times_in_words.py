"""findTime: reads a time in words. Our addition."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from springhead.model import times_in_words
from springhead.model.kit import times
from springhead.model.kit.columns import Column, Noun, flag, text
from springhead.model.kit.errors import InvalidParameters, MissingParameters, Problem, UnexpectedArray, WrongValue
from springhead.model.times_in_words import LANGUAGES, LENGTH
from springhead.rpc.context import Context
from springhead.rpc.key_params import Text
from springhead.rpc.method import Example, ReadResult, Reads, method
from springhead.rpc.params import Moment, OneOf

TIME_IN_WORDS = Noun(
    name="timeInWords",
    table="company",
    about="The time that a text means.",
    columns=(
        Column(name="time", kind=text(20), writable=False),
        Column(name="localTime", kind=text(25), writable=False),
        Column(name="timeZone", kind=text(255), writable=False),
        Column(name="hasClockTime", kind=flag(), writable=False),
    ),
)

_reader = ThreadPoolExecutor(1, thread_name_prefix="times in words")
"""One text is read at a time, beside the event loop, so that reading texts never takes more than one core."""


@method(
    MissingParameters,
    UnexpectedArray,
    WrongValue,
    result=Reads(TIME_IN_WORDS),
    vendor=False,
    section="own",
    examples=[
        Example(
            {"text": "tomorrow 9", "timeZone": "America/New_York", "base": "2026-11-25 15:30:00"},
            [
                {
                    "time": "2026-11-26T14:00:00Z",
                    "localTime": "2026-11-26T09:00:00-05:00",
                    "timeZone": "America/New_York",
                    "hasClockTime": "1",
                }
            ],
            "A day and a clock time.",
        ),
        Example(
            {"text": "in 2 Wochen", "language": "de", "timeZone": "Europe/Berlin", "base": "2026-11-25 15:30:00"},
            [
                {
                    "time": "2026-12-09T08:00:00Z",
                    "localTime": "2026-12-09T09:00:00+01:00",
                    "timeZone": "Europe/Berlin",
                    "hasClockTime": "0",
                }
            ],
            "A day without a clock time, in German.",
        ),
    ],
)
async def find_time(
    context: Context,
    *,
    text: Annotated[str, Text("The time in words, such as `next friday 14:00`.", length=LENGTH)],
    language: Annotated[str, OneOf("The language of the text.", *LANGUAGES)] = LANGUAGES[0],
    time_zone: Annotated[str, Text("The IANA time zone; by default the zone of the call.")] = "",
    base: Annotated[
        datetime | None, Moment("The local time from which words such as `tomorrow` count; now by default.")
    ] = None,
) -> ReadResult:
    """Returns the time that a text means: `tomorrow 9`, `next friday 14:00`, `in 2 weeks`, `morgen 9 Uhr`, `1.12.`.

    `time` is in UTC and `localTime` in the time zone, both in ISO 8601. A weekday, or a date without a year, is the
    next one. A clock time alone is the next time of that clock. A day without a clock time begins at 9:00, and
    `hasClockTime` is then 0. English dates such as `03/04/2027` have the month first. A text that is not understood is
    refused with 205; the message names the part that was not understood.
    """
    zone = times.zone(time_zone) if time_zone else context.zone
    if zone is None:
        raise InvalidParameters(Problem(param="timeZone", message="Expected an IANA time zone such as Europe/Berlin"))
    now = base or datetime.now(zone).replace(tzinfo=None)
    understood = await asyncio.get_running_loop().run_in_executor(
        _reader, times_in_words.understand, text, language, now
    )
    if isinstance(understood, str):
        raise InvalidParameters(Problem(param="text", message=f"Not understood: {understood}"))
    return ReadResult([_row(understood.local, zone, has_clock=understood.has_clock)])


def _row(local: datetime, zone: ZoneInfo, *, has_clock: bool) -> dict[str, str]:
    moment = times.to_utc(local, zone)
    try:
        shown = moment.astimezone(zone)
    except OverflowError:  # the first and the last hours of the calendar have no local time
        shown = moment
    return {
        "time": moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z",
        "localTime": shown.isoformat(timespec="seconds"),
        "timeZone": zone.key,
        "hasClockTime": str(int(has_clock)),
    }
