"""The rules of values of every noun, type by type (docs/wire/values.md, docs/wire/times.md)."""

from collections.abc import Callable
from typing import Any

import pytest

from nouns import NOTHING, Case, cases, create_object, minimal_object, of_type, read, refusal_of_change, refused_columns
from support import Company

WRONG: dict[str, list[Any]] = {
    "text": [True, "NUL \0", None],
    "bigint": ["", "abc", "1.5", 1.5, True, -1, "-1", 2**63, "9" * 40, "0x10", " 1 ", "\u0661\u0662", "NaN"],
    "numeric": [
        "", "abc", "NaN", "Infinity", "-Infinity", "1e131071", "1e400", "0x1F", True, "\u0661\u0662", "\u0967.\u0968",
        "1,5", "1 2", "--1", ".", "1_000", 10**14, "100000000000000", "0.12345678901", "9" * 80, "1e-11", None, "\0",
    ],
    "boolean": ["", "yes", 2, -1, "01", "2", None],
    "timestamptz": [
        "", "now", "infinity", "-infinity", "yesterday", "epoch", "2026-02-30", "2026-02-30 00:00:00", "0000-01-01",
        "2026-01-01 24:00:00", "2026-01-01 23:59:60", "2026-1-1", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z",
        "2026-01-01 00:00:00+02", "10000-01-01", "20260101", 20260101, 1.5, True, "2026-01-01 00:00:00\0",
        "\u0662026-01-01", "2026-01-01 00:00", "-2026-01-01", " 2026-01-01",
    ],
}  # fmt: skip
"""Values that no column of the type takes; None but where it is nullable."""


@pytest.mark.parametrize("sql_type", WRONG)
@cases()
def test_a_value_of_the_wrong_type_is_205_for_its_object_and_names_the_right_type(
    company: Company, case: Case, sql_type: str
) -> None:
    right = minimal_object(company, case)
    columns = [column for column in case.noun.writable_columns if column.kind.sql == sql_type]
    wrong = [
        {**right, column.name: value}
        for column in columns
        for value in WRONG[sql_type]
        if not (value is None and column.nullable)
    ]
    for start in range(0, len(wrong), 500):
        batch = wrong[start : start + 500]
        outcomes = company.call(case.create, objects=batch)
        for sent, outcome in zip(batch, outcomes, strict=True):
            assert not outcome["success"], sent
            assert outcome["error"]["code"] in {205, 303}, sent
    for column in columns[:2]:
        object_id = create_object(company, case)
        refusal = refusal_of_change(company, case, id=object_id, **{column.name: WRONG[sql_type][1]})
        assert refused_columns(refusal) == [column.name]
        assert refusal is not None
        (problem,) = refusal["data"]["params"]
        assert problem["message"]
        assert problem["validFormat"]["type"] == column.kind.type


@cases()
def test_a_list_or_a_hash_instead_of_a_value_is_210(company: Company, case: Case) -> None:
    right = minimal_object(company, case)

    for column in case.noun.writable_columns:
        for wrong in ([], [1], {}, {"a": 1}) if column.kind.sql != "jsonb" else ():
            assert refused_columns(company.refusal(case.create, {**right, column.name: wrong}), 210) == [column.name]


@cases("text")
def test_the_length_of_a_text_is_limited_in_characters(company: Company, case: Case) -> None:
    right = minimal_object(company, case)

    for column in of_type(case.noun, "text"):
        if not column.kind.options:
            longest = "\U0001f600" * (column.kind.length or 0)
            object_id = create_object(company, case, **{column.name: longest})
            row = read(company, case, object_id)
            assert row is not None
            assert row[column.name] == longest
            assert refused_columns(company.refusal(case.create, {**right, column.name: longest + "x"})) == [column.name]
            assert refused_columns(refusal_of_change(company, case, id=object_id, **{column.name: longest + "x"})) == [
                column.name
            ]


# Numbers and moments


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("0.1", "0.1"), (0.1, "0.1"), ("0.30000000000000004"[:12], "0.3"), ("12.50", "12.5"), (1e3, "1000"),
        ("1e3", "1000"), ("2.5E-3", "0.0025"), (0, "0"), ("-0", "0"), (-7.25, "-7.25"), ("007", "7"), (" 5 ", "5"),
        ("+5", "5"), (".5", "0.5"), ("5.", "5"), (99999999999999, "99999999999999"),
        ("99999999999999.9999999999", "99999999999999.9999999999"), ("1.10000000000", None),
    ],
)  # fmt: skip
@cases("numeric")
def test_a_number_is_stored_exactly(company: Company, case: Case, sent: Any, stored: str | None) -> None:
    column = of_type(case.noun, "numeric")[0]

    if stored is None:
        assert refused_columns(company.refusal(case.create, {**minimal_object(company, case), column.name: sent})) == [
            column.name
        ]
        return
    object_id = create_object(company, case, **{column.name: sent})

    row = read(company, case, object_id)
    assert row is not None
    assert row[column.name] == stored
    assert refusal_of_change(company, case, id=object_id, **{column.name: stored}) == NOTHING


@cases("timestamptz")
def test_a_moment_is_the_companys_time_in_v1_and_utc_in_v1_2(given_company: Callable[..., Company], case: Case) -> None:
    company = given_company(time_zone="America/New_York")
    utc = company.at("v1.2")
    (column, *_) = of_type(case.noun, "timestamptz")

    for sent, local, universal in (
        ("2026-07-01 12:00:00", "2026-07-01 12:00:00", "2026-07-01 16:00:00"),
        ("2026-12-31 22:00:00", "2026-12-31 22:00:00", "2027-01-01 03:00:00"),
    ):
        object_id = create_object(company, case, **{column.name: sent})
        rows = [read(caller, case, object_id) or {} for caller in (company, utc)]
        assert [row[column.name] for row in rows] == [local, universal]
        assert refusal_of_change(utc, case, id=object_id, **{column.name: universal}) == NOTHING
        assert refusal_of_change(utc, case, id=object_id, **{column.name: sent}) is None
        assert (read(utc, case, object_id) or {})[column.name] == sent
    day = create_object(company, case, **{column.name: "2026-05-05"})
    for caller in (company, utc):
        assert (read(caller, case, day) or {})[column.name] == "2026-05-05 00:00:00"
        assert refusal_of_change(caller, case, id=day, **{column.name: "2026-05-05"}) == NOTHING


@cases("timestamptz")
def test_the_edges_of_the_calendar_are_stored_in_every_zone(given_company: Callable[..., Company], case: Case) -> None:
    column = of_type(case.noun, "timestamptz")[0]
    edges = ("0001-01-01 00:00:00", "0001-01-01", "9999-12-31 23:59:59", "2024-02-29 23:59:59", "1900-02-28 00:00:01")

    for zone in ("Pacific/Kiritimati", "America/New_York", "UTC"):
        company = given_company(time_zone=zone)
        for edge in edges:
            row = read(company, case, create_object(company, case, **{column.name: edge})) or {}
            assert row[column.name] == f"{edge} 00:00:00"[:19]
            assert read(company.at("v1.2"), case, row["id"])
