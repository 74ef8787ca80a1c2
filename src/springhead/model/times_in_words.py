"""Times in words, such as "tomorrow 9" or "nächsten Freitag 14 Uhr". Pure.

The library dateparser reads the day. The clock time is read here: dateparser takes the 9 of "monday at 9" for a month.
"""

import re
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from springhead.model.kit.texts import composed

LENGTH = 60
"""How many characters a text can have. The cost of reading it grows with the square of this number, at most."""

LANGUAGES = ("en", "de", "es", "fr", "it", "nl", "pt")

MORNING = time(9)
"""The clock time of a day if the text has none."""

_BEFORE = r"(?:(?:at|um|gegen|a las?|à|alle|om|às?)\s+|@\s*)"
_UNIT = r"(?:am|pm|a\.m\.|p\.m\.|uhr|uur|h|ore|o'clock)"
_CLOCK = rf"(?P<before>{_BEFORE})?(?P<hour>[0-9]{{1,2}})(?:[:h](?P<minute>[0-9]{{2}}))?\s*(?P<unit>{_UNIT})?"
_LAST = re.compile(rf"(?ai)(?P<day>.*?)(?:^|[\s,]+){_CLOCK}")
_FIRST = re.compile(rf"(?ai){_CLOCK}(?:[\s,]+(?P<day>.*))?")
"""A clock time at the end or at the beginning of a text."""

_DAY_AND_MONTH = re.compile(r"([0-9]{1,2})\.\s?([0-9]{1,2})\.")

_FILLERS = frozenset(
    {
        "on", "the", "next", "this", "coming",
        "am", "den", "der", "dem", "nächsten", "nächster", "nächste", "kommenden", "kommender", "kommende", "diesen",
        "dieser", "diese",
        "el", "la", "este", "esta", "próximo", "próxima", "le", "ce", "cette", "prochain", "prochaine",
        "il", "lo", "questo", "questa", "prossimo", "prossima", "op", "de", "deze", "komende", "volgende", "na", "no",
        "o", "a",
    }
)  # fmt: skip
"""Words before or after a weekday that dateparser does not know in every language. They change nothing."""

_PARTS_OF_DAY = {"früh": 9, "vormittag": 10, "mittag": 12, "nachmittag": 15, "abend": 20}
"""German words after a day, which dateparser does not know. It has the English ones, with the same hours."""


class Understood(NamedTuple):
    """A local time without a zone, and whether the text has a clock time."""

    local: datetime
    has_clock: bool


def understand(text: str, language: str, now: datetime) -> Understood | str:
    """Returns the time that a text means, seen from the local time `now`, or the part that was not understood.

    A weekday or a date without a year is the next one after `now`. A clock time alone is the next time of that clock. A
    day without a clock time begins at MORNING. Loads dateparser, which takes half a second the first time.
    """
    words = " ".join(composed(text).split())
    try:
        return _understood(words, language, now)
    except OverflowError:  # outside the calendar
        return words


def _understood(words: str, language: str, now: datetime) -> Understood | str:
    for clock in (_LAST.fullmatch(words), _FIRST.fullmatch(words)):
        if clock and (clock["minute"] or clock["unit"]) and _clock_time(clock) is None:
            return words[clock.start("hour") : max(clock.end("hour"), clock.end("minute"), clock.end("unit"))]
        if clock and (moment := _with_clock(clock, language, now)):
            return moment
    *before, last = words.split(" ")
    if language == "de" and before and last.lower() in _PARTS_OF_DAY and (day := _day(" ".join(before), "de", now)):
        return Understood(datetime.combine(day, time(_PARTS_OF_DAY[last.lower()])), has_clock=True)
    found = _moment(words, language, now)
    if found is None:
        clock = _LAST.fullmatch(words)
        return (clock and clock["day"]) or words
    moment, period = found
    if period in {"time", "part_of_day"}:
        return Understood(moment.replace(microsecond=0), has_clock=True)
    return Understood(datetime.combine(moment, MORNING), has_clock=False)


def _with_clock(clock: "re.Match[str]", language: str, now: datetime) -> Understood | None:
    """Returns the time of a day and a clock time, or None if the numbers are no clock time or the day is none."""
    at = _clock_time(clock)
    if at is None:
        return None
    if not clock["day"]:
        if not (clock["minute"] or clock["unit"] or clock["before"]):
            return None
        today = datetime.combine(now, at)
        return Understood(today if today > now else today + timedelta(days=1), has_clock=True)
    day = _day(clock["day"], language, now)
    return None if day is None else Understood(datetime.combine(day, at), has_clock=True)


def _clock_time(clock: "re.Match[str]") -> time | None:
    hour, minute, unit = int(clock["hour"]), int(clock["minute"] or 0), (clock["unit"] or "").lower()[:1]
    if unit in {"a", "p"}:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if unit == "p" else 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None


def _day(text: str, language: str, now: datetime) -> date | None:
    """Returns the day that a text means. None also for a month, a year, or a text with a clock time of its own."""
    found = _moment(text, language, now)
    return found[0].date() if found and found[1] in {"day", "week"} else None


def _moment(text: str, language: str, now: datetime) -> tuple[datetime, str] | None:
    """Returns the time of a text and its precision as dateparser names it, or None."""
    if short := _DAY_AND_MONTH.fullmatch(text):
        return _next_date(int(short[1]), int(short[2]), now)
    words = text.split(" ")
    without = [words[1:]] * (words[0].lower() in _FILLERS) + [words[:-1]] * (words[-1].lower() in _FILLERS)
    for attempt in (words, *without):
        if attempt and (found := _parsed(" ".join(attempt), language, now)):
            return found
    return None


def _next_date(day: int, month: int, now: datetime) -> tuple[datetime, str] | None:
    for year in range(now.year, min(now.year + 9, 10_000)):
        try:
            found = datetime(year, month, day)  # noqa: DTZ001 - local times have no zone here
        except ValueError:  # 29 February comes with the next leap year
            continue
        if found.date() >= now.date():
            return found, "day"
    return None


def _parsed(text: str, language: str, now: datetime) -> tuple[datetime, str] | None:
    from dateparser.date import DateDataParser  # noqa: PLC0415 - loading takes half a second

    parser = DateDataParser(
        languages=[language],
        settings={
            "RELATIVE_BASE": now,
            "PREFER_DATES_FROM": "future",
            "PARSERS": ["relative-time", "absolute-time"],
            "RETURN_TIME_AS_PERIOD": True,
        },
    )
    try:
        data = parser.get_date_data(text)
    except (ValueError, OverflowError):  # a time outside the calendar
        return None
    if data.date_obj is None or data.period is None:
        return None
    return data.date_obj.replace(tzinfo=None), data.period
