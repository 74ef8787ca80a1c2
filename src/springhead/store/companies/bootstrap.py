"""The first company of a database, so that a fresh server can be called at once."""

import msgspec

from springhead.model.companies.companies import Company
from springhead.store.companies import companies, sign_ins, users
from springhead.store.companies.sign_ins import Purpose
from springhead.store.database.box import Box
from springhead.store.database.pool import Database

NAME = "My company"
ADMINISTRATOR = "admin@example.com"
LABEL = "first key"
_LOCK = 0x5EAD_0001


class FirstCompany(msgspec.Struct, frozen=True):
    """The new company, and two secrets that are stored nowhere: that of its key, and the token of the first sign-in."""

    company: Company
    secret: str
    sign_in_token: str


async def create_first_company(dsn: str, box: Box) -> FirstCompany | None:
    """Creates a company with a key and an administrator. Returns None if the database already has a company.

    If several servers start at the same time, one creates the company, and the others get None.
    """
    database = Database(pool_size=3, box=box)
    await database.open(dsn)
    try:
        async with database.everyone() as tx, tx.atomic():
            await tx.value("select pg_advisory_xact_lock($1)", _LOCK)
            if await companies.companies(tx):
                return None
            company = await companies.create(database, name=NAME, time_zone="UTC", administrator=ADMINISTRATOR)
            _, secret = await companies.create_key(tx, company.id, label=LABEL)
        async with database.company(company.id) as tx:
            administrator = await users.by_address(tx, company, ADMINISTRATOR)
            assert administrator is not None  # noqa: S101 - created with the company
            token = await sign_ins.create_link(tx, administrator, Purpose.SIGN_IN)
        return FirstCompany(company, secret, token)
    finally:
        await database.close()
