"""The sessions of browsers: the cookie, and the look-up of its user, cached for a moment."""

import time
from datetime import UTC, datetime, timedelta

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from springhead.model.companies.users import User, hash_token
from springhead.model.kit.caches import BoundedCache
from springhead.store.companies import sign_ins
from springhead.store.companies.sign_ins import Session
from springhead.store.database.pool import Database

CACHE_SECONDS = 2.0
"""Seconds that a session is cached. An ended session works for at most that long."""

CACHE_MAX, CACHE_BYTES = 10_000, 32 * 1024 * 1024
"""The most sessions in the cache, and the most bytes of them and their users."""

NOTED_EVERY = timedelta(minutes=5)
"""How often the use of a session is noted in the database."""

_TOKEN_LENGTH = 43  # of 32 bytes in base64


class SignedIn(msgspec.Struct, frozen=True):
    """A browser in which a user is signed in. `token` is the secret in its cookie."""

    token: str
    session: Session
    user: User


class Sessions:
    """Finds out who sends a request. Caches sessions, and unknown tokens, for CACHE_SECONDS."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: BoundedCache[bytes, tuple[float, tuple[Session, User] | None]] = BoundedCache(
            CACHE_MAX, CACHE_BYTES
        )

    async def signed_in(self, request: Request) -> SignedIn | None:
        """Returns who is signed in, or None. Raises Unavailable if the database does not answer."""
        token = request.cookies.get(_cookie_name(request), "")
        if len(token) != _TOKEN_LENGTH:
            return None
        token_hash = hash_token(token)
        found = await self._find(token_hash)
        if found is None:
            return None
        session, user = found
        if datetime.now(UTC) - session.seen_at > NOTED_EVERY:
            self.forget(token)
            async with self._database.everyone() as tx:
                await sign_ins.note_use(tx, token_hash, address=_address(request))
        return SignedIn(token, session, user)

    async def start(self, request: Request, response: Response, user: User) -> str:
        """Signs a user in: stores a new session and sets its cookie. Returns its token."""
        user_agent = "".join(letter for letter in request.headers.get("user-agent", "") if letter.isprintable())
        async with self._database.everyone() as tx, tx.atomic():
            token = await sign_ins.start_session(tx, user, user_agent=user_agent[:300], address=_address(request))
        response.set_cookie(
            _cookie_name(request),
            token,
            max_age=int(sign_ins.LONGEST.total_seconds()),
            secure=_is_secure(request),
            httponly=True,
            samesite="lax",
        )
        return token

    async def end(self, request: Request, response: Response, signed_in: SignedIn) -> None:
        """Signs the user out in this browser."""
        async with self._database.everyone() as tx:
            await sign_ins.end_session(tx, signed_in.user, signed_in.session.id)
        self.forget(signed_in.token)
        response.delete_cookie(_cookie_name(request), secure=_is_secure(request), httponly=True, samesite="lax")

    def forget(self, token: str) -> None:
        """Removes a session from the cache of this process, since it or its user has changed."""
        self._cache.pop(hash_token(token))

    async def _find(self, token_hash: bytes) -> tuple[Session, User] | None:
        now = time.monotonic()
        cached = self._cache.get(token_hash)
        if cached and cached[0] > now:
            return cached[1]
        found = await sign_ins.find_session(self._database, token_hash)
        self._cache.put(token_hash, (now + CACHE_SECONDS, found))
        return found


def _cookie_name(request: Request) -> str:
    """Returns the name of the cookie. Over TLS its prefix makes browsers refuse it from other hosts and paths."""
    return "__Host-springhead" if _is_secure(request) else "springhead"


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
