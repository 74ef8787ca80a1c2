"""Leads: read one, some, all, or those of a range of time (docs/wire/leads.md)."""

from collections.abc import Mapping
from typing import Annotated

from springhead.methods import reads
from springhead.methods.bulk import merged_ids
from springhead.methods.examples import GIVEN, LEAD_ROW
from springhead.methods.reads import End, Limit, LongLimit, Offset, Stamp, Start
from springhead.model.kit.errors import Json, MissingParameters, UnexpectedArray, WrongValue
from springhead.model.leads.leads import LEAD
from springhead.rpc.context import Context
from springhead.rpc.method import Example, Reads, Rows, method
from springhead.rpc.params import PAGE, Integer, Names, Where

_SHOWN = {"id": ("id",)}
"""How a row shows by which id it was found."""


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(LEAD),
    section="docs/wire/leads.md#getlead",
    examples=[
        Example({"id": "{id}"}, [LEAD_ROW], "A lead.", given=GIVEN),
        Example({"id": 1}, [], "An id that no lead has."),
    ],
)
async def get_lead(context: Context, *, id: Annotated[int, Integer("The lead's id.")]) -> Rows:
    """Read one lead by its id, active or not: a list of one, or an empty one when there is none."""

    async def read(where: Mapping[str, Json]) -> Rows:
        return await reads.find(context, LEAD, where, limit=1, offset=0)

    return await merged_ids.following(context, {"id": id}, read, shown=_SHOWN)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(LEAD),
    section="docs/wire/leads.md#getleads",
    differs="filters other than `id` and `emailAddress` are refused with 205, since to ignore one returns everything",
    examples=[
        Example(
            {
                "where": {"emailAddress": "Lead.One@example.com"},
                "fields": ["id", "firstName", "emailAddress"],
            },
            [{"id": ..., "firstName": "Lead", "emailAddress": "lead.one@example.com"}],
            "By email address, whatever its case; three fields of it.",
            given=GIVEN,
        ),
        Example({"where": [], "limit": 500, "offset": 0}, [LEAD_ROW], "The first page of all.", given=GIVEN),
    ],
)
async def get_leads(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(LEAD, "id", "emailAddress")],
    limit: Limit = PAGE,
    offset: Offset = 0,
    fields: Annotated[list[str] | None, Names("Only these fields; all when left out.")] = None,
) -> Rows:
    """Read the leads that match, or a page of all active ones.

    Without a filter: active leads in the order of their ids; a short page is the last one, and a deep page
    costs no more than the first. With `id` or `emailAddress`: those leads, active or not; both must match.
    With a list: any of its leads, those chosen by id first, and single values beside it do not count.
    """
    if not where:
        return await reads.listing(context, LEAD, where, fields, limit=limit, offset=offset)
    lists = {name: value for name, value in where.items() if isinstance(value, list)}

    async def read(where: Mapping[str, Json]) -> Rows:
        return await reads.find(context, LEAD, where, fields, limit=limit, offset=offset, either=bool(lists))

    return await merged_ids.following(context, lists or where, read, shown=_SHOWN)


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
            "Everything since a day.",
            given=GIVEN,
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
    fields: Annotated[list[str] | None, Names("Only these fields; all when left out.")] = None,
) -> Rows:
    """Read the active leads that were created or updated between two times, both included, oldest first.

    A lead that was created and never changed counts as updated then. A long answer is sent while it is
    read. As captured, `leadScoreWeighted` is only there when `fields` names it.
    """
    hidden = ("leadScoreWeighted",)
    return await reads.ranged(
        context, LEAD, (start_date, end_date), timestamp, fields, limit=limit, offset=offset, leaving_out=hidden
    )
