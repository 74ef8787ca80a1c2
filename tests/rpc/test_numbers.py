"""A whole number with a point or an exponent is read like the number itself, in every parameter of every method.

Programs whose numbers are all floats send 1.0, and PHP sends 1.0e+25 for large numbers.
"""

from decimal import Decimal
from typing import Any

import pytest

from springhead import methods
from springhead.model.kit.columns import WRITTEN_NOUNS, Column, Noun, custom
from springhead.model.kit.errors import ApiError
from springhead.rpc.method import REGISTRY
from springhead.rpc.objects import ObjectSchema
from springhead.rpc.params import Objects, Param, Where, whole_number

assert methods.leads, "importing the methods registers them"

REFUSED = "refused"
WRITTEN = {"1": 1, "1.0": 1, "1.000": 1, "1e0": 1, "0.1e1": 1, "10e-1": 1, "1E+0": 1}


def read(param: Param, value: Any) -> Any:
    try:
        return param.read("param", value, required=False)
    except ApiError:
        return REFUSED


def params() -> list[tuple[str, Param]]:
    return [
        (f"{method.name}.{param.name}", param.accepts)
        for method in REGISTRY.values()
        for param in method.params
        if not isinstance(param.accepts, Objects)
    ]


def forms_of(param: Param) -> list[Any]:
    """Functions that put a number where the parameter takes one: itself, in a list, in a hash, in a list of a hash."""
    keys = param.keys if isinstance(param, Where) else ()
    return [
        lambda number: number,
        lambda number: [number],
        *[lambda number, key=key: {key: number} for key in keys],
        *[lambda number, key=key: {key: [number]} for key in keys],
    ]


def is_number(value: Any) -> bool:
    """Whether a parameter has read a number and not a text."""
    while isinstance(value, (list, dict)) and value:
        value = next(iter(value.values())) if isinstance(value, dict) else value[0]
    return isinstance(value, int)


def test_every_parameter_reads_a_number_with_a_point_like_the_number() -> None:
    wrong = [
        (name, form(written), read(param, form(written)))
        for name, param in params()
        for form in forms_of(param)
        if is_number(expected := read(param, form(1)))
        for written in WRITTEN
        if read(param, form(written)) != expected
    ]

    assert wrong == []


def test_this_file_finds_the_parameters_with_numbers() -> None:
    found = {name for name, param in params() for form in forms_of(param) if is_number(read(param, form(1)))}

    assert {"getLeads.limit", "getLeads.offset", "getLeads.where", "getLead.id", "getListMembers.where"} <= found
    assert {"findDuplicateLeads.id", "getLeadChanges.limit"} <= found
    assert len(found) > 80


def same(column: Column, value: Any, expected: Any) -> bool:
    if value is None or expected is None:
        return value is expected
    one, other = getattr(value, column.name), getattr(expected, column.name)
    return Decimal(one) == Decimal(other) if column.kind.sql == "numeric" else (type(one), one) == (type(other), other)


@pytest.mark.parametrize("noun", WRITTEN_NOUNS.values(), ids=lambda noun: noun.name)
def test_every_column_reads_a_number_with_a_point_like_the_number(noun: Noun) -> None:
    schema = ObjectSchema(noun, creating="id" not in noun.by_name)
    for column in (column for column in noun.writable_columns if column.kind.sql not in {"text", "jsonb"}):
        (expected,) = schema.check([{column.name: 1}]).valid or [None]
        for written in WRITTEN:
            (value,) = schema.check([{column.name: written}]).valid or [None]
            assert same(column, value, expected), (column.name, written)


@pytest.mark.parametrize("data_type", ["boolean", "bit"])
def test_flags_of_custom_fields_too(data_type: str) -> None:
    kind = custom(data_type, 255, ())

    assert {kind.read(written) for written in [*WRITTEN, 1, True]} == {"1"}
    assert {kind.read(written) for written in ("0", "0.0", "-0.0", "0e5", 0, False)} == {"0"}
    for wrong in ("2.0", "0.5", "1.", "x"):
        with pytest.raises(ValueError, match="Expected 0 or 1"):
            kind.read(wrong)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        *WRITTEN.items(),
        ("100000000000.0", 100_000_000_000),
        ("9007199254740993.0", 2**53 + 1),
        ("9223372036854775807.0", 2**63 - 1),
        ("1.0e+25", 10**25),
        ("-7.0", -7),
        ("-0.0", 0),
        ("7.5", None),
        ("1e-1", None),
        ("1e999", None),
        ("1e99999999", None),
        ("9" * 5_000, None),
        ("1." + "0" * 5_000, None),
        ("", None),
        (" 7", None),
        ("7_0", None),
        ("٧", None),
        ("NaN", None),
        ("Infinity", None),
        ("0x7", None),
        (True, None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_whole_numbers_are_read_exactly_and_nothing_else_is(written: Any, number: int | None) -> None:
    assert whole_number(written) == number
