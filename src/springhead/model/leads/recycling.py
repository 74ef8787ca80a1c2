"""The recycle bin: deleted leads, as getDeletedLeads shows them."""

from springhead.model.kit.columns import Column, Noun, integer, moment
from springhead.model.leads.leads import LEAD

_REFERENCE = integer(20, "bigint")

DELETED_LEAD = Noun(
    name="deletedLead",
    table="deleted_lead",
    about="A deleted lead that can be restored, with its values and custom fields from before its deletion.",
    columns=(
        *(column for column in LEAD.columns if not column.on_request),
        Column(name="deleteTimestamp", kind=moment(), writable=False, read="d.deleted_at"),
        Column(name="mergedInto", kind=_REFERENCE, writable=False, read="d.merged_into"),
    ),
)
