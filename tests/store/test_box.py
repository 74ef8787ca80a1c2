"""Secrets are bound to their key, their company and their row."""

import os

import pytest

from springhead.store.database.box import KEY_ID, Box, CannotDecrypt, NoEncryptionKey

OLD, NEW, OTHER = (os.urandom(32) for _ in range(3))
SECRET = b"whsec_secret"


def box(*keys: bytes) -> Box:
    return Box(lambda: keys)


def test_a_secret_is_decrypted_for_its_row_only() -> None:
    encrypted = box(NEW).encrypt(SECRET, 1, "subscription 7")

    assert box(NEW).decrypt(encrypted, 1, "subscription 7") == SECRET
    assert SECRET not in encrypted
    for company_id, row in ((2, "subscription 7"), (1, "subscription 8"), (1, "site")):
        with pytest.raises(CannotDecrypt):
            box(NEW).decrypt(encrypted, company_id, row)


def test_two_encryptions_of_a_secret_have_nothing_in_common_but_the_key_id() -> None:
    first, second = (box(NEW).encrypt(SECRET, 1, "site") for _ in range(2))

    assert first[: KEY_ID.stop] == second[: KEY_ID.stop]
    assert first[KEY_ID.stop :] != second[KEY_ID.stop :]
    assert first[KEY_ID] == box(NEW).key_ids()[0]


def test_the_newest_key_encrypts_and_each_key_decrypts() -> None:
    before, after = box(OLD).encrypt(SECRET, 1, "site"), box(NEW, OLD).encrypt(SECRET, 1, "site")

    assert box(NEW, OLD).decrypt(before, 1, "site") == SECRET
    assert box(NEW).decrypt(after, 1, "site") == SECRET
    for keys in ((), (NEW,), (OTHER, NEW)):
        with pytest.raises(CannotDecrypt):
            box(*keys).decrypt(before, 1, "site")


def test_a_changed_or_cut_secret_cannot_be_decrypted() -> None:
    encrypted = box(NEW).encrypt(SECRET, 1, "site")

    for place in range(len(encrypted)):
        changed = bytearray(encrypted)
        changed[place] ^= 1
        for text in (bytes(changed), encrypted[:place]):
            with pytest.raises(CannotDecrypt):
                box(NEW).decrypt(text, 1, "site")


def test_without_a_key_nothing_is_encrypted() -> None:
    for work in (lambda: Box().encrypt(SECRET, 1, "site"), lambda: Box().derived(1)):
        with pytest.raises(NoEncryptionKey):
            work()


def test_a_derived_secret_stays_the_same_for_a_company_and_a_key() -> None:
    assert box(NEW).derived(1) == box(NEW, OLD).derived(1)
    assert len({box(NEW).derived(1), box(NEW).derived(2), box(OLD).derived(1)}) == 3
