"""The pages of the API for people, made from the declarations: the reference and the compatibility table."""

from collections.abc import Mapping
from typing import Any

from springhead.model.kit import errors, fields
from springhead.model.kit.columns import Noun
from springhead.model.kit.errors import ApiError, Json
from springhead.rpc.docs import openrpc, samples
from springhead.rpc.docs.rendering import file_name, render
from springhead.rpc.method import ALIASES, REGISTRY, Example, Method, Reads
from springhead.rpc.params import Names
from springhead.rpc.vendor_methods import UPLOAD, VENDOR_METHODS

_WHOLE_CALL = (errors.MissingParameters, errors.MissingObjects, errors.TooManyObjects, errors.WrongValue)
"""Errors that always refuse the whole call, even of a bulk write."""

_CALL_OR_OBJECT = (errors.InvalidParameters, errors.MalformedObject, errors.UnexpectedArray)
"""Errors that refuse the whole call or one object, depending on where the mistake is."""


def pages() -> dict[str, str]:
    """Returns every page of the reference by its file name."""
    return {
        "README.md": _index(),
        "errors.md": render("errors", errors=[(error, _refuses(error)) for error in openrpc.errors()]),
        **{file_name(noun): _noun_page(noun) for noun in samples.nouns().values()},
        **{f"{method.name}.md": _method_page(method) for method in REGISTRY.values()},
    }


def _index() -> str:
    groups = [
        (noun, [method for method in REGISTRY.values() if samples.noun_name(method) == noun.name])
        for noun in sorted(samples.nouns().values(), key=lambda noun: noun.name.lower())
    ]
    return render("index", groups=groups)


def _method_page(method: Method[Any]) -> str:
    refused = [(error, _refused_by(error, method)) for error in sorted(method.errors, key=lambda error: error.code)]
    examples = [_example(example, method) for example in method.examples]
    return render("method", method=method, errors=refused, examples=examples)


def _example(example: Example, method: Method[Any]) -> Mapping[str, object]:
    return {
        "about": example.about.rstrip("."),
        "before": [samples.request(call, method) for call in example.given],
        "request": samples.request(example, method),
        "answer": samples.answer(example, method),
    }


def _refused_by(error: type[ApiError], method: Method[Any]) -> str:
    """Returns what the error refuses in this method: the call, one object of it, or either."""
    if isinstance(method.result, Reads) or issubclass(error, _WHOLE_CALL):
        return "the call"
    return "the call or one object" if issubclass(error, _CALL_OR_OBJECT) else "one object"


def _refuses(error: type[ApiError]) -> str:
    """Returns what the error refuses in any method."""
    writes = (method for method in REGISTRY.values() if not isinstance(method.result, Reads))
    for method in writes:
        if error in method.errors:
            return _refused_by(error, method)
    return "one object or the call" if error is errors.Unavailable else "the call"


def _noun_page(noun: Noun) -> str:
    reads = [method for method in REGISTRY.values() if isinstance(method.result, Reads) and method.result.noun is noun]
    selectable = any(isinstance(param.accepts, Names) for method in reads for param in method.params)
    return render("noun", noun=noun, read=bool(reads), selectable=selectable, fields=fields)


def compatibility() -> str:
    """Returns the tables of the vendor's methods and of our own additions."""
    groups = [(group, [_compatibility(name) for name in names]) for group, names in VENDOR_METHODS.items()]
    methods = [method for _, rows in groups for method in rows]
    counts = {state: sum(method["state"] == state for method in methods) for state in ("works", "differs", "not yet")}
    own = [method for method in REGISTRY.values() if not method.vendor]
    return render("compatibility", groups=groups, methods=methods, counts=counts, own=own)


def _compatibility(name: str) -> Mapping[str, Json]:
    """Returns the row of a vendor's method: its page if there is one, its state, and how it differs."""
    page = ALIASES.get(name, name)
    method = REGISTRY.get(page)
    if method is None:
        differs = "an address of its own, `POST /pubapi/<version>/uploadFiles`" if name == UPLOAD else ""
        return {"name": name, "page": None, "state": "not yet", "differs": differs}
    return {
        "name": name,
        "page": page,
        "state": "differs" if method.differs else "works",
        "differs": method.differs,
    }
