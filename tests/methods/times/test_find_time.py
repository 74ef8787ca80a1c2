"""findTime: reads a time in words (our own). tests/model/test_times_in_words.py has the words."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from springhead.model.times_in_words import LANGUAGES
from support import Company

BASE = "2026-11-25 15:30:00"
NAUGHTY = json.loads((Path(__file__).parents[2] / "hostile" / "naughty.json").read_text())


def found(company: Company, text: str, **params: Any) -> dict[str, str]:
    (row,) = company.call("findTime", text=text, **params)
    return row


def test_a_time_is_in_utc_and_in_the_zone_of_the_call(given_company: Any) -> None:
    company = given_company(time_zone="Asia/Kolkata")

    assert found(company, "tomorrow 9", base=BASE) == {
        "time": "2026-11-26T03:30:00Z",
        "localTime": "2026-11-26T09:00:00+05:30",
        "timeZone": "Asia/Kolkata",
        "hasClockTime": "1",
    }
    assert found(company.at("v1.2"), "tomorrow 9", base=BASE)["time"] == "2026-11-26T09:00:00Z"


def test_the_zone_and_the_language_can_be_sent(company: Company) -> None:
    row = found(company, "übermorgen", language="de", timeZone="Europe/Berlin", base="2026-03-27 10:00:00")

    assert (row["time"], row["localTime"]) == ("2026-03-29T07:00:00Z", "2026-03-29T09:00:00+02:00")
    assert row["hasClockTime"] == "0"


def test_an_hour_that_the_clock_skips_or_shows_twice_is_one_time(company: Company) -> None:
    zone = {"timeZone": "Europe/Berlin"}

    assert found(company, "2026-03-29 2:30", **zone)["localTime"] == "2026-03-29T03:30:00+02:00"
    assert found(company, "2026-10-25 2:30", **zone)["localTime"] == "2026-10-25T02:30:00+02:00"


def test_words_count_from_now_by_default(company: Company) -> None:
    time = datetime.fromisoformat(found(company, "in 2 hours")["time"])

    assert timedelta() < time - datetime.now(time.tzinfo) <= timedelta(hours=2)


@pytest.mark.parametrize(
    ("params", "code", "named", "message"),
    [
        ({"text": "blorp 9:00"}, 205, "text", "Not understood: blorp"),
        ({"text": "x" * 61}, 205, "text", "Expected at most 60 characters, got 61"),
        ({"text": "9:00", "timeZone": "Mars/Olympus"}, 205, "timeZone", None),
        ({"text": "9:00", "timeZone": "../../etc/passwd"}, 205, "timeZone", None),
        ({"text": "9:00", "base": "now"}, 205, "base", None),
        ({"text": "9:00", "language": "xx"}, 217, "language", None),
        ({"text": ["9:00"]}, 210, "text", None),
        ({}, 206, "text", None),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_said(
    company: Company, params: dict[str, Any], code: int, named: str, message: str | None
) -> None:
    refused = company.error("findTime", **params)

    assert (refused["code"], refused["data"]["params"][0]["param"]) == (code, named)
    if message:
        assert refused["data"]["params"][0]["message"] == message


def test_no_hostile_text_breaks_the_reader(company: Company) -> None:
    for text in NAUGHTY:
        for language in LANGUAGES[:2]:
            answer = company.envelope("findTime", {"text": text, "language": language, "base": BASE})
            assert answer["error"] is None or answer["error"]["code"] in {205, 206}, text
    assert found(company, "tomorrow 9", base=BASE)["hasClockTime"] == "1"
