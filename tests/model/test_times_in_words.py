"""Times in words, in several languages, and hostile texts."""

import logging
import subprocess
import sys
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from springhead.model.times_in_words import LANGUAGES, LENGTH, understand

NOW = datetime.fromisoformat("2026-11-25 15:30:10")  # a Wednesday


@pytest.mark.parametrize(
    ("language", "text", "time", "has_clock"),
    [
        ("en", "tomorrow 9", "2026-11-26 09:00:00", True),
        ("en", "Tomorrow at 9:30", "2026-11-26 09:30:00", True),
        ("en", "tomorrow 9pm", "2026-11-26 21:00:00", True),
        ("en", "tomorrow 12 am", "2026-11-26 00:00:00", True),
        ("en", "next friday 14:00", "2026-11-27 14:00:00", True),
        ("en", "on Friday at 2 p.m.", "2026-11-27 14:00:00", True),
        ("en", "monday at 9", "2026-11-30 09:00:00", True),
        ("en", "coming friday", "2026-11-27 09:00:00", False),
        ("en", "wednesday", "2026-12-02 09:00:00", False),
        ("en", "in 2 weeks", "2026-12-09 09:00:00", False),
        ("en", "in 2 weeks at 10", "2026-12-09 10:00:00", True),
        ("en", "in 2 hours", "2026-11-25 17:30:10", True),
        ("en", "in 24 hours", "2026-11-26 15:30:10", True),
        ("en", "in 30 minutes", "2026-11-25 16:00:10", True),
        ("en", "9:00", "2026-11-26 09:00:00", True),
        ("en", "at 18", "2026-11-25 18:00:00", True),
        ("en", "9:00 tomorrow", "2026-11-26 09:00:00", True),
        ("en", "tomorrow noon", "2026-11-26 12:00:00", True),
        ("en", "tonight", "2026-11-25 20:00:00", True),
        ("en", "march 12", "2027-03-12 09:00:00", False),
        ("en", "12 march 9", "2027-03-12 09:00:00", True),
        ("en", "03/04/2027", "2027-03-04 09:00:00", False),
        ("en", "2026-12-01 10:00", "2026-12-01 10:00:00", True),
        ("en", "  tomorrow\t 9  ", "2026-11-26 09:00:00", True),
        ("de", "morgen 9 Uhr", "2026-11-26 09:00:00", True),
        ("de", "Morgen um 9", "2026-11-26 09:00:00", True),
        ("de", "übermorgen 10:30", "2026-11-27 10:30:00", True),
        ("de", "u\u0308bermorgen", "2026-11-27 09:00:00", False),
        ("de", "nächsten Freitag 14:00", "2026-11-27 14:00:00", True),
        ("de", "am Freitag um 14 Uhr", "2026-11-27 14:00:00", True),
        ("de", "heute 18 Uhr", "2026-11-25 18:00:00", True),
        ("de", "heute abend", "2026-11-25 20:00:00", True),
        ("de", "morgen früh", "2026-11-26 09:00:00", True),
        ("de", "in zwei Wochen", "2026-12-09 09:00:00", False),
        ("de", "in einer Stunde", "2026-11-25 16:30:10", True),
        ("de", "1.12.", "2026-12-01 09:00:00", False),
        ("de", "1.3. 10 Uhr", "2027-03-01 10:00:00", True),
        ("de", "29.2.", "2028-02-29 09:00:00", False),
        ("de", "04.03.2027", "2027-03-04 09:00:00", False),
        ("es", "mañana a las 9", "2026-11-26 09:00:00", True),
        ("es", "próximo viernes", "2026-11-27 09:00:00", False),
        ("fr", "demain à 9h30", "2026-11-26 09:30:00", True),
        ("fr", "vendredi prochain 14h", "2026-11-27 14:00:00", True),
        ("it", "domani alle 9", "2026-11-26 09:00:00", True),
        ("nl", "morgen om 9 uur", "2026-11-26 09:00:00", True),
        ("pt", "amanhã às 9", "2026-11-26 09:00:00", True),
    ],
)
def test_a_time_in_words(language: str, text: str, time: str, has_clock: bool) -> None:
    understood = understand(text, language, NOW)

    assert not isinstance(understood, str), understood
    assert (str(understood.local), understood.has_clock) == (time, has_clock)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("blorp", "blorp"),
        ("blorp 9:00", "blorp"),
        ("tomorrow 25:00", "25:00"),
        ("tomorrow 13 pm", "13 pm"),
        ("tomorrow blorp", "tomorrow blorp"),
        ("blorp tomorrow 9", "blorp tomorrow"),
        ("in", "in"),
        ("(((", "((("),
        ("in 99999999999 years", "in 99999999999 years"),
        ("in 5000000000 days", "in 5000000000 days"),
        ("morgen 9 Uhr", "morgen"),
    ],
)
def test_a_text_that_is_not_understood_is_named(text: str, part: str) -> None:
    assert understand(text, "en", NOW) == part


@given(st.text(max_size=LENGTH), st.sampled_from(LANGUAGES))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_time_or_is_named(text: str, language: str) -> None:
    assert isinstance(understand(text, language, NOW), (str, tuple))


WORDS = (
    "9",
    "1",
    "in",
    "2",
    "weeks",
    "tomorrow",
    "at",
    ":",
    "am",
    "-",
    ".",
    "+05:00",
    "UTC",
    "friday",
    "0",
    "99",
    "jan",
    "T",
)


@given(st.lists(st.sampled_from(WORDS), max_size=15), st.sampled_from(["", " "]))
@settings(max_examples=300, deadline=None)
def test_any_words_of_times_are_a_time_or_are_named(words: list[str], separator: str) -> None:
    assert isinstance(understand(separator.join(words)[:LENGTH], "en", NOW), (str, tuple))


@pytest.mark.parametrize("now", ["0001-01-01 00:00:00", "9999-12-31 23:59:59"])
@pytest.mark.parametrize("text", ["tomorrow 9", "9:00", "yesterday", "friday", "29.2.", "in 2 weeks", "2 years ago"])
def test_the_ends_of_the_calendar_are_no_error(text: str, now: str) -> None:
    assert understand(text, "en", datetime.fromisoformat(now)) is not None


def test_reading_a_time_leaves_the_logs_as_they_are() -> None:
    before = list(logging.root.handlers), logging.root.level

    understand("tomorrow 9", "en", NOW)

    assert (list(logging.root.handlers), logging.root.level) == before


def test_the_start_of_the_server_does_not_load_the_library() -> None:
    code = "import sys, springhead.app, springhead.methods; sys.exit('dateparser' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
