"""What the page of a lead shows, read by calls of methods in the name of the user."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from starlette.responses import RedirectResponse, Response

from springhead.model.companies.roles import Right
from springhead.model.leads.leads import DERIVED_STATUS
from springhead.pages import parts
from springhead.pages.lead import facts, timeline
from springhead.pages.leads import cells
from springhead.pages.leads.address import PATH
from springhead.pages.leads.chips import Names
from springhead.pages.leads.columns import TableColumn, all_columns
from springhead.pages.leads.table import fields_of
from springhead.pages.visits import Visit

CHOICES_MAX = 200
"""How many users, campaigns, accounts or lists the page offers."""

DONE = (
    "status", "note", "call", "task", "finish", "list", "unlist", "convert", "delete", "restore", "merge",
)  # fmt: skip
"""The actions after which the page says that they are done."""

_TABS = ("time", "facts", "why")
_WRITES = ("note", "call", "task")
_FORMS: Mapping[str, Right] = {
    "convert": Right.WRITE, "delete": Right.DELETE, "merge": Right.MERGE, "erase": Right.ERASE, "list": Right.MARKETING,
}  # fmt: skip
"""The forms that a link of the page opens, each with the right that it needs."""

_SHADES = ("engagement", "pageTracking", "fit", "completeness", "set", "rounding")
_REASONS = 4


class Refusal(msgspec.Struct, frozen=True):
    """What a form of the page sent that was refused: its fields, why, and the value that somebody else has stored."""

    do: str
    sent: Mapping[str, str]
    problems: Sequence[str]
    theirs: str | None = None

    @property
    def status(self) -> int:
        """The status of the answer."""
        return 422 if self.theirs is None else 409


def lead_path(lead_id: str, **query: str) -> str:
    """Returns the address of a lead's page. The values of the query are words and ids."""
    sent = "&".join(f"{name}={value}" for name, value in query.items() if value)
    return f"{PATH}/{lead_id}" + (f"?{sent}" if sent else "")


async def show(visit: Visit, lead_id: str, refusal: Refusal | None = None) -> Response:
    """Returns the page of a lead. A merged lead leads to the lead that stays; a deleted one can be restored."""
    read = await visit.call("getLead", id=lead_id)
    if read.page:
        lead = read.page[0]
        if str(lead["id"]) != lead_id:
            path = lead_path(str(lead["id"]), merged=lead_id)
            return RedirectResponse(path, 303, {"cache-control": "no-store"})
        return await _page(visit, lead, refusal)
    bin_ = await visit.call("getDeletedLeads", where={"id": lead_id})
    if bin_.page and str(bin_.page[0]["id"]) == lead_id:
        return await _page(visit, bin_.page[0], refusal, is_deleted=True)
    if visit.user.may(Right.ERASE):
        receipts = await visit.call("getErasures", leadID=[lead_id])
        if receipts.page:
            return visit.render("lead/erased.html", {"receipt": receipts.page[0], "current_path": PATH}, status=410)
    return visit.nothing()


async def _page(
    visit: Visit, lead: Mapping[str, Any], refusal: Refusal | None, *, is_deleted: bool = False
) -> Response:
    query, lead_id, now = visit.request.query_params, str(lead["id"]), datetime.now(UTC)
    may_edit = visit.user.may(Right.WRITE) and not is_deleted
    columns = all_columns(await fields_of(visit), visit.text)
    show_only = query.get("show", "")
    older = int(text) if (text := query.get("older", "")).isdecimal() and len(text) < 7 else 0
    where: dict[str, Any] = {"whoID": lead_id}
    if show_only in timeline.FILTERS:
        where["eventSource"] = list(timeline.FILTERS[show_only])
    events = (
        await visit.call("getLeadTimeline", where=where, limit=timeline.PAGE + 1, offset=older, order="newest")
    ).page
    side = {} if is_deleted else await _side(visit, lead, is_whole="all" in query)
    people = timeline.users_in(events) | {str(task["ownerID"]) for task in side.get("tasks", ()) if task["ownerID"]}
    names = await cells.names_of(visit, [lead], {"userProfile": people})
    reader = timeline.Reader(columns, names, zone=visit.user.zone, t=visit.text, may_edit=may_edit)
    shown, has_older = events[: timeline.PAGE], len(events) > timeline.PAGE
    values: dict[str, Any] = {
        "lead": lead,
        "lead_id": lead_id,
        "name": cells.name_of(lead),
        "groups": facts.groups_of(lead, columns, names, may_edit=may_edit),
        "names": names,
        "days": reader.days(shown, now),
        "older": older + timeline.PAGE if has_older else 0,
        "is_later_page": bool(older),
        "show_only": show_only if show_only in timeline.FILTERS else "",
        "filters": list(timeline.FILTERS),
        "path_steps": _steps(lead, shown, now, is_whole=not (show_only or older or has_older)),
        "now": now,
        "is_deleted": is_deleted,
        "until": _until(visit, lead) if is_deleted else None,
        "may_edit": may_edit,
        "may": {right.value for right in Right if visit.user.may(right)},
        **_asked(visit, refusal, is_deleted=is_deleted),
        "merged": query.get("merged", "") if query.get("merged", "").isdecimal() else "",
        "done": _done(visit, columns, query.get("done", ""), query.get("field", "")),
        "undo": _undo(reader, shown, query.get("done", ""), query.get("field", "")) if may_edit else None,
        "clock": partial(_clock, visit.user.zone),
        "due": partial(_due, visit, now),
        "current_path": PATH,
        "derived": DERIVED_STATUS,
        "score": None,
        "opportunities": [],
        "tasks": [],
        "lists": [],
        "same": [],
        "stages": {},
        **side,
    }
    values["choices"] = await _choices(visit, values["edit"]) if may_edit else []
    values |= await _form_values(visit, values["open"], lead, side, columns)
    return visit.render("lead/page.html", values, status=refusal.status if refusal else 200)


def _asked(visit: Visit, refusal: Refusal | None, *, is_deleted: bool) -> dict[str, Any]:
    """Returns which forms of the page are open, as the address says, or the form that was refused."""
    query = visit.request.query_params
    open_form = refusal.do if refusal else query.get("open", "")
    return {
        "refusal": refusal,
        "write": _chosen(refusal.do if refusal else query.get("write", ""), _WRITES),
        "asks_to_write": bool(refusal and refusal.do in _WRITES) or "write" in query,
        "tab": "facts"
        if "edit" in query or (refusal and refusal.do == "field")
        else _chosen(query.get("tab", ""), _TABS),
        "edit": (refusal.sent.get("field", "") if refusal and refusal.do == "field" else query.get("edit", "")),
        "open": open_form if open_form in _FORMS and visit.user.may(_FORMS[open_form]) and not is_deleted else "",
    }


async def score_part(visit: Visit, lead_id: str) -> Response:
    """Returns the score of a lead with its reasons, which the page loads by itself: they are computed anew."""
    explained = (await visit.call("getScoreExplanation", leadID=lead_id)).page
    read = await visit.call("getLead", id=lead_id)
    if not read.page:
        return Response(status_code=404)
    return visit.render("lead/score.html", {"score": _score(read.page[0], explained)})


async def same_part(visit: Visit, lead_id: str) -> Response:
    """Returns the leads that are perhaps the same person, which the page loads by itself: the search takes a while."""
    return visit.render("lead/same.html", await _same(visit, lead_id))


async def deals_part(visit: Visit, lead_id: str) -> Response:
    """Returns the opportunities of a lead, which the page loads by itself."""
    values = await _deals(visit, lead_id)
    return visit.render(
        "lead/deals.html", {**values, "may_edit": visit.user.may(Right.WRITE), "now": datetime.now(UTC)}
    )


async def _deals(visit: Visit, lead_id: str) -> dict[str, Any]:
    links = (await visit.call("getOpportunityLeads", where={"leadID": lead_id}, limit=20)).page
    opportunities: Sequence[Mapping[str, Any]] = []
    stages: Mapping[str, str] = {}
    if links:
        ids = [str(link["opportunityID"]) for link in links]
        opportunities = (await visit.call("getOpportunities", where={"id": ids})).page
        stages = {str(stage["id"]): str(stage["dealStageName"]) for stage in (await visit.call("getDealStages")).page}
    return {"opportunities": opportunities, "stages": stages}


async def _side(visit: Visit, lead: Mapping[str, Any], *, is_whole: bool) -> dict[str, Any]:
    """Returns what stands at the right of a lead. Only the whole page has the reasons and perhaps the same person."""
    lead_id = str(lead["id"])
    wanted = {"whoID": lead_id, "whoType": "lead", "status": ["open", "inProgress"]}
    tasks = (await visit.call("getTasks", where=wanted, limit=50)).page
    member_of = (await visit.call("getListMemberships", emailAddress=lead["emailAddress"])).page
    slow: dict[str, Any] = {}
    if is_whole:
        explained = (await visit.call("getScoreExplanation", leadID=lead_id)).page
        slow = {"score": _score(lead, explained), **await _same(visit, lead_id), **await _deals(visit, lead_id)}
    return {
        "tasks": sorted(tasks, key=lambda task: (task["dueDate"] is None, str(task["dueDate"]))),
        "lists": [one for one in member_of if one["status"] == "active"],
        **slow,
    }


async def _same(visit: Visit, lead_id: str) -> dict[str, Any]:
    may = {right.value for right in Right if visit.user.may(right)}
    pairs = (await visit.call("findDuplicateLeads", id=[lead_id], limit=5)).page[:5]
    if not pairs:
        return {"same": [], "may": may, "lead_id": lead_id}
    ids = [str(pair["otherID"]) for pair in pairs]
    fields = ["id", "firstName", "lastName", "emailAddress"]
    read = (await visit.call("getLeads", where={"id": ids}, fields=fields)).page
    names = {str(other["id"]): cells.name_of(other) for other in read}
    same = [
        {
            "id": str(pair["otherID"]),
            "name": names[str(pair["otherID"])],
            "percent": round(float(pair["score"]) * 100),
            "reasons": pair["reasons"],
        }
        for pair in pairs
        if str(pair["otherID"]) in names
    ]
    return {"same": same, "may": may, "lead_id": lead_id}


def _score(lead: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Returns the score of a lead: the sum of each part, the widths of the bar, and the reasons, most points first."""
    sums: dict[str, float] = {}
    for line in lines:
        sums[str(line["part"])] = sums.get(str(line["part"]), 0) + float(line["points"] or 0)
    whole = sum(points for points in sums.values() if points > 0) or 1
    sections: list[tuple[int, float, float]] = []
    start = 0.0
    for place, part in enumerate(_SHADES):
        if (points := sums.get(part, 0)) > 0:
            width = points / whole * 264
            sections.append((place % 4 + 1, round(start, 1), round(max(width - 2, 1), 1)))
            start += width
    reasons = sorted((line for line in lines if line["name"]), key=lambda line: -abs(float(line["points"] or 0)))
    return {
        "score": lead["leadScore"],
        "weighted": lead["leadScoreWeighted"],
        "parts": [(place % 4 + 1, part, round(sums[part], 2)) for place, part in enumerate(_SHADES) if sums.get(part)],
        "sections": sections,
        "first": reasons[:_REASONS],
        "rest": reasons[_REASONS:],
    }


def _steps(
    lead: Mapping[str, Any], events: Sequence[Mapping[str, Any]], now: datetime, *, is_whole: bool
) -> Sequence[tuple[str, str, int | None]]:
    """Returns the steps of the path of statuses: the status, `done`, `now` or nothing, and its days if known."""
    statuses, current = list(parts.STATUS_HUES), str(lead["leadStatus"])
    created = parts.wire_time(str(lead["createTimestamp"]))
    days = dict(timeline.days_in_status(events, created, now, is_whole=is_whole))
    if not days and is_whole:
        days[current] = (now - created).days
    place = statuses.index(current) if current in statuses else 0
    return [
        (status, "done" if at < place else "now" if at == place else "", days.get(status))
        for at, status in enumerate(statuses)
    ]


def _until(visit: Visit, lead: Mapping[str, Any]) -> datetime:
    deleted = parts.wire_time(str(lead["deleteTimestamp"]))
    return deleted + timedelta(days=visit.user.company.recycle_days)


def _chosen(word: str, words: Sequence[str]) -> str:
    return word if word in words else words[0]


def _done(visit: Visit, columns: Mapping[str, TableColumn], do: str, field: str) -> str:
    """Returns the sentence that says what was done, or "" if the address says nothing of it."""
    if do == "field":
        return visit.text("lead.done_field", name=columns[field].label) if field in columns else ""
    return visit.text(f"lead.done_{do}") if do in DONE else ""


def _undo(reader: timeline.Reader, events: Sequence[Mapping[str, Any]], do: str, field: str) -> timeline.Change | None:
    """Returns the last change of a field, which an undo takes back."""
    wanted = {"field": field, "status": "leadStatus"}.get(do)
    changes = [change for event in events[:5] for change in reader.entry(event).changes if change.field == wanted]
    return changes[0] if changes else None


def _clock(zone: ZoneInfo, at: datetime) -> str:
    """Returns the time of day in the zone of the user."""
    return f"{at.astimezone(zone):%H:%M}"


def _due(visit: Visit, now: datetime, at: datetime) -> str:
    """Returns when a task is due, in words: the day and the time of day."""
    local, today = at.astimezone(visit.user.zone), now.astimezone(visit.user.zone).date()
    if local.date() - today in (timedelta(0), timedelta(days=1)):
        day = visit.text("lead.today" if local.date() == today else "lead.tomorrow")
    else:
        month = visit.text(f"month.m{local.month}")
        key = "age.day" if local.year == today.year else "age.date"
        day = visit.text(key, day=local.day, month=month, year=local.year)
    return f"{day} {local:%H:%M}"


async def _choices(visit: Visit, field: str) -> Sequence[tuple[str, str]]:
    """Returns the objects to which a field can refer."""
    if field not in facts.REFERENCES:
        return []
    _, method, label = facts.REFERENCES[field]
    where: dict[str, Any] = {"isActive": 1} if field == "ownerID" else {}
    read = await visit.call(method, where=where, limit=CHOICES_MAX)
    return sorted(((str(row["id"]), str(row[label] or row["id"])) for row in read.page), key=lambda pair: pair[1])


async def _form_values(
    visit: Visit, form: str, lead: Mapping[str, Any], side: Mapping[str, Any], columns: Mapping[str, TableColumn]
) -> Mapping[str, Any]:
    """Returns what a form offers to choose from."""
    values: dict[str, Any] = {"all_stages": [], "free_lists": [], "compared": [], "merge_with": ""}
    if form == "convert":
        read = await visit.call("getDealStages")
        values["all_stages"] = [(str(stage["id"]), str(stage["dealStageName"])) for stage in read.page]
    if form == "list":
        read = await visit.call("getActiveLists", where={}, limit=CHOICES_MAX)
        mine = {str(one["id"]) for one in side.get("lists", ())}
        values["free_lists"] = [
            (str(row["id"]), str(row["name"]))
            for row in read.page
            if not row.get("filter") and str(row["id"]) not in mine
        ]
    if form == "merge":
        values["merge_with"] = other = visit.form.get("other") or visit.request.query_params.get("with", "")
        read = await visit.call("getLeads", where={"id": other}) if other.isdecimal() and len(other) < 19 else None
        both = [lead, read.page[0]] if read and read.page else []
        names: Names = await cells.names_of(visit, both, {}) if both else {}
        values["compared"] = [
            (column.label, *(facts.shown(column, str(one[name] or ""), names) for one in both))
            for name, column in columns.items()
            if both and facts.editor_of(column) and column.kind not in ("score", "name") and name in lead
            if lead[name] != both[1].get(name)
        ]
    return values
