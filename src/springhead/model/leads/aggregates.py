"""Figures about many leads: counts. The nouns are our own."""

from springhead.model.kit.columns import Column, Noun, flag, integer

SECONDS = 8.0
"""The time limit of all statements of a call that reads figures."""

_COUNT = integer(18, "bigint")

LEAD_COUNT = Noun(
    name="leadCount",
    table="lead",
    about="The number of leads that a filter and words select.",
    columns=(
        Column(name="count", kind=_COUNT, writable=False),
        Column(name="isExact", kind=flag(), writable=False),
    ),
)
