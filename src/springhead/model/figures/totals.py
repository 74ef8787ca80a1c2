"""Figures about many leads: counts, and totals of fields. Pure; the nouns are our own."""

from collections.abc import Sequence
from decimal import Decimal

from springhead.model.figures.spreads import shape_of
from springhead.model.kit.columns import Column, Noun, choice, flag, integer, text

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

PLAIN_TOTALS = ("count", "empty", "different", "share")
ENDS = ("least", "most")
SUMS = ("sum", "average")
TOTALS = (*PLAIN_TOTALS, *SUMS, *ENDS)
"""The totals of a field."""

TOTALS_MAX = 50
"""How many totals a call can read."""

_WITH_NUMBERS = ("string", "hidden", "picklist", "radio")
"""The data types of custom fields whose texts can be numbers."""

LEAD_TOTAL = Noun(
    name="leadTotal",
    table="lead",
    about="A total of a field over the leads that a filter and words select.",
    columns=(
        Column(name="field", kind=text(255), writable=False),
        Column(name="total", kind=choice(TOTALS), writable=False),
        Column(name="type", kind=choice(("number", "time", "date")), writable=False),
        Column(name="value", kind=text(255), writable=False),
        Column(name="counted", kind=_COUNT, writable=False),
    ),
)


def totals_of(column: Column, *, custom: bool) -> Sequence[str]:
    """Returns the totals that a field can have. Ids are no numbers. Custom texts can be, so they have sums, too."""
    shape = shape_of(column)
    if shape == "number" or has_written_numbers(column, custom=custom):
        return TOTALS
    return PLAIN_TOTALS if shape == "value" else (*PLAIN_TOTALS, *ENDS)


def has_written_numbers(column: Column, *, custom: bool) -> bool:
    """Whether the values of the field are texts that can be numbers."""
    return custom and column.kind.type in _WITH_NUMBERS


def number_text(number: Decimal) -> str:
    """Returns a number as the API shows it: exact, without an exponent and without zeros at its end."""
    digits = f"{number:f}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
