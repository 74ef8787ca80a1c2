"""getLeadTotals: totals of fields over leads, such as a sum or an average. Our addition."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from springhead.methods.examples import GIVEN_LEAD
from springhead.methods.leads.selections import Filter, Inactive, Words, field_of, selected
from springhead.model.figures.spreads import shape_of
from springhead.model.figures.totals import ENDS, LEAD_TOTAL, TOTALS_MAX, number_text, totals_of
from springhead.model.kit import times
from springhead.model.kit.errors import InvalidParameters, Json, MissingParameters, Problem, UnexpectedArray
from springhead.rpc.context import Context
from springhead.rpc.key_params import Hash
from springhead.rpc.method import Example, ReadResult, Reads, method
from springhead.store.database.pool import Tx
from springhead.store.figures.totals import Total, Totals, Wanted


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(LEAD_TOTAL),
    vendor=False,
    long=True,
    section="own",
    examples=[
        Example(
            {"totals": {"leadScore": "average", "city": "empty"}},
            [
                {"field": "leadScore", "total": "average", "type": "number", "value": "0", "counted": "1"},
                {"field": "city", "total": "empty", "type": "number", "value": "1", "counted": "1"},
            ],
            "A total of each of two fields.",
            given=GIVEN_LEAD,
        ),
    ],
)
async def get_lead_totals(
    context: Context,
    *,
    totals: Annotated[Mapping[str, Json], Hash("The total of each field: system names and words, at most 50.")],
    filter: Filter = None,
    text: Words = "",
    inactive: Inactive = 0,
) -> ReadResult:
    """Returns a total of each field over the leads that searchLeads finds with the same parameters, in the order sent.

    - `count`, `empty`: the leads with a value, and those without one. A flag that is not set has no value.
    - `different`: how many different values there are. Texts that filters hold for equal are one value.
    - `share`: the part of the leads that have a value, from 0 to 1 with four decimals; null without leads.
    - `sum`, `average`: of numbers, and of texts of custom fields that are numbers, such as `1200.50`. Other texts are
      left out. An average has up to ten decimals, and a sum is exact.
    - `least`, `most`: of numbers in the same way, and of times and dates.

    `type` says what `value` is: a number, a time in the time zone of the call, or a date. `counted` is the number of
    values that the total is made of; for `empty` and `share`, the number of leads. A call that takes longer than eight
    seconds is refused with 205.
    """
    async with context.tx() as tx, selected(context, tx, Totals, filter, text, inactive=inactive) as (leads, typos):
        wanted = await _wanted(context, tx, totals)
        values = await leads.read(wanted, typos=typos)
    return ReadResult([_row(context, total, value) for total, value in zip(wanted, values, strict=True)])


async def _wanted(context: Context, tx: Tx, totals: Mapping[str, Json]) -> list[Wanted]:
    if len(totals) > TOTALS_MAX:
        raise InvalidParameters(Problem(param="totals", message=f"Expected at most {TOTALS_MAX} fields"))
    wanted: list[Wanted] = []
    for name, total in totals.items():
        column, custom = await field_of(context, tx, name, f"totals.{name[:255]}")
        known = totals_of(column, custom=custom)
        if not isinstance(total, str) or total not in known:
            raise InvalidParameters(Problem(param=f"totals.{name}", message=f"Expected one of: {', '.join(known)}"))
        wanted.append(Wanted(column, custom, total))
    return wanted


def _row(context: Context, wanted: Wanted, total: Total) -> Mapping[str, Json]:
    shape = shape_of(wanted.column)
    return {
        "field": wanted.column.name,
        "total": wanted.total,
        "type": shape if wanted.total in ENDS and shape != "value" else "number",
        "value": _text(context, total.value),
        "counted": str(total.counted),
    }


def _text(context: Context, value: Any) -> str | None:
    match value:
        case None | str():
            return value
        case datetime():
            return times.to_text(value, context.zone)
        case _:
            return number_text(Decimal(value))
