"""What the macros of the templates compute: colours of people, initials, and times in a zone."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

HUES = ("blue", "violet", "teal", "green", "amber", "orange", "rose", "grey")


def hue(object_id: int) -> str:
    """Returns the colour of a person. It follows from the id, so it is the same on every page."""
    return HUES[object_id // 1024 % len(HUES)]


def initials(name: str) -> str:
    """Returns up to two initials of a name, or "?" for a name without letters."""
    words = [word for word in name.split() if word[0].isalnum()]
    chosen = [words[0], words[-1]] if len(words) > 1 else words
    return "".join(word[0] for word in chosen).upper() or "?"


def exact_time(at: datetime, zone: ZoneInfo) -> str:
    """Returns a time with the name of its zone, such as `2026-03-01 08:00 CET`."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}"


STATUS_HUES: Mapping[str, str] = {
    "unqualified": "grey",
    "open": "blue",
    "qualified": "violet",
    "contact": "amber",
    "contactWithOpp": "orange",
    "customer": "green",
}
"""The colours of the statuses of leads, in the order in which a lead passes through them."""

SCORE_WIDTH = 44
"""The width of the bar of a score, in pixels."""


def wire_time(text: str) -> datetime:
    """Returns the time of a text in the wire's format, which is in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def age(at: datetime, now: datetime, zone: ZoneInfo, t: Callable[..., str]) -> str:
    """Returns how long ago a time is, up to a day, otherwise its date in `zone`. `t` returns texts of the catalogue."""
    passed = now - at
    if timedelta(0) <= passed < timedelta(days=1):
        minutes = int(passed.total_seconds()) // 60
        return t("age.minutes", n=minutes) if minutes < 60 else t("age.hours", n=minutes // 60)
    local = at.astimezone(zone)
    month = t(f"month.m{local.month}")
    is_this_year = local.year == now.astimezone(zone).year
    return t("age.day" if is_this_year else "age.date", day=local.day, month=month, year=local.year)


def grouped(number: int, t: Callable[..., str]) -> str:
    """Returns a number with its digits in groups of three, such as `48,210`."""
    return f"{number:,}".replace(",", t("age.separator"))


def score_bar(score: int, full: int) -> tuple[str, float]:
    """Returns the strength of a score (`low`, `mid` or nothing), and the width of its bar. `full` fills the bar."""
    share = min(max(score / max(full, 1), 0.0), 1.0)
    return "low" if share < 0.4 else "mid" if share < 0.7 else "", round(share * SCORE_WIDTH, 1)


FUNCTIONS: Mapping[str, Any] = {
    "hue": hue,
    "initials": initials,
    "exact_time": exact_time,
    "status_hues": STATUS_HUES,
    "wire_time": wire_time,
    "age": age,
    "grouped": grouped,
    "score_bar": score_bar,
    "score_width": SCORE_WIDTH,
}
"""The functions by their names in templates."""
