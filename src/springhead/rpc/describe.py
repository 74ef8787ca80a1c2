"""What is said of the API, read off the declarations: the OpenRPC document."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import cast

import msgspec

from springhead import __version__
from springhead.model.columns import Noun
from springhead.model.errors import Json
from springhead.rpc.method import REGISTRY, Example, Method, Reads
from springhead.rpc.params import Objects, Where, noun_schema

_OUTCOME: Mapping[str, Json] = {
    "type": "object",
    "required": ["success", "error"],
    "properties": {
        "success": {"type": "boolean"},
        "error": {"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/error"}]},
        "id": {"type": "integer"},
    },
}
_ERROR: Mapping[str, Json] = {
    "type": "object",
    "required": ["code", "message", "data"],
    "properties": {
        "code": {"type": "integer"},
        "message": {"type": "string"},
        "data": {"type": ["array", "object"]},
    },
}


@cache
def openrpc() -> bytes:
    """The OpenRPC 1.3 document of every method, as JSON."""
    nouns = {noun.name: noun for noun in _nouns()}
    document: dict[str, Json] = {
        "openrpc": "1.3.2",
        "info": {
            "title": "Springhead",
            "version": __version__,
            "description": "The Open API of Constant Contact's Lead Gen & CRM, on a server of your own.",
            "license": {"name": "Apache-2.0"},
        },
        "methods": [_method(method) for method in REGISTRY.values()],
        "components": {
            "schemas": {
                **{name: noun_schema(noun) for name, noun in nouns.items()},
                "outcome": _OUTCOME,
                "error": _ERROR,
            }
        },
    }
    return msgspec.json.format(msgspec.json.encode(_plain(document)), indent=2) + b"\n"


def _nouns() -> list[Noun]:
    found: list[Noun] = []
    for method in REGISTRY.values():
        named = [given.accepts for given in method.params]
        found += [accepts.noun for accepts in named if isinstance(accepts, (Objects, Where))]
        if isinstance(method.result, Reads):
            found.append(method.result.noun)
    return found


def _method(method: Method[object]) -> dict[str, Json]:
    items: Json = {
        "$ref": "#/components/schemas/" + (method.result.key if isinstance(method.result, Reads) else "outcome")
    }
    return {
        "name": method.name,
        "summary": method.summary,
        "description": method.description,
        "tags": [{"name": "vendor" if method.vendor else "springhead"}],
        "paramStructure": "by-name",
        "params": [
            {
                "name": given.name,
                "description": given.accepts.about,
                "required": given.required,
                "schema": given.accepts.schema(),
            }
            for given in method.params
        ],
        "result": {
            "name": method.result.key,
            "schema": {
                "type": "object",
                "required": [method.result.key],
                "properties": {method.result.key: {"type": "array", "items": items}},
            },
        },
        "errors": [{"code": error.code, "message": error.message} for error in method.errors],
        "examples": [_example(example, method) for example in method.examples],
    }


def _example(example: Example, method: Method[object]) -> dict[str, Json]:
    return {
        "name": example.about,
        "params": [{"name": name, "value": value} for name, value in example.params.items()],
        "result": {"name": method.result.key, "value": {method.result.key: example.result}},
    }


def _plain(value: object) -> Json:
    """The value with `...` (any value) written as a sample id or time."""
    if value is ...:
        return "…"
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in cast("Mapping[object, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in cast("Sequence[object]", value)]
    return cast("Json", value)
