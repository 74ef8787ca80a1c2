"""Stores a submission in one transaction: the lead, its list, its timeline, its visitor and its files.

With double opt-in, the submission is held: only its event is stored, until the person confirms the address.
"""

import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum, auto
from functools import partial
from typing import Any

import msgspec
import structlog

from springhead.capture.form_bodies import SubmittedFile
from springhead.methods import reads
from springhead.methods.bulk import writes
from springhead.methods.leads.leads import HOOKS, UPDATE_HOOKS
from springhead.methods.sales.tasks import create_tasks
from springhead.model.capture import confirmations
from springhead.model.capture.confirmations import ConfirmLink
from springhead.model.capture.forms import EMAIL, Form, available_fields, column_of
from springhead.model.capture.sites import Site
from springhead.model.kit.columns import Noun
from springhead.model.kit.errors import EntryExists, Json, NoSuchRecord, NothingChanged
from springhead.model.leads.events import FORM_CONFIRMED, FORM_SUBMITTED, Event
from springhead.model.leads.leads import LEAD, email_key
from springhead.model.leads.opt_outs import CONFIRM_LINK, FORM
from springhead.rpc.context import Context
from springhead.rpc.method import Outcome, WriteResult
from springhead.rpc.perform import attempt
from springhead.store.capture import forms, visitors
from springhead.store.capture.forms import FormLead, HeldSubmission, Upload
from springhead.store.database.pool import TryAgain, Tx
from springhead.store.leads import events
from springhead.store.lists import members

log = structlog.get_logger()

_UNTRACKED = {name: hook for name, hook in UPDATE_HOOKS.after_values.items() if name != "trackingID"}
"""The update hooks without the link to the visitor: a visitor is locked after the form's list (docs/lock-order.md)."""

_CREATE_HOOKS = msgspec.structs.replace(HOOKS, after_values={})
_UPDATE_HOOKS = msgspec.structs.replace(UPDATE_HOOKS, after_values=_UNTRACKED)


class NotStored(Exception):
    """Raised if the API refuses the lead although its fields are valid. Nothing of the submission is stored."""


class SubmissionOutcome(Enum):
    """The outcome of a submission that was not refused."""

    STORED = auto()
    HELD = auto()
    """The submission waits until its person confirms the address."""

    REPEATED = auto()
    """The same submission of the same page was stored before. It is not stored again."""

    PAGE_USED = auto()
    """A different submission of the same page was stored before. Nothing of this submission is stored."""


class Confirmation(Enum):
    """The outcome of a confirmation."""

    DONE = auto()
    """The submission is stored, by this call or before."""

    GONE = auto()
    """The submission no longer exists, or its lead has another address."""

    EXPIRED = auto()


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A submission with valid values by system name. No value is empty. The value of a file is its public address.

    `nonce` identifies the submitted page if this server made it. `page` is the address of the page with the form.
    `others` has the inputs that the form does not ask for, and `dropped` says what of the inputs is not stored.
    `not_written` has the fields that keep the value of a known lead. `consent` has the text of a ticked consent box,
    and the time in UTC.
    """

    values: Mapping[str, str]
    files: Mapping[str, Sequence[SubmittedFile]]
    others: Mapping[str, str | Sequence[str]] = {}
    dropped: Mapping[str, str] = {}
    not_written: Sequence[str] = ()
    consent: Mapping[str, str] = {}
    tracking_id: str = ""
    page: str = ""
    nonce: str = ""

    @property
    def digest(self) -> bytes:
        """A hash of values and files. It is equal for repeated submissions."""
        files = {name: [[file.name, file.sha256.hex()] for file in some] for name, some in self.files.items()}
        return hashlib.sha256(msgspec.json.encode({**self.values, **files}, order="sorted")).digest()


async def store(
    context: Context, site: Site, form: Form, submission: Submission, *, end: float | None = None
) -> SubmissionOutcome:
    """Stores a submission in one transaction, which is committed when this returns.

    `end` is the deadline, as in `attempt`. Raises Unavailable if the database is not available, or NotStored.
    """
    return await attempt(context, lambda context: _store(context, site, form, submission), end=end)


async def confirm(context: Context, form: Form, link: ConfirmLink) -> Confirmation:
    """Stores the held submission of a link, unless it was confirmed before.

    Raises Unavailable if the database is not available, or NotStored.
    """
    return await attempt(context, lambda context: _confirm(context, form, link))


async def _store(context: Context, site: Site, form: Form, submission: Submission) -> SubmissionOutcome:
    company_id = context.company.id
    async with context.tx() as tx, tx.atomic():
        if submission.nonce:
            stored = await forms.use_token(tx, company_id, form.id, submission.nonce, submission.digest)
            if stored is not None:
                return SubmissionOutcome.REPEATED if stored == submission.digest else SubmissionOutcome.PAGE_USED
        inside = msgspec.structs.replace(context, inside=tx, source=FORM)
        lead = await forms.lock_lead(tx, company_id, email_key(submission.values[EMAIL]))
        if form.double_opt_in:
            await _hold(inside, tx, form, submission, lead=lead, site=site)
            return SubmissionOutcome.HELD
        if lead and not form.updates_known_leads:
            submission = await _only_additions(inside, submission, lead.id)
        lead_id = await (_update(inside, submission, lead.id) if lead else _create(inside, tx, form, submission))
        await _join(inside, tx, form, submission, lead_id, lead=lead)
        await events.write(tx, company_id, [_event(form, submission, lead_id)])
        await _store_files(tx, company_id, form, submission, lead_id)
        await _notify(inside, form, submission, lead_id, "A known lead" if lead else "New lead")
    return SubmissionOutcome.STORED


async def _hold(
    context: Context, tx: Tx, form: Form, submission: Submission, *, lead: FormLead | None, site: Site
) -> None:
    """Stores the event and the files of a submission. A new lead gets the address alone, a known lead nothing."""
    bare = msgspec.structs.replace(submission, values={EMAIL: submission.values[EMAIL]}, tracking_id="")
    lead_id = lead.id if lead else await _create(context, tx, form, bare)
    company_id = context.company.id
    if await forms.count_links(tx, company_id, form.id, lead_id) < confirmations.LINKS_A_DAY:
        link = ConfirmLink(form.id, await events.draw_id(tx), int(time.time()) + confirmations.DAYS * 86_400)
        event = _event(form, submission, lead_id)
        data: dict[str, Any] = {
            **(event.data or {}),
            **_tracking_id(submission),
            "confirmURL": f"{context.public_url}/f/{form.public_id}/confirm/{confirmations.token(site, link)}",
            "confirmUntil": _utc(datetime.fromtimestamp(link.expires, UTC)),
        }
        event = msgspec.structs.replace(event, id=link.event_id, data=data)
    else:
        reason = f"the address has got {confirmations.LINKS_A_DAY} links within a day"
        dropped = {**submission.dropped, "confirmURL": reason}
        event = _event(form, msgspec.structs.replace(submission, dropped=dropped), lead_id)
    await events.write(tx, company_id, [event])
    await _store_files(tx, company_id, form, submission, lead_id)


async def _confirm(context: Context, form: Form, link: ConfirmLink) -> Confirmation:
    company_id = context.company.id
    async with context.tx() as tx, tx.atomic():
        held = await forms.find_held(tx, company_id, form.id, link.event_id)
        lead = held and await forms.lock_lead(tx, company_id, email_key(held.data["values"][EMAIL]))
        # Read again: before the lock, an erasure or another press of the button may have been under way.
        held = await forms.find_held(tx, company_id, form.id, link.event_id)
        if held is None or lead is None or held.lead_id != lead.id:
            return Confirmation.GONE
        if await forms.is_confirmed(tx, company_id, form.id, held):
            return Confirmation.DONE
        if link.is_expired:
            return Confirmation.EXPIRED
        inside = msgspec.structs.replace(context, inside=tx, source=CONFIRM_LINK)
        submission = await _held_submission(inside, tx, held)
        await _update(inside, submission, lead.id)
        await _join(inside, tx, form, submission, lead.id, lead=lead)
        await events.write(tx, company_id, [_confirmation(form, held, submission)])
        await _notify(inside, form, submission, lead.id, "Confirmed lead")
    return Confirmation.DONE


async def _held_submission(context: Context, tx: Tx, held: HeldSubmission) -> Submission:
    """Returns a held submission. `not_written` has the fields that do not take the value any more."""
    fields = available_fields(await context.fields(tx))
    values: dict[str, str] = {}
    for name, value in held.data["values"].items():
        try:
            values[name] = column_of(fields[name]).kind.read(value)
        except (KeyError, ValueError):
            continue
    return Submission(
        values=values,
        files={},
        others=held.data.get("inputs", {}),
        not_written=[name for name in held.data["values"] if name not in values],
        tracking_id=held.data.get("trackingID", ""),
        consent=held.data.get("consent", {}),
    )


async def _join(
    context: Context, tx: Tx, form: Form, submission: Submission, lead_id: int, *, lead: FormLead | None
) -> None:
    """Subscribes the lead if its person has agreed, adds it to the form's list, and links its visits.

    `lead` is the lead before the submission. It stays away from a list that it has left, unless it is subscribed again.
    """
    company_id = context.company.id
    opted_in = bool(submission.consent) and await _opt_in(context, tx, submission)
    stays_away = lead is not None and lead.unsubscribed and not opted_in
    if form.list_id and not (stays_away and await forms.is_removed(tx, company_id, form.list_id, lead_id)):
        await members.add(tx, company_id, [form.list_id], [lead_id])
    if submission.tracking_id:
        await visitors.link_leads(tx, company_id, [(lead_id, submission.tracking_id)])


async def _store_files(tx: Tx, company_id: int, form: Form, submission: Submission, lead_id: int) -> None:
    for file in [file for some in submission.files.values() for file in some]:
        await forms.store_upload(tx, company_id, form.id, lead_id, _upload(file))


async def _only_additions(context: Context, submission: Submission, lead_id: int) -> Submission:
    """Returns the submission for a lead whose values and visits stay: anybody can type the address of a lead.

    `not_written` has the fields in which the lead has another value.
    """
    names = [name for name in submission.values if name != EMAIL]
    if not names:
        return msgspec.structs.replace(submission, tracking_id="")
    (lead,) = (await reads.find(context, LEAD, {"id": lead_id}, names, limit=1, offset=0)).page
    different = [name for name in names if lead[name] not in {None, "", submission.values[name]}]
    return msgspec.structs.replace(submission, tracking_id="", not_written=different)


async def _update(context: Context, submission: Submission, lead_id: int) -> int:
    unwritten = {EMAIL, *submission.not_written}
    values = {name: value for name, value in submission.values.items() if name not in unwritten}
    lead = {"id": lead_id, "active": 1, **values, **_tracking_id(submission)}
    await _write(partial(writes.update, hooks=_UPDATE_HOOKS, missing=NoSuchRecord()), context, lead)
    return lead_id


async def _create(context: Context, tx: Tx, form: Form, submission: Submission) -> int:
    lead: dict[str, Any] = {**submission.values, **_tracking_id(submission)}
    if form.campaign_id and await forms.lock_campaign(tx, context.company.id, form.campaign_id):
        lead["campaignID"] = form.campaign_id
    return (await _write(partial(writes.create, hooks=_CREATE_HOOKS), context, lead)).get("id", 0)


async def _opt_in(context: Context, tx: Tx, submission: Submission) -> bool:
    """Subscribes the lead of a submission again, because its person has ticked the consent box.

    Returns whether the lead was unsubscribed. A new lead is, if its address was unsubscribed before.
    """
    lead = await forms.lock_lead(tx, context.company.id, email_key(submission.values[EMAIL]))
    if lead is None or not lead.unsubscribed:
        return False
    change = {"id": lead.id, "isUnsubscribed": 0}
    await _write(partial(writes.update, hooks=_UPDATE_HOOKS, missing=NoSuchRecord()), context, change)
    return True


async def _write(
    write: Callable[[Context, Noun, list[Json]], Awaitable[WriteResult]], context: Context, lead: dict[str, Any]
) -> Outcome:
    """Writes a lead, without the unique values that other leads have. The submission's event has them all the same."""
    outcome = _only(await write(context, LEAD, [lead]))
    error = outcome["error"]
    if error and error["code"] == EntryExists.code and isinstance(error["data"], dict):
        taken_names = {problem["param"] for problem in error["data"]["params"]}
        other_values = {name: value for name, value in lead.items() if name not in taken_names}
        outcome = _only(await write(context, LEAD, [other_values]))
    return _checked(outcome)


def _tracking_id(submission: Submission) -> dict[str, Any]:
    return {"trackingID": submission.tracking_id} if submission.tracking_id else {}


def _only(result: WriteResult) -> Outcome:
    """Returns the outcome of the only object."""
    (outcome,) = result.outcomes
    return outcome


def _checked(outcome: Outcome) -> Outcome:
    """Returns the outcome of a write that succeeded or changed nothing.

    Raises TryAgain if a concurrent call creates the lead, or NotStored.
    """
    error = outcome["error"]
    if error and error["code"] == EntryExists.code:
        raise TryAgain
    if error and error["code"] != NothingChanged.code:
        raise NotStored(error["message"])
    return outcome


def _event(form: Form, submission: Submission, lead_id: int) -> Event:
    data: dict[str, Any] = {"form": form.name, "values": dict(submission.values)}
    if submission.page:
        data["page"] = submission.page
    if submission.files:
        names = {name: [file.name for file in some] for name, some in submission.files.items()}
        data["files"] = {name: some[0] if len(some) == 1 else some for name, some in names.items()}
    if submission.others:
        data["inputs"] = submission.others
    if submission.dropped:
        data["dropped"] = submission.dropped
    if submission.consent:
        data["consent"] = submission.consent
    if submission.not_written:
        data["notWritten"] = submission.not_written
    name = f"Submitted the form {form.name}"
    return Event(lead_id=lead_id, source=FORM_SUBMITTED, name=name, what_type="form", what_id=form.id, data=data)


def _confirmation(form: Form, held: HeldSubmission, submission: Submission) -> Event:
    data: dict[str, Any] = {"form": form.name, "submitID": str(held.event_id), "source": CONFIRM_LINK}
    if submission.consent:
        data["consent"] = {**submission.consent, "time": _utc(datetime.now(UTC))}
    if submission.not_written:
        data["notWritten"] = submission.not_written
    name = f"Confirmed the form {form.name}"
    return Event(lead_id=held.lead_id, source=FORM_CONFIRMED, name=name, what_type="form", what_id=form.id, data=data)


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _upload(file: SubmittedFile) -> Upload:
    return Upload(token=file.token, name=file.name, content_type=file.content_type, sha256=file.sha256, data=file.data)


async def _notify(context: Context, form: Form, submission: Submission, lead_id: int, subject: str) -> None:
    """Creates a task for the user that the form names, if any. A refused task does not refuse the submission."""
    if not form.notify_user_id:
        return
    lines = {**submission.values, **submission.others}
    description = "\n".join(f"{name}: {value}" for name, value in lines.items())
    title = f"{subject} from form {form.name}"
    task = {
        "title": title[:255],
        "description": description[:65_535],
        "ownerID": form.notify_user_id,
        "whoID": lead_id,
        "whoType": "lead",
    }
    result = await create_tasks(context, objects=[task])
    if isinstance(result, WriteResult) and result.outcomes[0]["error"]:
        log.warning("no task for a submission", form=form.id, code=result.outcomes[0]["error"]["code"])
