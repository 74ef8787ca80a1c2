"""What people change in the table of leads: a cell, several leads at once, and a new lead."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from springhead.model.companies.roles import Right
from springhead.model.kit.errors import NothingChanged, ValueChanged
from springhead.pages.leads import cells
from springhead.pages.leads.address import NAME, PATH
from springhead.pages.leads.columns import TableColumn
from springhead.pages.leads.table import FULL_SCORE, Table, messages, table_of
from springhead.pages.visits import CallRefused, Visit, Visits
from springhead.rpc.method import Outcome

LEADS_MAX = 500
"""The most leads that are changed at once by their ids."""

_SET = {"status": "leadStatus", "owner": "ownerID"}
"""The fields that an action sets for all selected leads."""

_NEW_FIELDS = ("emailAddress", "firstName", "lastName", "companyName", "phoneNumber")
"""The fields of the form for a new lead."""

_CHOICES_MAX = 200
"""How many users or lists the page offers."""

_Objects = list[dict[str, Any]]


class LeadChanges:
    """The requests that change leads in the table. What they do, they do by calls of methods in the user's name."""

    def __init__(self, visits: Visits) -> None:
        self._visits = visits

    def routes(self) -> list[Route]:
        """Returns the routes of changes."""
        of = self._visits.of
        return [
            Route(f"{PATH}/new", of(self.form), methods=["GET"]),
            Route(f"{PATH}/new", of(self.create), methods=["POST"]),
            Route(f"{PATH}/known", of(self.known), methods=["GET"]),
            Route(f"{PATH}/choices", of(self.choices), methods=["GET"]),
            Route(f"{PATH}/cell", of(self.save), methods=["POST"]),
            Route(f"{PATH}/bulk", of(self.bulk), methods=["POST"]),
        ]

    async def form(self, visit: Visit) -> Response:
        """Shows the form for a new lead."""
        return _form(visit, visit.request.query_params)

    async def create(self, visit: Visit) -> Response:
        """Creates a lead and goes to its page. A refused form is shown again with what was typed."""
        sent = {name: visit.form.get(name, "").strip() for name in _NEW_FIELDS}
        given = {name: value for name, value in sent.items() if value or name == "emailAddress"}
        outcomes, problems = await _write(visit, "createLeads", [given])
        if problems:
            return _form(visit, sent, problems=problems, known=await _known(visit, sent["emailAddress"]), status=422)
        return RedirectResponse(f"{PATH}/{outcomes[0].get('id')}", 303, {"cache-control": "no-store"})

    async def known(self, visit: Visit) -> Response:
        """Says whether an email address belongs to a lead already, with a link to it."""
        known = await _known(visit, visit.request.query_params.get("emailAddress", ""))
        return visit.render("leads/known.html", {"known": known})

    async def choices(self, visit: Visit) -> Response:
        """Returns the users or the lists that can be chosen, as options."""
        options: Sequence[tuple[str, str]]
        if visit.request.query_params.get("of") == "list":
            read = await visit.call("getActiveLists", where={}, limit=_CHOICES_MAX)
            options = [(str(row["id"]), str(row["name"])) for row in read.page if not row.get("filter")]
        else:
            read = await visit.call("getUserProfiles", where={"isActive": 1}, limit=_CHOICES_MAX)
            people = sorted(((str(row["id"]), str(row["displayName"])) for row in read.page), key=lambda pair: pair[1])
            options = [("", visit.text("frame.nobody")), *people]
        return visit.render("leads/options.html", {"options": options})

    async def save(self, visit: Visit) -> Response:
        """Stores the value of a cell, if nobody has changed it since it was read. Returns the row as it is now."""
        lead_id, value, was = (visit.form.get(name, "") for name in ("id", "value", "was"))
        table = await table_of(visit)
        column = table.columns.get(visit.form.get("field", ""))
        if column is None or not column.editor or not lead_id.isdecimal():
            return _answer({"message": visit.text("leads.not_editable")}, 422)
        if column.name == NAME:
            changes, expected = await _name_changes(visit, lead_id, value, was)
        else:
            empty = None if column.kind == "owner" else ""
            changes, expected = {column.name: value or empty}, {column.name: was or empty}
        record = {"id": lead_id, **changes, "expected": expected}
        outcomes, problems = await _write(visit, "updateLeadsV2", [record])
        error = outcomes[0]["error"] if outcomes else None
        if error and error["code"] == ValueChanged.code:
            return _answer({"message": visit.text("leads.meanwhile"), "theirs": _theirs(error["data"], column)}, 409)
        if problems:
            return _answer({"message": " ".join(problems)}, 422)
        return await _row(visit, table, lead_id)

    async def bulk(self, visit: Visit) -> Response:
        """Changes several leads. The answer says how many, and has what an undo sends."""
        ids = [one for one in visit.form.get("ids", "").split(",") if one.isdecimal()][:LEADS_MAX]
        value, action = visit.form.get("value", ""), visit.form.get("do", "")
        undo: dict[str, str] = {}
        if action in _SET:
            field = _SET[action]
            read = await visit.call("getLeads", where={"id": ids}, fields=["id", field])
            before = {str(row["id"]): row[field] for row in read.page}
            outcomes, problems = await _write(
                visit, "updateLeadsV2", [{"id": one, field: value or None} for one in ids]
            )
            undo = {"do": "undo", "field": field, "was": value, "ids": _json(before)}
        elif action == "undo":
            outcomes, problems = await _undo(visit)
        elif action == "list":
            objects: _Objects = [{"listID": value, "memberID": one} for one in ids]
            outcomes, problems = await _write(visit, "addListMembers", objects)
            added = [one for one, outcome in zip(ids, outcomes, strict=False) if outcome["success"]]
            undo = {"do": "unlist", "value": value, "ids": ",".join(added)} if added else {}
        elif action == "unlist":
            objects = [{"listID": value, "memberID": one} for one in ids]
            outcomes, problems = await _write(visit, "removeListMembers", objects)
        elif action in {"delete", "restore"}:
            method = "deleteLeads" if action == "delete" else "restoreLeads"
            outcomes, problems = await _write(visit, method, [{"id": one} for one in ids])
            undo = {"do": "restore", "ids": ",".join(ids)} if action == "delete" else {}
        else:
            return _answer({"message": visit.text("leads.not_editable")}, 422)
        done = sum(outcome["success"] or _is_same(outcome) for outcome in outcomes)
        message = visit.text(f"leads.done_{action}", n=done) if done or not problems else ""
        failed = visit.text("leads.failed", n=len(outcomes) - done) if outcomes and done < len(outcomes) else ""
        text = " ".join(filter(None, (message, failed, *problems[:2])))
        return _answer({"message": text, "undo": undo if done else {}, "isBad": not done}, 200 if done else 422)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _answer(values: Mapping[str, Any], status: int = 200) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(msgspec.json.encode(values), status, headers, media_type="application/json")


def _is_same(outcome: Outcome) -> bool:
    """Whether an object was refused only because the lead has the value already."""
    return outcome["error"] is not None and outcome["error"]["code"] == NothingChanged.code


async def _write(visit: Visit, method: str, objects: _Objects) -> tuple[Sequence[Outcome], Sequence[str]]:
    """Performs a bulk write. Returns its outcomes, and sentences about what was refused, each once."""
    try:
        outcomes: Sequence[Outcome] = (await visit.call(method, objects=objects)).outcomes
    except CallRefused as refusal:
        return [], messages(refusal.error)
    refused = [outcome["error"] for outcome in outcomes if outcome["error"] and not _is_same(outcome)]
    sentences = [sentence for error in refused for sentence in _sentences(error["data"]) or [error["message"]]]
    return outcomes, list(dict.fromkeys(sentences))


def _sentences(data: Any) -> list[str]:
    params = data.get("params", []) if isinstance(data, dict) else []  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return [str(problem["message"])[:500] for problem in params]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _theirs(data: Any, column: TableColumn) -> str:
    """Returns the value that a lead has now, for a conflict."""
    conflict = cast("Mapping[str, Mapping[str, Any]]", data["conflict"])
    fields = ("firstName", "lastName") if column.name == NAME else (column.name,)
    return " ".join(str(conflict[field]["value"] or "") for field in fields if field in conflict).strip()


async def _name_changes(
    visit: Visit, lead_id: str, value: str, was: str
) -> tuple[Mapping[str, str], Mapping[str, str | None]]:
    """Returns the first and the last name of a whole name, and the values that the writer has read.

    A part that stays as it was stays whole, so that "Peter van Dijk" keeps his last name.
    """
    read = await visit.call("getLeads", where={"id": lead_id}, fields=["firstName", "lastName"])
    lead: Mapping[str, str | None] = read.page[0] if read.page else {"firstName": "", "lastName": ""}
    first, last = lead["firstName"] or "", lead["lastName"] or ""
    expected = {"firstName": first, "lastName": last}
    if " ".join(filter(None, (first, last))) != was:
        expected = {"firstName": was, "lastName": ""}  # somebody has changed the name: this is a conflict
    whole = " ".join(value.split())
    if last and whole.endswith(f" {last}"):
        return {"firstName": whole.removesuffix(last).strip(), "lastName": last}, expected
    if first and whole.startswith(f"{first} "):
        return {"firstName": first, "lastName": whole.removeprefix(first).strip()}, expected
    new_first, _, new_last = whole.partition(" ")
    return {"firstName": new_first, "lastName": new_last}, expected


async def _undo(visit: Visit) -> tuple[Sequence[Outcome], Sequence[str]]:
    """Writes the values back that leads had before, except where somebody has changed them since."""
    field, was = visit.form.get("field", ""), visit.form.get("was", "")
    try:
        before = msgspec.json.decode(visit.form.get("ids", ""), type=dict[str, str | None])
    except msgspec.MsgspecError:
        before = {}
    if field not in _SET.values() or not 1 <= len(before) <= LEADS_MAX:
        return [], [visit.text("leads.not_editable")]
    objects: _Objects = [
        {"id": lead_id, field: value or None, "expected": {field: was or None}} for lead_id, value in before.items()
    ]
    return await _write(visit, "updateLeadsV2", objects)


async def _row(visit: Visit, table: Table, lead_id: str) -> Response:
    read = await visit.call("getLeads", where={"id": lead_id}, fields=cells.needed_fields(table.shown))
    names = await cells.names_of(visit, read.page, {})
    values = {
        "rows": cells.rows_of(read.page, table.shown, names, may_edit=visit.user.may(Right.WRITE)),
        "now": datetime.now(UTC),
        "full_score": int(full) if (full := visit.form.get("full", "")).isdecimal() and len(full) < 6 else FULL_SCORE,
    }
    return visit.render("leads/row.html", values)


async def _known(visit: Visit, email: str) -> tuple[str, str] | None:
    """Returns the id and the name of the lead with this address, or None."""
    email = email.strip()
    if not email or len(email) > 150 or "\0" in email:
        return None
    fields = ["id", "firstName", "lastName", "emailAddress"]
    try:
        read = await visit.call("getLeads", where={"emailAddress": email}, fields=fields)
    except CallRefused:
        return None
    return (str(read.page[0]["id"]), cells.name_of(read.page[0])) if read.page else None


def _form(
    visit: Visit,
    sent: Mapping[str, str],
    *,
    problems: Sequence[str] = (),
    known: tuple[str, str] | None = None,
    status: int = 200,
) -> Response:
    values = {
        "sent": {name: sent.get(name, "")[:255] for name in _NEW_FIELDS},
        "labels": [(name, visit.text(f"lead_field.{name}")) for name in _NEW_FIELDS],
        "problems": [] if known else problems,
        "known": known,
        "current_path": PATH,
    }
    return visit.render("leads/new.html", values, status=status)
