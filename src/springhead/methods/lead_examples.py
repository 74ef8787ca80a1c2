"""The examples of the lead methods: what a row looks like, and a lead to start from."""

from springhead.model.errors import Json
from springhead.model.leads import LEAD
from springhead.rpc.method import Example

CREATED = {"success": True, "error": None, "id": ...}
TAKEN: dict[str, Json] = {"success": False, "error": {"code": 301, "message": "Entry already exists", "data": []}}

GIVEN = (
    Example(
        {"objects": [{"emailAddress": "lead.one@example.com", "firstName": "Lead"}]},
        [CREATED],
        method="createLeads",
    ),
)

LEAD_ROW = {column.name: None for column in LEAD.columns if not column.asked} | {
    "id": ...,
    "firstName": "Lead",
    "emailAddress": "lead.one@example.com",
    "leadScore": "0",
    "active": "1",
    "updateTimestamp": ...,
    "leadScoreWeighted": "0",
    "leadStatus": "unqualified",
    "createTimestamp": ...,
    "isQualified": "0",
    "isContact": "0",
    "isCustomer": "0",
    "status": "unqualified",
}
