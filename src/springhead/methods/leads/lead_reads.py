"""Reads of leads: one lead, several leads, all leads, or the leads of a range of time (docs/wire/leads.md)."""

from collections.abc import Mapping
from typing import Annotated

from springhead.methods import reads
from springhead.methods.bulk import merged_ids
from springhead.methods.examples import GIVEN_LEAD, LEAD_ROW
from springhead.methods.reads import End, Limit, LongLimit, Offset, Stamp, Start
from springhead.model.kit.errors import Json, MissingParameters, UnexpectedArray, WrongValue
from springhead.model.leads.leads import LEAD
from springhead.rpc.context import Context
from springhead.rpc.method import Example, ReadResult, Reads, method
from springhead.rpc.params import PAGE, Integer, Names, Where

_ID_COLUMNS = {"id": ("id",)}
"""The column of a row that has the id of the filter `id`."""


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(LEAD),
    section="docs/wire/leads.md#getlead",
    examples=[
        Example({"id": "{id}"}, [LEAD_ROW], "A lead.", given=GIVEN_LEAD),
        Example({"id": 1}, [], "An id that no lead has."),
    ],
)
async def get_lead(context: Context, *, id: Annotated[int, Integer("The lead's id.")]) -> ReadResult:
    """Returns one lead by its id, active or not: a list of one row, or an empty list if no lead has this id."""

    async def read(where: Mapping[str, Json]) -> ReadResult:
        return await reads.find(context, LEAD, where, limit=1, offset=0)

    return await merged_ids.read_with_survivors(context, {"id": id}, read, id_columns=_ID_COLUMNS)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(LEAD),
    section="docs/wire/leads.md#getleads",
    differs="filters other than `id` and `emailAddress` are refused with 205: if ignored, they would return all leads",
    examples=[
        Example(
            {
                "where": {"emailAddress": "Lead.One@example.com"},
                "fields": ["id", "firstName", "emailAddress"],
            },
            [{"id": ..., "firstName": "Lead", "emailAddress": "lead.one@example.com"}],
            "A lead by its email address, regardless of case, with three of its fields.",
            given=GIVEN_LEAD,
        ),
        Example({"where": [], "limit": 500, "offset": 0}, [LEAD_ROW], "The first page of all leads.", given=GIVEN_LEAD),
    ],
)
async def get_leads(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(LEAD, "id", "emailAddress")],
    limit: Limit = PAGE,
    offset: Offset = 0,
    fields: Annotated[list[str] | None, Names("Only these fields; all fields by default.")] = None,
) -> ReadResult:
    """Returns the leads that match the filters, or a page of all active leads.

    Without a filter, it returns the active leads in the order of their ids. The list ends at the first empty page: a
    page has at most 500 leads, also if `limit` is larger. A deep page costs no more than the first. With `id` or
    `emailAddress`, it returns these leads, active or not; if both are sent, both must match. If a filter is a list, a
    lead that matches any list is returned: leads found by id come first, and filters with a single value are ignored.
    """
    if not where:
        return await reads.listing(context, LEAD, where, fields, limit=limit, offset=offset)
    lists = {name: value for name, value in where.items() if isinstance(value, list)}

    async def read(where: Mapping[str, Json]) -> ReadResult:
        return await reads.find(context, LEAD, where, fields, limit=limit, offset=offset, either=bool(lists))

    return await merged_ids.read_with_survivors(context, lists or where, read, id_columns=_ID_COLUMNS)


@method(
    MissingParameters,
    UnexpectedArray,
    WrongValue,
    result=Reads(LEAD),
    section="docs/wire/leads.md#getleadsdaterange",
    differs="a date alone as `endDate` means the end of that day",
    examples=[
        Example(
            {
                "startDate": "2016-11-02 00:00:00",
                "endDate": "2999-12-31 23:59:59",
                "timestamp": "update",
                "fields": ["id", "emailAddress"],
            },
            [{"id": ..., "emailAddress": "lead.one@example.com"}],
            "All leads that were changed since a day.",
            given=GIVEN_LEAD,
        ),
    ],
)
async def get_leads_date_range(
    context: Context,
    *,
    start_date: Start,
    end_date: End,
    timestamp: Stamp,
    limit: LongLimit = PAGE,
    offset: Offset = 0,
    fields: Annotated[list[str] | None, Names("Only these fields; all fields by default.")] = None,
) -> ReadResult:
    """Returns the active leads that were created or updated between two times, both included, oldest first.

    A lead that was never changed counts as updated when it was created. A long answer is sent while it is read. As
    captured from the vendor, `leadScoreWeighted` is only present if `fields` names it.
    """
    hidden = ("leadScoreWeighted",)
    return await reads.date_range(
        context, LEAD, (start_date, end_date), timestamp, fields, limit=limit, offset=offset, leaving_out=hidden
    )
