"""The examples that methods declare, as tests run them."""

from typing import Any

from springhead.rpc.docs.samples import noun_name
from springhead.rpc.method import REGISTRY, Example
from support import Company

Made = dict[str, int | str]
"""What was made last: under "{id}" of all, under "{lead}" and so on of each noun."""


def with_ids(value: Any, made: Made) -> Any:
    """The params of an example, with its placeholders replaced by created ids."""
    if isinstance(value, dict):
        return {name: with_ids(item, made) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [with_ids(item, made) for item in value]
    return made.get(value, value) if isinstance(value, str) else value


def matches(expected: Any, actual: Any) -> bool:
    """Whether a value is as the example says. `...` matches any value but null. Keys must have the same order."""
    if expected is ...:
        return actual is not None
    if isinstance(expected, dict):
        return (
            isinstance(actual, dict)
            and list(actual) == list(expected)
            and all(matches(value, actual[name]) for name, value in expected.items())
        )
    if isinstance(expected, (list, tuple)):
        return isinstance(actual, list) and len(actual) == len(expected) and all(map(matches, expected, actual))
    return type(expected) is type(actual) and expected == actual


def prepare(company: Company, examples: tuple[Example, ...]) -> Made:
    """Makes the calls that an example starts from. Returns the created ids by placeholder."""
    (user,) = company.call("getUserProfiles")
    made: Made = {"{userProfile}": user["id"]}
    for example in examples:
        result = company.call(example.method, **with_ids(example.params, made))
        assert matches(example.result, result)
        for outcome in result:
            if "id" in outcome:
                noun = noun_name(REGISTRY[example.method])
                made[f"{{other {noun}}}"] = made.get(f"{{{noun}}}", 1)
                made["{id}"] = made[f"{{{noun}}}"] = outcome["id"]
    return made
