"""Encrypts the secrets in the database with a key that is not in the database (docs/decisions/0036-secrets-at-rest.md).

An encrypted secret is bound to its company and its row: copied to another row, it cannot be decrypted.
"""

import hmac
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_FORMAT: Final = b"\x01"
_NONCE_BYTES: Final = 12

KEY_ID: Final = slice(1, 9)
"""Where an encrypted secret has the id of its key. It begins with the number of the format."""


class NoEncryptionKey(Exception):
    """Raised if a secret must be encrypted and there is no key."""

    def __init__(self) -> None:
        super().__init__(
            "The encryption key with which the secrets in the database are encrypted is not here, so no secret can be "
            "stored. Copy encryption.key from the server's data folder, or set SPRINGHEAD_ENCRYPTION_KEY."
        )


class CannotDecrypt(Exception):
    """Raised if a secret was encrypted with another key, or for another row."""


class Box:
    """Encrypts with the first of its keys, and decrypts with any of them.

    `keys` returns the keys as they are now, the newest first.
    """

    def __init__(self, keys: Callable[[], Sequence[bytes]] = tuple) -> None:
        self._keys = keys

    def key_ids(self) -> list[bytes]:
        """Returns the ids of the keys, the newest first."""
        return [_key_id(key) for key in self._keys()]

    def encrypt(self, secret: bytes, company_id: int, row: str) -> bytes:
        """Returns the encrypted secret of a row of a company. Raises NoEncryptionKey."""
        key = self._newest()
        nonce = os.urandom(_NONCE_BYTES)
        return _FORMAT + _key_id(key) + nonce + _cipher(key, company_id).encrypt(nonce, secret, _bound(company_id, row))

    def decrypt(self, encrypted: bytes, company_id: int, row: str) -> bytes:
        """Returns the secret of a row of a company. Raises CannotDecrypt."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - 8 MB, and commands rarely need it

        start = KEY_ID.stop + _NONCE_BYTES
        for key in self._keys():
            if encrypted[: KEY_ID.stop] == _FORMAT + _key_id(key):
                try:
                    return _cipher(key, company_id).decrypt(
                        encrypted[KEY_ID.stop : start], encrypted[start:], _bound(company_id, row)
                    )
                except (InvalidTag, ValueError) as cause:
                    raise CannotDecrypt from cause
        raise CannotDecrypt

    def derived(self, company_id: int) -> bytes:
        """Returns a secret of the company that follows from the newest key. Raises NoEncryptionKey."""
        return hmac.digest(self._newest(), b"derived secret of %d" % company_id, "sha256")

    def _newest(self) -> bytes:
        keys = self._keys()
        if not keys:
            raise NoEncryptionKey
        return keys[0]


def _bound(company_id: int, row: str) -> bytes:
    return f"{company_id} {row}".encode()


@lru_cache(maxsize=64)
def _key_id(key: bytes) -> bytes:
    return hmac.digest(key, b"id of the key", "sha256")[: KEY_ID.stop - KEY_ID.start]


def _cipher(key: bytes, company_id: int) -> "AESGCM":
    """Returns the cipher of a company. Its own key keeps it far from the 2^32 random nonces that one key may have."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as above

    return AESGCM(hmac.digest(key, b"key of %d" % company_id, "sha256"))
