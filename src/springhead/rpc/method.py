"""API methods: `@method` declares a method once, and `Method.call` runs it."""

import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, Literal, NotRequired, TypedDict, TypeVar, get_type_hints

import msgspec

from springhead.model.kit.columns import WRITTEN_NOUNS, Noun
from springhead.model.kit.errors import ApiError, ErrorBody, InvalidParameters, Json, SingleObjectRefused, UnknownMethod
from springhead.rpc.params import DeclaredParam, FlatOrObjects, Objects, Param
from springhead.rpc.unknown_methods import hint


class Outcome(TypedDict):
    """The outcome of an object of a bulk write, with its keys in the wire's order (docs/wire/envelope.md#outcomes).

    `id` is there after a create or an upsert, and `created` after an upsert. convertLeads has the ids of the lead, its
    account and its opportunity, and eraseLeads has the ids of the receipts. `action`, `total` and `until` are for
    actions, `secret` and `receiver` for subscriptions.
    """

    success: bool
    error: ErrorBody | None
    id: NotRequired[int]
    created: NotRequired[bool]
    leadID: NotRequired[int]
    accountID: NotRequired[int | None]
    opportunityID: NotRequired[int | None]
    receipts: NotRequired[list[int]]
    action: NotRequired[Mapping[str, Json]]
    total: NotRequired[int]
    until: NotRequired[str]
    secret: NotRequired[str]
    receiver: NotRequired[Mapping[str, Json]]


def succeeded(object_id: int | None = None) -> Outcome:
    """Returns the outcome of a successful object, with the id of a created one."""
    if object_id is None:
        return {"success": True, "error": None}
    return {"success": True, "error": None, "id": object_id}


def upserted(object_id: int, *, created: bool) -> Outcome:
    """Returns the outcome of an upsert. `created` says whether the object is new."""
    return {"success": True, "error": None, "id": object_id, "created": created}


def erased(receipts: list[int]) -> Outcome:
    """Returns the outcome of an erasure, with the ids of its receipts."""
    return {"success": True, "error": None, "receipts": receipts}


def converted(lead_id: int, account_id: int | None, opportunity_id: int | None) -> Outcome:
    """Returns the outcome of a conversion, with the lead's account and its new opportunity, if any."""
    return {
        "success": True,
        "error": None,
        "leadID": lead_id,
        "accountID": account_id,
        "opportunityID": opportunity_id,
    }


def refused(error: ApiError) -> Outcome:
    """Returns the outcome of a refused object."""
    return {"success": False, "error": error.body()}


class ReadResult(msgspec.Struct, frozen=True):
    """The rows of a read: a page, or an iterator of pages for an answer of any length.

    `more` says whether more rows follow the page. `groups` are the rows of a read that groups them, by word. `extra`
    are further members of the result, after the rows.
    """

    page: Sequence[Mapping[str, Json]] = ()
    pages: AsyncIterator[Sequence[Mapping[str, Json]]] | None = None
    more: bool = False
    groups: Mapping[str, Sequence[Mapping[str, Json]]] | None = None
    extra: Mapping[str, Json] | None = None

    @classmethod
    def page_of(cls, rows: Sequence[Mapping[str, Json]], limit: int) -> "ReadResult":
        """Returns the first `limit` rows as a page, and whether there are more."""
        return cls(rows[:limit], more=len(rows) > limit)


class WriteResult(msgspec.Struct, frozen=True):
    """The outcomes of the objects of a bulk write, in the order sent."""

    outcomes: Sequence[Outcome]

    @classmethod
    def in_order(cls, outcomes: Mapping[int, Outcome]) -> "WriteResult":
        """Returns the result for outcomes by position. No position of the call may be missing."""
        return cls([outcomes[position] for position in range(len(outcomes))])


class Reads(msgspec.Struct, frozen=True):
    """The result of a read: a list of rows under the noun's name in the singular (docs/wire/methods.md#result-keys).

    `generated_key` is the key of the vendor's reads with generated names, such as `getWherelistMemberGets`. Their
    answers have `hasMore` twice, and their `error` is `[]` (docs/wire/envelope.md#responses). With `grouped_by`, the
    result has a list of rows for each word of that parameter, under the word. `extra` has the JSON Schemas of further
    members, which only our own methods have. The docs show the `example` of each schema.
    """

    noun: Noun
    generated_key: str = ""
    grouped_by: str = ""
    extra: Mapping[str, Json] = {}

    @property
    def key(self) -> str:
        """The key of the rows in the result."""
        return self.generated_key or self.noun.name

    @property
    def samples(self) -> Mapping[str, Json]:
        """Examples of the further members of the result."""
        return {name: schema.get("example") for name, schema in self.extra.items() if isinstance(schema, dict)}


class Writes(msgspec.Struct, frozen=True):
    """The result of a bulk write: an outcome for each object.

    With `only_success`, the answer only says whether all objects succeeded, as the vendor documents it for some
    methods. `captured` is for a method of which answers with outcomes were captured, too: an API key can ask for them.
    """

    key: Literal[
        "creates", "updates", "deletes", "converts", "upserts", "merges", "restores", "erases", "subscribes", "tests",
        "rotates", "redelivers", "stops", "undos",
    ]  # fmt: skip
    only_success: bool = False
    captured: bool = False


class Example(msgspec.Struct, frozen=True):
    """A call and its answer. The docs show it, and a test runs it. `...` stands for any value.

    `given` are calls that are made before it. In the parameters, `{id}` stands for the last id that was created, and a
    noun's name, as in `{dealStage}`, for the last id of that noun. `{other lead}` is the lead before the last one, and
    `{userProfile}` is the company's administrator.
    """

    params: Mapping[str, Json]
    result: Any
    about: str = ""
    given: tuple["Example", ...] = ()
    method: str = ""


C = TypeVar("C")


class Method(msgspec.Struct, Generic[C], frozen=True, kw_only=True):
    """A declared method. All descriptions of the API are made from it."""

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
    long: bool
    run: Callable[..., Awaitable[ReadResult | WriteResult]]

    async def call(self, context: C, params: Mapping[str, Json], *, objects_per_call: int) -> ReadResult | WriteResult:
        """Reads the parameters and runs the method. Raises the ApiError that refuses the call."""
        arguments = {param.argument: param.value_from(params) for param in self.params}
        for param in self.params:
            if isinstance(param.accepts, Objects):
                param.accepts.check_count(arguments[param.argument], objects_per_call)
        result = await self.run(context, **arguments)
        if isinstance(result, WriteResult) and self.flat and self.flat.has_single_object(params):
            (outcome,) = result.outcomes
            if outcome["error"]:
                raise SingleObjectRefused(outcome["error"])
        return result

    @property
    def flat(self) -> FlatOrObjects | None:
        """The parameter for an object whose columns can be sent in the params themselves, or None."""
        return next((param.accepts for param in self.params if isinstance(param.accepts, FlatOrObjects)), None)


REGISTRY: dict[str, Method[Any]] = {}
"""All methods by their names on the wire, in the order of their declarations."""

ALIASES: dict[str, str] = {}
"""The names of methods by other spellings, which the vendor's own pages have."""


def method(
    *errors: type[ApiError],
    result: Reads | Writes,
    examples: Sequence[Example],
    vendor: bool = True,
    differs: str = "",
    since: str = "0.1",
    section: str = "",
    extra_seconds: float = 0,
    long: bool = False,
    aliases: Sequence[str] = (),
) -> Callable[[Callable[..., Awaitable[ReadResult | WriteResult]]], Callable[..., Awaitable[ReadResult | WriteResult]]]:
    """Declares an API method.

    The method has the function's name in camel case (`create_leads` is `createLeads`). Its parameters are the
    function's keyword-only parameters, each annotated with a Param. The docstring becomes the text of the reference
    page. `differs` says how the method differs from the vendor's on purpose, and `section` is the page that has its
    rules. `extra_seconds` are added to the deadline of a call that waits for something. A `long` method uses the
    connections for long work, because it can read a whole company. `aliases` are other spellings of the name.
    """

    def declare(
        function: Callable[..., Awaitable[ReadResult | WriteResult]],
    ) -> Callable[..., Awaitable[ReadResult | WriteResult]]:
        summary, _, rest = inspect.cleandoc(function.__doc__ or "").partition("\n")
        name = _wire_name(function.__name__)
        params = _params(function)
        for param in params:
            if isinstance(param.accepts, Objects):
                WRITTEN_NOUNS.setdefault(param.accepts.noun.table, param.accepts.noun)
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
            long=long,
            run=function,
        )
        return function

    return declare


def _wire_name(python: str) -> str:
    name = re.sub(r"_id(s?)$", r"_ID\1", python)
    return re.sub(r"_(\w)", lambda part: part[1].upper(), name)


def find(name: Json) -> Method[Any]:
    """Returns the method with this name. Raises UnknownMethod (204) with a hint if there is none."""
    known = REGISTRY.get(ALIASES.get(name, name)) if isinstance(name, str) else None
    if known is None:
        raise UnknownMethod({"param": "method", "message": hint(name, {**REGISTRY, **ALIASES})})
    return known


def _params(function: Callable[..., Any]) -> tuple[DeclaredParam, ...]:
    hints = get_type_hints(function, include_extras=True)
    declared: list[DeclaredParam] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        accepts = next((item for item in hints[parameter.name].__metadata__ if isinstance(item, Param)), None)
        if accepts is None:
            message = f"{function.__name__}: parameter {parameter.name} needs Annotated[..., a Param]"
            raise TypeError(message)
        required = parameter.default is inspect.Parameter.empty
        name = _wire_name(parameter.name)
        default = None if required else parameter.default
        declared.append(DeclaredParam(parameter.name, name, accepts, required, default))
    return tuple(declared)
