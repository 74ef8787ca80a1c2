"""What the macros of the templates compute: colours of people, initials, and times in a zone."""

from collections.abc import Mapping
from datetime import datetime
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


FUNCTIONS: Mapping[str, Any] = {"hue": hue, "initials": initials, "exact_time": exact_time}
"""The functions by their names in templates."""
