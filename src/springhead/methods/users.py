"""The people of a company."""

from collections.abc import Mapping
from typing import Annotated

from springhead.methods.call import Call
from springhead.model.errors import Json, UnexpectedArray
from springhead.model.users import USER_PROFILE
from springhead.rpc.method import Example, Reads, Rows, method
from springhead.rpc.params import PAGE, Count, Where
from springhead.store import users

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
    section="wire.md 15",
    examples=[
        Example({"where": {"isActive": 1}}, [_ADMINISTRATOR], "The users who can own leads."),
    ],
)
async def get_user_profiles(
    call: Call,
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
    limit: Annotated[int, Count("How many at most; 500 is the default and the cap.", cap=PAGE)] = PAGE,
    offset: Annotated[int, Count("How many to pass over.")] = 0,
) -> Rows:
    """List the users of your company.

    Their `id` is what `ownerID` of a lead names. Filters must all match; email addresses are compared
    without regard to case.
    """
    async with call.tx() as tx:
        return Rows(await users.find(tx, call.company.id, where, zone=call.zone_name, limit=limit, offset=offset))
