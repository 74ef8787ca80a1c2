import time

import pytest

from springhead.model.capture.sites import PATTERN_LENGTH, is_important, is_token, new_token


@pytest.mark.parametrize(
    ("pattern", "path", "important"),
    [
        ("/pricing", "/pricing", True),
        ("/pricing", "/pricing/", True),
        ("/pricing/", "/pricing", True),
        ("/pricing", "/pricing/teams", False),
        ("/pricing", "/en/pricing", False),
        ("/pricing*", "/pricing/teams", True),
        ("*/pricing", "/en/pricing", True),
        ("/shop/*/buy", "/shop/shoes/red/buy", True),
        ("/shop/*/buy", "/shop/buy", False),
        ("/a*b*b", "/ab", False),
        ("/a*b*b", "/abb", True),
        ("*", "/", True),
        ("/", "/", True),
        ("/", "/a", False),
        ("/Preise", "/preise", False),
        ("/preise für alle", "/preise%20f%C3%BCr%20alle", True),
        ("/a.c", "/abc", False),
        ("/[ab]", "/a", False),
    ],
)
def test_a_pattern_matches_a_path(pattern: str, path: str, important: bool) -> None:
    assert is_important(("/never", pattern), path) is important


def test_no_patterns_no_important_page() -> None:
    assert not is_important((), "/pricing")


def test_a_hostile_pattern_costs_no_time() -> None:
    begun = time.process_time()

    is_important(("*a" * (PATTERN_LENGTH // 2) + "b",) * 100, "/" + "a" * 2_000)

    assert time.process_time() - begun < 0.5


def test_a_token_is_128_random_bits() -> None:
    tokens = {new_token() for _ in range(1_000)}

    assert len(tokens) == 1_000
    assert all(is_token(token) for token in tokens)


@pytest.mark.parametrize(
    "text", ["", "A" * 21, "A" * 23, "\0" * 22, "é" * 22, "A" * 21 + "\n", "A" * 22 + "\n", "٣" * 22]
)
def test_nothing_else_is_a_token(text: str) -> None:
    assert not is_token(text)
