"""What happened to leads: getLeadTimeline, getEvents, getEventsByType (docs/wire/events.md)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from springhead.methods.examples import GIVEN, row
from springhead.methods.reads import Limit, Offset
from springhead.model.kit import times
from springhead.model.kit.columns import Column
from springhead.model.kit.errors import Json, MissingParameters, UnexpectedArray, WrongEventSource, WrongWho
from springhead.model.leads.events import EVENT, SOURCES, TIMELINE_EVENT
from springhead.rpc.context import Context
from springhead.rpc.method import Example, Reads, Rows, method
from springhead.rpc.params import PAGE, Integer, Moment, Param, Where, whole
from springhead.store.leads import timeline

_CREATION: Mapping[str, Json] = {"eventName": "Lead created", "eventSource": "leadCreation"}
_ROW = row(EVENT, leadID=..., **_CREATION)
_WHO = TIMELINE_EVENT.by_name["whoID"]
_SOURCE = TIMELINE_EVENT.by_name["eventSource"]


class _OfOneLead(Where):
    """A filter that must name one lead: 220 when it does not."""

    def read(self, name: str, value: Json, *, required: bool) -> dict[str, Json]:
        """The filters by column."""
        who = value.get("whoID") if isinstance(value, dict) else None
        if not isinstance(who, (str, int)) or whole(who) is None:
            raise WrongWho(_WHO.problem("Expected the id of a lead"))
        return super().read(name, value, required=required)


class _Sources(Param):
    """Sources of events as one text, parted by commas; 219 for one that there is not."""

    about = "The sources, parted by commas, such as `leadCreation,formSubmit`."

    def read(self, name: str, value: Json, *, required: bool) -> list[str]:
        """The sources, each once, in the order given."""
        text = self.scalar(name, value, required=required)
        sources = list(dict.fromkeys(part.strip() for part in str(text).split(",")))
        _check(sources)
        return sources


def _check(sources: list[str]) -> None:
    unknown = [source for source in sources if source not in SOURCES]
    if unknown:
        message = f"Unknown: {', '.join(unknown)[:200]}. Expected any of: {', '.join(SOURCES)}"
        raise WrongEventSource(_SOURCE.problem(message))


def _several(value: Json) -> list[str] | None:
    """A filter's value or values; None when it is not there."""
    return None if value is None else [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _after(context: Context, where: Mapping[str, Json], column: Column) -> datetime | None:
    """The moment of the filter `createTimestamp`."""
    value = where.get("createTimestamp")
    if isinstance(value, list):
        raise UnexpectedArray(column.problem("Expected a single value"))
    parsed = times.parse(value) if isinstance(value, str) else None
    return times.to_utc(parsed, context.zone) if parsed else None


@method(
    MissingParameters,
    UnexpectedArray,
    WrongEventSource,
    WrongWho,
    result=Reads(TIMELINE_EVENT),
    section="docs/wire/events.md#getleadtimeline",
    examples=[
        Example(
            {"where": {"whoID": "{id}", "eventSource": "leadCreation"}},
            [row(TIMELINE_EVENT, whoID=..., **_CREATION)],
            "How a lead came to be.",
            given=GIVEN,
        )
    ],
)
async def get_lead_timeline(
    context: Context,
    *,
    where: Annotated[
        Mapping[str, Json],
        _OfOneLead(TIMELINE_EVENT, "whoID", "eventName", "eventSource", "whatType", "createTimestamp"),
    ],
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> Rows:
    """Read what happened to one lead, oldest first.

    `whoID` is the lead's id, and must be there. With `createTimestamp` only what happened after it; all
    filters must match. `eventData` is a text of JSON: for a change of the lead it has each field that was
    changed with its old and its new value, as in `{"city": [null, "Rome"]}`.
    """
    sources = _several(where.get("eventSource"))
    _check(sources or [])
    async with context.tx() as tx:
        rows = await timeline.find(
            tx,
            context.company.id,
            TIMELINE_EVENT,
            zone=context.zone_name,
            lead_id=whole(str(where["whoID"])),
            after=_after(context, where, TIMELINE_EVENT.by_name["createTimestamp"]),
            sources=sources,
            names=_several(where.get("eventName")),
            about=_several(where.get("whatType")),
            limit=limit,
            offset=offset,
        )
    return Rows(rows)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(EVENT),
    section="docs/wire/events.md#getevents",
    differs="`eventSource` stands last; without a filter every event of the company comes, oldest first",
    examples=[
        Example(
            {"where": {"leadID": "{id}"}},
            [_ROW],
            "All that happened to a lead.",
            given=GIVEN,
        )
    ],
)
async def get_events(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(EVENT, "leadID", "createTimestamp")],
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> Rows:
    """Read the events of a lead, or of all leads after a time, oldest first."""
    lead = where.get("leadID")
    if isinstance(lead, list):
        raise UnexpectedArray(EVENT.by_name["leadID"].problem("Expected a single value"))
    async with context.tx() as tx:
        rows = await timeline.find(
            tx,
            context.company.id,
            EVENT,
            zone=context.zone_name,
            lead_id=None if lead is None else whole(str(lead)),
            after=_after(context, where, EVENT.by_name["createTimestamp"]),
            limit=limit,
            offset=offset,
        )
    return Rows(rows)


@method(
    MissingParameters,
    UnexpectedArray,
    WrongEventSource,
    result=Reads(EVENT, by="eventSource"),
    section="docs/wire/events.md#geteventsbytype",
    aliases=("getEventsbyType",),
    differs="the shape of the answer is our choice: a list for each source that was asked for, under its name",
    examples=[
        Example(
            {"leadID": "{id}", "eventSource": "leadCreation"},
            [_ROW],
            "How a lead came to be.",
            given=GIVEN,
        )
    ],
)
async def get_events_by_type(
    context: Context,
    *,
    event_source: Annotated[list[str], _Sources()],
    lead_id: Annotated[int | None, Integer("The lead; without it, the events of all leads.", length=18)] = None,
    create_timestamp: Annotated[datetime | None, Moment("Only what happened after it.")] = None,
    limit: Limit = PAGE,
) -> Rows:
    """Read events of some sources, those of each source by themselves and oldest first.

    `leadID` or `createTimestamp` must be there (206), or both. `limit` counts for each source.
    """
    if lead_id is None and create_timestamp is None:
        raise MissingParameters(
            *(EVENT.by_name[name].problem("One of the two is required") for name in ("leadID", "createTimestamp"))
        )
    async with context.tx() as tx:
        groups = await timeline.by_source(
            tx,
            context.company.id,
            EVENT,
            event_source,
            zone=context.zone_name,
            lead_id=lead_id,
            after=times.to_utc(create_timestamp, context.zone) if create_timestamp else None,
            limit=limit,
        )
    return Rows(groups=groups)
