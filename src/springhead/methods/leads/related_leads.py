"""Related leads (docs/wire/leads.md#other-methods)."""

from collections.abc import Mapping
from typing import Annotated

from springhead.methods import reads
from springhead.methods.examples import GIVEN_LEAD, LEAD_ROW
from springhead.methods.reads import Limit
from springhead.model.kit.errors import Json, MissingParameters, UnexpectedArray
from springhead.model.kit.fields import FieldSet
from springhead.model.leads.email_domains import company_domain
from springhead.model.leads.leads import LEAD, email_key
from springhead.rpc.context import Context
from springhead.rpc.method import Example, ReadResult, Reads, method
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
            "A lead and its related leads.",
            given=GIVEN_LEAD,
        )
    ],
)
async def get_related_leads_by_email(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(LEAD, "emailAddress", about="A filter. It must have emailAddress.")],
    limit: Limit = PAGE,
) -> ReadResult:
    """Returns the active leads that are related to an email address, each once.

    The lead with that address (regardless of case) comes first, then the leads of the same account, then the leads with
    the same email domain, unless it belongs to a public mail provider. Each group is in the order of the ids. The
    address does not have to belong to a lead.
    """
    address = where.get("emailAddress")
    if address is None:
        raise MissingParameters(_ADDRESS.problem("Required parameter is missing"))
    if not isinstance(address, str):
        raise UnexpectedArray(_ADDRESS.problem("Expected a single value"))

    async def related_leads(tx: Tx, fields: FieldSet) -> pages.Rows:
        return await related(
            tx,
            context.company.id,
            await reads.select(context, tx, LEAD, fields),
            key=email_key(address),
            domain=company_domain(address),
            zone=context.zone_name,
            version=fields.version,
            limit=limit,
        )

    return ReadResult(await reads.run(context, related_leads))
