"""Forms on public pages: look-up by public id, submission tokens, and uploaded files."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from springhead.model.capture.forms import EMAIL, Form
from springhead.model.leads.events import FORM_CONFIRMED, FORM_SUBMITTED
from springhead.model.leads.leads import email_key
from springhead.store.database.pool import Tx

TOKEN_SECONDS = 86_400
"""Seconds that the digest of a submission is kept: as long as the token of its page can be used."""

_OLD_TOKENS = 100
"""The most expired tokens that a submission deletes. It adds one, so expired tokens never pile up."""


class StoredUpload(msgspec.Struct, frozen=True, kw_only=True):
    """The name of a stored file, and its size in bytes."""

    name: str
    size: int


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was uploaded with a form."""

    token: str
    name: str
    content_type: str
    sha256: bytes
    data: bytes


async def publish(tx: Tx, company_id: int, ids: Sequence[int]) -> None:
    """Publishes the addresses of new forms."""
    await tx.rows(
        """
        insert into form_address (public_id, company_id, form_id)
        select f.public_id, $1, f.id from form f where f.company_id = $1 and f.id = any($2::bigint[])
        order by f.public_id
        returning form_id
        """,
        company_id,
        ids,
    )


async def unpublish(tx: Tx, company_id: int, ids: Sequence[int]) -> None:
    """Deletes the addresses and tokens of forms that this transaction deletes. Call it before the delete."""
    await tx.rows("delete from form_address where company_id = $1 and form_id = any($2::bigint[])", company_id, ids)
    await tx.rows("delete from form_token where company_id = $1 and form_id = any($2::bigint[])", company_id, ids)


async def detach(tx: Tx, company_id: int, *, lists: Sequence[int] = (), campaigns: Sequence[int] = ()) -> None:
    """Removes lists and campaigns that this transaction deletes from all forms."""
    await tx.rows(
        """
        update form f set
            list_id = case when f.list_id = any($2::bigint[]) then null else f.list_id end,
            campaign_id = case when f.campaign_id = any($3::bigint[]) then null else f.campaign_id end,
            version = f.version + 1, update_timestamp = greatest(now(), f.update_timestamp)
        from (
            select id from form
            where company_id = $1 and (list_id = any($2::bigint[]) or campaign_id = any($3::bigint[]))
            order by id for update
        ) named
        where f.company_id = $1 and f.id = named.id
        """,
        company_id,
        lists,
        campaigns,
    )


async def find_company(tx: Tx, public_id: str) -> int | None:
    """The company of the form with this public id, or None."""
    return await tx.value("select company_id from form_address where public_id = $1", public_id)


async def find_by_public_id(tx: Tx, company_id: int, public_id: str) -> Form | None:
    """The active form with this public id, or None."""
    row = await tx.row(
        """
        select id, public_id, name, fields::text as fields, list_id, campaign_id, thank_you_text, redirect_url,
            notify_user_id, allow_plain_posts, updates_known_leads, double_opt_in, consent_text, language, logo_url
        from form where company_id = $1 and public_id = $2 and is_active
        """,
        company_id,
        public_id,
    )
    if row is None:
        return None
    return msgspec.convert({**dict(row), "fields": msgspec.json.decode(row["fields"])}, Form)


class FormLead(msgspec.Struct, frozen=True):
    """The lead with the email address of a submission."""

    id: int
    unsubscribed: bool


async def lock_lead(tx: Tx, company_id: int, email_key: str) -> FormLead | None:
    """Locks the lead with this email key, active or not, until the commit; returns None if there is none."""
    row = await tx.row(
        """
        select id, coalesce(is_unsubscribed, false) as unsubscribed from lead
        where company_id = $1 and email_key = $2
        order by id for no key update
        """,
        company_id,
        email_key,
    )
    return FormLead(row["id"], row["unsubscribed"]) if row else None


class HeldSubmission(msgspec.Struct, frozen=True, kw_only=True):
    """A submission that waits for its confirmation, or was confirmed: its event, and the lead of the event."""

    event_id: int
    lead_id: int
    time: datetime
    data: Mapping[str, Any]


async def find_held(tx: Tx, company_id: int, form_id: int, event_id: int) -> HeldSubmission | None:
    """The held submission with this event. None if the event was deleted, or if its lead has another address now."""
    row = await tx.row(
        """
        select e.lead_id, e.create_timestamp, e.event_data::text as data, l.email_key
        from event e join lead l on l.company_id = $1 and l.id = e.lead_id
        where e.company_id = $1 and e.id = $3 and e.event_source = $4 and e.what_id = $2
        """,
        company_id,
        form_id,
        event_id,
        FORM_SUBMITTED,
    )
    data: dict[str, Any] = msgspec.json.decode(row["data"]) if row else {}
    if row is None or email_key(data["values"][EMAIL]) != row["email_key"]:
        return None
    return HeldSubmission(event_id=event_id, lead_id=row["lead_id"], time=row["create_timestamp"], data=data)


async def count_links(tx: Tx, company_id: int, form_id: int, lead_id: int) -> int:
    """The number of links that the form has made for the lead in the last day."""
    return await tx.value(
        """
        select count(*) from event e
        where e.company_id = $1 and e.lead_id = $2 and e.create_timestamp > now() - interval '1 day'
            and e.event_source = $3 and e.what_id = $4 and e.event_data ? 'confirmURL'
        """,
        company_id,
        lead_id,
        FORM_SUBMITTED,
        form_id,
    )


async def is_confirmed(tx: Tx, company_id: int, form_id: int, held: HeldSubmission) -> bool:
    """Whether the submission, or a later one of the same form and lead, was confirmed."""
    return await tx.value(
        """
        select exists (
            select from event e
            where e.company_id = $1 and e.lead_id = $2 and e.create_timestamp >= $3 and e.event_source = $4
                and e.what_id = $5 and (e.event_data->>'submitID')::bigint >= $6
        )
        """,
        company_id,
        held.lead_id,
        held.time,
        FORM_CONFIRMED,
        form_id,
        held.event_id,
    )


async def lock_campaign(tx: Tx, company_id: int, campaign_id: int) -> bool:
    """Locks the campaign against deletion until the commit; returns whether it exists."""
    row = await tx.row(
        "select id from campaign where company_id = $1 and id = $2 order by id for key share", company_id, campaign_id
    )
    return row is not None


async def is_removed(tx: Tx, company_id: int, list_id: int, lead_id: int) -> bool:
    """Whether the lead was removed from the list."""
    return await tx.value(
        """
        select exists (
            select from list_member where company_id = $1 and list_id = $2 and lead_id = $3 and is_removed
        )
        """,
        company_id,
        list_id,
        lead_id,
    )


async def use_token(tx: Tx, company_id: int, form_id: int, nonce: str, digest: bytes) -> bytes | None:
    """Uses the token of a page. Returns None if it is new, else the digest of the submission that used it before.

    If another transaction uses the same token, waits for its commit. Also deletes some expired tokens.
    """
    row = await tx.row(
        """
        insert into form_token (company_id, form_id, nonce, digest, create_timestamp) values ($1, $2, $3, $4, now())
        on conflict (company_id, form_id, nonce) do nothing
        returning nonce
        """,
        company_id,
        form_id,
        nonce,
        digest,
    )
    if row is None:
        return await tx.value(
            "select digest from form_token where company_id = $1 and form_id = $2 and nonce = $3",
            company_id,
            form_id,
            nonce,
        )
    await tx.rows(
        """
        delete from form_token t using (
            select form_id, nonce from form_token
            where company_id = $1 and create_timestamp < now() - make_interval(secs => $2)
            order by create_timestamp limit $3
            for update skip locked
        ) old
        where t.company_id = $1 and t.form_id = old.form_id and t.nonce = old.nonce
        """,
        company_id,
        float(TOKEN_SECONDS),
        _OLD_TOKENS,
    )
    return None


async def store_upload(tx: Tx, company_id: int, form_id: int, lead_id: int, upload: Upload) -> None:
    """Stores a file of a lead."""
    await tx.rows(
        """
        insert into upload
            (company_id, token, form_id, lead_id, name, content_type, size, sha256, data, create_timestamp)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, now())
        """,
        company_id,
        upload.token,
        form_id,
        lead_id,
        upload.name,
        upload.content_type,
        len(upload.data),
        upload.sha256,
        upload.data,
    )


async def find_upload(tx: Tx, company_id: int, token: str, days: int) -> StoredUpload | None:
    """The name and size of the file with this token, or None. Files of deleted leads are not returned.

    Returns no file that is older than `days`, unless `days` is 0.
    """
    row = await tx.row(
        """
        select name, size from upload
        where company_id = $1 and token = $2 and lead_id is not null
            and ($3::int = 0 or create_timestamp > now() - make_interval(days => $3::int))
        """,
        company_id,
        token,
        days,
    )
    return StoredUpload(**dict(row)) if row else None


async def read_upload(tx: Tx, company_id: int, token: str, start: int, length: int) -> bytes:
    """The bytes of a file from `start` on, at most `length`. Returns b"" if the file was deleted meanwhile.

    The column is stored uncompressed, so PostgreSQL reads only these bytes.
    """
    row = await tx.row(
        """
        select substring(data from $3::int + 1 for $4::int) as data from upload
        where company_id = $1 and token = $2 and lead_id is not null
        """,
        company_id,
        token,
        start,
        length,
    )
    return row["data"] if row else b""
