"""Accounts (wire.md 15)."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from springhead.methods import bulk, reads
from springhead.methods.bulk import WRITE_ERRORS
from springhead.methods.call import Call
from springhead.methods.examples import CREATED, DONE, EVER, NOTHING, row
from springhead.methods.reads import End, Id, Limit, LongLimit, Offset, Stamp, Start
from springhead.model.accounts import ACCOUNT
from springhead.model.errors import (
    Json,
    MissingParameters,
    NothingChanged,
    UnexpectedArray,
    UnknownReference,
    WrongValue,
)
from springhead.model.fields import FieldSet
from springhead.rpc.method import Example, Outcomes, Reads, Rows, Writes, method
from springhead.rpc.params import PAGE, Objects, Where
from springhead.store import notes, references
from springhead.store.db import Tx

_OBJECTS = "The accounts, each a hash by system name; 500 a call at most."
_NAME = "Acme Inc."
_GIVEN = (Example({"objects": [{"accountName": _NAME}]}, [CREATED], method="createAccounts"),)
_ROW = row(ACCOUNT, accountName=_NAME)


async def _after_delete(call: Call, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
    await notes.forget(tx, call.company.id, "account", ids)
    await references.forget(tx, call.company.id, "account", ids)


_RULES = bulk.Rules(after_delete=_after_delete, passes=True)


@method(
    *WRITE_ERRORS,
    UnknownReference,
    result=Writes("creates"),
    section="wire.md 15",
    examples=[
        Example(
            {"objects": [{"accountName": _NAME, "billingCity": "Orlando", "numberOfEmployees": 12}]},
            [CREATED],
            "One new account.",
        )
    ],
)
async def create_accounts(call: Call, *, objects: Annotated[list[Json], Objects(ACCOUNT, _OBJECTS)]) -> Outcomes:
    """Create up to 500 accounts and say, for each, whether it was created.

    `accountName` is required; two accounts can have the same one. A refused account does not stop the others.
    """
    return await bulk.create(call, ACCOUNT, objects)


@method(
    *WRITE_ERRORS,
    UnknownReference,
    NothingChanged,
    result=Writes("updates"),
    section="wire.md 15",
    examples=[
        Example({"objects": [{"id": "{id}", "website": "acme.example"}]}, [DONE], "A new website.", given=_GIVEN),
        Example({"objects": [{"id": 1, "website": "acme.example"}]}, [NOTHING], "An id that no account has."),
    ],
)
async def update_accounts(call: Call, *, objects: Annotated[list[Json], Objects(ACCOUNT, _OBJECTS)]) -> Outcomes:
    """Change up to 500 accounts, each found by its `id`.

    What is given overwrites, what is not given stays. An account that is not there, or that is already as
    asked for, gets 302.
    """
    return await bulk.update(call, ACCOUNT, objects)


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    section="wire.md 15",
    examples=[Example({"objects": [{"id": "{id}"}, {"id": 1}]}, [DONE, NOTHING], "An account.", given=_GIVEN)],
)
async def delete_accounts(
    call: Call,
    *,
    objects: Annotated[list[Json], Objects(ACCOUNT, "The accounts, each as `{id}` or as the bare id.")],
) -> Outcomes:
    """Delete up to 500 accounts for good, by id.

    Their leads and opportunities stay and belong to no account from then on; where there are tens of thousands
    of them, that takes some seconds more than the call. Notes about nothing else go with them; tasks stay.
    """
    return await bulk.delete(call, ACCOUNT, objects, _RULES)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(ACCOUNT),
    section="wire.md 15",
    examples=[Example({"id": "{id}"}, [_ROW], "An account.", given=_GIVEN)],
)
async def get_account(call: Call, *, id: Id) -> Rows:
    """Read one account by its id: a list of one, or an empty one when there is none."""
    return await reads.get(call, ACCOUNT, id)


@method(
    UnexpectedArray,
    result=Reads(ACCOUNT),
    section="wire.md 15",
    examples=[Example({"where": {}, "limit": 500, "offset": 0}, [_ROW], "All of them.", given=_GIVEN)],
)
async def get_accounts(
    call: Call,
    *,
    where: Annotated[Mapping[str, Json], Where(ACCOUNT, "id", "ownerID", required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> Rows:
    """Read a page of the accounts that match all filters, in the order of their ids."""
    return await reads.listing(call, ACCOUNT, where, limit=limit, offset=offset)


@method(
    MissingParameters,
    UnexpectedArray,
    WrongValue,
    result=Reads(ACCOUNT),
    section="wire.md 15",
    examples=[Example({**EVER, "timestamp": "create"}, [_ROW], "All of a range.", given=_GIVEN)],
)
async def get_accounts_date_range(
    call: Call,
    *,
    start_date: Start,
    end_date: End,
    timestamp: Stamp,
    limit: LongLimit = PAGE,
    offset: Offset = 0,
) -> Rows:
    """Read the accounts that were created or updated between two times, both included, oldest first."""
    return await reads.ranged(call, ACCOUNT, (start_date, end_date), timestamp, limit=limit, offset=offset)
