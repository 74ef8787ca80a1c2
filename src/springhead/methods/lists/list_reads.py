"""Members of a list, removed members, and the lists of leads (docs/wire/lists.md#reading-members)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, cast

from springhead.methods import reads
from springhead.methods.bulk import merged_ids
from springhead.methods.examples import CREATED, GIVEN_LEAD
from springhead.methods.lists.lists import GIVEN_LIST
from springhead.methods.reads import Limit, Offset
from springhead.model.kit.columns import Column, integer, text
from springhead.model.kit.errors import Json, MissingParameters, TooManyLeads, UnexpectedArray
from springhead.model.kit.fields import FieldSet
from springhead.model.leads.leads import email_key
from springhead.model.lists import LEAD_LIST, LIST_LEAD, LIST_MEMBER, MEMBERSHIP, REMOVED_FLAGS, REMOVED_MEMBER
from springhead.rpc.context import Context
from springhead.rpc.key_params import Ids, Text, WhereKeys
from springhead.rpc.method import Example, ReadResult, Reads, method
from springhead.rpc.params import PAGE
from springhead.store.database.pool import Tx
from springhead.store.lists import members
from springhead.store.nouns import reads as pages
from springhead.store.nouns.reads import Select

LEADS_MAX = 100
"""The most leads in a call of getLeadListMemberships (docs/wire/lists.md#getleadlistmemberships)."""

_ID = Column(name="id", kind=integer(18, "bigint"))
_CONTACT = Column(name="contactID", kind=integer(18, "bigint"))
_FLAG = Column(name="flag", kind=text(50))

_LIST_LEADS = Select(LIST_LEAD, source=members.WITH_LEADS)
_REMOVED = Select(REMOVED_MEMBER, source=members.WITH_LEADS)
_MEMBERSHIPS = Select(MEMBERSHIP, source=members.WITH_LISTS)
_MEMBERS = Select(LIST_MEMBER, source=members.WITH_LISTS)
_LEAD_LISTS = Select(LEAD_LIST, source=members.WITH_LISTS)
_ON_LIST = f"not l.is_removed and {members.OF_A_LIST}"

_MEMBER = (
    *GIVEN_LEAD,
    *GIVEN_LIST,
    Example({"listID": "{activeList}", "memberID": "{lead}"}, [CREATED], method="addListMember"),
)
_FORMER_MEMBER = (
    *_MEMBER,
    Example(
        {"listID": "{activeList}", "contactID": "{lead}"},
        [{"success": True, "error": None}],
        method="removeListMember",
    ),
)
_LEAD = {"firstName": "Lead", "lastName": "", "emailAddress": "lead.one@example.com"}


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(LIST_LEAD, generated_key="getWherelistMemberGets"),
    section="docs/wire/lists.md#reading-members",
    examples=[
        Example(
            {"where": {"id": "{activeList}"}, "limit": 500, "offset": 0},
            [{"id": ..., "listID": ..., "companyName": "", "leadID": ..., **_LEAD}],
            "All members of a list.",
            given=_MEMBER,
        )
    ],
)
async def get_list_members(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], WhereKeys(LIST_LEAD, _ID, needed=["id"])],
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns a page of the members of a list, without removed members, in the order in which they joined.

    `id` is the id of the list. A deep page costs no more than the first. An unknown list has no members.
    """

    async def page(tx: Tx, fields: FieldSet) -> pages.Rows:
        return await pages.page(
            tx,
            context.company.id,
            _LIST_LEADS,
            {"listID": where["id"]},
            context.server.page_starts,
            zone=context.zone_name,
            version=fields.version,
            limit=limit,
            offset=offset,
            condition=_ON_LIST,
            ahead=True,
        )

    return ReadResult.page_of(await reads.run(context, page), limit)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(REMOVED_MEMBER, generated_key="getWherelistLeadMembers"),
    section="docs/wire/lists.md#reading-members",
    examples=[
        Example(
            {"where": {"id": "{activeList}", "flag": "removed"}},
            [
                {
                    "listMemberID": ...,
                    "listID": ...,
                    "isRemoved": "1",
                    "isUnsubscribed": "0",
                    "hardBounced": "0",
                    "leadID": ...,
                    "firstname": "Lead",
                    "lastname": "",
                    "emailaddress": "lead.one@example.com",
                }
            ],
            "The removed members of a list.",
            given=_FORMER_MEMBER,
        ),
        Example({"where": {"id": 1, "flag": "tired"}}, [], "An unknown list and an unknown flag: neither is an error."),
    ],
)
async def get_removed_list_members(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], WhereKeys(REMOVED_MEMBER, _ID, _FLAG, needed=["id"])],
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns the members of a list that receive nothing, in the order in which they joined.

    `id` is the id of the list. `flag` is `removed` (the default) for removed members, or `unsubscribed` or
    `hardbounced` for members whose lead has that state, removed or not. As captured from the vendor, some keys are in
    lower case.
    """
    flag = cast("str", where.get("flag", REMOVED_FLAGS[0]))
    if flag not in REMOVED_FLAGS:
        return ReadResult()

    async def removed(tx: Tx, fields: FieldSet) -> pages.Rows:
        return await members.find_by_flag(
            tx,
            context.company.id,
            _REMOVED,
            cast("int", where["id"]),
            flag,
            zone=context.zone_name,
            version=fields.version,
            limit=limit + 1,
            offset=offset,
        )

    return ReadResult.page_of(await reads.run(context, removed), limit)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(MEMBERSHIP),
    section="docs/wire/lists.md#reading-members",
    differs="the result key and the values of `status` (`active`, `removed`) are our choice: no answer was captured",
    examples=[
        Example(
            {"emailAddress": "Lead.One@example.com"},
            [{"id": ..., "name": "Customers in Berlin", "status": "active", "createTimestamp": ...}],
            "The lists of a lead, by its email address.",
            given=_MEMBER,
        )
    ],
)
async def get_list_memberships(
    context: Context, *, email_address: Annotated[str, Text("The lead's email address, regardless of case.")]
) -> ReadResult:
    """Returns the lists on which a lead is, or was and is removed, by its email address.

    `id` and `name` are those of the list; `createTimestamp` is when the lead joined. An unknown address has no lists.
    """
    return await _of_leads(context, _MEMBERSHIPS, [email_key(email_address)])


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(LIST_MEMBER),
    section="docs/wire/lists.md#reading-members",
    examples=[
        Example(
            {"where": {"contactID": "{lead}"}},
            [{"id": ..., "listID": ..., "memberID": ..., "isRemoved": "0"}],
            "The memberships of a lead.",
            given=_MEMBER,
        )
    ],
)
async def get_contact_list_memberships(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], WhereKeys(LIST_MEMBER, _CONTACT, _ID, needed=["contactID", "id"])],
) -> ReadResult:
    """Returns the memberships of a lead by its id, removed memberships included, in the order of the lists' ids.

    `contactID` and `id` both mean the lead's id; if they differ, the result is empty.
    """
    ids = {cast("int", value) for value in where.values()}
    return await _of_ids(context, _MEMBERS, list(ids)) if len(ids) == 1 else ReadResult()


@method(
    MissingParameters,
    UnexpectedArray,
    TooManyLeads,
    result=Reads(LEAD_LIST, generated_key="getWhereIns"),
    section="docs/wire/lists.md#getleadlistmemberships",
    differs="the columns of a row are our choice: no answer of the vendor was captured",
    examples=[
        Example(
            {"memberIDs": ["{lead}", 1]},
            [{"memberID": ..., "listID": ...}],
            "A lead on a list, and an id that no lead has.",
            given=_MEMBER,
        )
    ],
)
async def get_lead_list_memberships(
    context: Context,
    *,
    member_ids: Annotated[list[int], Ids("The ids of the leads; at most 100.", most=LEADS_MAX, excess=TooManyLeads)],
) -> ReadResult:
    """Returns the lists of up to 100 leads: a row for each lead and list, without removed memberships.

    Rows are in the order of the leads' ids, then of the lists' ids.
    """
    return await _of_ids(context, _LEAD_LISTS, member_ids, active=True)


async def _of_ids(context: Context, select: Select, ids: Sequence[int], *, active: bool = False) -> ReadResult:
    async def read(where: Mapping[str, Json]) -> ReadResult:
        return await _of_leads(context, select, cast("list[int]", where["memberID"]), active=active)

    return await merged_ids.read_with_survivors(
        context, {"memberID": list(ids)}, read, id_columns={"memberID": ("memberID",)}
    )


async def _of_leads(
    context: Context, select: Select, leads: list[int] | list[str], *, active: bool = False
) -> ReadResult:
    async def memberships(tx: Tx, fields: FieldSet) -> pages.Rows:
        return await members.find_by_lead(
            tx, context.company.id, select, leads, zone=context.zone_name, version=fields.version, active=active
        )

    return ReadResult(await reads.run(context, memberships))
