"""Leads that belong together (wire.md 15)."""

from collections.abc import Mapping
from typing import Annotated

from springhead.methods import reads
from springhead.methods.call import Call
from springhead.methods.examples import GIVEN, LEAD_ROW
from springhead.methods.reads import Limit
from springhead.model.errors import Json, MissingParameters, UnexpectedArray
from springhead.model.fields import FieldSet
from springhead.model.leads import LEAD, email_key
from springhead.model.mail import company_domain
from springhead.rpc.method import Example, Reads, Rows, method
from springhead.rpc.params import PAGE, Where
from springhead.store import reads as pages
from springhead.store.db import Tx
from springhead.store.related import related

_ADDRESS = LEAD.by_name["emailAddress"]


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(LEAD),
    section="wire.md 15",
    differs="which leads are related is our choice: the vendor's meaning is not known",
    examples=[
        Example(
            {"where": {"emailAddress": "Lead.One@example.com"}, "limit": 10},
            [LEAD_ROW],
            "A lead, and who belongs to it.",
            given=GIVEN,
        )
    ],
)
async def get_related_leads_by_email(
    call: Call,
    *,
    where: Annotated[Mapping[str, Json], Where(LEAD, "emailAddress")],
    limit: Limit = PAGE,
) -> Rows:
    """Read the active leads that belong to an email address, each once.

    First the lead with that address, whatever its case; then those of the same account; then those of the
    same mail domain, unless that is a public mail provider's. Each group is in the order of ids. The address
    need not be a lead's.
    """
    address = where.get("emailAddress")
    if address is None:
        raise MissingParameters(_ADDRESS.problem("Required parameter is missing"))
    if not isinstance(address, str):
        raise UnexpectedArray(_ADDRESS.problem("Expected a single value"))

    async def belonging(tx: Tx, known: FieldSet) -> pages.Rows:
        return await related(
            tx,
            call.company.id,
            await reads.select(call, tx, LEAD, known),
            key=email_key(address),
            domain=company_domain(address),
            zone=call.zone_name,
            version=known.version,
            limit=limit,
        )

    return Rows(await reads.asked(call, belonging))
