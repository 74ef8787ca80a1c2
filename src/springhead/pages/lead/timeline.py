"""The timeline of a lead: its events by day, newest first."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, cast
from zoneinfo import ZoneInfo

import msgspec

from springhead.pages import parts
from springhead.pages.lead import facts
from springhead.pages.leads.cells import link_to
from springhead.pages.leads.chips import Names
from springhead.pages.leads.columns import TableColumn

PAGE = 50
"""How many events the page shows at once."""

SHOWN_LENGTH = 5_000
"""How many characters of a text an event shows."""

_VISITS = ("pageVisit", "importantPageVisit", "emailVisit")

FILTERS: Mapping[str, Sequence[str]] = {
    "visits": _VISITS,
    "forms": ("formSubmit", "formConfirm", "referredOnTheForm"),
    "mail": (
        "emailSent", "emailOpened", "emailClick", "emailBounce", "emailSpamComplaint", "mailboxRecv", "mailboxSend",
        "mailboxEmailOpen", "mediaOpen",
    ),
    "calls": ("incomingCall", "outgoingCall", "callConvert"),
    "notes": ("noteCreate", "taskCreate"),
    "changes": (
        "changeLeadStatus", "leadUpdate", "leadOwnerChange", "leadConversion", "leadCreation", "leadMerge",
        "leadDeletion", "leadRestoration", "listJoin", "listLeave",
    ),
}  # fmt: skip
"""The filters of the timeline, each with the sources of its events."""

_LOOKS: Mapping[str, tuple[str, str]] = {
    "pageVisit": ("eye", "teal"), "importantPageVisit": ("eye", "teal"), "emailVisit": ("eye", "teal"),
    "formSubmit": ("clipboard-list", "green"), "formConfirm": ("clipboard-list", "green"),
    "emailSent": ("mail", "violet"), "emailOpened": ("mail-open", "violet"),
    "emailClick": ("mouse-pointer-click", "violet"), "emailBounce": ("triangle-alert", "rose"),
    "emailSpamComplaint": ("triangle-alert", "rose"), "mailboxRecv": ("mail", "violet"),
    "mailboxSend": ("mail", "violet"), "mailboxEmailOpen": ("mail-open", "violet"),
    "incomingCall": ("phone", "amber"), "outgoingCall": ("phone", "amber"),
    "noteCreate": ("sticky-note", "amber"), "taskCreate": ("square-check-big", "blue"),
    "changeLeadStatus": ("flag", "grey"), "leadUpdate": ("pencil", "grey"), "leadOwnerChange": ("user", "grey"),
    "leadCreation": ("user-plus", "green"), "leadConversion": ("arrow-right", "orange"),
    "leadMerge": ("git-merge", "grey"), "leadDeletion": ("trash-2", "rose"),
    "leadRestoration": ("archive-restore", "green"), "listJoin": ("list-plus", "grey"), "listLeave": ("list", "grey"),
}  # fmt: skip
_OTHER_LOOK = ("activity", "grey")
_OPPORTUNITY_LOOK = ("square-kanban", "orange")

_NAMED = frozenset({"changeLeadStatus", "leadUpdate", "leadConversion", "leadCreation", "noteCreate"})
"""The sources whose events need no detail beside their label."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a field. `was` and `now` are as people read them. `restore` is the old value, if it can be set."""

    field: str
    label: str
    was: str
    now: str
    is_status: bool = False
    restore: str | None = None
    value: str = ""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the timeline."""

    id: str
    source: str
    icon: str
    hue: str
    label: str
    detail: str
    link: str
    at: datetime
    text: str = ""
    pairs: Sequence[tuple[str, str]] = ()
    changes: Sequence[Change] = ()
    visits: Sequence["Entry"] = ()


class Day(msgspec.Struct, frozen=True):
    """The events of a day."""

    label: str
    entries: Sequence[Entry]


class Reader:
    """Reads rows of getLeadTimeline as entries, in the language and the zone of a user."""

    def __init__(
        self,
        columns: Mapping[str, TableColumn],
        names: Names,
        *,
        zone: ZoneInfo,
        t: Callable[..., str],
        may_edit: bool,
    ) -> None:
        self._columns, self._names, self._zone, self._t, self._may_edit = columns, names, zone, t, may_edit

    def days(self, events: Sequence[Mapping[str, Any]], now: datetime) -> Sequence[Day]:
        """Returns the events by day. Visits of a day are one entry."""
        entries = [self.entry(event) for event in events]
        by_day = groupby(entries, key=lambda entry: entry.at.astimezone(self._zone).date())
        today = now.astimezone(self._zone).date()
        return [Day(self._day(day, today), self._folded(list(of_day))) for day, of_day in by_day]

    def entry(self, event: Mapping[str, Any]) -> Entry:
        """Returns an event as an entry."""
        source, data = str(event["eventSource"]), data_of(event)
        icon, hue = _LOOKS.get(source, _OPPORTUNITY_LOOK if event["whatType"] == "opportunity" else _OTHER_LOOK)
        url = str(data.get("url") or data.get("page") or "")
        return Entry(
            id=str(event["id"]),
            source=source,
            icon=icon,
            hue=hue,
            label=self._t(f"lead_event.{source}"),
            detail=self._detail(source, str(event["eventName"] or ""), data),
            link=link_to("url", url) if url.startswith(("http://", "https://")) else "",
            at=parts.wire_time(str(event["createTimestamp"])),
            text=str(data.get("note") or data.get("callNotes") or data.get("description") or "")[:SHOWN_LENGTH],
            pairs=_pairs(data) if source in FILTERS["forms"] else (),
            changes=self._changes(data),
        )

    def _detail(self, source: str, name: str, data: Mapping[str, Any]) -> str:
        if source in _NAMED:
            return str(data.get("title") or "")
        if source in FILTERS["calls"]:
            caller = self._names.get("userProfile", {}).get(str(data.get("userID")), "")
            result = str(data.get("callResult") or "")
            return ", ".join(filter(None, (caller, result)))
        if source in _VISITS:
            return str(data.get("title") or data.get("url") or name)
        if source == "taskCreate":
            return str(data.get("title") or "")
        return str(data.get("form") or name.partition(": ")[2])

    def _changes(self, data: Mapping[str, Any]) -> Sequence[Change]:
        changes: list[Change] = []
        for field, pair in data.items():
            column = self._columns.get(field)
            if column is None or not isinstance(pair, list) or len(cast("list[Any]", pair)) != 2:
                continue
            was, now = ("" if value is None else str(value) for value in cast("list[Any]", pair))
            restores = self._may_edit and bool(facts.editor_of(column)) and field != "leadStatus"
            changes.append(
                Change(
                    field=field,
                    label=column.label,
                    was=facts.shown(column, was, self._names)[:200],
                    now=facts.shown(column, now, self._names)[:200],
                    is_status=field == "leadStatus",
                    restore=was if restores else None,
                    value=now,
                )
            )
            if field == "leadStatus":
                changes[-1] = msgspec.structs.replace(changes[-1], was=was, now=now)
        return changes

    def _folded(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Returns the entries of a day, with its visits as one entry where the latest of them was."""
        visits = [entry for entry in entries if entry.source in _VISITS]
        if len(visits) < 2:
            return entries
        one = msgspec.structs.replace(visits[0], label=self._t("lead.visits", n=len(visits)), visits=visits)
        return [one if entry is visits[0] else entry for entry in entries if entry not in visits[1:]]

    def _day(self, day: date, today: date) -> str:
        if day in (today, today - timedelta(days=1)):
            return self._t("lead.today" if day == today else "lead.yesterday")
        month = self._t(f"month.m{day.month}")
        return self._t("age.day" if day.year == today.year else "age.date", day=day.day, month=month, year=day.year)


def data_of(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the details of an event."""
    text = event["eventData"]
    if not text:
        return {}
    data = msgspec.json.decode(text)
    return cast("Mapping[str, Any]", data) if isinstance(data, dict) else {}


def users_in(events: Sequence[Mapping[str, Any]]) -> set[str]:
    """Returns the ids of the users that events name."""
    users: set[str] = set()
    for data in map(data_of, events):
        owner = data.get("ownerID")
        values: list[Any] = [data.get("userID"), *(cast("list[Any]", owner) if isinstance(owner, list) else [owner])]
        users |= {str(value) for value in values if str(value or "").isdecimal()}
    return users


def days_in_status(
    events: Sequence[Mapping[str, Any]], created: datetime, now: datetime, *, is_whole: bool
) -> Mapping[str, int]:
    """Returns how many days a lead spent in each status, as far as its newest events tell."""
    changes = [
        (parts.wire_time(str(event["createTimestamp"])), cast("list[Any]", data_of(event)["leadStatus"]))
        for event in reversed(events)
        if event["eventSource"] == "changeLeadStatus" and isinstance(data_of(event).get("leadStatus"), list)
    ]
    days: dict[str, int] = {}
    since = created if is_whole else None
    for at, (was, _) in changes:
        if since:
            days[str(was)] = days.get(str(was), 0) + (at - since).days
        since = at
    if since and changes:
        last = str(changes[-1][1][1])
        days[last] = days.get(last, 0) + (now - since).days
    return days


def _pairs(data: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    values: Any = data.get("values")
    pairs: Mapping[str, Any] = cast("Mapping[str, Any]", values) if isinstance(values, dict) else {}
    return [(name, str(value)[:SHOWN_LENGTH]) for name, value in list(pairs.items())[:50] if value]
