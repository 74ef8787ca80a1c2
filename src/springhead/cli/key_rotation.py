"""Changes the key that encrypts the secrets in the database, and replaces secrets whose key is lost."""

import asyncio
from collections.abc import Awaitable, Callable

from springhead.cli.database import with_database
from springhead.cli.encryption_key import existing_keys, key_file, lost_advice
from springhead.cli.failure import Failure
from springhead.settings import Settings
from springhead.store.companies import encryption
from springhead.store.companies.companies import companies
from springhead.store.database.deadlines import LAST_WRITE_SECONDS
from springhead.store.database.health import next_transaction, oldest_transaction
from springhead.store.database.pool import Database, Tx

_POLL_SECONDS = 0.1


def rotate(settings: Settings) -> str:
    """Encrypts all secrets with the newest key, and returns what was done. Adds a new key to the file if it has one."""
    file = None if settings.encryption_key else key_file(settings)
    keys = existing_keys(settings)
    if not keys:
        raise Failure(
            "There is no encryption key to change. Name the server's data folder with --data, or set "
            "SPRINGHEAD_ENCRYPTION_KEY."
        )
    if file is None and len(keys) == 1:
        raise Failure(
            "SPRINGHEAD_ENCRYPTION_KEY has one key, so there is no new one to change to. Make one with: "
            "head -c 32 /dev/urandom | base64, and see docs/operating.md, The encryption key."
        )
    if file is not None and len(keys) == 1:
        file.add()
    newest = existing_keys(settings)[0]
    lost = with_database(settings, _encrypt_all)
    if lost:
        raise Failure(
            f"The secrets of {lost:,} companies are encrypted with a key that is not here, so they stay as they are. "
            f"To go on, {lost_advice(settings)}. Then run this command again."
        )
    if file is None:
        return (
            "All secrets are encrypted with the first key of SPRINGHEAD_ENCRYPTION_KEY. Remove the others from it on "
            "every server."
        )
    if existing_keys(settings)[0] != newest:
        raise Failure(
            f"Another command changed {file.path} meanwhile. When it has ended, run: springhead db rotate-key"
        )
    file.keep_newest()
    return (
        f"All secrets are encrypted with a new key, the only one in {file.path}. Keep a copy of the file. Earlier "
        "backups of the database need the earlier key."
    )


def replace(settings: Settings) -> list[str]:
    """Gives up the secrets that no key decrypts. Returns a line for each company that had some."""
    if not existing_keys(settings):
        raise Failure("There is no encryption key yet. Start the server once, or set SPRINGHEAD_ENCRYPTION_KEY.")
    lines: list[str] = []

    async def work(database: Database) -> None:
        async def replace_in(tx: Tx, company_id: int) -> None:
            lost = await encryption.lost(tx, company_id)
            if lost.signing_key:
                await encryption.replace_signing_key(tx, company_id)
                lines.append(f"Company {company_id} has a new signing key for links and forms.")
            if lost.subscription_ids:
                ids = ", ".join(map(str, lost.subscription_ids))
                lines.append(f"Company {company_id} must call rotateLeadSubscriptionSecrets for: {ids}")

        await _for_each_company(database, replace_in)

    with_database(settings, work)
    return lines or ["All secrets can be decrypted, so nothing was replaced."]


async def _encrypt_all(database: Database) -> int:
    """Encrypts the secrets of all companies twice; returns how many companies have secrets under a missing key.

    The second time finds what transactions wrote that had not seen the new key at the first time.
    """
    await _for_each_company(database, encryption.encrypt)
    await _wait_for_transactions(database)
    await _for_each_company(database, encryption.encrypt)
    async with database.everyone() as tx:
        return len(await encryption.lost_companies(tx, database.box.key_ids()))


async def _for_each_company(database: Database, work: Callable[[Tx, int], Awaitable[None]]) -> None:
    async with database.everyone() as tx:
        all_companies = await companies(tx)
    for company in all_companies:
        async with database.company(company.id) as tx:
            await work(tx, company.id)


async def _wait_for_transactions(database: Database) -> None:
    """Waits for the end of the transactions that write now. None of a server takes longer than LAST_WRITE_SECONDS."""
    async with database.everyone() as tx:
        end = await next_transaction(tx)
        for _ in range(round(LAST_WRITE_SECONDS / _POLL_SECONDS)):
            if await oldest_transaction(tx) >= end:
                return
            await asyncio.sleep(_POLL_SECONDS)
