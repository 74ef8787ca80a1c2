"""The page script as it is served. tests/browser/test_page_script.py runs it in a browser."""

import gzip
import re

import pytest

from capture.public import Public


def test_the_script_is_small_and_loads_nothing_else(public: Public) -> None:
    script = public.ask("/t.js", headers={"Accept-Encoding": "gzip, br"})

    assert script.status == 200
    assert script.headers["content-encoding"] == "gzip"
    assert len(script.body) < 4_096
    text = gzip.decompress(script.body).decode()
    assert len(text) > 1_000, "the served script is the readable source"
    assert not re.search(r"\beval\b|new Function|innerHTML|document\.write|\.style\b|import\(", text), (
        "a CSP forbids these"
    )


def test_the_script_is_also_served_uncompressed(public: Public) -> None:
    plain = public.ask("/t.js")
    zipped = public.ask("/t.js", headers={"Accept-Encoding": "gzip"})

    assert plain.body == gzip.decompress(zipped.body)
    for script in (plain, zipped):
        assert script.headers["content-type"] == "text/javascript; charset=utf-8"
        assert script.headers["vary"] == "accept-encoding"
        assert script.headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in script.headers


def test_the_script_can_be_cached_and_revalidated(public: Public) -> None:
    script = public.ask("/t.js")
    again = public.ask("/t.js", headers={"If-None-Match": script.headers["etag"]})

    assert script.headers["cache-control"] == "public, max-age=3600"
    assert (again.status, again.body) == (304, b"")
    assert public.ask("/t.js", headers={"If-None-Match": '"other"'}).status == 200


def test_every_page_may_load_the_script_whatever_its_policy_about_other_origins(public: Public) -> None:
    script = public.ask("/t.js")

    assert script.headers["cross-origin-resource-policy"] == "cross-origin"
    assert script.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(("path", "verb"), [("/t.js", "POST"), ("/t.gif", "POST"), ("/t.js", "OPTIONS")])
def test_other_verbs_are_405(public: Public, path: str, verb: str) -> None:
    assert public.ask(path, verb=verb).status == 405


def test_a_head_has_no_body(public: Public) -> None:
    for path in ("/t.js", "/t.gif"):
        answer = public.ask(path, verb="HEAD")
        assert (answer.status, answer.body) == (200, b"")
        assert int(answer.headers["content-length"]) > 10
    assert public.ask("/t.js").status == 200
