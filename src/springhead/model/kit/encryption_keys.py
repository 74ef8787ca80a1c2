"""The keys that encrypt the secrets in the database."""

import base64
import secrets


class EncryptionKey(bytes):
    """A key of 32 random bytes. Its text is base64; neither `str` nor `repr` shows it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "EncryptionKey(***)"

    __str__ = __repr__

    @classmethod
    def new(cls) -> "EncryptionKey":
        """Returns a random key."""
        return cls(secrets.token_bytes(32))

    @classmethod
    def of_text(cls, text: str) -> "EncryptionKey":
        """Returns the key that a text has. Raises ValueError if it has none."""
        key = cls(base64.b64decode(text.strip(), validate=True))
        if len(key) != 32:
            raise ValueError
        return key

    def text(self) -> str:
        """Returns the text of the key."""
        return base64.b64encode(self).decode()
