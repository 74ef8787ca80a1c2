"""Idempotency keys: a row for each, written in the transaction of its call.

Only the hash of a key is stored: callers may make keys from personal data, such as an email address, and nothing of an
erased lead may remain. Answers are encrypted, because some have secrets.
"""

import hashlib

import msgspec

from springhead.store.database.box import CannotDecrypt
from springhead.store.database.pool import Tx

DELETED_AT_ONCE = 100
"""How many expired keys of a company are deleted with each new key."""


class StoredCall(msgspec.Struct, frozen=True):
    """The call of a key: its fingerprint, and its answer as JSON.

    The answer is None if it was too long to be stored, or if it cannot be decrypted any more (`is_lost`).
    """

    fingerprint: bytes
    answer: bytes | None
    is_lost: bool = False


async def claim(tx: Tx, company_id: int, key: str, fingerprint: bytes) -> bool:
    """Claims the key for the caller's transaction; returns False if the key was used within a day.

    If another open transaction has claimed the key, waits for its end. Raises Locked after LOCK_SECONDS.
    """
    claimed = await tx.value(
        """
        insert into idempotency as i (company_id, key, fingerprint, created_at)
        values ($1, $2, $3, now())
        on conflict (company_id, key) do update
            set fingerprint = excluded.fingerprint, created_at = excluded.created_at,
                answer = null, encrypted_answer = null
            where excluded.created_at - i.created_at > interval '1 day'
        returning true
        """,
        company_id,
        _hashed(key),
        fingerprint,
    )
    if claimed:
        await _delete_expired(tx, company_id)
    return bool(claimed)


async def find(tx: Tx, company_id: int, key: str) -> StoredCall | None:
    """The stored call of a claimed key; None if the key was deleted meanwhile."""
    row = await tx.row(
        "select fingerprint, answer, encrypted_answer from idempotency where company_id = $1 and key = $2",
        company_id,
        _hashed(key),
    )
    if row is None:
        return None
    if row["encrypted_answer"] is None:
        return StoredCall(row["fingerprint"], None if row["answer"] is None else row["answer"].encode())
    try:
        answer = tx.box.decrypt(row["encrypted_answer"], company_id, bound_to(_hashed(key)))
    except CannotDecrypt:
        return StoredCall(row["fingerprint"], None, is_lost=True)
    return StoredCall(row["fingerprint"], answer)


async def store_answer(tx: Tx, company_id: int, key: str, answer: bytes) -> None:
    """Stores the answer of the call that claimed the key in this transaction."""
    query = "update idempotency set encrypted_answer = $3 where company_id = $1 and key = $2"
    await tx.rows(query, company_id, _hashed(key), tx.box.encrypt(answer, company_id, bound_to(_hashed(key))))


def bound_to(hashed_key: str) -> str:
    """Returns what the encrypted answer of a call is bound to, besides the company."""
    return f"answer {hashed_key}"


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


async def _delete_expired(tx: Tx, company_id: int) -> None:
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
        DELETED_AT_ONCE,
    )
