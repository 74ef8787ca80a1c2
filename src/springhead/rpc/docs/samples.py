"""The declared examples as they look on the wire: whole envelopes, with a plausible value for each `...`."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, cast

import msgspec

from springhead.model.kit.columns import Noun
from springhead.model.kit.errors import Json
from springhead.rpc.method import REGISTRY, Example, Method, Reads, Writes
from springhead.rpc.params import Objects, Where

REQUEST_ID = "1"
WIDE = 116
"""The longest line of JSON on a page, in characters."""

STEP = 1024
"""The distance between two ids of a noun."""

FIRST_IDS = {
    "lead": 100_000_000_000,
    "field": 400_000_000,
    "userProfile": 300_000_256,
    "account": 2_000_000_000,
    "campaign": 350_000_128,
    "dealStage": 320_000_384,
    "opportunity": 1_000_000_512,
    "opportunityLead": 1_100_000_640,
    "activeList": 420_000_768,
    "listMember": 1_000_000_000_000,
    "listAddress": 1_000_000_000_000,
    "listTag": 430_000_896,
    "note": 5_000_000_256,
    "task": 5_100_000_384,
    "erasure": 380_000_512,
    "product": 330_000_512,
    "form": 360_000_640,
    "scoreRule": 340_000_128,
    "view": 440_000_384,
    "leadSubscription": 380_000_256,
    "leadDelivery": 7_200_000_256,
    "call": 5_200_000_512,
    "event": 6_000_000_128,
    "leadTimeline": 6_000_000_128,
    "action": 450_000_512,
    "newAction": 450_000_512,
}
"""The first id of a noun in a new database."""

_PLAUSIBLE: Mapping[str, Json] = {
    "systemName": "shoe_size_5a0dd86e6e290",
    "createTimestamp": "2026-03-14 09:26:53",
    "startTimestamp": "2026-03-14 09:26:53",
    "endTimestamp": "2026-03-14 09:26:54",
    "updateTimestamp": "2026-03-14 09:26:53",
    "deleteTimestamp": "2026-03-14 09:26:53",
    "siteToken": "q3v8Zk1xT0yWm5cRb7NdLA",
    "scriptSnippet": '<script async src="https://crm.example.com/t.js" data-site="q3v8Zk1xT0yWm5cRb7NdLA"></script>',
    "pixelSnippet": '<noscript><img src="https://crm.example.com/t.gif?site=q3v8Zk1xT0yWm5cRb7NdLA" …></noscript>',
    "links": {
        "https://www.example.com/spring?utm_source=mail": "https://crm.example.com/e/q3v8Zk1xT0yWm5cRb7NdLA.pUjX…"
    },
    "openPixel": "https://crm.example.com/o/q3v8Zk1xT0yWm5cRb7NdLA.Hs0w….gif",
    "unsubscribeURL": "https://crm.example.com/u/q3v8Zk1xT0yWm5cRb7NdLA.Kd2e…",
    "listUnsubscribe": "<https://crm.example.com/u/q3v8Zk1xT0yWm5cRb7NdLA.Kd2e…>",
    "authorID": str(FIRST_IDS["userProfile"]),
    "whatID": str(FIRST_IDS["account"]),
    "eventID": str(FIRST_IDS["event"]),
    "whoID": str(FIRST_IDS["lead"]),
    "leadID": str(FIRST_IDS["lead"]),
    "memberID": str(FIRST_IDS["lead"]),
    "listID": str(FIRST_IDS["activeList"]),
    "otherID": str(FIRST_IDS["lead"] + STEP),
    "keyID": "1",
    "receipts": [FIRST_IDS["erasure"]],
    "doneTimestamp": "2026-03-14 09:26:53",
    "data": {"id": str(FIRST_IDS["lead"]), "…": "…"},
    "action": {
        "id": str(FIRST_IDS["action"]),
        "kind": "update",
        "state": "done",
        "total": "1",
        "changed": "1",
        "…": "…",
    },
    "until": "812",
    "undoTimestamp": "2026-03-14 09:56:53",
    "listMemberID": str(FIRST_IDS["listMember"]),
    "secret": "whsec_q2c0ZG1mcG5rY3J5dGVzdHNlY3JldG5vdGFrZXkhISE=",
    "receiver": {"accepted": True, "status": 200, "durationMs": 41, "error": None, "answer": "ok"},
    "publicID": "Zc3tD0pYqk1vB7nR5sXw2g",
    "hostedURL": "https://crm.example.com/f/Zc3tD0pYqk1vB7nR5sXw2g",
    "formAction": "https://crm.example.com/f/Zc3tD0pYqk1vB7nR5sXw2g",
    "embedCode": '<script async src="https://crm.example.com/f/Zc3tD0pYqk1vB7nR5sXw2g.js"></script>',
}


def request(example: Example, method: Method[Any]) -> dict[str, Json]:
    """Returns the body of the example's call."""
    params = cast("Json", _filled(example.params, _last_id(example, method)))
    return {"method": example.method or method.name, "params": params, "id": REQUEST_ID}


def answer(example: Example, method: Method[Any]) -> dict[str, Json]:
    """Returns the body of the example's answer, with its keys in the wire's order (docs/wire/envelope.md#responses)."""
    if isinstance(method.result, Writes) and method.result.only_success:
        return {"result": {"success": example.result}, "error": None, "id": REQUEST_ID}
    rows = result(example, method)
    if isinstance(method.result, Reads) and method.result.grouped_by:
        return {"result": {str(example.params[method.result.grouped_by]): rows}, "error": None, "id": REQUEST_ID}
    if isinstance(method.result, Reads) and method.result.generated_key:
        inner = {method.result.key: rows, "hasMore": False}
        return {"hasMore": False, "result": inner, "error": [], "id": REQUEST_ID}
    errors = None if isinstance(method.result, Reads) else [row["error"] for row in rows if row["error"]]
    extra: Mapping[str, Json] = method.result.samples if isinstance(method.result, Reads) else {}
    return {"result": {method.result.key: rows, **extra}, "error": errors, "id": REQUEST_ID}


def result(example: Example, method: Method[Any]) -> list[dict[str, Any]]:
    """Returns the rows or outcomes of the answer, with a value for each `...`."""
    new = isinstance(method.result, Writes) and method.result.key != "merges"
    earlier = sum(_object_count(given) for given in example.given) if new else 0
    ids = count(_first_id(method) + earlier * STEP, STEP)
    reads = isinstance(method.result, Reads)
    return [{name: _plausible(name, value, ids, reads=reads) for name, value in row.items()} for row in example.result]


def shown(value: object, *, indent: int = 0, before: int = 0) -> str:
    """Returns JSON for a page: as it is on the wire, but with line breaks in values that are too long for a line."""
    text = msgspec.json.encode(value).decode()
    if indent + before + len(text) <= WIDE or not isinstance(value, (list, dict)):
        return text
    if isinstance(value, dict):
        items = [
            f'"{name}":{shown(item, indent=indent + 2, before=len(name) + 3)}'
            for name, item in cast("dict[str, object]", value).items()
        ]
    else:
        items = [shown(item, indent=indent + 2) for item in cast("list[object]", value)]
    opening, closing = text[0], text[-1]
    between = ",\n" + " " * (indent + 2)
    return f"{opening}{between[1:]}{between.join(items)}\n{' ' * indent}{closing}"


def _plausible(name: str, value: object, ids: "count[int]", *, reads: bool) -> Json:
    if value is not ...:
        return cast("Json", value)
    if name == "id":
        return str(next(ids)) if reads else next(ids)
    if name.endswith("ID") and (first := FIRST_IDS.get(name.removesuffix("ID"))):
        return str(first) if reads else first
    return _PLAUSIBLE[name]  # after a KeyError here, add a value to _PLAUSIBLE


def _last_id(example: Example, method: Method[Any]) -> int:
    """Returns the id for `{id}`: the id of the last object that the earlier calls of the example create."""
    earlier = (REGISTRY[call.method] for call in reversed(example.given) if call.method in REGISTRY)
    creates = (call for call in earlier if isinstance(call.result, Writes) and call.result.key == "creates")
    return _first_id(next(creates, method))


def _filled(value: object, last_id: int) -> object:
    """Returns the parameters with ids in place of `{id}` and of names of nouns, as in `{lead}`."""
    if isinstance(value, str) and value.startswith("{other "):
        return FIRST_IDS[value[len("{other ") : -1]] + STEP
    if isinstance(value, str) and value.startswith("{") and value.endswith("}"):
        return FIRST_IDS.get(value[1:-1]) or last_id
    if isinstance(value, Mapping):
        return {name: _filled(item, last_id) for name, item in cast("Mapping[str, object]", value).items()}
    if isinstance(value, list):
        return [_filled(item, last_id) for item in cast("list[object]", value)]
    return value


def _object_count(example: Example) -> int:
    objects = example.params.get("objects")
    return len(cast("Sequence[object]", objects)) if isinstance(objects, list) else 0


def _first_id(method: Method[Any]) -> int:
    return FIRST_IDS.get(noun_name(method), 100_000_000_000)


def noun_of(method: Method[Any]) -> Noun:
    """Returns the noun that a method reads or writes."""
    if isinstance(method.result, Reads):
        return method.result.noun
    return next(param.accepts.noun for param in method.params if isinstance(param.accepts, Objects))


def noun_name(method: Method[Any]) -> str:
    """Returns the name of the noun that a method reads or writes."""
    return noun_of(method).name


def nouns() -> dict[str, Noun]:
    """Returns all nouns of the API by name, in the order in which the methods name them."""
    by_name: dict[str, Noun] = {}
    for method in REGISTRY.values():
        for param in method.params:
            if isinstance(param.accepts, (Objects, Where)):
                by_name.setdefault(param.accepts.noun.name, param.accepts.noun)
        by_name.setdefault(noun_name(method), noun_of(method))
    return by_name
