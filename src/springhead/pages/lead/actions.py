"""The page of a lead: what it shows, and what people do there by forms. Each form is a call of a method."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from springhead.model.kit.errors import NothingChanged, ValueChanged
from springhead.model.leads.leads import DERIVED_STATUS
from springhead.pages.lead import facts
from springhead.pages.lead.page import Refusal, deals_part, lead_path, same_part, score_part, show
from springhead.pages.leads.address import PATH
from springhead.pages.leads.columns import all_columns
from springhead.pages.leads.table import fields_of, messages
from springhead.pages.visits import CallRefused, Visit, Visits
from springhead.rpc.method import Outcome

_ID = re.compile(r"[0-9]{1,18}")
_Object = Mapping[str, Any]


class Refused(Exception):
    """Raised when a form cannot be done: why, and for a conflict the value that is stored."""

    def __init__(self, problems: Sequence[str], theirs: str | None = None) -> None:
        super().__init__(*problems)
        self.problems, self.theirs = problems, theirs


class LeadPage:
    """The page of a lead."""

    def __init__(self, visits: Visits) -> None:
        self._visits = visits

    def routes(self) -> list[Route]:
        """Returns the routes of the page. They come after the other routes under the path of leads."""
        of = self._visits.of
        path = PATH + "/{id}"
        return [
            Route(path, of(self.page), methods=["GET"]),
            Route(path, of(self.act), methods=["POST"]),
            Route(path + "/score", of(self.score), methods=["GET"]),
            Route(path + "/same", of(self.same), methods=["GET"]),
            Route(path + "/deals", of(self.deals), methods=["GET"]),
        ]

    async def page(self, visit: Visit) -> Response:
        """Shows a lead."""
        lead_id = visit.request.path_params["id"]
        return await show(visit, str(int(lead_id))) if _ID.fullmatch(lead_id) else visit.nothing()

    async def score(self, visit: Visit) -> Response:
        """Returns the score of a lead with its reasons, as a part of the page."""
        return await self._part(visit, score_part)

    async def same(self, visit: Visit) -> Response:
        """Returns the leads that are perhaps the same person, as a part of the page."""
        return await self._part(visit, same_part)

    async def deals(self, visit: Visit) -> Response:
        """Returns the opportunities of a lead, as a part of the page."""
        return await self._part(visit, deals_part)

    async def _part(self, visit: Visit, part: Callable[[Visit, str], Awaitable[Response]]) -> Response:
        lead_id = visit.request.path_params["id"]
        return await part(visit, str(int(lead_id))) if _ID.fullmatch(lead_id) else visit.nothing()

    async def act(self, visit: Visit) -> Response:
        """Does what a form of the page asks for, and shows the lead again. A refused form keeps what was typed."""
        lead_id, do = visit.request.path_params["id"], visit.form.get("do", "")
        if not _ID.fullmatch(lead_id) or do not in _ACTIONS:
            return visit.nothing()
        lead_id = str(int(lead_id))
        if do != "restore" and not (await visit.call("getLead", id=lead_id)).page:
            return visit.nothing()
        try:
            where = await _ACTIONS[do](visit, lead_id)
        except Refused as refused:
            return await show(visit, lead_id, Refusal(do, visit.form, refused.problems, refused.theirs))
        tab = visit.form.get("tab", "")
        path = where or lead_path(
            lead_id,
            done=do,
            field=visit.form.get("field", "") if do == "field" else "",
            tab=tab if tab in {"facts", "why"} else "",
        )
        return RedirectResponse(path, 303, {"cache-control": "no-store"})


async def _write(visit: Visit, method: str, record: _Object) -> Outcome | None:
    """Writes one object. A write that changes nothing is a success. Raises Refused."""
    try:
        (outcome,) = (await visit.call(method, objects=[record])).outcomes
    except CallRefused as refusal:
        raise Refused(messages(refusal.error)) from refusal
    error = outcome["error"]
    if error is None or error["code"] == NothingChanged.code:
        return outcome
    data: Any = error["data"]
    if error["code"] == ValueChanged.code:
        raise Refused([visit.text("leads.meanwhile")], _stored(data))
    problems: list[Any] = cast("Mapping[str, Any]", data).get("params", []) if isinstance(data, dict) else []
    raise Refused([str(one["message"])[:500] for one in problems] or [error["message"]])


def _stored(data: Any) -> str:
    conflict = cast("Mapping[str, Mapping[str, Any]]", data["conflict"])
    return next(("" if one["value"] is None else str(one["value"]) for one in conflict.values()), "")


async def _field(visit: Visit, lead_id: str) -> str:
    """Stores the value of a field, if nobody has changed it since it was read."""
    columns = all_columns(await fields_of(visit), visit.text)
    column = columns.get(visit.form.get("field", ""))
    if column is None or not facts.editor_of(column) or column.name == "name":
        raise Refused([visit.text("leads.not_editable")])
    value, was = (_lines(visit.form.get(name, "")) for name in ("value", "was"))
    value, empty = value.strip(), facts.empty_of(column)
    try:
        await _change(visit, lead_id, column.name, value or empty, was or empty)
    except Refused as refused:
        if refused.theirs is None or refused.theirs == was or _lines(refused.theirs) != was:
            raise
        await _change(visit, lead_id, column.name, value or empty, refused.theirs)  # only the ends of lines differ
    return ""


async def _change(visit: Visit, lead_id: str, field: str, value: str | None, was: str | None) -> None:
    await _write(visit, "updateLeadsV2", {"id": lead_id, field: value, "expected": {field: was}})


def _lines(text: str) -> str:
    """Returns a text with the ends of lines that browsers do not send."""
    return text.replace("\r\n", "\n")


async def _status(visit: Visit, lead_id: str) -> str:
    if visit.form.get("value") == DERIVED_STATUS:
        raise Refused([visit.text("lead.derived")])
    await _change(visit, lead_id, "leadStatus", visit.form.get("value", ""), visit.form.get("was", ""))
    return ""


async def _note(visit: Visit, lead_id: str) -> str:
    text = visit.form.get("text", "").strip()
    if not text:
        raise Refused([visit.text("lead.no_text")])
    record = {"note": text, "authorID": visit.user.id, "whoID": lead_id, "whoType": "lead"}
    await _write(visit, "createNotes", record)
    return ""


async def _call(visit: Visit, lead_id: str) -> str:
    record = {
        "userID": visit.user.id,
        "leadID": lead_id,
        "direction": visit.form.get("direction", "outgoing"),
        "callResult": visit.form.get("result", "").strip(),
        "callNotes": visit.form.get("text", "").strip(),
        "createTimestamp": _wire(datetime.now(UTC)),
    }
    await _write(visit, "logCalls", record)
    return ""


async def _task(visit: Visit, lead_id: str) -> str:
    title, when = visit.form.get("text", "").strip(), visit.form.get("when", "").strip()
    if not title:
        raise Refused([visit.text("lead.no_text")])
    record: dict[str, Any] = {"title": title, "ownerID": visit.user.id, "whoID": lead_id, "whoType": "lead"}
    if when:
        record["dueDate"] = await _time(visit, when)
    await _write(visit, "createTasks", record)
    return ""


async def _time(visit: Visit, text: str) -> str:
    """Returns the time that words mean, on the wire. Raises Refused for words that are not understood."""
    try:
        read = await visit.call("findTime", text=text, language=visit.language, timeZone=visit.user.zone.key)
    except CallRefused as refusal:
        raise Refused([visit.text("lead.no_time", text=text[:100])]) from refusal
    return _wire(datetime.fromisoformat(read.page[0]["time"]))


def _wire(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


async def _finish(visit: Visit, lead_id: str) -> str:
    task_id = visit.form.get("task", "")
    if not _ID.fullmatch(task_id):
        raise Refused([visit.text("lead.gone")])
    mine = (await visit.call("getTasks", where={"id": task_id, "whoID": lead_id})).page
    if not mine:
        raise Refused([visit.text("lead.gone")])
    await _write(visit, "updateTasks", {"id": task_id, "status": "completed"})
    return ""


async def _list(visit: Visit, lead_id: str) -> str:
    await _write(visit, "addListMembers", {"listID": visit.form.get("list", ""), "memberID": lead_id})
    return ""


async def _unlist(visit: Visit, lead_id: str) -> str:
    await _write(visit, "removeListMembers", {"listID": visit.form.get("list", ""), "memberID": lead_id})
    return ""


async def _convert(visit: Visit, lead_id: str) -> str:
    form = {name: value.strip() for name, value in visit.form.items()}
    record: dict[str, Any] = {"id": lead_id, "leadStatus": form.get("leadStatus", "contact")}
    if form.get("account"):
        record |= {"account": 1} | ({"accountName": form["accountName"]} if form.get("accountName") else {})
    if form.get("opportunityName"):
        names = ("opportunityName", "dealStageID", "amount")
        record |= {name: form[name] for name in names if form.get(name)}
        if form.get("closeDate"):
            record["closeDate"] = await _time(visit, form["closeDate"])
    await _write(visit, "convertLeads", record)
    return ""


async def _delete(visit: Visit, lead_id: str) -> str:
    await _write(visit, "deleteLeads", {"id": lead_id})
    return ""


async def _restore(visit: Visit, lead_id: str) -> str:
    await _write(visit, "restoreLeads", {"id": lead_id})
    return ""


async def _merge(visit: Visit, lead_id: str) -> str:
    await _write(visit, "mergeLeads", {"id": lead_id, "mergeIDs": [visit.form.get("other", "")]})
    return ""


async def _erase(visit: Visit, lead_id: str) -> str:
    """Erases the lead, if its address was typed: this cannot be undone."""
    lead = (await visit.call("getLead", id=lead_id)).page[0]
    if visit.form.get("typed", "").strip() != lead["emailAddress"]:
        raise Refused([visit.text("lead.erase_typed")])
    await _write(visit, "eraseLeads", {"id": lead_id})
    return lead_path(lead_id)


_ACTIONS: Mapping[str, Callable[[Visit, str], Awaitable[str]]] = {
    "field": _field,
    "status": _status,
    "note": _note,
    "call": _call,
    "task": _task,
    "finish": _finish,
    "list": _list,
    "unlist": _unlist,
    "convert": _convert,
    "delete": _delete,
    "restore": _restore,
    "merge": _merge,
    "erase": _erase,
}
