"""The users of a company, read and changed by people who manage them. Reads of the API are in `store/nouns/`."""

from typing import LiteralString

import asyncpg

from springhead.model.companies.companies import Company
from springhead.model.companies.roles import ROLES
from springhead.model.companies.users import User
from springhead.model.leads.leads import email_key
from springhead.store.database.pool import Tx

_USERS: LiteralString = """
    select u.id, u.display_name, u.email_address, u.role, u.user_timezone, u.language, u.is_active,
        s.password_hash is not null as has_password
    from user_profile u
    left join sign_in s on s.company_id = u.company_id and s.user_id = u.id
    where u.company_id = $1
"""

_OTHERS_MANAGE: LiteralString = """
    (u.role <> 'administrator' or exists (
        select from user_profile o
        where o.company_id = $1 and o.id <> $2 and o.role = 'administrator' and o.is_active
    ))
"""


async def active(tx: Tx, company: Company, user_id: int) -> User | None:
    """The user with this id, or None if there is none who may sign in."""
    row = await tx.row(f"{_USERS} and u.id = $2 and u.is_active", company.id, user_id)
    return _user(company, row) if row else None


async def by_address(tx: Tx, company: Company, address: str) -> User | None:
    """The active user with this email address, or None."""
    row = await tx.row(f"{_USERS} and u.email_key = $2 and u.is_active", company.id, email_key(address))
    return _user(company, row) if row else None


async def all_of(tx: Tx, company: Company) -> list[tuple[User, bool]]:
    """All users of a company by id, and whether each is active."""
    rows = await tx.rows(f"{_USERS} order by u.id", company.id)
    return [(_user(company, row), row["is_active"]) for row in rows]


async def create(tx: Tx, company: Company, *, address: str, name: str, role: str) -> User | None:
    """Creates a user. Returns None if a user of the company has the address already."""
    user_id = await tx.value(
        """
        insert into user_profile (company_id, display_name, email_address, email_key, role)
        values ($1, $2, $3, $4, $5)
        on conflict (company_id, email_key) do nothing
        returning id
        """,
        company.id,
        name,
        address,
        email_key(address),
        role,
    )
    return await active(tx, company, user_id) if user_id else None


async def rename(tx: Tx, company_id: int, user_id: int, *, name: str, time_zone: str | None, language: str) -> None:
    """Changes what users change of themselves. Without a time zone, times are in the company's."""
    await tx.rows(
        """
        update user_profile
        set display_name = $3, user_timezone = $4, language = $5, update_timestamp = now(), version = version + 1
        where company_id = $1 and id = $2
        """,
        company_id,
        user_id,
        name,
        time_zone,
        language,
    )


async def set_role(tx: Tx, company_id: int, user_id: int, role: str) -> bool:
    """Gives a user another role; returns False for the last administrator. Call it in a transaction."""
    await tx.rows("select id from user_profile where company_id = $1 order by id for no key update", company_id)
    row = await tx.row(
        f"""
        update user_profile u set role = $3, update_timestamp = now(), version = version + 1
        where u.company_id = $1 and u.id = $2 and ($3 = 'administrator' or {_OTHERS_MANAGE})
        returning id
        """,
        company_id,
        user_id,
        role,
    )
    return row is not None


async def disable(tx: Tx, company_id: int, user_id: int) -> bool:
    """Disables a user for good, and ends all of the user's sessions; returns False for the last administrator.

    The leads of the user keep their owner. Call it in a transaction.
    """
    await tx.rows("select id from user_profile where company_id = $1 order by id for no key update", company_id)
    row = await tx.row(
        f"""
        update user_profile u
        set is_active = false, disabled_at = now(), update_timestamp = now(), version = version + 1
        where u.company_id = $1 and u.id = $2 and {_OTHERS_MANAGE}
        returning id
        """,
        company_id,
        user_id,
    )
    if row is None:
        return False
    await tx.rows("delete from sign_in where company_id = $1 and user_id = $2", company_id, user_id)
    await tx.rows("delete from sign_in_link where company_id = $1 and user_id = $2", company_id, user_id)
    await tx.rows("delete from user_session where company_id = $1 and user_id = $2", company_id, user_id)
    return True


def _user(company: Company, row: asyncpg.Record) -> User:
    return User(
        company=company,
        id=row["id"],
        display_name=row["display_name"],
        email_address=row["email_address"],
        role=ROLES[row["role"]],
        time_zone=row["user_timezone"] or "",
        language=row["language"],
        has_password=row["has_password"],
    )
