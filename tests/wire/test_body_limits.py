"""What a body may contain, and how much of long bodies a company may send at a time; the tests pass the time (A63)."""

import http.client
import json
from pathlib import Path

import pytest

from springhead.model.kit.errors import InvalidFormat, SecondLimit
from springhead.wire.api import body_limits
from springhead.wire.api.body_limits import BodyLimits, Contents
from support import Server, new_company

LIMIT = 10_000_000
HOSTILE, NEIGHBOUR = 1, 2
LONG = b"x" * LIMIT
"""A body of the longest size: 500,000 points, which count for 1.25 seconds."""


def contents_of(body: bytes) -> Contents:
    """The contents of a body that arrives in parts."""
    contents = Contents()
    for start in range(0, len(body), 65_536):
        contents.add(body[start : start + 65_536])
    return contents


def read(limits: BodyLimits, company: int, body: bytes, now: float) -> None:
    with limits.reading(company, len(body), now):
        pass
    limits.check(company, contents_of(body), now)


def refused(limits: BodyLimits, company: int, size: int | None, now: float) -> object:
    """What a body's refusal says, or None if the body may be sent."""
    try:
        with limits.reading(company, size, now):
            return None
    except SecondLimit as error:
        return error.body()["data"]


def test_long_bodies_use_up_the_points_of_their_company_and_its_next_ones_are_refused_unread() -> None:
    limits = BodyLimits(LIMIT)
    read(limits, HOSTILE, LONG, 100.0)
    read(limits, HOSTILE, LONG, 100.0)
    assert refused(limits, HOSTILE, LIMIT, 100.0) == {"retryAfter": 0.5}
    assert refused(limits, HOSTILE, None, 100.0) == {"retryAfter": 0.5}  # sent in chunks, it may be long
    assert refused(limits, HOSTILE, body_limits.SMALL_BYTES, 100.0) is None
    assert refused(limits, NEIGHBOUR, LIMIT, 100.0) is None
    assert refused(limits, HOSTILE, LIMIT, 100.5) is None


def test_many_keys_cost_more_than_a_long_text_of_the_same_size() -> None:
    limits = BodyLimits(LIMIT)
    keys = b"{" + b",".join([b'"a":1'] * 250_000) + b"}"
    read(limits, HOSTILE, keys, 0.0)
    wait = refused(limits, HOSTILE, LIMIT, 0.0)
    assert isinstance(wait, dict)
    assert 3 < wait["retryAfter"] < 6


def test_bodies_of_ordinary_calls_are_never_refused() -> None:
    """500 leads of 30 fields, ten times a second."""
    limits = BodyLimits(LIMIT)
    lead = b"{" + b",".join([b'"someField":"%s"' % (b"x" * 20)] * 30) + b"}"
    body = b'{"params":{"objects":[' + b",".join([lead] * 500) + b"]}}"
    assert len(body) > body_limits.SMALL_BYTES
    for call in range(100):
        read(limits, HOSTILE, body, call / 10)


def test_bodies_that_come_at_the_same_time_are_parsed_only_up_to_the_limit() -> None:
    limits = BodyLimits(LIMIT)
    with limits.reading(HOSTILE, LIMIT, 0.0), limits.reading(HOSTILE, LIMIT, 0.0), limits.reading(HOSTILE, LIMIT, 0.0):
        limits.check(HOSTILE, contents_of(LONG), 0.0)
        limits.check(HOSTILE, contents_of(LONG), 0.0)
        with pytest.raises(SecondLimit):
            limits.check(HOSTILE, contents_of(LONG), 0.0)


def test_a_company_sends_ten_of_the_longest_bodies_at_a_time_at_most() -> None:
    limits = BodyLimits(LIMIT)
    under_way = [limits.reading(HOSTILE, None, 0.0) for _ in range(body_limits.READING_BODIES)]
    for reading in under_way:
        reading.__enter__()
    assert refused(limits, HOSTILE, None, 0.0) == {"retryAfter": 1.0}
    assert refused(limits, NEIGHBOUR, None, 0.0) is None
    under_way[0].__exit__(None, None, None)
    assert refused(limits, HOSTILE, None, 0.0) is None


@pytest.mark.parametrize("enabled", [True, False])
def test_a_body_with_too_many_lists_is_refused_also_without_limits_and_its_bytes_count(enabled: bool) -> None:
    limits = BodyLimits(LIMIT, enabled=enabled)
    body = b"[" + b",".join([b"[]"] * (LIMIT // 3)) + b"]"
    for _ in range(3):
        with pytest.raises(InvalidFormat):
            limits.check(HOSTILE, contents_of(body), 0.0)
    assert (refused(limits, HOSTILE, LIMIT, 0.0) is None) is not enabled


@pytest.mark.parametrize(
    ("piece", "most"),
    [(b"[", body_limits.CONTAINERS_MAX), (b":", body_limits.KEYS_MAX), (b",", body_limits.COMMAS_MAX)],
)
def test_parts_are_counted_when_they_arrive_up_to_the_first_beyond_a_limit(piece: bytes, most: int) -> None:
    contents = Contents()
    contents.add(piece * most)
    assert contents.problem is None
    before = contents.points(parsed=True)
    contents.add(piece)
    assert str(most) in str(contents.problem)
    counted = contents.points(parsed=True)
    assert counted > before
    contents.add(b"[{:," * 1_000_000)
    assert contents.points(parsed=True) - counted <= 4_000_000 // 20 + 1, "only its bytes count"


@pytest.mark.parametrize("size", [None, body_limits.SMALL_BYTES + 1])
def test_a_body_that_may_be_long_is_counted_and_a_small_one_is_not(size: int | None) -> None:
    limits = BodyLimits(LIMIT)
    with limits.reading(HOSTILE, size, 0.0) as contents:
        assert contents is not None
    with limits.reading(HOSTILE, body_limits.SMALL_BYTES, 0.0) as contents:
        assert contents is None


def test_the_remembered_companies_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limits, "COMPANIES_MAX", 10)
    limits = BodyLimits(LIMIT)
    for company in range(100):
        read(limits, company, LONG[:100_000], 0.0)
    assert len(limits._due) == 10
    assert not limits._reading


def test_limits_of_calls_are_checked_before_a_body_is_read(tmp_path: Path) -> None:
    """The answer comes before the body was sent, and has the `id` only of a body that is read for it."""
    running = Server.on_copy(tmp_path / "data")
    company = new_company(running, per_second=1, per_day=1)
    company.call("getLeads", where={})
    connection = http.client.HTTPConnection(company.address.netloc)
    connection.putrequest("POST", company.path)
    connection.putheader("Content-Length", "5000000")
    connection.endheaders()
    unread = json.loads(connection.getresponse().read())
    connection.close()
    _, content = company.send(b'{"method":"getLeads","params":{"more":"%s"},"id":7}' % (b"x" * 500_000))
    read_for_id = json.loads(content)
    company.close()
    assert running.stop() == 0

    assert {unread["error"]["code"], read_for_id["error"]["code"]} <= {106, 107}
    assert (unread["id"], read_for_id["id"]) == (None, 7)
