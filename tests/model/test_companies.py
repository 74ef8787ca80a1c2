"""How keys are created and stored (docs/wire/authentication.md)."""

import re
import zlib

from springhead.model.companies.companies import SECRET_MARK, hash_secret, new_account_id, new_secret


def test_an_account_id_has_the_vendors_shape() -> None:
    assert re.fullmatch("[0-9A-F]{32}", new_account_id())


def test_a_secret_is_upper_case_hex_with_a_mark_for_scanners_and_a_checksum_against_typos() -> None:
    secret = new_secret()

    assert re.fullmatch("[0-9A-F]+", secret)
    assert secret.startswith(SECRET_MARK)
    assert secret[-8:] == f"{zlib.crc32(secret[:-8].encode()):08X}"


def test_no_two_keys_are_the_same() -> None:
    assert len({new_secret() for _ in range(1_000)}) == 1_000
    assert len({new_account_id() for _ in range(1_000)}) == 1_000


def test_a_secret_is_kept_as_a_hash_and_any_text_can_be_compared_with_it() -> None:
    secret = new_secret()

    assert len(hash_secret(secret)) == 32
    assert secret.encode() not in hash_secret(secret)
    assert hash_secret(secret) != hash_secret(secret.lower())
    assert hash_secret("\ud800")  # a lone surrogate from a query string is a wrong key, not a crash
