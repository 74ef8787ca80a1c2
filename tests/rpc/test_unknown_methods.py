"""The hint of error 204: a typo, a wrong case, and a method that does not exist yet get different answers."""

import json
from typing import Any

import pytest

from springhead import methods
from springhead.rpc.method import ALIASES, REGISTRY
from springhead.rpc.unknown_methods import NAME_MAX, hint
from springhead.rpc.vendor_methods import VENDOR_METHODS
from support import Company

assert methods.leads, "importing the methods registers them"

KNOWN = {**REGISTRY, **ALIASES}
NONE = "No method has this name; /openrpc.json has the names of all methods"


def case(name: str) -> str:
    return f"Did you mean {name}? Names must be exactly the same, including upper and lower case"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("getleads", case("getLeads")),
        ("GETLEADS", case("getLeads")),
        ("getLeads ", case("getLeads")),
        ("get_leads", case("getLeads")),
        ("get-leads", case("getLeads")),
        ("\u200bgetLeads", case("getLeads")),
        ("updateleadsv2", case("updateLeadsV2")),
        ("getLeed", "Did you mean getLead or getLeads?"),
        ("createLaeds", "Did you mean createLeads?"),
        ("createEmail", "This server does not have the vendor's method createEmail yet"),
        ("createemail", "This server does not have the vendor's method createEmail yet"),
        ("uploadFiles", "This server does not have the vendor's method uploadFiles yet"),
        ("", NONE),
        ("🦊", NONE),
        ("__class__", NONE),
        ("x" * NAME_MAX, NONE),
        ("x" * (NAME_MAX + 1), f"Expected the name of a method, with at most {NAME_MAX} characters"),
        ("getLeads" * 1_000_000, f"Expected the name of a method, with at most {NAME_MAX} characters"),
        ({"a": 1}, "Expected the name of a method as text, such as getLeads"),
        (7, "Expected the name of a method as text, such as getLeads"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_wrong_name_gets_what_was_probably_meant(name: Any, message: str) -> None:
    assert hint(name, KNOWN) == message


def test_every_method_in_the_wrong_case_is_named_and_every_planned_method_is_said_to_be_missing() -> None:
    for name in REGISTRY:
        assert hint(name.swapcase(), KNOWN) in {case(name), *(case(alias) for alias in ALIASES)}
    for name in (name for group in VENDOR_METHODS.values() for name in group if name not in KNOWN):
        assert hint(name, KNOWN) == f"This server does not have the vendor's method {name} yet"


def test_the_longest_name_of_a_method_has_room() -> None:
    assert max(map(len, [*KNOWN, *(name for group in VENDOR_METHODS.values() for name in group)])) <= NAME_MAX // 2


def test_the_hint_reaches_the_caller(company: Company) -> None:
    _, answer = company.send(json.dumps({"method": "getleads", "params": {}, "id": 1}).encode())

    assert json.loads(answer)["error"] == {
        "code": 204,
        "message": "Invalid method signature",
        "data": {"params": [{"param": "method", "message": case("getLeads")}]},
    }
