"""Leads with 30 fields filled, two of them custom; the same shape by API and by SQL."""

from collections.abc import Iterator
from typing import Any

from springhead.model.leads.leads import LEAD

TEXTS = [
    column for column in LEAD.written if column.kind.sql == "text" and column.name not in {"emailAddress", "leadStatus"}
]


def lead(number: int, custom: list[str], *, mark: str = "") -> dict[str, Any]:
    """A lead with every field of a well-kept record: texts of ten to forty characters."""
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
    """Numbers in batches."""
    for begin in range(first, first + count, size):
        yield range(begin, min(begin + size, first + count))
