"""What an API method is: declared once with `@method`, called through `call`."""

import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, Literal, NotRequired, TypedDict, TypeVar, get_type_hints

import msgspec

from springhead.model.kit.columns import WRITTEN_NOUNS, Noun
from springhead.model.kit.errors import ApiError, ErrorBody, InvalidParameters, Json, SingleObjectRefused, UnknownMethod
from springhead.rpc.params import DeclaredParam, FlatOrObjects, Objects, Param


class Outcome(TypedDict):
    """The outcome of one object of a bulk write, keys in the wire's order; `id` only after a create.

    The wire: docs/wire/envelope.md#outcomes.
    What convertLeads did comes with the lead, and the account and opportunity that it has now; upsertLeads says of the
    lead whether it was created, and eraseLeads has the ids of the receipts.
    """

    success: bool
    error: ErrorBody | None
    id: NotRequired[int]
    created: NotRequired[bool]
    leadID: NotRequired[int]
    accountID: NotRequired[int | None]
    opportunityID: NotRequired[int | None]
    receipts: NotRequired[list[int]]
    secret: NotRequired[str]
    receiver: NotRequired[Mapping[str, Json]]


def succeeded(object_id: int | None = None) -> Outcome:
    """An object that went through."""
    if object_id is None:
        return {"success": True, "error": None}
    return {"success": True, "error": None, "id": object_id}


def upserted(object_id: int, *, created: bool) -> Outcome:
    """An object that is there now as asked for, and whether it is new."""
    return {"success": True, "error": None, "id": object_id, "created": created}


def erased(receipts: list[int]) -> Outcome:
    """A lead, or the leads with an address, of which nothing is kept but receipts with these ids."""
    return {"success": True, "error": None, "receipts": receipts}


def converted(lead_id: int, account_id: int | None, opportunity_id: int | None) -> Outcome:
    """A lead that was converted, with its account and its new opportunity."""
    return {
        "success": True,
        "error": None,
        "leadID": lead_id,
        "accountID": account_id,
        "opportunityID": opportunity_id,
    }


def refused(error: ApiError) -> Outcome:
    """An object that was refused alone."""
    return {"success": False, "error": error.body()}


class ReadResult(msgspec.Struct, frozen=True):
    """The rows of a read: one page, or an iterator of pages for an answer of any length.

    `more` says whether more rows follow the page. `extra` are further members of the result, after the rows.
    """

    page: Sequence[Mapping[str, Json]] = ()
    pages: AsyncIterator[Sequence[Mapping[str, Json]]] | None = None
    more: bool = False
    groups: Mapping[str, Sequence[Mapping[str, Json]]] | None = None
    extra: Mapping[str, Json] | None = None

    @classmethod
    def page_of(cls, found: Sequence[Mapping[str, Json]], limit: int) -> "ReadResult":
        """The first `limit` of the rows found, and whether there were more."""
        return cls(found[:limit], more=len(found) > limit)


class WriteResult(msgspec.Struct, frozen=True):
    """What became of each object of a bulk write, in the order sent."""

    outcomes: Sequence[Outcome]

    @classmethod
    def in_order(cls, outcomes: Mapping[int, Outcome]) -> "WriteResult":
        """The outcomes by the position of their objects in the call, of which none is missing."""
        return cls([outcomes[at] for at in range(len(outcomes))])


class Reads(msgspec.Struct, frozen=True):
    """The result of a read: a list of rows under the noun's name in the singular (docs/wire/methods.md#result-keys).

    `generated_key` is the key of reads that the vendor generates, such as `getWherelistMemberGets`: their answers
    have `hasMore` twice, and their `error` is `[]` (docs/wire/envelope.md#responses). With `grouped_by`, the result
    has a list of rows for each word of that parameter, under the word. `extra` are members after the rows in reads
    of our own, each with its JSON Schema; the `example` of the schema is shown in the docs.
    """

    noun: Noun
    generated_key: str = ""
    grouped_by: str = ""
    extra: Mapping[str, Json] = {}

    @property
    def key(self) -> str:
        """The result's key, the only one but for `hasMore`."""
        return self.generated_key or self.noun.name

    @property
    def samples(self) -> Mapping[str, Json]:
        """What the members beside the rows may look like."""
        return {name: schema.get("example") for name, schema in self.extra.items() if isinstance(schema, dict)}


class Writes(msgspec.Struct, frozen=True):
    """The result of a bulk write: an outcome per object.

    With `only_success` the answer says no more than whether all went through, as the vendor documents some methods;
    `captured` is for one that was also captured with its outcomes, which a caller's key can ask for.
    """

    key: Literal[
        "creates", "updates", "deletes", "converts", "upserts", "merges", "restores", "erases", "subscribes", "tests",
        "rotates", "redelivers",
    ]  # fmt: skip
    only_success: bool = False
    captured: bool = False


class Example(msgspec.Struct, frozen=True):
    """A call and its answer, shown in the docs and run as a test; `...` stands for any value.

    `given` are calls made before it. In the params `{id}` stands for the id that was made last, and a noun's
    name, as in `{dealStage}`, for the last one of that noun, and `{other lead}` for the one before;
    `{userProfile}` is the company's administrator.
    """

    params: Mapping[str, Json]
    result: Any
    about: str = ""
    given: tuple["Example", ...] = ()
    method: str = ""


C = TypeVar("C")


class Method(msgspec.Struct, Generic[C], frozen=True, kw_only=True):
    """A method as it was declared; everything that describes the API is read off it."""

    name: str
    summary: str
    description: str
    params: tuple[DeclaredParam, ...]
    result: Reads | Writes
    errors: tuple[type[ApiError], ...]
    examples: tuple[Example, ...]
    vendor: bool
    differs: str
    since: str
    section: str
    extra_seconds: float
    run: Callable[..., Awaitable[ReadResult | WriteResult]]

    async def call(self, context: C, params: Mapping[str, Json], *, objects_per_call: int) -> ReadResult | WriteResult:
        """Read the parameters and run the method; raises the ApiError that the wire answers."""
        taken = {given.argument: given.value_from(params) for given in self.params}
        for given in self.params:
            if isinstance(given.accepts, Objects):
                given.accepts.check_count(taken[given.argument], objects_per_call)
        result = await self.run(context, **taken)
        if isinstance(result, WriteResult) and self.flat and self.flat.has_single_object(params):
            (only,) = result.outcomes
            if only["error"]:
                raise SingleObjectRefused(only["error"])
        return result

    @property
    def flat(self) -> FlatOrObjects | None:
        """The parameter that stands for all others, when the call may be about one object without a list."""
        return next((given.accepts for given in self.params if isinstance(given.accepts, FlatOrObjects)), None)


REGISTRY: dict[str, Method[Any]] = {}
"""Every method by its name on the wire, in the order declared."""

ALIASES: dict[str, str] = {}
"""Other spellings of names that the vendor's own pages have."""


def method(
    *errors: type[ApiError],
    result: Reads | Writes,
    examples: Sequence[Example],
    vendor: bool = True,
    differs: str = "",
    since: str = "0.1",
    section: str = "",
    extra_seconds: float = 0,
    aliases: Sequence[str] = (),
) -> Callable[[Callable[..., Awaitable[ReadResult | WriteResult]]], Callable[..., Awaitable[ReadResult | WriteResult]]]:
    """Declares an API method.

    The method has the function's name in camel case (`create_leads` is `createLeads`). Its parameters are the
    function's keyword-only parameters, each annotated with a Param. The docstring becomes the reference page.
    `differs` says how the method differs from the vendor's on purpose, and `section` where its rules come from.
    `extra_seconds` are added to the deadline of a call that waits for something. `aliases` are other spellings of the
    name.
    """

    def declare(
        function: Callable[..., Awaitable[ReadResult | WriteResult]],
    ) -> Callable[..., Awaitable[ReadResult | WriteResult]]:
        summary, _, rest = inspect.cleandoc(function.__doc__ or "").partition("\n")
        name = _wire_name(function.__name__)
        params = _params(function)
        for given in params:
            if isinstance(given.accepts, Objects):
                WRITTEN_NOUNS.setdefault(given.accepts.noun.table, given.accepts.noun)
        ALIASES.update(dict.fromkeys(aliases, name))
        REGISTRY[name] = Method(
            name=name,
            summary=summary,
            description=rest.strip(),
            params=params,
            result=result,
            errors=tuple(dict.fromkeys((*([InvalidParameters] if params else []), *errors))),
            examples=tuple(examples),
            vendor=vendor,
            differs=differs,
            since=since,
            section=section,
            extra_seconds=extra_seconds,
            run=function,
        )
        return function

    return declare


def _wire_name(python: str) -> str:
    name = re.sub(r"_id(s?)$", r"_ID\1", python)
    return re.sub(r"_(\w)", lambda part: part[1].upper(), name)


def find(name: Json) -> Method[Any]:
    """The method of that name; 204 for anything else."""
    found = REGISTRY.get(ALIASES.get(name, name)) if isinstance(name, str) else None
    if found is None:
        raise UnknownMethod
    return found


def _params(function: Callable[..., Any]) -> tuple[DeclaredParam, ...]:
    hints = get_type_hints(function, include_extras=True)
    taken: list[DeclaredParam] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        accepts = next((item for item in hints[parameter.name].__metadata__ if isinstance(item, Param)), None)
        if accepts is None:
            message = f"{function.__name__}: parameter {parameter.name} needs Annotated[..., a Param]"
            raise TypeError(message)
        required = parameter.default is inspect.Parameter.empty
        name = _wire_name(parameter.name)
        taken.append(DeclaredParam(parameter.name, name, accepts, required, None if required else parameter.default))
    return tuple(taken)
