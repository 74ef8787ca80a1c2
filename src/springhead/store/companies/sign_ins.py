"""How users sign in: passwords as hashes, links that work once, and the sessions of browsers. All are global tables."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from springhead.model.companies.users import User, hash_token, new_token
from springhead.model.leads.leads import email_key
from springhead.store.companies import companies, users
from springhead.store.database.pool import Database, Tx

IDLE = timedelta(days=14)
"""A session that is not used for this long ends."""

LONGEST = timedelta(days=90)
"""A session ends after this time in any case."""

SESSIONS_MAX = 50
"""The most sessions of a user. A new one ends the one that was not used for the longest time."""

DELETED_AT_ONCE = 100
"""How many expired links or sessions are deleted with each new one."""

PASSWORDS_TRIED = 5
"""How many companies with the same address a password is compared with."""


class Purpose(StrEnum):
    """What a link is for."""

    SIGN_IN = "signIn"
    INVITE = "invite"
    RESET = "reset"


LINK_LIFETIMES = {
    Purpose.SIGN_IN: timedelta(days=1),
    Purpose.INVITE: timedelta(days=7),
    Purpose.RESET: timedelta(days=1),
}


class Credential(msgspec.Struct, frozen=True):
    """The password of a user, as a hash in the PHC format."""

    company_id: int
    user_id: int
    password_hash: str


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A browser in which a user is signed in."""

    id: int
    company_id: int
    user_id: int
    created_at: datetime
    seen_at: datetime
    user_agent: str
    address: str


async def credentials(tx: Tx, address: str) -> Sequence[Credential]:
    """The passwords of the users with this email address, one for each company where a user has it."""
    rows = await tx.rows(
        """
        select company_id, user_id, password_hash from sign_in
        where email_key = $1 and password_hash is not null
        order by company_id, user_id
        limit $2
        """,
        email_key(address),
        PASSWORDS_TRIED,
    )
    return [Credential(**dict(row)) for row in rows]


async def set_password(tx: Tx, user: User, password_hash: str, *, keep: bytes = b"") -> None:
    """Stores a password, deletes the user's links, and ends all sessions but the one with the token hash `keep`.

    Call it in a transaction.
    """
    await tx.rows(
        """
        insert into sign_in (company_id, user_id, email_key, password_hash, password_changed_at)
        values ($1, $2, $3, $4, now())
        on conflict (company_id, user_id) do update set
            email_key = excluded.email_key,
            password_hash = excluded.password_hash,
            password_changed_at = excluded.password_changed_at
        """,
        user.company.id,
        user.id,
        email_key(user.email_address),
        password_hash,
    )
    await tx.rows("delete from sign_in_link where company_id = $1 and user_id = $2", user.company.id, user.id)
    await tx.rows(
        "delete from user_session where company_id = $1 and user_id = $2 and token_sha256 <> $3",
        user.company.id,
        user.id,
        keep,
    )


async def create_link(tx: Tx, user: User, purpose: Purpose) -> str:
    """Creates a link for a user, and returns its token, which is stored nowhere."""
    token = new_token()
    await tx.rows(
        """
        insert into sign_in_link (token_sha256, company_id, user_id, purpose, expires_at)
        values ($1, $2, $3, $4, now() + $5::interval)
        """,
        hash_token(token),
        user.company.id,
        user.id,
        purpose,
        LINK_LIFETIMES[purpose],
    )
    await tx.rows(
        """
        with old as materialized (
            select token_sha256 from sign_in_link where expires_at < now()
            order by expires_at limit $1 for update skip locked
        )
        delete from sign_in_link l using old where l.token_sha256 = old.token_sha256
        """,
        DELETED_AT_ONCE,
    )
    return token


async def find_link(database: Database, token: str) -> tuple[User, Purpose] | None:
    """The user of a link and its purpose. None if the link is unknown, used or expired, or the user is disabled."""
    async with database.everyone() as tx:
        link = await read_link(tx, token)
    user = await _user(database, link[0], link[1]) if link else None
    return (user, link[2]) if link and user else None


async def read_link(tx: Tx, token: str) -> tuple[int, int, Purpose] | None:
    """The ids of the company and the user of a link, and its purpose. None if it is unknown, used or expired."""
    row = await tx.row(
        "select company_id, user_id, purpose from sign_in_link where token_sha256 = $1 and expires_at > now()",
        hash_token(token),
    )
    return (row["company_id"], row["user_id"], Purpose(row["purpose"])) if row else None


async def use_link(tx: Tx, token: str) -> bool:
    """Deletes a link. Returns False if another request has used it in the meantime."""
    row = await tx.row(
        "delete from sign_in_link where token_sha256 = $1 and expires_at > now() returning user_id", hash_token(token)
    )
    return row is not None


async def start_session(tx: Tx, user: User, *, user_agent: str, address: str) -> str:
    """Signs a user in and returns the token of the session, which is stored nowhere."""
    token = new_token()
    await tx.rows(
        """
        insert into user_session (token_sha256, company_id, user_id, user_agent, address) values ($1, $2, $3, $4, $5)
        """,
        hash_token(token),
        user.company.id,
        user.id,
        user_agent,
        address,
    )
    await tx.rows(
        """
        with old as materialized (
            select token_sha256 from user_session where company_id = $1 and user_id = $2
            order by seen_at desc, id desc offset $3 for update skip locked
        )
        delete from user_session s using old where s.token_sha256 = old.token_sha256
        """,
        user.company.id,
        user.id,
        SESSIONS_MAX,
    )
    await tx.rows(
        """
        with old as materialized (
            select token_sha256 from user_session where seen_at < now() - $1::interval
            order by seen_at limit $2 for update skip locked
        )
        delete from user_session s using old where s.token_sha256 = old.token_sha256
        """,
        IDLE,
        DELETED_AT_ONCE,
    )
    return token


async def find_session(database: Database, token_hash: bytes) -> tuple[Session, User] | None:
    """The session with this token hash, and its user. None if it has ended, or the user is disabled."""
    async with database.everyone() as tx:
        session = await read_session(tx, token_hash)
    user = await _user(database, session.company_id, session.user_id) if session else None
    return (session, user) if session and user else None


async def read_session(tx: Tx, token_hash: bytes) -> Session | None:
    """The session with this token hash, or None if it has ended."""
    row = await tx.row(
        """
        select id, company_id, user_id, created_at, seen_at, user_agent, address from user_session
        where token_sha256 = $1 and seen_at > now() - $2::interval and created_at > now() - $3::interval
        """,
        token_hash,
        IDLE,
        LONGEST,
    )
    return Session(**dict(row)) if row else None


async def note_use(tx: Tx, token_hash: bytes, *, address: str) -> None:
    """Notes that a session is used now, from this IP address."""
    await tx.rows("update user_session set seen_at = now(), address = $2 where token_sha256 = $1", token_hash, address)


async def sessions(tx: Tx, user: User) -> Sequence[Session]:
    """The sessions of a user, the one used last first."""
    rows = await tx.rows(
        """
        select id, company_id, user_id, created_at, seen_at, user_agent, address from user_session
        where company_id = $1 and user_id = $2
            and seen_at > now() - $3::interval and created_at > now() - $4::interval
        order by seen_at desc, id desc
        """,
        user.company.id,
        user.id,
        IDLE,
        LONGEST,
    )
    return [Session(**dict(row)) for row in rows]


async def end_session(tx: Tx, user: User, session_id: int) -> bool:
    """Ends a session of the user. Returns False if the user has no such session."""
    row = await tx.row(
        "delete from user_session where company_id = $1 and user_id = $2 and id = $3 returning id",
        user.company.id,
        user.id,
        session_id,
    )
    return row is not None


async def _user(database: Database, company_id: int, user_id: int) -> User | None:
    async with database.company(company_id) as tx:
        return await users.active(tx, await companies.by_id(tx, company_id), user_id)
