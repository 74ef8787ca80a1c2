"""Searches meant to break the server or to slow it down: too many conditions, deep nesting, hostile patterns."""

from typing import Any

import pytest

from stopwatch import within
from support import Company, eventually

LIMIT = 6.0
"""Seconds after which any of these is answered: the three of a search, twice on a busy machine."""


def answered(company: Company, **params: Any) -> dict[str, Any]:
    """The answer to a search. It must come in time, and the server must answer the next call."""
    with within(LIMIT):
        answer = company.envelope("searchLeads", params)
    assert company.envelope("getLead", {"id": 1})["error"] is None
    return answer


def nested(levels: int, inner: Any) -> Any:
    for _ in range(levels):
        inner = {"or": [inner]}
    return inner


@pytest.mark.parametrize(
    "filter",
    [
        {"or": [{"city": str(number)} for number in range(10_000)]},
        {"and": [{"city": {"contains": str(number)}} for number in range(101)]},
        {"or": [{"event": {"source": "pageVisit", "count": number}} for number in range(101)]},
        {"city": {"in": [str(number) for number in range(1_001)]}},
        {"event": ["pageVisit"] * 10_000},
        {"list": list(range(1, 2_000))},
        nested(9, {"city": "x"}),
        {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"city": "x"}}}}}}}}}},
        {"city": {"contains": "x" * 1_001}},
        {"event": {"name": {"contains": "x" * 1_001}}},
        {str(number): 1 for number in range(10_000)},
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_search_beyond_a_bound_is_205_at_once(company: Company, filter: Any) -> None:
    answer = answered(company, filter=filter)

    assert answer["error"]["code"] == 205
    assert len(answer["error"]["data"]["params"]) <= 100


def test_a_filter_deeper_than_json_may_be_is_101(company: Company) -> None:
    body = b'{"method":"searchLeads","params":{"filter":' + b'{"not":' * 5_000 + b"1" + b"}" * 5_000 + b'},"id":"1"}'

    status, answer = company.send(body)

    assert (status, b'"code":101' in answer) == (200, True)


@pytest.mark.parametrize(
    "filter",
    [
        {"or": [{"city": {"contains": f"%_{number}"}} for number in range(100)]},
        {"and": [{"event": {"name": {"contains": str(number)}, "count": {"atMost": 1_000}}} for number in range(100)]},
        {"or": [{"city": {"changedSince": "2000-01-01"}}] * 100},
        {"city": {"in": [str(number) for number in range(1_000)]}},
        nested(8, {"city": "x"}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_largest_searches_are_answered_in_time(company: Company, filter: Any) -> None:
    company.create(*({"city": f"c{number}"} for number in range(500)))

    # On a busy machine a search may reach its limit of three seconds with less than a second of CPU time.
    eventually(lambda: answered(company, filter=filter, total=1)["result"] is not None, seconds=60)


PATTERNS = (
    "(a+)+$", "a{1000}", "((((((((((a*)*)*)*)*)*)*)*)*)*", "[", "\\", "\\Q", "(?=x)", "%" * 200, "_" * 200, "\\%\\_",
    "$1", "';--", "a\\", "\u202ez", "\U0001f600", "x" * 255, "ß" * 20, "İ" * 20, ".*" * 100,
)  # fmt: skip


@pytest.mark.parametrize("text", PATTERNS)
def test_a_pattern_is_a_text_like_any_other(company: Company, text: str) -> None:
    company.create({"lastName": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", "city": "plain"})
    (named,) = company.create({"description": f"before {text} behind", "city": text, "title": text})

    words = [row["id"] for row in answered(company, text=text)["result"]["lead"]]
    for test in ({"contains": text}, {"startsWith": text}, {"endsWith": text}, text):
        rows = answered(company, filter={"city": test})["result"]["lead"]
        assert [row["id"] for row in rows] == [str(named)]

    assert words == [str(named)]
    assert answered(company, filter={"event": {"name": {"contains": text}}})["result"]["lead"] == []


@pytest.mark.parametrize("text", ["\u202e", "\u200b\u00ad", "\ufe0f", "\U000e0041"])
def test_a_text_without_a_visible_character_is_no_pattern_that_matches_everything(company: Company, text: str) -> None:
    company.create({"lastName": "Smith", "city": text})

    for test in ({"contains": text}, {"startsWith": text}, {"endsWith": text}, text, [text]):
        assert answered(company, filter={"city": test})["error"]["code"] == 205
    assert answered(company, filter={"event": {"name": {"contains": text}}})["error"]["code"] == 205
    assert answered(company, text=f"Smith {text}")["result"]["lead"] != []
    assert answered(company, text=f"Jones {text}")["result"]["lead"] == []


def test_words_of_all_lengths_with_typos_are_answered_in_time(company: Company) -> None:
    company.create(*({"lastName": "a" * 50, "companyName": "b" * 100} for _ in range(500)))

    for text in ("aaaaaaaaaaaaaaaaaaaz" * 1, "abababababababababab " * 10, " ".join("abcdefghij"), "aab bba abb"):
        answered(company, text=text.strip()[:255])
