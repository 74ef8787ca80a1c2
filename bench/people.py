"""Leads with values in 30 fields, two of them custom. The API and SQL use the same leads."""

from collections.abc import Iterator
from typing import Any

from springhead.model.leads.leads import LEAD

TEXTS = [
    column
    for column in LEAD.writable_columns
    if column.kind.sql == "text" and column.name not in {"emailAddress", "leadStatus"}
]


def lead(number: int, custom: list[str], *, mark: str = "") -> dict[str, Any]:
    """Returns a lead with a value in every field. Texts have 10 to 40 characters."""
    texts = {column.name: f"{column.name} no. {number}{mark}"[: column.kind.length] for column in TEXTS}
    return {
        **texts,
        "emailAddress": f"lead.{number}@example{number % 977}.com",
        "leadStatus": ("open", "qualified", "contact", "customer")[number % 4],
        "leadScore": number % 100,
        "leadScoreWeighted": number % 90,
        "isUnsubscribed": number % 50 == 0,
        "active": True,
        **dict.fromkeys(custom, f"value {number % 1000}{mark}"),
    }


def batches(first: int, count: int, size: int) -> Iterator[range]:
    """Yields the numbers from `first` on in batches."""
    for begin in range(first, first + count, size):
        yield range(begin, min(begin + size, first + count))
