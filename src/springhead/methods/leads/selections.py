"""The parameters by which methods select leads: a filter, words, and whether inactive leads count too."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, TypeAlias, TypeVar

from springhead.model.figures.totals import SECONDS
from springhead.model.kit import filters
from springhead.model.kit.columns import Column
from springhead.model.kit.errors import InvalidParameters, Json, Problem
from springhead.model.kit.fields import FieldSet
from springhead.model.leads import search
from springhead.model.leads.leads import LEAD
from springhead.model.leads.search import Word
from springhead.rpc.context import Context
from springhead.rpc.key_params import Hash, Text
from springhead.rpc.params import Integer
from springhead.store.database.pool import TookTooLong, Tx
from springhead.store.leads.selections import SelectedLeads, Selection

Filter: TypeAlias = Annotated[Mapping[str, Json] | None, Hash("The conditions: fields and their tests.")]
Words: TypeAlias = Annotated[str, Text("Words that must occur in names, company, email address or description.")]
Inactive: TypeAlias = Annotated[int, Integer("1: also inactive leads.", low=0, high=1)]


Leads = TypeVar("Leads", bound=SelectedLeads)


def words_of(text: str) -> Sequence[Word]:
    """Returns the words of a text. Raises InvalidParameters (205) if there are too many."""
    if len(search.tokens(text)) > search.WORDS_MAX:
        raise InvalidParameters(Problem(param="text", message=f"Expected at most {search.WORDS_MAX} words"))
    words = search.words(text)
    if sum(len(word.loose) for word in words) > search.PARTS_MAX:
        message = f"Expected at most {search.PARTS_MAX} words: punctuation separates words"
        raise InvalidParameters(Problem(param="text", message=message))
    return words


def selection(
    context: Context,
    field_set: FieldSet,
    filter: Mapping[str, Json] | None,
    words: Sequence[Word],
    *,
    inactive: int,
) -> Selection:
    """Returns the leads that the parameters select. Raises InvalidParameters (205) for a wrong filter."""
    columns = search.search_fields(field_set)
    return Selection(
        filter=filters.parse(filter, columns, zone=context.zone) if filter else None,
        columns=columns,
        words=words,
        only_active=not inactive,
    )


@asynccontextmanager
async def selected(
    context: Context, tx: Tx, kind: type[Leads], filter: Mapping[str, Json] | None, text: str, *, inactive: int
) -> AsyncGenerator[tuple[Leads, bool]]:
    """Yields the statements about the leads that searchLeads finds, and whether words may have typos.

    Raises InvalidParameters (205) for wrong parameters, and if the block takes longer than SECONDS.
    """
    words = words_of(text)
    field_set = await context.fields(tx)
    try:
        chosen = selection(context, field_set, filter, words, inactive=inactive)
    except InvalidParameters:
        await context.verify(tx, field_set)
        raise
    leads = kind(tx, context.company.id, chosen, seconds=SECONDS)
    try:
        yield leads, await leads.need_typos()
    except TookTooLong:
        message = f"This takes longer than {SECONDS:.0f} seconds: use a filter that matches fewer leads"
        raise InvalidParameters(Problem(param="filter", message=message)) from None


async def field_of(context: Context, tx: Tx, name: str, param: str) -> tuple[Column, bool]:
    """Returns the column of a field of leads, and whether the field is custom. Raises 205 for an unknown name."""
    field_set = await context.fields(tx)
    custom = {column.name: column for column in field_set.columns["lead"]}
    column = LEAD.by_name.get(name) or custom.get(name)
    if column is None:
        await context.verify(tx, field_set)
        problem = Problem(param=param, message=f"There is no field {name[:255]}")
        raise InvalidParameters(problem, validParams=sorted({*LEAD.by_name, *custom}))
    return column, name not in LEAD.by_name
