"""Events of leads: getLeadTimeline, getEvents, getEventsByType (docs/wire/events.md)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Literal

from springhead.methods.examples import GIVEN_LEAD, row
from springhead.methods.reads import Limit, Offset
from springhead.model.kit import times
from springhead.model.kit.columns import Column
from springhead.model.kit.errors import Json, MissingParameters, UnexpectedArray, WrongEventSource, WrongValue, WrongWho
from springhead.model.leads.events import EVENT, SOURCES, TIMELINE_EVENT
from springhead.rpc.context import Context
from springhead.rpc.method import Example, ReadResult, Reads, method
from springhead.rpc.params import PAGE, Integer, Moment, OneOf, Param, Where, whole_number
from springhead.store.database.pool import Tx
from springhead.store.leads import timeline
from springhead.store.leads.settled_events import settled_until

_CREATION: Mapping[str, Json] = {"eventName": "Lead created", "eventSource": "leadCreation"}
_ROW = row(EVENT, leadID=..., **_CREATION)
_WHO = TIMELINE_EVENT.by_name["whoID"]
_SOURCE = TIMELINE_EVENT.by_name["eventSource"]


class _WhereOneLead(Where):
    """Filters with a required `whoID`, the id of one lead. Raises 220 without it."""

    def read(self, name: str, value: Json, *, required: bool) -> dict[str, Json]:
        """Returns the filters by column."""
        who = value.get("whoID") if isinstance(value, dict) else None
        if not isinstance(who, (str, int)) or whole_number(who) is None:
            raise WrongWho(_WHO.problem("Expected the id of a lead"))
        return super().read(name, value, required=required)


class _Sources(Param):
    """Sources of events as one text, separated by commas. Raises 219 for an unknown source."""

    about = "The sources, separated by commas, such as `leadCreation,formSubmit`."

    def read(self, name: str, value: Json, *, required: bool) -> list[str]:
        """Returns the sources without duplicates, in the order sent."""
        text = self.scalar(name, value, required=required)
        sources = list(dict.fromkeys(part.strip() for part in str(text).split(",")))
        _check_sources(sources)
        return sources


def _check_sources(sources: list[str]) -> None:
    unknown = [source for source in sources if source not in SOURCES]
    if unknown:
        message = f"Unknown: {', '.join(unknown)[:200]}. Expected any of: {', '.join(SOURCES)}"
        raise WrongEventSource(_SOURCE.problem(message))


def _values(value: Json) -> list[str] | None:
    """Returns the values of a filter, or None if it was not sent."""
    return None if value is None else [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _time(where: Mapping[str, Json], column: Column) -> datetime | None:
    """Returns the time of the filter `createTimestamp`, or None if it was not sent."""
    value = where.get("createTimestamp")
    if isinstance(value, list):
        raise UnexpectedArray(column.problem("Expected a single value"))
    return times.parse(value) if isinstance(value, str) else None


async def _between(context: Context, tx: Tx, second: datetime | None) -> tuple[datetime | None, datetime | None]:
    """Returns the moments between which events are read: after a second, and before the first incomplete second."""
    if second is None:
        return None, None
    last_moment = times.one_second_later(times.to_utc(second, context.zone)) - timedelta(microseconds=1)
    return last_moment, await settled_until(tx)


@method(
    MissingParameters,
    UnexpectedArray,
    WrongEventSource,
    WrongValue,
    WrongWho,
    result=Reads(TIMELINE_EVENT),
    section="docs/wire/events.md#getleadtimeline",
    differs="`order` is our addition",
    examples=[
        Example(
            {"where": {"whoID": "{id}", "eventSource": "leadCreation"}},
            [row(TIMELINE_EVENT, whoID=..., **_CREATION)],
            "The event of a lead's creation.",
            given=GIVEN_LEAD,
        )
    ],
)
async def get_lead_timeline(
    context: Context,
    *,
    where: Annotated[
        Mapping[str, Json],
        _WhereOneLead(
            TIMELINE_EVENT,
            "whoID",
            "eventName",
            "eventSource",
            "whatType",
            "createTimestamp",
            about="A filter. It must have whoID.",
        ),
    ],
    limit: Limit = PAGE,
    offset: Offset = 0,
    order: Annotated[Literal["oldest", "newest"], OneOf("Which events come first.", "oldest", "newest")] = "oldest",
) -> ReadResult:
    """Returns the events of one lead, oldest first, or newest first with `order` `newest`.

    `whoID` is the id of the lead and is required. With `createTimestamp`, only events of later seconds are returned,
    once their second is complete (getEvents). All filters must match. `eventData` is JSON as text: for a change of the
    lead, it has each changed field with its old and new value, as in `{"city": [null, "Rome"]}`.
    """
    sources = _values(where.get("eventSource"))
    _check_sources(sources or [])
    second = _time(where, TIMELINE_EVENT.by_name["createTimestamp"])
    async with context.tx() as tx:
        after, until = await _between(context, tx, second)
        rows = await timeline.find(
            tx,
            context.company.id,
            TIMELINE_EVENT,
            zone=context.zone_name,
            lead_id=whole_number(str(where["whoID"])),
            after=after,
            until=until,
            sources=sources,
            names=_values(where.get("eventName")),
            about=_values(where.get("whatType")),
            newest_first=order == "newest",
            limit=limit,
            offset=offset,
        )
    return ReadResult(rows)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(EVENT),
    section="docs/wire/events.md#getevents",
    differs="`eventSource` is the last key; without a filter, all events of the company are returned, oldest first",
    examples=[
        Example(
            {"where": {"leadID": "{id}"}},
            [_ROW],
            "All events of a lead.",
            given=GIVEN_LEAD,
        )
    ],
)
async def get_events(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(EVENT, "leadID", "createTimestamp")],
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns the events of a lead, or of all leads after a time, oldest first.

    With `createTimestamp`, only events of later seconds are returned, once their second is complete: one to two seconds
    later, or when the last write that began in it has ended. To poll, read all pages, and send the last time that you
    saw in the next call: each event is returned exactly once.
    """
    lead = where.get("leadID")
    if isinstance(lead, list):
        raise UnexpectedArray(EVENT.by_name["leadID"].problem("Expected a single value"))
    second = _time(where, EVENT.by_name["createTimestamp"])
    async with context.tx() as tx:
        after, until = await _between(context, tx, second)
        rows = await timeline.find(
            tx,
            context.company.id,
            EVENT,
            zone=context.zone_name,
            lead_id=None if lead is None else whole_number(str(lead)),
            after=after,
            until=until,
            limit=limit,
            offset=offset,
        )
    return ReadResult(rows)


@method(
    MissingParameters,
    UnexpectedArray,
    WrongEventSource,
    result=Reads(EVENT, grouped_by="eventSource"),
    section="docs/wire/events.md#geteventsbytype",
    aliases=("getEventsbyType",),
    differs="the shape of the answer is our choice: a list for each requested source, under its name",
    examples=[
        Example(
            {"leadID": "{id}", "eventSource": "leadCreation"},
            [_ROW],
            "The event of a lead's creation.",
            given=GIVEN_LEAD,
        )
    ],
)
async def get_events_by_type(
    context: Context,
    *,
    event_source: Annotated[list[str], _Sources()],
    lead_id: Annotated[int | None, Integer("The lead; all leads by default.", length=18)] = None,
    create_timestamp: Annotated[datetime | None, Moment("Only events of complete seconds after this second.")] = None,
    limit: Limit = PAGE,
) -> ReadResult:
    """Returns the events of some sources, grouped by source, oldest first.

    `leadID`, `createTimestamp` or both are required (206). `limit` applies to each source.
    """
    if lead_id is None and create_timestamp is None:
        raise MissingParameters(
            *(EVENT.by_name[name].problem("One of the two is required") for name in ("leadID", "createTimestamp"))
        )
    async with context.tx() as tx:
        after, until = await _between(context, tx, create_timestamp)
        groups = await timeline.by_source(
            tx,
            context.company.id,
            EVENT,
            event_source,
            zone=context.zone_name,
            lead_id=lead_id,
            after=after,
            until=until,
            limit=limit,
        )
    return ReadResult(groups=groups)
