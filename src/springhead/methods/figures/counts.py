"""getLeadCount: the exact number of leads for a filter, also beyond the 10,000 of searchLeads. Our addition."""

from springhead.methods.examples import GIVEN_LEAD
from springhead.methods.leads.selections import Filter, Inactive, Words, selected
from springhead.model.figures.totals import LEAD_COUNT
from springhead.model.kit.errors import UnexpectedArray
from springhead.model.leads import search
from springhead.rpc.context import Context
from springhead.rpc.method import Example, ReadResult, Reads, method
from springhead.store.database.pool import TookTooLong
from springhead.store.leads.selections import SelectedLeads


@method(
    UnexpectedArray,
    result=Reads(LEAD_COUNT),
    vendor=False,
    long=True,
    section="own",
    examples=[
        Example({}, [{"count": "1", "isExact": "1"}], "The number of all active leads.", given=GIVEN_LEAD),
        Example(
            {"filter": {"leadScore": {"atLeast": 10}}},
            [{"count": "0", "isExact": "1"}],
            "The number of leads by a filter.",
            given=GIVEN_LEAD,
        ),
    ],
)
async def get_lead_count(
    context: Context, *, filter: Filter = None, text: Words = "", inactive: Inactive = 0
) -> ReadResult:
    """Returns the number of leads that searchLeads finds with the same `filter`, `text` and `inactive`.

    searchLeads itself counts up to 10,000. If counting all leads takes longer than eight seconds, `isExact` is 0 and
    `count` is 10,000: there are more. If even the first 10,000 cannot be counted in this time, the call is refused with
    205.
    """
    async with (
        context.tx() as tx,
        selected(context, tx, SelectedLeads, filter, text, inactive=inactive) as (leads, typos),
    ):
        first = await leads.count(typos=typos, most=search.TOTAL_MAX + 1)
        count, exact = first, True
        if first > search.TOTAL_MAX:
            try:
                count = await leads.count(typos=typos)
            except TookTooLong:
                count, exact = search.TOTAL_MAX, False
    return ReadResult([{"count": str(count), "isExact": str(int(exact))}])
