"""The examples of the reference pages: their ids are plausible."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import springhead.methods  # noqa: F401 - registers the methods
from springhead.rpc.docs.samples import FIRST_IDS, STEP, request
from springhead.rpc.method import REGISTRY, Method

NOUNS = {"who": "lead", "subscription": "leadSubscription", "user": "userProfile", "list": "activeList"}
"""The noun of a parameter whose name is not that of its noun."""


@pytest.mark.parametrize("method", REGISTRY.values(), ids=REGISTRY)
def test_an_id_in_an_example_is_that_of_an_object_of_its_noun(method: Method[Any]) -> None:
    for example in method.examples:
        for name, value in _ids(request(example, method)["params"]):
            noun = NOUNS.get(name, name)
            if noun in FIRST_IDS and value > 1:  # id 1 stands for an object that does not exist
                assert value >= FIRST_IDS[noun], f"{name}ID {value}"
                assert (value - FIRST_IDS[noun]) % STEP == 0, f"{name}ID {value}"


def _ids(value: Any) -> Iterator[tuple[str, int]]:
    """Yields each id of a JSON value with its name without `ID`."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name.endswith("ID") and isinstance(item, int):
                yield name.removesuffix("ID"), item
            yield from _ids(item)
    elif isinstance(value, list):
        for item in value:
            yield from _ids(item)
