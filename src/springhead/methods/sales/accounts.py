"""Accounts (docs/wire/sales.md#accounts)."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from springhead.methods import reads
from springhead.methods.bulk import writes
from springhead.methods.bulk.writes import WRITE_ERRORS
from springhead.methods.examples import ALL_TIME, CREATED, DONE, NOTHING_CHANGED, row
from springhead.methods.reads import End, Id, Limit, LongLimit, Offset, Stamp, Start
from springhead.model.kit.errors import (
    Json,
    MissingParameters,
    NothingChanged,
    UnexpectedArray,
    UnknownReference,
    WrongValue,
)
from springhead.model.kit.fields import FieldSet
from springhead.model.sales.accounts import ACCOUNT
from springhead.rpc.context import Context
from springhead.rpc.method import Example, ReadResult, Reads, WriteResult, Writes, method
from springhead.rpc.params import PAGE, Objects, Where
from springhead.store.database.pool import Tx
from springhead.store.sales import notes, references

_OBJECTS = "The accounts, each a hash of system names and values; at most 500 per call."
_NAME = "Acme Inc."
_GIVEN = (Example({"objects": [{"accountName": _NAME}]}, [CREATED], method="createAccounts"),)
_ROW = row(ACCOUNT, accountName=_NAME)


async def _after_delete(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
    await notes.detach(tx, context.company.id, "account", ids)
    await references.detach(tx, context.company.id, "account", ids)


_HOOKS = writes.Hooks(after_delete=_after_delete, starts_jobs=True)


@method(
    *WRITE_ERRORS,
    UnknownReference,
    result=Writes("creates"),
    section="docs/wire/sales.md#accounts",
    examples=[
        Example(
            {"objects": [{"accountName": _NAME, "billingCity": "Orlando", "numberOfEmployees": 12}]},
            [CREATED],
            "One new account.",
        )
    ],
)
async def create_accounts(
    context: Context, *, objects: Annotated[list[Json], Objects(ACCOUNT, _OBJECTS)]
) -> WriteResult:
    """Creates up to 500 accounts and returns, for each, whether it was created.

    `accountName` is required; two accounts can have the same name. A refused account does not stop the others.
    """
    return await writes.create(context, ACCOUNT, objects)


@method(
    *WRITE_ERRORS,
    UnknownReference,
    NothingChanged,
    result=Writes("updates"),
    section="docs/wire/sales.md#accounts",
    examples=[
        Example({"objects": [{"id": "{id}", "website": "acme.example"}]}, [DONE], "A new website.", given=_GIVEN),
        Example({"objects": [{"id": 1, "website": "acme.example"}]}, [NOTHING_CHANGED], "An id that no account has."),
    ],
)
async def update_accounts(
    context: Context, *, objects: Annotated[list[Json], Objects(ACCOUNT, _OBJECTS)]
) -> WriteResult:
    """Changes up to 500 accounts, each found by its `id`.

    Sent fields overwrite the stored values; other fields stay. An unknown account gets 302, and so does an account that
    already has all sent values.
    """
    return await writes.update(context, ACCOUNT, objects)


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    section="docs/wire/sales.md#accounts",
    examples=[
        Example(
            {"objects": [{"id": "{id}"}, {"id": 1}]},
            [DONE, NOTHING_CHANGED],
            "An account, and an id that no account has.",
            given=_GIVEN,
        )
    ],
)
async def delete_accounts(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(ACCOUNT, "The accounts, each as `{id}` or as the bare id.")],
) -> WriteResult:
    """Deletes up to 500 accounts permanently, by id.

    Their leads and opportunities stay, without an account. If there are tens of thousands of them, a background job
    removes the account from the rest within seconds after the call. Notes about nothing else are deleted too; tasks
    stay.
    """
    return await writes.delete(context, ACCOUNT, objects, _HOOKS)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(ACCOUNT),
    section="docs/wire/sales.md#accounts",
    examples=[Example({"id": "{id}"}, [_ROW], "An account.", given=_GIVEN)],
)
async def get_account(context: Context, *, id: Id) -> ReadResult:
    """Returns one account by its id: a list of one row, or an empty list if no account has this id."""
    return await reads.get(context, ACCOUNT, id)


@method(
    UnexpectedArray,
    result=Reads(ACCOUNT),
    section="docs/wire/sales.md#accounts",
    examples=[Example({"where": {}, "limit": 500, "offset": 0}, [_ROW], "All accounts.", given=_GIVEN)],
)
async def get_accounts(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(ACCOUNT, "id", "ownerID", required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns a page of the accounts that match all filters, in the order of their ids."""
    return await reads.listing(context, ACCOUNT, where, limit=limit, offset=offset)


@method(
    MissingParameters,
    UnexpectedArray,
    WrongValue,
    result=Reads(ACCOUNT),
    section="docs/wire/sales.md#accounts",
    examples=[Example({**ALL_TIME, "timestamp": "create"}, [_ROW], "All accounts of a range of time.", given=_GIVEN)],
)
async def get_accounts_date_range(
    context: Context,
    *,
    start_date: Start,
    end_date: End,
    timestamp: Stamp,
    limit: LongLimit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns the accounts that were created or updated between two times, both included, oldest first."""
    return await reads.date_range(context, ACCOUNT, (start_date, end_date), timestamp, limit=limit, offset=offset)
