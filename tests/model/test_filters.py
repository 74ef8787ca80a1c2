"""The filter language: valid filters, their canonical form, and the messages about wrong ones."""

import itertools
import time
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springhead.model.kit import filters
from springhead.model.kit.columns import Column, Kind, number
from springhead.model.kit.errors import InvalidParameters
from springhead.model.kit.fields import DATA_TYPES, Field
from springhead.model.kit.filters import Comparison, FilterFields, Not
from springhead.model.leads.leads import LEAD

UTC_ZONE, BERLIN = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")
DAY = Kind(type="date", sql="date", accepts=str, expected="")
CUSTOM = {
    name: Field(
        id=1, relationship="lead", system_name=name, label=name, data_type=name.partition("_")[0], data_length=255
    ).column
    for name in (f"{data_type}_0123456789abc" for data_type in DATA_TYPES["lead"])
}
COLUMNS = FilterFields(
    {**LEAD.by_name, "amount": Column(name="amount", kind=number()), "born": Column(name="born", kind=DAY)},
    CUSTOM,
)
CHECKBOX, DATE, DATETIME, BIT = (f"{name}_0123456789abc" for name in ("checkbox", "date", "datetime", "bit"))

ALL_OPERATORS = sorted({name for taken in filters.OPERATORS.values() for name in taken})


def kept(value: Any, zone: ZoneInfo = UTC_ZONE) -> Any:
    """The canonical form of what a caller sends."""
    return filters.to_json(filters.parse(value, COLUMNS, zone=zone))


def refusal(value: Any) -> dict[str, str]:
    """The messages about a wrong filter, by path."""
    with pytest.raises(InvalidParameters) as refused:
        filters.parse(value, COLUMNS, zone=UTC_ZONE)
    data: Any = refused.value.data
    assert 1 <= len(data["params"]) <= filters.PROBLEMS
    return {problem["param"]: problem["message"] for problem in data["params"]}


def nested(depth: int, inner: Any) -> Any:
    for level in range(depth):
        inner = [{"not": inner}, {"and": [inner]}, {"or": [inner]}][level % 3]
    return inner


@pytest.mark.parametrize(
    ("sent", "canonical"),
    [
        ({"city": "Berlin"}, {"city": {"equals": "Berlin"}}),
        ({"city": ["Berlin", "Bonn", "Berlin"]}, {"city": {"in": ["Berlin", "Bonn"]}}),
        ({"city": {"startsWith": "B"}}, {"city": {"startsWith": "B"}}),
        ({"zipcode": 10115}, {"zipcode": {"equals": "10115"}}),
        ({"ownerID": "7"}, {"ownerID": {"equals": 7}}),
        ({"ownerID": [7, "8"]}, {"ownerID": {"in": [7, 8]}}),
        ({"leadScore": {"between": ["-5", 5]}}, {"leadScore": {"between": [-5, 5]}}),
        ({"active": 1}, {"active": {"equals": True}}),
        ({"active": "0"}, {"active": {"equals": False}}),
        ({"isUnsubscribed": [0, True]}, {"isUnsubscribed": {"in": [False, True]}}),
        ({BIT: 1}, {BIT: {"equals": True}}),
        ({"title": {"empty": "1"}}, {"title": {"empty": True}}),
        ({"hasOpportunity": {"empty": False}}, {"hasOpportunity": {"empty": False}}),
        ({DATE: {"less": "2024-05-31"}}, {DATE: {"less": "2024-05-31"}}),
        ({"born": ["2024-05-31"]}, {"born": {"in": ["2024-05-31"]}}),
        ({"born": "2024-05-31"}, {"born": {"equals": "2024-05-31"}}),
        ({CHECKBOX: "red"}, {CHECKBOX: {"equals": "red"}}),
        ({CHECKBOX: {"contains": "red,green"}}, {CHECKBOX: {"contains": "red,green"}}),
        ({"leadStatus": "no such status"}, {"leadStatus": {"equals": "no such status"}}),
        ({"not": {"city": "Bonn"}}, {"not": {"city": {"equals": "Bonn"}}}),
        ({"and": [{"city": "Bonn"}]}, {"and": [{"city": {"equals": "Bonn"}}]}),
        (
            {"city": "Bonn", "or": [{"title": "Dr"}, {"leadScore": {"atLeast": 1, "less": 9}}]},
            {
                "and": [
                    {"city": {"equals": "Bonn"}},
                    {
                        "or": [
                            {"title": {"equals": "Dr"}},
                            {"and": [{"leadScore": {"atLeast": 1}}, {"leadScore": {"less": 9}}]},
                        ]
                    },
                ]
            },
        ),
    ],
)  # fmt: skip
def test_a_filter_is_kept_in_one_canonical_form(sent: Any, canonical: Any) -> None:
    assert kept(sent) == canonical
    assert kept(canonical) == canonical, "it is a filter itself"


@pytest.mark.parametrize(
    ("sent", "canonical"),
    [
        *((5, 5), ("5.0", 5), ("0.10", 0.1), (1.5, 1.5), ("1e3", 1000), ("-0", 0), ("0.1234567891", 0.1234567891)),
        ("99999999999999.9999999999", "99999999999999.9999999999"),
    ],
)
def test_a_number_is_kept_as_a_number_unless_that_would_round_it(sent: Any, canonical: Any) -> None:
    document = kept({"amount": {"atLeast": sent}})

    assert document["amount"]["atLeast"] == canonical
    assert filters.from_json(document, COLUMNS) == filters.parse({"amount": {"atLeast": sent}}, COLUMNS, zone=UTC_ZONE)


@pytest.mark.parametrize(
    ("test", "canonical"),
    [
        ("2024-05-31 12:00:00", {"equals": "2024-05-31 10:00:00"}),
        ("2024-05-31", {"between": ["2024-05-30 22:00:00", "2024-05-31 21:59:59"]}),
        ({"equals": "2024-05-31"}, {"between": ["2024-05-30 22:00:00", "2024-05-31 21:59:59"]}),
        ({"atLeast": "2024-05-31"}, {"atLeast": "2024-05-30 22:00:00"}),
        ({"less": "2024-05-31"}, {"less": "2024-05-30 22:00:00"}),
        ({"atMost": "2024-05-31"}, {"atMost": "2024-05-31 21:59:59"}),
        ({"greater": "2024-05-31"}, {"greater": "2024-05-31 21:59:59"}),
        ({"between": ["2024-05-01", "2024-05-31"]}, {"between": ["2024-04-30 22:00:00", "2024-05-31 21:59:59"]}),
        (["2024-01-31 12:00:00"], {"in": ["2024-01-31 11:00:00"]}),
        ("2024-10-27", {"between": ["2024-10-26 22:00:00", "2024-10-27 22:59:59"]}),  # 25 hours
        (
            {"between": ["2024-10-27 02:30:00", "2024-10-27 02:30:00"]},  # an hour that comes twice: both of them
            {"between": ["2024-10-27 00:30:00", "2024-10-27 01:30:00"]},
        ),
        ({"atLeast": "0001-01-01"}, {"atLeast": "0001-01-01 00:00:00"}),
        ({"atMost": "9999-12-31"}, {"atMost": "9999-12-31 22:59:59"}),
    ],
)
def test_a_time_is_of_the_zone_of_the_call_and_kept_in_utc_a_date_alone_is_the_whole_day(
    test: Any, canonical: Any
) -> None:
    assert kept({"createTimestamp": test}, BERLIN) == {"createTimestamp": canonical}


def test_a_time_of_a_custom_field_is_of_no_zone() -> None:
    assert kept({DATETIME: {"greater": "2024-05-31 12:00:00"}}, BERLIN) == {
        DATETIME: {"greater": "2024-05-31 12:00:00"}
    }
    assert kept({DATETIME: {"less": "2024-05-31"}}, BERLIN) == {DATETIME: {"less": "2024-05-31 00:00:00"}}
    day = {"between": ["2024-05-31 00:00:00", "2024-05-31 23:59:59"]}
    assert kept({DATETIME: "2024-05-31"}, BERLIN) == {DATETIME: day}


def test_a_filter_is_shown_in_any_zone_and_means_the_same_when_it_is_sent_back() -> None:
    sent = {"createTimestamp": {"less": "2024-05-31"}, "city": "2024-05-31 00:00:00"}
    parsed = filters.parse(sent, COLUMNS, zone=BERLIN)

    shown = filters.to_json(parsed, zone=ZoneInfo("America/New_York"))

    assert shown == {
        "and": [{"createTimestamp": {"less": "2024-05-30 18:00:00"}}, {"city": {"equals": "2024-05-31 00:00:00"}}]
    }
    assert filters.parse(shown, COLUMNS, zone=ZoneInfo("America/New_York")) == parsed


@pytest.mark.parametrize("year", ["0001-01-01", "9999-12-31"])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_ends_of_the_calendar_are_shown_in_every_zone(year: str, zone: str) -> None:
    parsed = filters.parse({"createTimestamp": year}, COLUMNS, zone=ZoneInfo(zone))

    assert filters.to_json(parsed, zone=ZoneInfo("Pacific/Pago_Pago"))
    assert filters.to_json(parsed, zone=ZoneInfo("Pacific/Kiritimati"))


@pytest.mark.parametrize(
    ("sent", "path", "message"),
    [
        ({}, "filter", "at least one field"),
        ([], "filter", "at least one field"),
        (None, "filter", "at least one field"),
        ("city", "filter", "at least one field"),
        (5, "filter", "at least one field"),
        ([{"city": "Bonn"}], "filter", "at least one field"),
        ({"and": []}, "filter.and", "at least one object"),
        ({"or": []}, "filter.or", "at least one object"),
        ({"or": {"city": "Bonn"}}, "filter.or", "at least one object"),
        ({"and": [{}]}, "filter.and[0]", "at least one field"),
        ({"and": [{"city": "Bonn"}, ["city"]]}, "filter.and[1]", "at least one field"),
        ({"not": {}}, "filter.not", "at least one field"),
        ({"not": [{"city": "Bonn"}]}, "filter.not", "at least one field"),
        ({"not": None}, "filter.not", "at least one field"),
        ({"or": [{"not": {"and": [{"city": None}]}}]}, "filter.or[0].not.and[0].city", '{"empty": true}'),
        ({"city": ""}, "filter.city", '{"empty": true}'),
        ({"city": {"contains": ""}}, "filter.city.contains", '{"empty": true}'),
        ({"city": ["Bonn", None]}, "filter.city[1]", '{"empty": true}'),
        ({"city": []}, "filter.city", "1 to 1000 values"),
        ({"city": {"in": []}}, "filter.city.in", "1 to 1000 values"),
        ({"city": {"in": "Bonn"}}, "filter.city.in", "1 to 1000 values"),
        ({"city": {}}, "filter.city", "equals, in, contains"),
        ({"city": {"equals": ["Bonn"]}}, "filter.city.equals", "single value"),
        ({"city": {"equals": {"contains": "B"}}}, "filter.city.equals", "single value"),
        ({"city": [["Bonn"]]}, "filter.city[0]", "single value"),
        ({"city": {"Equals": "Bonn"}}, "filter.city.Equals", "Expected one of: equals, in, contains"),
        ({"city": {"like": "B%"}}, "filter.city.like", "Expected one of: equals, in, contains"),
        ({"city": {"greater": "B"}}, "filter.city.greater", "Expected one of: equals, in, contains"),
        ({"city": {"not": "Bonn"}}, "filter.city.not", "Expected one of: equals, in, contains"),
        ({"city": True}, "filter.city", "string"),
        ({"city": 1.5}, "filter.city", "string"),
        ({"city": "a\0b"}, "filter.city", "NUL"),
        ({"city": ["ok", "\0"]}, "filter.city[1]", "NUL"),
        ({"city": 10**40}, "filter.city", "string"),
        ({"leadScore": {"contains": "1"}}, "filter.leadScore.contains", "Expected one of: equals, in, greater"),
        ({"leadScore": "high"}, "filter.leadScore", "integer"),
        ({"leadScore": True}, "filter.leadScore", "integer"),
        ({"leadScore": 1.5}, "filter.leadScore", "integer"),
        ({"leadScore": {"less": "1; drop table lead"}}, "filter.leadScore.less", "integer"),
        ({"id": 2**63}, "filter.id", "integer"),
        ({"id": -(10**5000)}, "filter.id", "integer"),
        ({"leadScore": {"between": 5}}, "filter.leadScore.between", "from, to"),
        ({"leadScore": {"between": [5]}}, "filter.leadScore.between", "from, to"),
        ({"leadScore": {"between": [1, 2, 3]}}, "filter.leadScore.between", "from, to"),
        ({"leadScore": {"between": {"0": 1, "1": 2}}}, "filter.leadScore.between", "from, to"),
        ({"leadScore": {"between": [1, "x"]}}, "filter.leadScore.between[1]", "integer"),
        ({"leadScore": {"between": [2, 1]}}, "filter.leadScore.between", "lower value first"),
        ({"amount": {"between": ["10", "9.5"]}}, "filter.amount.between", "lower value first"),
        ({DATE: {"between": ["2024-02-01", "2024-01-01"]}}, f"filter.{DATE}.between", "lower value first"),
        *(({"amount": value}, "filter.amount", "number") for value in ("Infinity", "nan", "1,5", True, "1e999")),
        ({"active": 2}, "filter.active", "0 or 1"),
        ({"active": "yes"}, "filter.active", "0 or 1"),
        ({"active": {"greater": 0}}, "filter.active.greater", "Expected one of: equals, in, empty"),
        ({BIT: {"contains": "1"}}, f"filter.{BIT}.contains", "Expected one of: equals, in, empty"),
        ({"title": {"empty": "maybe"}}, "filter.title.empty", "0 or 1"),
        ({"title": {"empty": None}}, "filter.title.empty", "Expected a value"),
        ({"createTimestamp": "now"}, "filter.createTimestamp", "YYYY-MM-DD HH:MM:SS, or a date alone"),
        ({"createTimestamp": 20240531}, "filter.createTimestamp", "YYYY-MM-DD HH:MM:SS, or a date alone"),
        ({"createTimestamp": "2024-02-30"}, "filter.createTimestamp", "YYYY-MM-DD HH:MM:SS, or a date alone"),
        ({"createTimestamp": "2024-05-31T10:00:00Z"}, "filter.createTimestamp", "or a date alone"),
        ({"createTimestamp": ["2024-05-31"]}, "filter.createTimestamp[0]", "equals or between"),
        ({"createTimestamp": {"startsWith": "2024"}}, "filter.createTimestamp.startsWith", "Expected one of"),
        ({DATE: "2024-05-31 10:00:00"}, f"filter.{DATE}", "Expected a date, YYYY-MM-DD"),
        ({DATE: "31.05.2024"}, f"filter.{DATE}", "Expected a date, YYYY-MM-DD"),
        ({"born": "2024-02-30"}, "filter.born", "Expected a date, YYYY-MM-DD"),
        ({DATETIME: ["2024-05-31"]}, f"filter.{DATETIME}[0]", "equals or between"),
        ({CHECKBOX: "red,green"}, f"filter.{CHECKBOX}", "commas separate the values"),
        ({CHECKBOX: ["red", "red,green"]}, f"filter.{CHECKBOX}[1]", "commas separate the values"),
    ],
)
def test_an_error_is_named_with_its_path_and_the_valid_values(sent: Any, path: str, message: str) -> None:
    (problem,) = refusal(sent).items()

    assert problem[0] == path
    assert message in problem[1]


@pytest.mark.parametrize("field", ["city", "ownerID", "active", "createTimestamp", "amount", "born", *CUSTOM])
def test_any_json_as_a_value_is_accepted_or_refused(field: str) -> None:
    values: list[Any] = [None, True, 5, 1.5, 10**5000, "", "x", "\0", [], {}, [[]], [{}], {"a": {}}, [None], {"": ""}]
    for operator, value in itertools.product(ALL_OPERATORS, values):
        try:
            parsed = filters.parse({field: {operator: value}}, COLUMNS, zone=UTC_ZONE)
        except InvalidParameters:
            continue
        assert filters.from_json(filters.to_json(parsed), COLUMNS) == parsed


@pytest.mark.parametrize(
    "name",
    ["", "City", "l.id", "first_name", "AND", "Or", "$or", "__class__", "custom", "id; drop table lead", "' or 1=1--"],
)
def test_an_unknown_field_is_refused_with_the_known_names(name: str) -> None:
    with pytest.raises(InvalidParameters) as refused:
        filters.parse({"city": "Bonn", name: "x"}, COLUMNS, zone=UTC_ZONE)

    assert refused.value.data == {
        "params": [{"param": f"filter.{name}", "message": "There is no such field"}],
        "validParams": sorted([*COLUMNS.standard, *CUSTOM]),
    }


def test_the_known_names_are_left_out_if_no_field_was_unknown() -> None:
    with pytest.raises(InvalidParameters) as refused:
        filters.parse({"city": None}, COLUMNS, zone=UTC_ZONE)

    assert "validParams" not in str(refused.value.data)


def test_the_path_begins_with_the_parameters_name() -> None:
    with pytest.raises(InvalidParameters) as refused:
        filters.parse({"and": [1]}, COLUMNS, zone=UTC_ZONE, name="objects[3].filter")

    assert "objects[3].filter.and[0]" in str(refused.value.data)


def test_a_long_name_is_shortened_in_the_message() -> None:
    assert len(next(iter(refusal({"x" * 100_000: 1})))) < 300
    assert len(next(iter(refusal({"city": {"x" * 100_000: 1}})))) < 300


def test_every_problem_is_named_in_one_answer() -> None:
    sent = {"or": [{"city": None}, {"leadScore": "x", "nope": 1}], "not": {"active": 7}}

    assert list(refusal(sent)) == [
        "filter.or[0].city", "filter.or[1].leadScore", "filter.or[1].nope", "filter.not.active"
    ]  # fmt: skip


@pytest.mark.parametrize("depth", [1, 7, 8])
def test_groups_can_be_nested_up_to_the_bound(depth: int) -> None:
    canonical = kept(nested(depth, {"city": "Bonn"}))

    assert kept(canonical) == canonical


@pytest.mark.parametrize("depth", [9, 30, 1_000])
@pytest.mark.parametrize("inner", [{"city": "Bonn"}, {"nope": 1}])
def test_groups_nested_deeper_are_refused(depth: int, inner: Any) -> None:
    (message,) = refusal(nested(depth, inner)).values()

    assert message == "Expected at most 8 levels of groups"


def test_several_keys_or_operators_are_a_level_so_that_the_canonical_form_is_within_the_bound_too() -> None:
    for inner in ({"city": "Bonn", "title": "Dr"}, {"leadScore": {"less": 1, "greater": 0}}):
        canonical = kept(nested(7, inner))
        assert kept(canonical) == canonical
        assert "8 levels" in str(refusal(nested(8, inner)))


def test_a_hundred_tests_are_accepted_and_one_more_is_refused() -> None:
    hundred = {"or": [{"leadScore": {"less": number, "greater": -1}} for number in range(50)]}
    assert kept(kept(hundred)) == kept(hundred)
    assert "at most 100 tests" in str(refusal({"and": [hundred, {"city": "Bonn"}]}))
    assert "at most 100 tests" in str(refusal({"or": [{"city": "Bonn"}] * 101}))


def test_a_list_has_up_to_a_thousand_values_and_a_text_a_thousand_characters() -> None:
    assert len(kept({"ownerID": list(range(1_000))})["ownerID"]["in"]) == 1_000
    assert "1 to 1000" in str(refusal({"ownerID": list(range(1_001))}))
    assert kept({"city": "\U0001f600" * 1_000})
    assert "at most 1000 characters, got 1001" in str(refusal({"city": "x" * 1_001}))
    assert "at most 1000 characters" in str(refusal({CHECKBOX: ["x" * 1_001]}))


def test_all_lists_together_have_up_to_ten_thousand_values() -> None:
    full = [{"ownerID": list(range(1_000))} for _ in range(10)]
    assert kept({"or": full})
    assert "at most 10000 values in all lists" in str(refusal({"or": [*full, {"city": ["Bonn"]}]}))
    assert kept({"or": [*full, {"city": "Bonn"}, {"leadScore": {"between": [1, 2]}}]})


@pytest.mark.parametrize(
    "sent",
    [
        {"or": [{"nope": 1}] * 200_000},
        {"or": [{"city": "Bonn"}] * 200_000},
        {"or": [{"or": []}] * 200_000},
        {"or": [1] * 200_000},
        {"ownerID": ["x"] * 200_000},
        {str(key): 1 for key in range(200_000)},
        {"city": {str(key): 1 for key in range(200_000)}},
        {"and": [{"ownerID": ["x"] * 1_000}] * 1_000},
        {"and": [{"createTimestamp": ["2024-05-31 10:00:00"] * 1_000}] * 1_000},
    ],
    ids=["unknown", "tests", "empty", "scalars", "values", "keys", "operators", "lists", "times"],
)
def test_a_huge_wrong_filter_is_refused_at_once_with_a_hundred_problems_at_most(sent: Any) -> None:
    started = time.process_time()
    refusal(sent)
    assert time.process_time() - started < 0.5


def test_the_field_names_of_a_filter_include_those_in_groups() -> None:
    sent = {"city": "a", "or": [{"title": "b"}, {"not": {"city": "c", "and": [{DATE: {"empty": 1}}]}}]}

    assert filters.field_names(filters.parse(sent, COLUMNS, zone=UTC_ZONE)) == {"city", "title", DATE}


def test_a_stored_filter_is_read_back_with_its_types() -> None:
    sent = {
        "createTimestamp": {"less": "2024-05-31 10:00:00"},
        "amount": {"in": ["1.5", "99999999999999.9999999999"]},
        "born": {"between": ["2024-01-01", "2024-01-02"]},
        "active": 1,
        "or": [{"ownerID": [1, 2]}, {CHECKBOX: ["red", "green"]}, {"not": {DATE: {"empty": True}}}],
    }
    parsed = filters.parse(sent, COLUMNS, zone=BERLIN)

    assert filters.from_json(filters.to_json(parsed), COLUMNS) == parsed
    assert "datetime.datetime(2024, 5, 31, 8, 0" in repr(parsed)


def test_a_test_of_a_deleted_field_stays_in_a_stored_filter() -> None:
    stored = filters.to_json(filters.parse({"not": {DATE: {"less": "2024-05-31"}}}, COLUMNS, zone=UTC_ZONE))

    loaded = filters.from_json(stored, FilterFields({}))

    assert loaded == Not(Comparison(DATE, "less", ("2024-05-31",)))
    assert filters.to_json(loaded) == stored
    gone = filters.from_json({"createTimestamp": {"less": "2024-05-31 00:00:00"}}, FilterFields({}))
    assert filters.to_json(gone) == {"createTimestamp": {"less": "2024-05-31 00:00:00"}}


def test_a_time_in_the_tree_is_a_moment_in_utc() -> None:
    parsed = filters.parse({"createTimestamp": "2024-05-31 12:00:00"}, COLUMNS, zone=BERLIN)

    assert parsed == Comparison("createTimestamp", "equals", (datetime(2024, 5, 31, 10, tzinfo=UTC),))


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["2024-05-31", "2024-05-31 10:00:00", "1", "0.5", "Bonn"])
)  # fmt: skip
KEYS = st.sampled_from([*COLUMNS.standard, *CUSTOM]) | st.text(max_size=3)
WORDS = st.sampled_from(ALL_OPERATORS)
VALUES = (
    SCALARS
    | st.lists(SCALARS, max_size=3)
    | st.dictionaries(WORDS, SCALARS | st.lists(SCALARS, max_size=2), max_size=2)
)
JUNK = st.recursive(
    st.dictionaries(KEYS, VALUES, max_size=2) | VALUES,
    lambda inner: st.dictionaries(
        st.sampled_from(["and", "or", "not"]) | KEYS, inner | st.lists(inner, max_size=3), max_size=2
    ),
    max_leaves=6,
)


@given(JUNK)
def test_any_json_is_refused_or_is_a_filter_that_is_stored_and_read_back_equal(sent: Any) -> None:
    try:
        parsed = filters.parse(sent, COLUMNS, zone=UTC_ZONE)
    except InvalidParameters:
        return
    stored = filters.to_json(parsed)
    assert filters.from_json(stored, COLUMNS) == parsed
    assert filters.parse(stored, COLUMNS, zone=UTC_ZONE) == parsed
    assert filters.field_names(parsed) <= {*COLUMNS.standard, *CUSTOM}


@pytest.mark.parametrize(
    ("sent", "points"),
    [
        ({"city": "Berlin"}, 1),
        ({"city": "Berlin", "leadScore": {"atLeast": 1, "less": 9}}, 3),
        ({"not": {"or": [{"city": "Berlin"}, {"city": "Bonn"}]}}, 2),
        ({"city": [str(value) for value in range(250)]}, 3),
        ({"description": {"contains": "x"}}, 66),
        ({CHECKBOX: "x"}, 2),
        ({"createTimestamp": "2026-01-01"}, 1),
    ],
)
def test_a_filter_costs_points_for_its_tests_and_the_length_of_their_texts(sent: Any, points: int) -> None:
    assert filters.cost(filters.parse(sent, COLUMNS, zone=UTC_ZONE), COLUMNS) == points
