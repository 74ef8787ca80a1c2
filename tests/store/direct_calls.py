"""Statements that no call of the API sends: those of forms, mail, pushes, and background work. Each has a call here."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from springhead.model.companies.companies import Company
from springhead.model.companies.users import hash_token
from springhead.model.feed.changes import FORM_KINDS, KINDS, LEAD_KINDS, LIST_KINDS, REQUESTED_KINDS
from springhead.model.leads.events import Event
from springhead.model.leads.opt_outs import LINK, address_hash
from springhead.store.capture import email_events, erased_visitors, forms, sites, visitors
from springhead.store.capture.forms import Upload
from springhead.store.capture.visitors import View
from springhead.store.companies import encryption, idempotency_keys, sign_ins, users
from springhead.store.companies.sign_ins import Purpose
from springhead.store.database import background_jobs, health
from springhead.store.database.pool import Database, Tx
from springhead.store.database.sql import statement
from springhead.store.feed import challenges, changes, deliveries, pushes, subscriptions
from springhead.store.feed.pushes import Result
from springhead.store.fields import unique_values
from springhead.store.leads import duplicates, hidden_leads, opt_outs
from springhead.store.lifecycle import merging, recycling
from springhead.store.scores import scoring

Direct = Callable[[Tx, int, Mapping[str, Any]], Awaitable[Any]]

_NOBODY = 1
"""An id that no object has."""


def _upload() -> Upload:
    return Upload(token=f"token {time.monotonic_ns()}", name="a.txt", content_type="text/plain", sha256=b"", data=b"a")


async def _encrypt_again(tx: Tx, company_id: int) -> None:
    """Encrypts secrets in clear, as an earlier version stored them."""
    kept = await tx.value("select encrypted_signing_key from site where company_id = $1", company_id)
    await tx.rows("update site set signing_key = encrypted_signing_key where company_id = $1", company_id)
    await tx.rows("update subscription set secret = 'whsec_' where company_id = $1", company_id)
    await tx.rows(
        "insert into idempotency (company_id, key, fingerprint, answer, created_at) values ($1, $2, $3, $4, now())",
        company_id,
        f"clear {time.monotonic_ns()}",
        b"",
        "[]",
    )
    await encryption.encrypt(tx, company_id)
    await encryption.lost(tx, company_id)
    await encryption.replace_signing_key(tx, company_id)
    await tx.rows("update site set encrypted_signing_key = $2 where company_id = $1", company_id, kept)


async def _view_of_an_erased_visitor(tx: Tx, company_id: int) -> None:
    """Writes a page view of a visitor who was erased after it was received."""
    await tx.rows(
        statement(
            f"""
            insert into erased_visitor (company_id, tracking_hash, until)
            values ($1, {erased_visitors.HASH.format("'erased'")}, now() + interval '1 hour')
            on conflict do nothing
            """
        ),
        company_id,
    )
    view = View(tracking_id="erased", seen=time.time(), source="pageVisit", name="p", data={})
    assert await visitors.write_views(tx, company_id, [view]) == 1
    await erased_visitors.forget(tx, company_id)


OF_A_COMPANY: tuple[Direct, ...] = (
    lambda tx, company, made: email_events.campaign_exists(tx, company, made["campaign"]),
    lambda tx, company, made: email_events.write_once(
        tx, company, made["lead"], [Event(lead_id=made["lead"], source="emailOpen", name="Opened")]
    ),
    lambda tx, company, made: forms.lock_lead(tx, company, made["address"]),
    lambda tx, company, made: forms.lock_campaign(tx, company, made["campaign"]),
    lambda tx, company, made: forms.is_removed(tx, company, made["list"], made["lead"]),
    lambda tx, company, made: forms.use_token(tx, company, made["form"], "a nonce", b"digest"),
    lambda tx, company, made: forms.use_token(tx, company, made["form"], "a nonce", b"digest"),
    lambda tx, company, made: forms.store_upload(tx, company, made["form"], made["lead"], _upload()),
    lambda tx, company, made: forms.find_upload(tx, company, "no token", 30),
    lambda tx, company, made: forms.read_upload(tx, company, "no token", 0, 1),
    lambda tx, company, made: visitors._move_step(tx, company, _NOBODY, 0),
    lambda tx, company, made: deliveries.delete_old(tx, company, _NOBODY),
    lambda tx, company, made: opt_outs.key_of_lead(tx, company, made["lead"]),
    lambda tx, company, made: opt_outs.opt_out(tx, company, [address_hash(company, made["address"])], LINK),
    lambda tx, company, made: opt_outs._step(tx, company, _NOBODY, 0),
    lambda tx, company, made: opt_outs._unsubscribe(tx, company, {made["lead"]: LINK}),
    lambda tx, company, made: unique_values._clear_step(tx, company, _NOBODY, 1),
    lambda tx, company, made: duplicates.groups_of(tx, company, [made["lead"]]),
    lambda tx, company, made: duplicates._replace_keys(tx, company, set(), [made["lead"]]),
    lambda tx, company, made: duplicates.ignored_keys(tx, company, [(1, 1)]),
    lambda tx, company, made: merging.address_owners(tx, company, [made["address"]]),
    lambda tx, company, made: merging._step(tx, company, made["lead"], 0),
    lambda tx, company, made: recycling.purge(tx, company, [made["deleted"]]),
    lambda tx, company, made: scoring.explain(tx, company, made["lead"]),
    lambda tx, company, made: scoring.score_again(tx, company, [made["lead"]]),
    lambda tx, company, made: scoring.delay(tx, company),
    lambda tx, company, made: background_jobs.delay(tx, _NOBODY),
    lambda tx, company, made: idempotency_keys.find(tx, company, "no key"),
    lambda tx, company, made: changes.after(tx, company, 0, kinds=LEAD_KINDS, limit=500),
    lambda tx, company, made: changes.after(tx, company, 0, kinds=KINDS, limit=500),
    lambda tx, company, made: changes.after(tx, company, 0, kinds=LIST_KINDS, limit=500),
    lambda tx, company, made: changes.after(tx, company, 0, kinds=FORM_KINDS, limit=500),
    lambda tx, company, made: changes.after(tx, company, 0, kinds=REQUESTED_KINDS, limit=500),
    lambda tx, company, made: changes.after(tx, company, 0, kinds=(*LEAD_KINDS, *LIST_KINDS), limit=500),
    lambda tx, company, made: _view_of_an_erased_visitor(tx, company),
    lambda tx, company, made: _encrypt_again(tx, company),
    lambda tx, company, made: hidden_leads.with_addresses(tx, company, [made["address"]]),
)
"""Calls in the scope of a company. The ids are those of objects of a large company."""

OF_ALL_COMPANIES: tuple[Callable[[Tx], Awaitable[Any]], ...] = (
    lambda tx: forms.find_company(tx, "nothing"),
    lambda tx: sites.of_token(tx, "nothing"),
    lambda tx: encryption.lost_companies(tx, [b"a key id"]),
    health.next_transaction,
    health.oldest_transaction,
    background_jobs.backlog,
    changes.pending,
    scoring.due,
    pushes.due,
    pushes.waiting,
    pushes.subscribed,
)
"""Scans of the global tables."""


async def pushes_of(tx: Tx, company_id: int, subscription: int) -> None:
    """All that a worker sends for a due subscription: an attempt that failed, one that succeeded, and a challenge.

    Needs an open transaction: in it, no server claims the subscription first.
    """
    await tx.rows(
        "update subscription set is_active = true where company_id = $1 and id = $2", company_id, subscription
    )
    await subscriptions.switch(tx, company_id, [subscription])
    last = await changes.number(tx, company_id)
    result = Result(status=500, duration_ms=1, error="a status of 500", answer=None)
    ((claim, order),) = await pushes.claim(tx, company_id, last, lease=1)
    delivery = await pushes.create_delivery(
        tx, company_id, claim, message_id="msg_1", between=(order.sent + 1, order.sent + 1), leads=1
    )
    assert delivery is not None
    assert await pushes.is_current(tx, company_id, claim, order.erasures)
    await pushes.failed(tx, company_id, claim, delivery, result, erasures=order.erasures, pause=0.0)
    ((claim, _),) = await pushes.claim(tx, company_id, last, lease=2)
    await pushes.order(tx, company_id, claim)
    await pushes.delivered(tx, company_id, claim, delivery, result, erasures=order.erasures)
    await pushes.skip(tx, company_id, claim, order.sent + 2)
    await pushes.release(tx, company_id, claim)
    await pushes.is_subscribed(tx, company_id)
    await tx.rows(
        "update subscription set challenge = true where company_id = $1 and id = $2", company_id, subscription
    )
    await subscriptions.switch(tx, company_id, [subscription])
    (challenge,) = await challenges.claim(tx, company_id, lease=3)
    assert await challenges.answered(tx, company_id, challenge, None)
    assert await challenges.answered(tx, company_id, challenge, None) is False, "the lease is over"
    assert await subscriptions.remove(tx, company_id, claim) is False, "the lease is released"


async def people(tx: Tx, database: Database, company: Company) -> None:
    """All that the pages send for a user who is invited, signs in, changes the password, and is disabled."""
    address = f"user{time.monotonic_ns()}@example.com"
    user = await users.create(tx, company, address=address, name="Ann", role="salesperson")
    assert user is not None
    await users.all_of(tx, company)
    await users.rename(tx, company.id, user.id, name="Anna", time_zone=None, language="en")
    assert await users.set_role(tx, company.id, user.id, "salesManager")
    link = await sign_ins.create_link(tx, user, Purpose.INVITE)
    await sign_ins.find_link(database, link)
    assert await sign_ins.use_link(tx, link)
    await sign_ins.set_password(tx, user, "a hash")
    assert len(await sign_ins.credentials(tx, address)) == 1
    session = hash_token(await sign_ins.start_session(tx, user, user_agent="a browser", address="127.0.0.1"))
    await sign_ins.find_session(database, session)
    await sign_ins.note_use(tx, session, address="127.0.0.2")
    (entry,) = await sign_ins.sessions(tx, user)
    assert await sign_ins.end_session(tx, user, entry.id)
    assert await users.by_address(tx, company, address)
    assert await users.active(tx, company, user.id)
    assert await users.disable(tx, company.id, user.id)
    for table, column in (("sign_in", "user_id"), ("user_profile", "id")):  # the company has one user again
        await tx.rows(statement(f"delete from {table} where company_id = $1 and {column} = $2"), company.id, user.id)
