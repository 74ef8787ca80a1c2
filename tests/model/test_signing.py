import base64
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springhead.model.capture.signing import TOKEN_LENGTH, sign, verify

KEY = secrets.token_bytes(32)
PARTS = st.lists(st.none() | st.text(max_size=50) | st.integers(-(2**63), 2**63 - 1), max_size=6)


@given(PARTS)
def test_signed_parts_are_read_back(parts: list[str | int | None]) -> None:
    token = sign(KEY, "click", *parts)

    assert verify(KEY, "click", token) == tuple(parts)
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def test_a_token_is_invalid_for_another_company_or_purpose() -> None:
    token = sign(KEY, "click", 1, "https://example.com/")

    assert verify(secrets.token_bytes(32), "click", token) is None
    assert verify(KEY, "open", token) is None
    assert verify(KEY, "", token) is None


def test_the_purpose_is_separated_from_the_parts() -> None:
    assert verify(KEY, "ab", sign(KEY, "a", "b")) is None


def test_no_character_of_a_token_can_be_changed_left_out_or_added() -> None:
    token = sign(KEY, "click", 100_000_000_000, 350_000_128, "https://example.com/?a=b&c=d")

    for position in range(len(token)):
        for other in ("A", "b", "-", "_", "0", "", "=", "+", "/", ".", " ", "%", "é", "\0", "\n"):
            changed = token[:position] + other + token[position + 1 :]
            assert changed == token or verify(KEY, "click", changed) is None
    assert verify(KEY, "click", token + "=") is None
    assert verify(KEY, "click", token + "A") is None


@pytest.mark.parametrize("token", ["", "A", "AAAA", "=" * 8, "A" * TOKEN_LENGTH, "A" * (TOKEN_LENGTH + 1), "\ud800"])
def test_a_malformed_token_is_invalid(token: str) -> None:
    assert verify(KEY, "click", token) is None


def test_a_token_has_one_spelling() -> None:
    """The last character of base64 can have bits without meaning."""
    raw = sign(KEY, "click", "ab")
    twins = [raw[:-1] + last for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"]

    assert [twin for twin in twins if verify(KEY, "click", twin)] == [raw]


def test_a_signature_over_anything_but_parts_is_invalid() -> None:
    import hmac

    for payload in (b"", b"\xc1", b"\x93\x01", b"\x81\x01\x02"):
        mac = hmac.digest(KEY, b"click\0" + payload, "sha256")[:16]
        assert verify(KEY, "click", base64.urlsafe_b64encode(mac + payload).rstrip(b"=").decode()) is None
