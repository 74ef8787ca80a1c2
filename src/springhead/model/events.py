"""What happens to a lead: the sources of events, and what an event says (schema.md)."""

from collections.abc import Mapping

import msgspec

from springhead.model.errors import Json

NAME_LENGTH = 255

STATUS_CHANGED = "changeLeadStatus"
STAGE_CHANGED = "dealStageChange"
OPPORTUNITY_CREATED = "oppCreate"
OPPORTUNITY_WON = "oppWon"
OPPORTUNITY_LOST = "oppLost"
OPPORTUNITY_LINKED = "oppLink"
"""Our own: a lead was linked to an opportunity that was there before."""

CONVERTED = "leadConversion"
"""Our own: a lead went through convertLeads."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a lead.

    `source` is the kind of event, `name` a sentence about this one, cut to what the wire has room for;
    `what_type` and `what_id` are the object that it is about beside the lead, `data` what else there is to know.
    """

    lead_id: int
    source: str
    name: str
    what_type: str | None = None
    what_id: int | None = None
    data: Mapping[str, Json] | None = None

    def __post_init__(self) -> None:
        """Cut the name."""
        if len(self.name) > NAME_LENGTH:
            msgspec.structs.force_setattr(self, "name", self.name[: NAME_LENGTH - 1] + "…")
