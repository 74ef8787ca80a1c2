"""Leads with as many custom fields as a company can have, compared with `json.dumps` of the same answer."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from bench.measure import Pair, paired
from bench.rig import Rig, encode
from springhead.model.kit.fields import CUSTOM_FIELDS_MAX

RATIO_AT_MOST = 4.0
"""Time of a page, divided by the time that `json.dumps` takes for the same answer."""

LEADS = 500
_AT_ONCE = 100


async def measure(data: Path, *, runs: int) -> Pair:
    """Returns the times of a page of leads with all custom fields, and of `json.dumps`, on a new data folder."""
    rig = Rig(data)
    try:
        names = _custom_fields(rig)
        for begin in range(0, LEADS, _AT_ONCE):
            rig.client.call("createLeads", objects=[_lead(number, names) for number in range(begin, begin + _AT_ONCE)])
        body = encode("getLeads", where={}, limit=LEADS)
        answer = json.loads(rig.client.post(body))
        ours, dumps = partial(rig.client.post, body), partial(json.dumps, answer)
        return await paired(lambda _number: ours, lambda _number: dumps, runs=runs)
    finally:
        rig.stop()


def _custom_fields(rig: Rig) -> list[str]:
    new = [
        {"relationship": "lead", "dataType": "string", "label": f"Field {number}"}
        for number in range(CUSTOM_FIELDS_MAX)
    ]
    rig.client.call("createFields", objects=new)
    return [field["systemName"] for field in rig.client.call("getFields", where={"isCustom": 1})]


def _lead(number: int, names: list[str]) -> dict[str, Any]:
    return {"emailAddress": f"wide.{number}@example.com", **{name: f"value {number} of {name[:12]}" for name in names}}
