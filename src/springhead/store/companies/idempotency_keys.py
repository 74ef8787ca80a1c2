"""Idempotency keys: a row for each, written in the transaction of the call that it belongs to.

A key is kept as its hash: callers make keys of what they write, an address for one, and an erased lead leaves nothing.
"""

import hashlib

import msgspec

from springhead.store.database.pool import Tx

FORGOTTEN_AT_ONCE = 100
"""How many old keys of a company go with a new one."""


class StoredCall(msgspec.Struct, frozen=True):
    """What is known of a key: the fingerprint of its call, and the answer as JSON, None when it was too long."""

    fingerprint: bytes
    answer: str | None


async def claim(tx: Tx, company_id: int, key: str, fingerprint: bytes) -> bool:
    """Take the key for the caller's transaction; False when it was used within a day.

    While another transaction that takes it is under way, this waits for its end: Locked after two seconds.
    """
    taken = await tx.value(
        """
        insert into idempotency as i (company_id, key, fingerprint, created_at)
        values ($1, $2, $3, now())
        on conflict (company_id, key) do update
            set fingerprint = excluded.fingerprint, created_at = excluded.created_at, answer = null
            where i.created_at < excluded.created_at - interval '1 day'
        returning true
        """,
        company_id,
        _hashed(key),
        fingerprint,
    )
    if taken:
        await _forget(tx, company_id)
    return bool(taken)


async def find(tx: Tx, company_id: int, key: str) -> StoredCall | None:
    """What was kept of a key that is taken; None when it was forgotten just now."""
    row = await tx.row(
        "select fingerprint, answer from idempotency where company_id = $1 and key = $2", company_id, _hashed(key)
    )
    return StoredCall(*row.values()) if row else None


async def store_answer(tx: Tx, company_id: int, key: str, answer: str) -> None:
    """Keep the answer of the call that has taken the key in this transaction."""
    query = "update idempotency set answer = $3 where company_id = $1 and key = $2"
    await tx.rows(query, company_id, _hashed(key), answer)


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


async def _forget(tx: Tx, company_id: int) -> None:
    await tx.rows(
        """
        with old as materialized (
            select key from idempotency
            where company_id = $1 and created_at < now() - interval '1 day'
            order by created_at, key
            limit $2
            for update skip locked
        )
        delete from idempotency i using old where i.company_id = $1 and i.key = old.key
        """,
        company_id,
        FORGOTTEN_AT_ONCE,
    )
