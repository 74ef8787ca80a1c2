"""The description of the API for programs, made from the declarations: the OpenRPC document."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

from springhead.model.kit.columns import ID_MAX, Column, Noun
from springhead.model.kit.errors import ApiError, Json, WrongParameters
from springhead.model.kit.fields import FIELD, OPTION_LENGTH, OPTIONS_MAX
from springhead.rpc import expected_values
from springhead.rpc.docs import samples
from springhead.rpc.method import REGISTRY, Example, Method, Reads, Writes
from springhead.rpc.params import FlatOrObjects, Objects, noun_schema

OPENRPC = "1.3.2"
API_VERSION = "1.2"
"""The version of the API, not of the server. A new release of the server alone does not change the document."""

_INTRODUCTION = """\
The Open API of Constant Contact's Lead Gen & CRM (formerly SharpSpring), on a server of your own, with Springhead's
additions.

A call is `POST {"method": …, "params": {…}, "id": …}` to the server's API address. The credentials `accountID` and
`secretKey` are in the query string, or in the headers `X-Account-Id` and `Authorization: Bearer …`. There is no member
`jsonrpc`, and there are no batches. Results and errors are those of JSON-RPC, with one exception: in the answer to a
write, `error` is the list of the errors of the refused objects, `[]` if there are none. Numbers may be sent as numeric
strings. In answers, every value of an object that is read is a string or null."""

_OUTCOME: Mapping[str, Json] = {
    "type": "object",
    "description": "The outcome of one object of a write. A create adds `id`, and an upsert adds `id` and `created`. "
    "convertLeads adds `leadID`, `accountID` and `opportunityID`. `receipts` are those of an erasure. `secret` is the "
    "new secret of a subscription, and `receiver` is the answer of its receiver to a test push.",
    "required": ["success", "error"],
    "properties": {
        "success": {"type": "boolean"},
        "error": {"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/error"}]},
        "id": {"type": "integer"},
        "created": {"type": "boolean"},
        "leadID": {"type": "integer"},
        "accountID": {"type": ["integer", "null"]},
        "opportunityID": {"type": ["integer", "null"]},
        "receipts": {"type": "array", "items": {"type": "integer"}},
        "secret": {"type": "string"},
        "receiver": {"type": "object"},
    },
    "additionalProperties": False,
}
_PROBLEM: Mapping[str, Json] = {
    "type": "object",
    "description": "A wrong parameter or field: its name, the mistake, and the valid format.",
    "required": ["param", "message"],
    "properties": {
        "param": {"type": "string"},
        "message": {"type": "string"},
        "validFormat": {
            "type": "object",
            "properties": {
                "type": {"type": "string"},
                "length": {"type": ["integer", "null"]},
                "required": {"type": "boolean"},
                "options": {"type": "array", "items": {"type": "string"}},
            },
        },
    },
}
_DATA: Mapping[str, Json] = {
    "description": "`[]` if there is nothing to add, or else `params` with an entry for each problem.",
    "anyOf": [
        {"type": "array", "maxItems": 0},
        {
            "type": "object",
            "properties": {"params": {"type": "array", "items": {"$ref": "#/components/schemas/problem"}}},
        },
    ],
}
_ERROR: Mapping[str, Json] = {
    "type": "object",
    "description": "An error of a call or of one object.",
    "required": ["code", "message", "data"],
    "properties": {
        "code": {"type": "integer"},
        "message": {"type": "string"},
        "data": {"$ref": "#/components/schemas/errorData"},
    },
    "additionalProperties": False,
}


@cache
def openrpc() -> bytes:
    """Returns the OpenRPC document of all methods as JSON. Its bytes depend only on the declarations."""
    document: dict[str, Json] = {
        "openrpc": OPENRPC,
        "info": {
            "title": "Springhead",
            "version": API_VERSION,
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0"},
        },
        "servers": [_server()],
        "methods": [_method(method) for method in REGISTRY.values()],
        "components": {
            "schemas": {
                **{name: _read_schema(noun) for name, noun in samples.nouns().items()},
                **dict(_sent_schemas()),
                "outcome": _OUTCOME,
                "error": _ERROR,
                "errorData": _DATA,
                "problem": _PROBLEM,
            },
            "errors": {error.__name__: _error(error) for error in errors()},
        },
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def errors() -> list[type[ApiError]]:
    """Returns all errors that a caller can get, sorted by code."""
    return sorted(_codes(ApiError), key=lambda error: (error.code, error.__name__))


def _codes(base: type[ApiError]) -> Iterator[type[ApiError]]:
    for error in base.__subclasses__():
        # Subclasses without a code of their own, such as the store's `Locked`, are the same error to callers.
        if "code" in vars(error):
            yield error
        yield from _codes(error)


def _server() -> Json:
    return {
        "name": "springhead",
        "url": "${origin}/pubapi/${version}/",
        "variables": {
            "origin": {"default": "http://127.0.0.1:8025", "description": "The server's scheme, host and port."},
            "version": {
                "default": "v1.2",
                "enum": ["v1", "v1.2"],
                "description": "v1: times are in the time zone of the company. v1.2: times are in UTC.",
            },
        },
    }


def _method(method: Method[Any]) -> dict[str, Json]:
    items: Json = {
        "$ref": "#/components/schemas/" + (method.result.noun.name if isinstance(method.result, Reads) else "outcome")
    }
    described: dict[str, Json] = {
        "name": method.name,
        "summary": method.summary,
        "description": method.description,
        "tags": [{"name": "vendor" if method.vendor else "springhead"}, {"name": samples.noun_name(method)}],
        "paramStructure": "by-name",
        "params": list(_params(method)),
        "result": {"name": "result", "schema": _result(method, items)},
        "errors": [{"$ref": f"#/components/errors/{error.__name__}"} for error in method.errors],
        "examples": [_example(example, method) for example in method.examples],
        "x-since": method.since,
    }
    return described | ({"x-differs": method.differs} if method.differs else {})


def _params(method: Method[Any]) -> Iterator[Json]:
    for param in method.params:
        accepts = param.accepts
        flat = isinstance(accepts, FlatOrObjects)
        if isinstance(accepts, FlatOrObjects):
            for column, required in accepts.documented_columns(deleting=method.result.key == "deletes"):
                yield {
                    "name": column.name,
                    "description": "For a call with one object; do not send it with `objects`.",
                    "required": required,
                    "schema": _sent_value(column),
                }
        yield {
            "name": param.name,
            "description": accepts.about,
            "required": param.required and not flat,
            "schema": _sent(method, accepts.noun) if isinstance(accepts, Objects) else accepts.schema(),
        }


def _result(method: Method[Any], items: Json) -> Json:
    rows: Json = {"type": "array", "items": items}
    if isinstance(method.result, Writes) and method.result.only_success:
        rows = {"type": "boolean"}
        return {"type": "object", "required": ["success"], "properties": {"success": rows}}
    if isinstance(method.result, Reads) and method.result.grouped_by:
        return {"type": "object", "additionalProperties": rows}
    properties: dict[str, Json] = {method.result.key: rows}
    if isinstance(method.result, Reads) and method.result.generated_key:
        properties["hasMore"] = {"type": "boolean"}
    if isinstance(method.result, Reads):
        properties |= method.result.extra
    return {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }


def _example(example: Example, method: Method[Any]) -> dict[str, Json]:
    sent = samples.request(example, method)["params"]
    assert isinstance(sent, Mapping)  # noqa: S101 - examples are by name
    return {
        "name": example.about,
        "params": [{"name": name, "value": value} for name, value in sent.items()],
        "result": {"name": "result", "value": samples.answer(example, method)["result"]},
    }


def _error(error: type[ApiError]) -> dict[str, Json]:
    described: dict[str, Json] = {"code": error.code, "message": error.message}
    return described | (
        {"data": {"$ref": "#/components/schemas/errorData"}} if issubclass(error, WrongParameters) else {}
    )


def _read_schema(noun: Noun) -> dict[str, Json]:
    schema = noun_schema(noun)
    return schema | {"additionalProperties": {"type": ["string", "null"]} if noun.custom else False} | _options(noun)


def _options(noun: Noun) -> dict[str, Json]:
    if noun is not FIELD:
        return {}
    properties = noun_schema(noun)["properties"]
    assert isinstance(properties, Mapping)  # noqa: S101 - it is an object's schema
    return {"properties": {**properties, "options": _OPTIONS}}


_OPTIONS: Mapping[str, Json] = {
    "type": "array",
    "description": "The values to choose from, for a picklist, radio or checkbox field.",
    "items": {"type": "string", "minLength": 1, "maxLength": OPTION_LENGTH},
    "maxItems": OPTIONS_MAX,
}


def _sent(method: Method[Any], noun: Noun) -> dict[str, Json]:
    """Returns the schema of the list `objects` of a write."""
    reference = f"#/components/schemas/{_sent_name(method, noun)}"
    return {"type": "array", "items": {"$ref": reference}, "maxItems": 500}


def _sent_name(method: Method[Any], noun: Noun) -> str:
    return f"{noun.name}.{method.result.key.removesuffix('s')}"


def _sent_schemas() -> Iterator[tuple[str, Json]]:
    """Yields the names and schemas of the objects of all writes: `lead.create`, `lead.update` and so on."""
    for method in REGISTRY.values():
        for param in method.params:
            if isinstance(param.accepts, Objects):
                noun = param.accepts.noun
                yield _sent_name(method, noun), _sent_schema(noun, method.result.key)


def _sent_schema(noun: Noun, key: str) -> Json:
    identity = noun.by_name.get("id")
    properties: dict[str, Json] = {"id": _sent_value(identity)} if identity else {}
    if key in {"deletes", "tests", "rotates"} and identity:
        name = {"systemName": {"type": "string"}} if "systemName" in noun.by_name else {}
        return {"type": "object", "properties": {**properties, **name}}
    if key == "erases":
        return {"type": "object", "properties": {**properties, **_addressed(noun)}}
    creating = key == "creates"
    if creating:
        properties = {}
    properties |= {column.name: _sent_value(column) for column in noun.writable_columns}
    ignored = noun.ignored_names if creating else noun.ignored_names - {"id"}
    properties |= {name: {"description": "Accepted and ignored."} for name in sorted(ignored)}
    if noun is FIELD:
        properties["options"] = _OPTIONS
    if noun.takes_expected and not creating:
        properties[expected_values.MEMBER] = {
            "type": "object",
            "description": "Fields, and the values that the caller has read.",
        }
    schema: dict[str, Json] = {
        "type": "object",
        "description": noun.about,
        "properties": properties,
        "additionalProperties": noun.custom,
    }
    required = [column.name for column in noun.writable_columns if column.required]
    return schema | ({"required": required} if creating and required else {})


def _addressed(noun: Noun) -> Mapping[str, Json]:
    return {noun.key_column.name: _sent_value(noun.key_column)} if noun.key_column else {}


def _sent_value(column: Column) -> Json:
    """Returns the schema of a column's values in calls. Of the wire's leniencies it only has numbers as strings."""
    kind = column.kind
    schema: dict[str, Json]
    if kind.sql in {"bigint", "smallint"}:
        schema = {"type": ["integer", "string"], "pattern": "^-?[0-9]+$", "maximum": ID_MAX}
        if kind.sql == "smallint":
            schema |= {"minimum": -(2**15), "maximum": 2**15 - 1}
    elif kind.sql == "jsonb":
        schema = {"type": "array" if kind.type == "list" else "object"}
    elif kind.sql == "boolean":
        schema = {"enum": [0, 1, "0", "1", False, True]}
    elif kind.options:
        schema = {"enum": list(kind.options)}
    else:
        schema = {"type": "string"}
        if kind.length:
            schema["maxLength"] = kind.length
    return {"anyOf": [schema, {"type": "null"}]} if column.nullable else schema
