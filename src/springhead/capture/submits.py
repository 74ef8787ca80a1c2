"""A submit of a form, stored: the lead, its list, its timeline, its visitor and its files, all or nothing."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum, auto
from typing import Any

import msgspec
import structlog

from springhead.capture.bodies import File
from springhead.methods.leads.leads import create_leads, update_leads_v2
from springhead.methods.sales.tasks import create_tasks
from springhead.model.capture.forms import EMAIL, Form
from springhead.model.kit.errors import EntryExists, NothingChanged
from springhead.model.leads.events import Event
from springhead.model.leads.leads import email_key
from springhead.rpc.context import Context
from springhead.rpc.method import Done, Outcomes, Rows
from springhead.rpc.perform import attempt
from springhead.store.capture import forms, visitors
from springhead.store.capture.forms import Upload
from springhead.store.database.pool import TryAgain, Tx
from springhead.store.leads import events
from springhead.store.lists import members

log = structlog.get_logger()

SOURCE = "formSubmit"


class NotStored(Exception):
    """The lead was refused, though the form's fields were right: nothing of the submit is stored."""


class Became(Enum):
    """What became of a submit."""

    STORED = auto()
    AGAIN = auto()
    """The same was sent with the same page before: it is stored, once."""

    SPENT = auto()
    """Something else was sent with the same page before: nothing of this one is stored."""


class Submit(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent: values by system name, none empty, and the files among them, whose values are addresses.

    `nonce` names the page that was filled in, if it was one of ours; `page` is where the form stands.
    """

    values: Mapping[str, str]
    files: Mapping[str, File]
    tracking_id: str = ""
    page: str = ""
    nonce: str = ""

    @property
    def digest(self) -> bytes:
        """What is the same for the same submit: files count by their bytes."""
        told = {**self.values, **{name: [file.name, file.sha256.hex()] for name, file in self.files.items()}}
        return hashlib.sha256(msgspec.json.encode(told, order="sorted")).digest()


async def store(context: Context, form: Form, submit: Submit) -> Became:
    """Store a submit in one transaction; when this returns it is on the disk.

    Raises Unavailable when the database cannot take it now, and NotStored.
    """
    return await attempt(context, lambda context: _store(context, form, submit))


async def _store(context: Context, form: Form, submit: Submit) -> Became:
    company_id = context.company.id
    async with context.tx() as tx, tx.atomic():
        if submit.nonce:
            before = await forms.use_token(tx, company_id, form.id, submit.nonce, submit.digest)
            if before is not None:
                return Became.AGAIN if before == submit.digest else Became.SPENT
        inside = msgspec.structs.replace(context, inside=tx)
        met = await forms.lock_lead(tx, company_id, email_key(submit.values[EMAIL]))
        lead_id = await (_change(inside, submit, met.id) if met else _create(inside, tx, form, submit))
        if form.list_id and not (
            met and met.unsubscribed and await forms.is_removed(tx, company_id, form.list_id, lead_id)
        ):
            await members.add(tx, company_id, [form.list_id], [lead_id])
        if submit.tracking_id:
            await visitors.link_leads(tx, company_id, [(lead_id, submit.tracking_id)])
        await events.write(tx, company_id, [_event(form, submit, lead_id)])
        for file in submit.files.values():
            await forms.store_upload(tx, company_id, form.id, lead_id, _upload(file))
        if form.notify_user_id:
            await _notify(inside, form, submit, lead_id, new=met is None)
    return Became.STORED


async def _change(context: Context, submit: Submit, lead_id: int) -> int:
    values = {name: value for name, value in submit.values.items() if name != EMAIL}
    await _write(update_leads_v2, context, {"id": lead_id, "active": 1, **values, **_tracked(submit)})
    return lead_id


async def _create(context: Context, tx: Tx, form: Form, submit: Submit) -> int:
    lead: dict[str, Any] = {**submit.values, **_tracked(submit)}
    if form.campaign_id and await forms.lock_campaign(tx, context.company.id, form.campaign_id):
        lead["campaignID"] = form.campaign_id
    return (await _write(create_leads, context, lead)).get("id", 0)


async def _write(write: Callable[..., Awaitable[Rows | Outcomes]], context: Context, lead: dict[str, Any]) -> Done:
    """Write a lead, without the values that other leads have in unique fields: those stand in the event alone."""
    outcome = _only(await write(context, objects=[lead]))
    error = outcome["error"]
    if error and error["code"] == EntryExists.code and isinstance(error["data"], dict):
        taken = {problem["param"] for problem in error["data"]["params"]}
        outcome = _only(await write(context, objects=[{name: one for name, one in lead.items() if name not in taken}]))
    return _settled(outcome)


def _tracked(submit: Submit) -> dict[str, Any]:
    return {"trackingID": submit.tracking_id} if submit.tracking_id else {}


def _only(result: Rows | Outcomes) -> Done:
    """The outcome of the only object."""
    assert isinstance(result, Outcomes)  # noqa: S101 - that of a write
    (outcome,) = result.results
    return outcome


def _settled(outcome: Done) -> Done:
    """The outcome; nothing to change is fine, a lead that somebody else makes is begun anew."""
    error = outcome["error"]
    if error and error["code"] == EntryExists.code:
        raise TryAgain
    if error and error["code"] != NothingChanged.code:
        raise NotStored(error["message"])
    return outcome


def _event(form: Form, submit: Submit, lead_id: int) -> Event:
    data: dict[str, Any] = {"form": form.name, "values": dict(submit.values)}
    if submit.page:
        data["page"] = submit.page
    if submit.files:
        data["files"] = {name: file.name for name, file in submit.files.items()}
    name = f"Submitted the form {form.name}"
    return Event(lead_id=lead_id, source=SOURCE, name=name, what_type="form", what_id=form.id, data=data)


def _upload(file: File) -> Upload:
    return Upload(token=file.token, name=file.name, content_type=file.content_type, sha256=file.sha256, data=file.data)


async def _notify(context: Context, form: Form, submit: Submit, lead_id: int, *, new: bool) -> None:
    """A task for the user who wants to know; one who is gone costs no submit."""
    told = "\n".join(f"{name}: {value}" for name, value in submit.values.items())
    title = f"{'New lead' if new else 'A known lead'} from form {form.name}"
    task = {
        "title": title[:255],
        "description": told[:65_535],
        "ownerID": form.notify_user_id,
        "whoID": lead_id,
        "whoType": "lead",
    }
    result = await create_tasks(context, objects=[task])
    if isinstance(result, Outcomes) and result.results[0]["error"]:
        log.warning("form notifies nobody", form=form.id, code=result.results[0]["error"]["code"])
