"""Values that break programs, for every noun but the lead: NUL, naughty texts, numbers, times (A20, A22 to A27)."""

import json
from collections.abc import Callable, Generator, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostile.ask import answer, call, code, examples
from hostile.corpus import NAUGHTY
from nouns import CASES, Case, cases, create_object, minimal_object, of_type, read, shown_columns
from springhead.model.kit.columns import DECIMAL_DIGITS, WHOLE_DIGITS, Column
from springhead.rpc.method import REGISTRY, Method
from springhead.rpc.params import FlatOrObjects, Objects, Where
from stopwatch import within
from support import Company, Server, new_company

BAD = "a\0b"


@pytest.fixture(scope="module")
def shared(server: Server) -> Generator[Company]:
    """One company for all generated calls."""
    company = new_company(server)
    yield company
    company.close()


def with_nul(method: Method[Any]) -> Iterator[dict[str, Any]]:
    """Calls with a NUL in each place where a text is possible."""
    for given_ in method.params:
        match given_.accepts:
            case Objects(noun=noun, creating=creating):
                like = {column.name: likely(column) for column in noun.writable_columns if column.required}
                for name in (
                    *(column.name for column in noun.writable_columns),
                    *(["id"] if not creating else []),
                    "a\0",
                ):
                    row: dict[str, Any] = {"id": 1, **like, name: BAD}
                    yield {"objects": [row]}
                    if isinstance(given_.accepts, FlatOrObjects) and name in noun.by_name:
                        yield row
            case Where(keys=keys):
                for key in keys:
                    yield {given_.name: {key: BAD}}
                    yield {given_.name: {key: ["1", BAD]}}
                yield {given_.name: {BAD: 1}}
            case _:
                yield {given_.name: BAD}
                yield {given_.name: [BAD]}


def likely(column: Column) -> Any:
    if column.kind.options:
        return column.kind.options[0]
    return {"bigint": 1, "numeric": 1, "boolean": 1, "timestamptz": "2020-01-01"}.get(column.kind.sql, "x@example.com")


@pytest.mark.parametrize("method", sorted(REGISTRY))
def test_a_nul_anywhere_in_any_method_is_refused(shared: Company, method: str) -> None:
    for params in with_nul(REGISTRY[method]):
        deleting = method.startswith(("delete", "remove")) and "objects" in params
        if deleting and params["objects"][0]["id"] != BAD:
            answer(shared, call(method, params))  # deletes ignore unknown keys
        else:
            assert code(shared, call(method, params)) is not None, params


@pytest.mark.parametrize(
    "case", [case for case in CASES if of_type(case.noun, "text")], ids=lambda case: case.noun.name
)
def test_a_naughty_text_is_stored_and_returned_equal_in_every_field(company: Company, case: Case) -> None:
    names = [column.name for column in of_type(case.noun, "text") if not column.kind.options]
    shortest = min(column.kind.length or 0 for column in of_type(case.noun, "text") if not column.kind.options)
    texts = [text for text in NAUGHTY if text.strip() and len(text) <= shortest]
    minimal = minimal_object(company, case)
    sent = [minimal | dict.fromkeys(names, text) for text in texts]
    ids = [
        made_id
        for start in range(0, len(sent), 500)
        for made_id in company.make(case.create, *sent[start : start + 500])
    ]

    if "id" in case.filters:
        rows = [
            row
            for start in range(0, len(ids), 500)
            for row in company.call(case.listing, where={"id": ids[start : start + 500]})
        ]
    else:
        rows = [read(company, case, object_id) or {} for object_id in ids]
    for text, row in zip(texts, rows, strict=True):
        assert {row[name] for name in names} == {text}


NUMBERS = [
    b"1e400", b"-1e400", b"1e131071", b"1E+999999999999", b"1e-400", b"1e-999999999999", b"0e999999999999999999999",
    b"9" * 5_000, b"-" + b"9" * 5_000, b"0." + b"1" * 5_000, b"1" + b"0" * 5_000 + b".5", b"18446744073709551616",
    b'"NaN"', b'"sNaN"', b'"-nan"', b'"Infinity"', b'"inf"', b'"1e400"', b'"1e131071"', b'"0x1F"', b'"1_0"', b'"1,0"',
    b'"\\u0967\\u0968"', b'"\\uff11"', b'"\\u00bd"', b'"1' + b" " * 200 + b'x"', b'"' + b"1" * 100_000 + b'"',
    b'"\\u00a01"', b'"1\\n"', b'"1\\u0000"', b'"--1"', b'"+-1"', b'"1e"', b'"e1"', b'"."', b'"1.2.3"', b"true", b'""',
]  # fmt: skip
NOTHING_MUCH = {b"1e-400", b"1e-999999999999", b"0e999999999999999999999"}
"""What a whole number takes for zero."""


@pytest.mark.parametrize("sql_type", ["numeric", "bigint"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.noun.name)
def test_a_wrong_or_too_large_number_is_refused_at_once(company: Company, case: Case, sql_type: str) -> None:
    for column in of_type(case.noun, sql_type)[:1]:
        object_id = create_object(company, case)
        before = read(company, case, object_id)
        for text in NUMBERS:
            if sql_type == "bigint" and text in NOTHING_MUCH:
                continue
            body = b'{"objects":[{"id":%d,"%s":%s}]}' % (object_id, column.name.encode(), text)
            # Other JSON parsers refuse a bare integer of thousands of digits.
            right = {205, 101 if text.strip(b"-").isdigit() else 205}
            with within(1):
                assert code(company, call(case.update, body)) in right, (column.name, text)
        assert read(company, case, object_id) == before


MOMENTS = [
    "infinity", "-infinity", "yesterday", "now", "today", "allballs", "epoch", "0000-00-00 00:00:00", "0000-01-01",
    "2026-02-30", "2026-02-29 00:00:00", "2026-13-01", "2026-01-01 24:00:00", "2026-01-01 23:59:60",
    "2026-01-01 00:00:00 BC", "4714-11-24 BC", "294277-01-01", "10000-01-01 00:00:00", "2026-01-01 00:00:00.1",
    "2026-01-01T00:00:00", "2026-01-01 00:00:00+14", "2026-01-01 00:00:00 UTC", "\u0662\u0660\u0662\u0666-01-01",
    "2026-01-01 00:00:00'; drop table campaign;--", "2026-01-01\n", "1767225600", "J2451187", "20260101T000000",
]  # fmt: skip


@cases("timestamptz")
def test_a_time_that_only_postgresql_accepts_is_refused(given_company: Callable[..., Company], case: Case) -> None:
    for zone in ("UTC", "America/New_York"):
        company = given_company(time_zone=zone)
        minimal = minimal_object(company, case)
        for column in of_type(case.noun, "timestamptz"):
            outcomes = company.call(case.create, objects=[{**minimal, column.name: moment} for moment in MOMENTS])
            assert {outcome["error"] and outcome["error"]["code"] for outcome in outcomes} == {205}


@cases("timestamptz")
def test_the_first_and_the_last_second_are_read_and_written_in_the_farthest_zones(
    given_company: Callable[..., Company], case: Case
) -> None:
    column = of_type(case.noun, "timestamptz")[0]
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12", "Asia/Kathmandu"):
        company = given_company(time_zone=zone)
        for moment in ("0001-01-01 00:00:00", "0001-01-01 23:59:59", "9999-12-31 23:59:59", "9999-12-31 00:00:00"):
            for version in ("v1", "v1.2"):
                caller = company.at(version)
                object_id = create_object(caller, case, **{column.name: moment})
                assert (read(caller, case, object_id) or {})[column.name] == moment
                shown = (read(company.at("v1.2" if version == "v1" else "v1"), case, object_id) or {})[column.name]
                assert isinstance(shown, str)
                assert code(caller, call(case.update, {"objects": [{"id": object_id, column.name: moment}]})) == 302


def right(column: Column) -> st.SearchStrategy[Any]:
    """Valid values of a column."""
    if column.kind.options:
        return st.sampled_from(column.kind.options)
    limit = 10 ** (WHOLE_DIGITS + DECIMAL_DIGITS) - 1
    return {
        "text": st.text(
            st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
            max_size=min(column.kind.length or 0, 300),
        ).filter(lambda text: not column.required or bool(text.strip())),
        "bigint": st.integers(0, 2**63 - 1) | st.integers(0, 2**63 - 1).map(str),
        "numeric": st.integers(-limit, limit).map(lambda digits: f"{Decimal(digits).scaleb(-DECIMAL_DIGITS):f}"),
        "boolean": st.sampled_from([0, 1, "0", "1", True, False]),
        "timestamptz": st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)).map(  # noqa: DTZ001 - the wire has no zone
            lambda moment: f"{moment:%Y-%m-%d %H:%M:%S}".rjust(19, "0")
        ),
    }[column.kind.sql]


def as_read(column: Column, sent: Any) -> str:
    """A sent value as reads show it."""
    if column.kind.sql == "numeric":
        text = f"{Decimal(sent):f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text == "-0" else text
    return sent if isinstance(sent, str) else str(int(sent))


def plain(case: Case) -> list[Column]:
    """The columns that neither refer to other rows nor depend on other columns."""
    return [column for column in shown_columns(case) if not column.references and column.name not in case.together]


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if not any(column.reference_type for column in case.noun.writable_columns)],
    ids=lambda case: case.noun.name,
)
@examples(25)
@given(st.data())
def test_valid_objects_are_stored_changed_and_returned_equal(shared: Company, case: Case, data: st.DataObject) -> None:
    columns = {column.name: column for column in plain(case)}
    values = st.fixed_dictionaries({}, optional={name: right(column) for name, column in columns.items()})
    new, change = data.draw(values), data.draw(values)
    object_id = create_object(shared, case, **new)
    row = read(shared, case, object_id) or {}
    assert {name: row[name] for name in new} == {name: as_read(columns[name], sent) for name, sent in new.items()}

    refused = shared.code(case.update, {"id": object_id, **change})

    now = read(shared, case, object_id) or {}
    assert now == row | {name: as_read(columns[name], sent) for name, sent in change.items()}
    assert refused == (302 if now == row else None)


def test_the_answers_are_json_for_any_parser(shared: Company) -> None:
    (account,) = shared.make("createAccounts", {"accountName": "\u2028\u2029\ufeff\ud7ff\U0010ffff\x7f\x1b</script>"})

    _, body = shared.send(json.dumps({"method": "getAccount", "params": {"id": account}, "id": 1}).encode())

    assert (
        json.loads(body)["result"]["account"][0]["accountName"] == "\u2028\u2029\ufeff\ud7ff\U0010ffff\x7f\x1b</script>"
    )
