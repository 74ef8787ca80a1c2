"""Encrypts all secrets of a company with the newest key: those in clear, and those under an earlier key.

Three tables have secrets: `site`, `subscription`, and `idempotency`, because some answers of calls have secrets.
"""

from collections.abc import Mapping, Sequence

import msgspec

from springhead.store.capture import sites
from springhead.store.companies import idempotency_keys
from springhead.store.database.background_jobs import Step
from springhead.store.database.box import CannotDecrypt
from springhead.store.database.pool import Tx
from springhead.store.feed import signing_secrets

_ANSWERS_AT_ONCE = 20
"""How many answers a step encrypts. One has up to a megabyte."""


class Lost(msgspec.Struct, frozen=True):
    """What was encrypted with keys that are not here: the company's signing key, and secrets of its subscriptions."""

    signing_key: bool
    subscription_ids: Sequence[int]


async def lost_companies(tx: Tx, key_ids: Sequence[bytes]) -> list[int]:
    """Returns the ids of the companies whose signing key was encrypted with none of these keys."""
    rows = await tx.rows(
        """
        select company_id from site
        where encrypted_signing_key is not null
            and substring(encrypted_signing_key from 2 for 8) <> all($1::bytea[])
        order by company_id
        """,
        key_ids,
    )
    return [row["company_id"] for row in rows]


async def lost(tx: Tx, company_id: int) -> Lost:
    """Returns which secrets of a company cannot be decrypted."""
    site = await tx.value("select encrypted_signing_key from site where company_id = $1", company_id)
    rows = await tx.rows(
        """
        select id, encrypted_secret from subscription
        where company_id = $1 and encrypted_secret is not null
        order by id
        """,
        company_id,
    )
    return Lost(
        site is not None and _decrypted(tx, company_id, sites.ROW, site) is None,
        [
            row["id"]
            for row in rows
            if _decrypted(tx, company_id, signing_secrets.bound_to(row["id"]), row["encrypted_secret"]) is None
        ],
    )


async def replace_signing_key(tx: Tx, company_id: int) -> None:
    """Stores the signing key that the server uses while it cannot decrypt the company's own."""
    await tx.rows(
        "update site set encrypted_signing_key = $2, signing_key = null where company_id = $1",
        company_id,
        tx.box.encrypt(tx.box.derived(company_id), company_id, sites.ROW),
    )


async def encrypt(tx: Tx, company_id: int) -> None:
    """Encrypts all secrets of a company with the newest key. Needs no transaction."""
    cursor: int | None = 0
    while cursor is not None:
        async with tx.atomic():
            cursor = await _step(tx, company_id, 0, cursor)


async def _step(tx: Tx, company_id: int, _subject: int, cursor: int) -> int | None:
    """Encrypts the answers of some calls of the time `cursor`, in microseconds, or later. Then encrypts the rest."""
    earlier = tx.box.key_ids()[1:]
    last = await _encrypt_answers(tx, company_id, earlier, cursor)
    if last is None:
        await _encrypt_subscriptions(tx, company_id, earlier)
        await _encrypt_signing_key(tx, company_id, earlier)
    return last


STEPS: Mapping[str, Step] = {"encrypt": _step}


async def _encrypt_answers(tx: Tx, company_id: int, earlier: Sequence[bytes], cursor: int) -> int | None:
    rows = await tx.rows(
        """
        select key, answer, encrypted_answer, (extract(epoch from created_at) * 1000000)::bigint as created
        from idempotency
        where company_id = $1 and created_at >= timestamptz 'epoch' + $2::bigint * interval '1 microsecond'
            and (answer is not null or substring(encrypted_answer from 2 for 8) = any($3::bytea[]))
        order by created_at, key
        limit $4
        for update skip locked
        """,
        company_id,
        cursor,
        earlier,
        _ANSWERS_AT_ONCE,
    )
    if not rows:
        return None
    await tx.rows(
        """
        update idempotency i set encrypted_answer = g.answer, answer = null
        from unnest($2::text[], $3::bytea[]) as g (key, answer)
        where i.company_id = $1 and i.key = g.key
        """,
        company_id,
        [row["key"] for row in rows],
        [
            _again(tx, company_id, idempotency_keys.bound_to(row["key"]), row["answer"], row["encrypted_answer"])
            for row in rows
        ],
    )
    return rows[-1]["created"]


async def _encrypt_subscriptions(tx: Tx, company_id: int, earlier: Sequence[bytes]) -> None:
    rows = await tx.rows(
        """
        select id, secret, encrypted_secret, previous_secret, encrypted_previous from subscription
        where company_id = $1 and (
            secret is not null or substring(encrypted_secret from 2 for 8) = any($2::bytea[])
            or previous_secret is not null or substring(encrypted_previous from 2 for 8) = any($2::bytea[])
        )
        order by id
        for no key update
        """,
        company_id,
        earlier,
    )
    if not rows:
        return
    encrypted = [
        [
            _again(tx, company_id, signing_secrets.bound_to(row["id"]), row[clear], row[column]) or row[column]
            for row in rows
        ]
        for clear, column in (("secret", "encrypted_secret"), ("previous_secret", "encrypted_previous"))
    ]
    await tx.rows(
        """
        update subscription s set encrypted_secret = g.secret, encrypted_previous = g.previous,
            secret = null, previous_secret = null
        from unnest($2::bigint[], $3::bytea[], $4::bytea[]) as g (id, secret, previous)
        where s.company_id = $1 and s.id = g.id
        """,
        company_id,
        [row["id"] for row in rows],
        *encrypted,
    )


async def _encrypt_signing_key(tx: Tx, company_id: int, earlier: Sequence[bytes]) -> None:
    row = await tx.row(
        """
        select signing_key, encrypted_signing_key from site
        where company_id = $1
            and (signing_key is not null or substring(encrypted_signing_key from 2 for 8) = any($2::bytea[]))
        order by company_id
        for no key update
        """,
        company_id,
        earlier,
    )
    if row is not None:
        await tx.rows(
            """
            update site set encrypted_signing_key = coalesce($2, encrypted_signing_key), signing_key = null
            where company_id = $1
            """,
            company_id,
            _again(tx, company_id, sites.ROW, row["signing_key"], row["encrypted_signing_key"]),
        )


def _again(tx: Tx, company_id: int, row: str, clear: str | bytes | None, encrypted: bytes | None) -> bytes | None:
    """Returns a secret encrypted with the newest key. None if there is none, or if it cannot be decrypted."""
    if clear:
        return tx.box.encrypt(clear.encode() if isinstance(clear, str) else clear, company_id, row)
    secret = None if encrypted is None else _decrypted(tx, company_id, row, encrypted)
    return None if secret is None else tx.box.encrypt(secret, company_id, row)


def _decrypted(tx: Tx, company_id: int, row: str, encrypted: bytes) -> bytes | None:
    try:
        return tx.box.decrypt(encrypted, company_id, row)
    except CannotDecrypt:
        return None
