"""The users of a company."""

from collections.abc import Mapping
from typing import Annotated

from springhead.methods import reads
from springhead.methods.reads import Limit, Offset
from springhead.model.companies.users import USER_PROFILE
from springhead.model.kit.errors import Json, UnexpectedArray
from springhead.rpc.context import Context
from springhead.rpc.method import Example, ReadResult, Reads, method
from springhead.rpc.params import PAGE, Where

_ADMINISTRATOR = {
    "id": ...,
    "firstName": "",
    "lastName": "",
    "displayName": "Administrator",
    "emailAddress": "admin@example.com",
    "isActive": "1",
    "isReseller": "0",
    "userTimezone": None,
    "phone": None,
}


@method(
    UnexpectedArray,
    result=Reads(USER_PROFILE),
    section="docs/wire/methods.md#users",
    examples=[
        Example({"where": {"isActive": 1}}, [_ADMINISTRATOR], "The users who can own leads."),
    ],
)
async def get_user_profiles(
    context: Context,
    *,
    where: Annotated[
        Mapping[str, Json],
        Where(
            USER_PROFILE,
            "id",
            "firstName",
            "lastName",
            "displayName",
            "emailAddress",
            "isActive",
            required=False,
        ),
    ] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns the users of your company that match all filters.

    The `ownerID` of a lead is the `id` of a user. Email addresses are compared regardless of case, and
    names in both codings of accents.
    """
    return await reads.listing(context, USER_PROFILE, where, limit=limit, offset=offset)
