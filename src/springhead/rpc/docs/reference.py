"""What is said of the API to people, read off the declarations: the reference pages, the compatibility table."""

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any

from springhead.model.kit import errors
from springhead.model.kit.columns import Column, Kind, Noun
from springhead.model.kit.errors import ApiError
from springhead.model.kit.fields import DATA_TYPES, FIELD, OPTION_LENGTH, OPTION_TYPES, OPTIONS_MAX, UNIQUE_TYPES
from springhead.model.leads.leads import LEAD
from springhead.rpc.docs import openrpc, prose, samples
from springhead.rpc.docs.vendor_methods import UPLOAD, VENDOR_METHODS
from springhead.rpc.key_params import Which
from springhead.rpc.method import ALIASES, REGISTRY, Example, Method, Reads
from springhead.rpc.params import Flat, Given, Moment, Names, Objects, OneOf, Where

_MADE = "<!-- Made by `make generate`: change the code that this is read off. -->"
_WHOLE_CALL = (errors.MissingParameters, errors.MissingObjects, errors.TooManyObjects, errors.WrongValue)
_EITHER = (errors.InvalidParameters, errors.MalformedObject, errors.UnexpectedArray)


def pages() -> dict[str, str]:
    """Every page of the reference, by its file name."""
    made = {
        "README.md": _index(),
        "errors.md": _errors_page(),
        **{_noun_file(noun): _noun_page(noun) for noun in samples.nouns().values()},
        **{f"{method.name}.md": _method_page(method) for method in REGISTRY.values()},
    }
    return {name: f"{_MADE}\n{text.strip()}\n" for name, text in made.items()}


def _index() -> str:
    parts = [prose.INDEX]
    for noun in samples.nouns().values():
        methods = [method for method in REGISTRY.values() if samples.noun_name(method) == noun.name]
        parts.append(f"## [{noun.name}]({_noun_file(noun)})\n{noun.about}")
        rows = [[f"[{method.name}]({method.name}.md)", method.summary] for method in methods]
        if rows:
            parts.append(_table(["method", "what it does"], rows))
    return "\n\n".join([*parts, prose.FOR_ALL])


def _noun_file(noun: Noun) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", noun.name).lower() + ".md"


def _method_page(method: Method[Any]) -> str:
    parts = [f"# {method.name}", method.summary, method.description]
    origin = "a method of the vendor's API" if method.vendor else "Springhead's own addition"
    parts.append(f"*{origin[0].upper()}{origin[1:]}; since {method.since}.*")
    parts += ["## Parameters", _parameters(method)]
    parts += [_filters(given) for given in method.params if isinstance(given.accepts, Where)]
    parts += ["## Result", _result(method)]
    parts += ["## Errors", _errors_of(method)]
    if method.vendor:
        differs = f"{method.differs[0].upper()}{method.differs[1:]}." if method.differs else "In nothing that is known."
        parts.append("## How it differs from the vendor's")
        parts.append(f"{differs} What is true of every method stands in [Compatibility](../compatibility.md).")
    parts.append("## Examples")
    parts += [_example(example, method) for example in method.examples]
    return "\n\n".join(part for part in parts if part)


def _parameters(method: Method[Any]) -> str:
    if method.flat:
        return _columns_as_parameters(method.flat, deleting=method.result.key == "deletes")
    rows = [
        [f"`{given.name}`", _type(given), "yes" if given.required else "no", _default(given), given.accepts.about]
        for given in method.params
    ]
    return _table(["name", "type", "required", "when left out", "what it is"], rows)


def _columns_as_parameters(flat: Flat, *, deleting: bool) -> str:
    rows = [
        [f"`{column.name}`", column.kind.type, "yes" if required else "no"]
        for column, required in flat.shown(deleting=deleting)
    ]
    return f"{_table(['name', 'type', 'required'], rows)}\n\n{prose.FLAT}"


def _type(given: Given) -> str:
    match given.accepts:
        case Objects(noun=noun):
            return f"list of [{noun.name}]({_noun_file(noun)})"
        case OneOf():
            return "one word"
        case Names():
            return "list of system names"
        case Moment():
            return "timestamp, or date"
        case accepts:
            return accepts.type


def _default(given: Given) -> str:
    if given.required:
        return "error 207" if isinstance(given.accepts, Objects) else "error 206"
    return "all" if given.default in (None, {}) else f"{given.default}"


def _filters(given: Given) -> str:
    where = given.accepts
    assert isinstance(where, Where)  # noqa: S101 - the caller looked
    rows = [[f"`{column.name}`", _kind(column.kind)] for column in where.columns.values()]
    values = "one value" if isinstance(where, Which) else "one value or a list of them"
    about = f"Keys of `{given.name}`, each with {values}; any other key is refused with 205:"
    return f"{about}\n\n{_table(['key', 'type'], rows)}"


def _result(method: Method[Any]) -> str:
    if isinstance(method.result, Reads):
        noun = f"[{method.result.noun.name}]({_noun_file(method.result.noun)})"
        if method.result.by:
            return prose.GROUPED.format(by=method.result.by, noun=noun)
        ending = prose.GENERATED if method.result.generated else "`error` is null."
        if beside := method.result.beside:
            ending = f"Beside it: {', '.join(f'`{name}`' for name in beside)}. {ending}"
        return f"`{method.result.key}`: a list of {noun}, empty when there is none. {ending}"
    if method.result.only_success:
        return prose.ONLY_SUCCESS + (prose.CAPTURED if method.result.captured else "")
    with_id = {
        "creates": ", with the new `id` when it went through",
        "upserts": ", with the lead's `id`, and in `created` whether it is new, when it went through",
        "tests": ", with what the `receiver` made of it",
        "rotates": ", with the new `secret`, when it went through",
        "redelivers": ", with the `id` of the new delivery where one was asked for",
        "converts": ", with `leadID`, and `accountID` and `opportunityID` or null, when it went through",
    }.get(method.result.key, "")
    return prose.WRITE.format(key=method.result.key, with_id=with_id)


def _errors_of(method: Method[Any]) -> str:
    reads = isinstance(method.result, Reads)
    rows = [
        [str(error.code), error.message, "the call" if reads else _refuses(error), _when(error)]
        for error in sorted(method.errors, key=lambda error: error.code)
    ]
    more = "Besides these, every method can answer the [errors of the envelope, the limits and the server](errors.md)."
    return f"{_table(['code', 'message', 'refuses', 'when'], rows)}\n\n{more}"


def _refuses(error: type[ApiError]) -> str:
    if issubclass(error, _WHOLE_CALL):
        return "the call"
    return "the call or one object" if issubclass(error, _EITHER) else "one object"


def _when(error: type[ApiError]) -> str:
    return " ".join((inspect.getdoc(error) or "").split())


def _example(example: Example, method: Method[Any]) -> str:
    before = [
        f"First, [{given.method}]({given.method}.md):\n\n{_json(samples.request(given, method))}"
        for given in example.given
    ]
    parts = [
        f"### {example.about.rstrip('.')}",
        *before,
        "Then the call:" if before else "The call:",
        _json(samples.request(example, method)),
        "The answer:",
        _json(samples.answer(example, method)),
    ]
    return "\n\n".join(parts)


def _json(value: object) -> str:
    return f"```json\n{samples.shown(value)}\n```"


def _errors_page() -> str:
    rows = [[str(error.code), error.message, _level(error), _when(error)] for error in openrpc.errors()]
    answer = {
        "result": None,
        "error": {
            "code": 205,
            "message": "Invalid parameters",
            "data": {
                "params": [
                    {
                        "param": "id",
                        "message": "Expected data of type integer",
                        "validFormat": {"type": "int", "length": 11, "required": True},
                    }
                ]
            },
        },
        "id": "1",
    }
    table = _table(["code", "message", "refuses", "when"], rows)
    return "\n\n".join([prose.ERRORS, _json(answer), table, prose.AFTER_ERRORS])


def _level(error: type[ApiError]) -> str:
    declared = [method for method in REGISTRY.values() if error in method.errors]
    if any(not isinstance(method.result, Reads) for method in declared):
        return _refuses(error)
    return "one object or the call" if error is errors.Unavailable else "the call"


def _noun_page(noun: Noun) -> str:
    rows = [
        [f"`{column.name}`", _kind(column.kind), _length(column.kind), _writable(column), _null(column), _notes(column)]
        for column in noun.columns
    ]
    table = _table(["column", "type", "length", "can be set", "null", "notes"], rows)
    asked = [prose.ASKED] if any(_asks(method, noun) for method in REGISTRY.values()) else []
    about = prose.NOUN if _is_read(noun) else prose.SENT
    return "\n\n".join([f"# {noun.name}", noun.about, about, *asked, table, *_more(noun)])


def _is_read(noun: Noun) -> bool:
    return any(isinstance(method.result, Reads) and method.result.noun is noun for method in REGISTRY.values())


def _asks(method: Method[Any], noun: Noun) -> bool:
    """Whether a caller can ask the method for some of the noun's columns."""
    of_noun = isinstance(method.result, Reads) and method.result.noun is noun
    return of_noun and any(isinstance(given.accepts, Names) for given in method.params)


def _kind(kind: Kind) -> str:
    return (
        f"{kind.type}: {', '.join(f'`{option}`' for option in kind.options)}"
        if 0 < len(kind.options) < 10
        else kind.type
    )


def _length(kind: Kind) -> str:
    return "-" if kind.length is None else f"{kind.length:,}"


def _writable(column: Column) -> str:
    if not column.writable:
        return "no"
    return "yes, must be on create" if column.required else "yes"


def _null(column: Column) -> str:
    return "may be sent" if column.nullable else "-"


def _notes(column: Column) -> str:
    notes: list[str] = []
    if column.default is not None:
        value = {"true": "1", "false": "0"}.get(column.default, column.default.strip("'"))
        notes.append(f"{column.default_is or f'`{value}`'} when not given")
    if column.asked:
        notes.append("only where there is one" if column.kind.sql == "jsonb" else "only when `fields` names it")
    return "; ".join(notes)


def _more(noun: Noun) -> Sequence[str]:
    if noun is LEAD:
        return (prose.LEAD,)
    if noun is FIELD:
        rows = [[f"`{name}`", ", ".join(f"`{one}`" for one in types)] for name, types in DATA_TYPES.items()]
        return (
            "## Types of custom fields",
            _table(["relationship", "dataType"], rows),
            prose.OPTIONS.format(
                types=f"{', '.join(OPTION_TYPES[:-1])} or {OPTION_TYPES[-1]}", most=OPTIONS_MAX, length=OPTION_LENGTH
            ),
            prose.UNIQUE.format(types=", ".join(UNIQUE_TYPES)),
            prose.CUSTOM_VALUES,
        )
    return ()


def compatibility() -> str:
    """The table of all the vendor's methods and how each stands."""
    names = [name for group in VENDOR_METHODS.values() for name in group]
    states = {name: _state(name) for name in names}
    counts = {state: sum(one[0] == state for one in states.values()) for state in ("works", "differs", "not yet")}
    parts = [
        prose.SUMMARY.format(
            all=len(names), works=counts["works"], differs=counts["differs"], missing=counts["not yet"]
        )
    ]
    for group, members in VENDOR_METHODS.items():
        rows = [
            [_link(name) if ALIASES.get(name, name) in REGISTRY else f"`{name}`", *states[name]] for name in members
        ]
        parts.append(f"### {group}\n{_table(['method', 'state', 'how it differs'], rows)}")
    if own := [method for method in REGISTRY.values() if not method.vendor]:
        parts.append("### Springhead's own additions")
        parts.append(_table(["method", "what it does"], [[_link(method.name), method.summary] for method in own]))
    return "\n\n".join(parts) + "\n"


def _state(name: str) -> tuple[str, str]:
    method = REGISTRY.get(ALIASES.get(name, name))
    if method is None:
        return "not yet", "an address of its own, `POST /pubapi/<version>/uploadFiles`" if name == UPLOAD else ""
    return ("differs", method.differs) if method.differs else ("works", "")


def _link(name: str) -> str:
    return f"[{name}](reference/{ALIASES.get(name, name)}.md)"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
