"""Passwords: their rules, and hashing with Argon2id beside the event loop."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from springhead.model.kit.errors import Unavailable
from springhead.pages import catalogue

T = TypeVar("T")

SHORTEST = 10
"""The fewest characters of a password."""

LONGEST = 256
"""The most characters of a password."""

AT_ONCE = 2
"""How many passwords are hashed at the same time. Each takes 64 MiB and a core for some hundredths of a second."""

WAITING_MAX = 20
"""How many passwords wait to be hashed before the server refuses further ones."""


class Passwords:
    """Hashes and checks passwords."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()  # Argon2id with the second recommendation of RFC 9106
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._nobodys = ""

    async def hash(self, password: str) -> str:
        """Returns the hash of a password in the PHC format. Raises Unavailable if too many others wait."""
        return await self._beside(self._hasher.hash, password)

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Returns whether the password is right. Without a hash takes the same time, so that nobody learns of it.

        Raises Unavailable if too many others wait.
        """
        if password_hash is None:
            self._nobodys = self._nobodys or await self.hash("the password of nobody")
        return await self._beside(self._verify, password_hash or self._nobodys, password) and password_hash is not None

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _beside(self, work: Callable[..., T], *arguments: str) -> T:
        if self._waiting >= WAITING_MAX:
            raise Unavailable
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work, *arguments)
        finally:
            self._waiting -= 1


def text_of(problem: str, language: str) -> str:
    """Returns the sentence for a problem of `problem`."""
    return catalogue.text(language, f"link.{problem}", shortest=SHORTEST, longest=LONGEST)


def problem(password: str, *, address: str, name: str) -> str:
    """Returns the key of the text that says why a new password is refused, or ""."""
    folded = password.casefold()
    if len(password) < SHORTEST:
        return "password_short"
    if len(password) > LONGEST:
        return "password_long"
    if folded in {address.casefold(), address.casefold().partition("@")[0], name.casefold()} or len(set(folded)) < 4:
        return "password_easy"
    return ""
