"""The payload of a push has all values of the fields that the subscription names."""

from collections.abc import Callable

import pytest

from delivery.pushes import subscribe
from delivery.receiver import Receiver
from support import Company


@pytest.mark.parametrize("some_fields", [False, True])
def test_a_push_has_every_value_of_a_field_with_a_long_name(
    pushing_company: Callable[..., Company], receiver: Receiver, *, some_fields: bool
) -> None:
    company = pushing_company()
    question = "How likely are you to recommend our company to a friend or a colleague in "
    values = {company.field(f"{question}{year}?"): f"in {year}" for year in (2025, 2026)}
    subscribe(company, receiver, fields=list(values) if some_fields else None)

    company.create(values)

    (post,) = receiver.wait(1)
    (lead,) = post.json()["leads"]
    assert values.items() <= lead.items()
