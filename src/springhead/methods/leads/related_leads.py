"""Leads that belong together (docs/wire/leads.md#other-methods)."""

from collections.abc import Mapping
from typing import Annotated

from springhead.methods import reads
from springhead.methods.examples import GIVEN, LEAD_ROW
from springhead.methods.reads import Limit
from springhead.model.kit.errors import Json, MissingParameters, UnexpectedArray
from springhead.model.kit.fields import FieldSet
from springhead.model.leads.email_domains import company_domain
from springhead.model.leads.leads import LEAD, email_key
from springhead.rpc.context import Context
from springhead.rpc.method import Example, Reads, Rows, method
from springhead.rpc.params import PAGE, Where
from springhead.store.database.pool import Tx
from springhead.store.leads.related_leads import related
from springhead.store.nouns import reads as pages

_ADDRESS = LEAD.by_name["emailAddress"]


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(LEAD),
    section="docs/wire/leads.md#other-methods",
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
    context: Context,
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
            context.company.id,
            await reads.select(context, tx, LEAD, known),
            key=email_key(address),
            domain=company_domain(address),
            zone=context.zone_name,
            version=known.version,
            limit=limit,
        )

    return Rows(await reads.asked(context, belonging))
