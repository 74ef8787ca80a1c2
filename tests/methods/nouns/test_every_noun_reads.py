"""The reads of every noun: by id, by filters, in pages, by time; custom fields (docs/wire/envelope.md)."""

import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from nouns import (
    NOTHING,
    Case,
    cases,
    create_object,
    full_object,
    make_old,
    minimal_object,
    read,
    refusal_of_change,
    refused_columns,
)
from springhead.rpc.method import REGISTRY, Reads
from support import Company, sql

EVER = {"startDate": "2000-01-01", "endDate": "2999-12-31"}


def make_objects(company: Company, case: Case, number: int) -> list[str]:
    """Creates objects. Returns their ids."""
    minimal = minimal_object(company, case)
    return [str(object_id) for object_id in company.make(case.create, *[minimal] * number)]


def ids(company: Company, method: str, **params: Any) -> list[str]:
    return [row["id"] for row in company.call(method, **params)]


# By id


@cases("get")
def test_get_returns_a_list_with_one_object_or_none_under_the_nouns_name(company: Company, case: Case) -> None:
    (object_id,) = make_objects(company, case, 1)

    answer = company.envelope(case.get, {"id": int(object_id)})

    assert list(answer) == ["result", "error", "id"]
    assert list(answer["result"]) == [case.noun.name]
    assert answer["error"] is None
    assert [row["id"] for row in answer["result"][case.noun.name]] == [object_id]
    assert company.call(case.get, id=object_id) == answer["result"][case.noun.name]
    assert [company.call(case.get, id=unknown) for unknown in (1, -1, 0, 2**63 - 1)] == [[]] * 4


@cases("get")
def test_an_invalid_id_is_205_a_missing_one_206_and_a_list_210(company: Company, case: Case) -> None:
    for wrong in ("x", "1.5", "", True, 2**63):
        error = company.error(case.get, id=wrong)
        assert (error["code"], error["data"]["params"][0]["param"]) == (205, "id")
        assert error["data"]["params"][0]["validFormat"] == {"type": "int", "length": 11, "required": True}
    assert company.error(case.get)["code"] == 206
    assert company.error(case.get, id=[1])["code"] == 210


# By filters


@cases("listing")
def test_an_empty_or_missing_where_returns_all_objects(company: Company, case: Case) -> None:
    made_ids = make_objects(company, case, 3)

    for where in ({"where": []}, {"where": {}}, {"where": None}, {"where": ""}, {}):
        answer = company.envelope(case.listing, where)
        assert [row["id"] for row in answer["result"][case.noun.name]] == made_ids
        assert answer["error"] is None


@cases("listing")
def test_each_filter_finds_exactly_the_matching_objects(company: Company, case: Case) -> None:
    first, other = (full_object(company, case, number) for number in (0, 1))
    matching, left = (str(object_id) for object_id in company.make(case.create, first, other))

    for name in case.filters:
        values = (matching, left) if name == "id" else (first[name], other[name])
        if values[0] == values[1]:
            continue
        assert ids(company, case.listing, where={name: values[0]}) == [matching]
        assert ids(company, case.listing, where={name: list(values)})[-2:] == [matching, left]
        assert ids(company, case.listing, where={name: []}) == []
        if values[0].isdigit():
            assert ids(company, case.listing, where={name: int(values[1])}) == [left]
        if case.noun.by_name[name].kind.sql == "bigint":
            assert ids(company, case.listing, where={name: 99}) == []


@cases("listing")
def test_all_filters_must_match(company: Company, case: Case) -> None:
    first, other = (full_object(company, case, number) for number in (0, 1))
    matching, left = (str(object_id) for object_id in company.make(case.create, first, other))
    both = {name: matching if name == "id" else first[name] for name in case.filters}

    assert ids(company, case.listing, where=both) == [matching]
    for name in case.filters:
        wrong = left if name == "id" else other[name]
        if wrong != both[name]:
            assert ids(company, case.listing, where=both | {name: wrong}) == ([] if len(both) > 1 else [wrong])
            if len(both) > 1:
                assert ids(company, case.listing, where=both | {name: [wrong, both[name]]}) == [matching]


@cases("listing")
def test_an_unknown_filter_is_205_and_never_ignored(company: Company, case: Case) -> None:
    for wrong in ("nothing", case.filters[-1].upper(), "companyID", "custom"):
        error = company.error(case.listing, where={wrong: 1})
        assert refused_columns(error) == [wrong]
        assert error["data"]["validParams"] == list(case.filters)
    assert company.error(case.listing, where=5)["code"] == 205
    assert company.error(case.listing, where={case.filters[0]: {}})["code"] == 210
    assert company.error(case.listing, where={case.filters[0]: [[]]})["code"] == 210


# Page by page


@cases("listing")
def test_limit_and_offset_count_rows_in_the_order_of_ids(company: Company, case: Case) -> None:
    every = make_objects(company, case, 7)

    for limit, offset in ((3, 0), (3, 3), (3, 6), ("2", "5"), (500, 0), (501, 1), (1, 7), (0, 0), (2**62, 2), (5, 9)):
        expected = every[int(offset) :][: int(limit)]
        assert ids(company, case.listing, where={}, limit=limit, offset=offset) == expected, (limit, offset)
    assert ids(company, case.listing, limit="", offset=None) == every
    for name in ("limit", "offset"):
        for wrong in (-1, "x", 1.5, True):
            assert company.error(case.listing, **{name: wrong})["code"] == 205
        assert company.error(case.listing, **{name: [1]})["code"] == 210


@cases("listing")
def test_a_page_has_500_rows_at_most(company: Company, case: Case) -> None:
    minimal = minimal_object(company, case)
    every = [str(object_id) for _ in range(2) for object_id in company.make(case.create, *[minimal] * 260)]

    assert ids(company, case.listing) == every[:500]
    assert ids(company, case.listing, limit=5_000) == every[:500]
    assert ids(company, case.listing, limit=5_000, offset=500) == every[500:]
    assert ids(company, case.listing, where={"id": every}) == every[:500]


@pytest.mark.parametrize("seed", range(2))
@cases("listing")
def test_deep_pages_stay_exact_while_objects_are_created_changed_and_deleted(
    company: Company, case: Case, seed: int
) -> None:
    chance = random.Random(seed)
    first, other = (full_object(company, case, number) for number in (0, 1))
    company.make(case.create, *[first, other] * 10)
    for name in ("", *case.filters[1:]):
        walk(company, case, first, name)

    for _ in range(6):
        every = stored(company, case)
        chosen = chance.sample(every, 3)
        match chance.choice(["create", "delete", "change", "age"]):
            case "create":
                company.make(case.create, first, other, first)
            case "delete":
                company.call(case.delete, objects=[{"id": object_id} for object_id in chosen])
            case "change":
                change = chance.choice([first, other])
                company.call(case.update, objects=[{"id": object_id, **change} for object_id in chosen])
            case _:
                make_old(company, case)
        for name in ("", *case.filters[1:]):
            walk(company, case, first, name)


def walk(company: Company, case: Case, values: Mapping[str, Any], name: str) -> None:
    """Reads all pages backward and then forward. Together they must be what one long read returns."""
    where = {name: values[name]} if name else {}
    every = company.call(case.listing)
    assert [row["id"] for row in every] == stored(company, case)
    expected = [row["id"] for row in every if not name or row[name] == values[name]]
    back: list[str] = []
    for offset in range(len(expected) // 5 * 5, -1, -5):
        back[:0] = ids(company, case.listing, where=where, limit=5, offset=offset)
    forward: list[str] = []
    while page := ids(company, case.listing, where=where, limit=5, offset=len(forward)):
        forward += page
    assert (back, forward) == (expected, expected)


def stored(company: Company, case: Case) -> list[str]:
    rows = sql(company.dsn, f"select id::text from {case.noun.table} order by id", company_id=company.id)
    return [row["id"] for row in rows]


# By time


def stamped(company: Company, case: Case, object_id: str, *, create: str, update: str) -> None:
    """Sets when an object was created and updated, in UTC."""
    statement = f"""
        update {case.noun.table} set create_timestamp = $2::text::timestamptz, update_timestamp = $3::text::timestamptz
        where id = $1
    """
    sql(company.dsn, statement, int(object_id), f"{create}+00", f"{update}+00", company_id=company.id)


@cases("ranged")
def test_a_range_includes_both_bounds_oldest_first(company: Company, case: Case) -> None:
    late, early, last, out = make_objects(company, case, 4)
    for object_id, create, update in (
        (late, "2016-11-02 10:00:05.999999", "2020-01-02 00:00:00"),
        (early, "2016-11-02 10:00:00", "2020-01-02 23:59:59"),
        (last, "2016-11-02 10:00:06", "2020-01-01 23:59:59.999999"),
        (out, "2016-11-02 09:59:59.999999", "2020-01-03 00:00:00"),
    ):
        stamped(company, case, object_id, create=create, update=update)

    def ids_between(start: str, end: str, timestamp: str = "create", **more: Any) -> list[str]:
        return ids(company, case.ranged, startDate=start, endDate=end, timestamp=timestamp, **more)

    assert ids_between("2016-11-02 10:00:00", "2016-11-02 10:00:05") == [early, late]
    assert ids_between("2016-11-02 10:00:06", "2016-11-02 10:00:05") == []
    assert ids_between("2020-01-02", "2020-01-02", "update") == [late, early]  # a date alone is the whole day
    assert ids_between("0001-01-01", "9999-12-31") == [out, early, late, last]
    assert ids_between("0001-01-01", "9999-12-31", limit=2, offset=1) == [early, late]
    assert ids_between("0001-01-01", "9999-12-31", limit=5, offset=4) == []
    assert list(company.envelope(case.ranged, {**EVER, "timestamp": "create"})["result"]) == [case.noun.name]


@cases("ranged")
def test_a_range_is_in_the_companys_zone_in_v1_and_in_utc_in_v1_2(
    given_company: Callable[..., Company], case: Case
) -> None:
    company = given_company(time_zone="America/New_York")
    (object_id,) = make_objects(company, case, 1)
    stamped(company, case, object_id, create="2016-07-01 03:59:59", update="2016-12-01 04:59:59")

    for version, summer, winter in (("v1", "2016-06-30", "2016-11-30"), ("v1.2", "2016-07-01", "2016-12-01")):
        caller = company.at(version)
        for timestamp, day, others in (("create", summer, winter), ("update", winter, summer)):
            assert ids(caller, case.ranged, startDate=day, endDate=day, timestamp=timestamp) == [object_id]
            assert ids(caller, case.ranged, startDate=others, endDate=others, timestamp=timestamp) == []


@cases("ranged")
def test_a_long_range_is_complete_and_in_order(company: Company, case: Case) -> None:
    minimal = minimal_object(company, case)
    every = [str(object_id) for _ in range(3) for object_id in company.make(case.create, *[minimal] * 400)]

    for timestamp in ("create", "update"):
        assert ids(company, case.ranged, **EVER, timestamp=timestamp, limit=5_000) == every
        assert ids(company, case.ranged, **EVER, timestamp=timestamp, limit=700, offset=300) == every[300:1000]
        assert ids(company, case.ranged, **EVER, timestamp=timestamp) == every[:500]


@cases("ranged")
def test_a_wrong_range_is_refused(company: Company, case: Case) -> None:
    right = {**EVER, "timestamp": "create"}

    for name in right:
        assert company.error(case.ranged, **{key: given for key, given in right.items() if key != name})["code"] == 206
        assert company.error(case.ranged, **right | {name: []})["code"] == 210
    assert company.error(case.ranged, **right | {"timestamp": "Create"})["code"] == 217
    for wrong in ("", "now", "2026-02-30", "0000-01-01", 5, "2026-01-01T00:00:00", "infinity"):
        assert company.error(case.ranged, **right | {"startDate": wrong})["code"] == 205


@cases("ranged")
def test_a_change_sets_the_update_time_and_not_the_create_time(company: Company, case: Case) -> None:
    first, second = make_objects(company, case, 2)
    for object_id in (first, second):
        stamped(company, case, object_id, create="2016-01-01 00:00:00", update="2016-01-01 00:00:00")

    assert refusal_of_change(company, case, **full_object(company, case, 1) | {"id": first}) is None
    assert refusal_of_change(company, case, id=second) == NOTHING

    old = {"startDate": "2016-01-01", "endDate": "2016-01-01"}
    new = {"startDate": "2020-01-01", "endDate": "2999-01-01"}
    assert ids(company, case.ranged, **old, timestamp="create") == [first, second]
    assert ids(company, case.ranged, **old, timestamp="update") == [second]
    assert ids(company, case.ranged, **new, timestamp="update") == [first]


# Custom fields


@cases("custom fields")
def test_custom_fields_are_written_read_unset_and_deleted(company: Company, case: Case) -> None:
    def field(label: str, data_type: str = "string", **more: Any) -> str:
        return company.field(label, data_type, relationship=case.noun.name, **more)

    zebra, apple, mango = field("Zebra"), field("apple", "picklist", options=["red", "green"]), field("Mango", "phone")
    object_id = create_object(company, case, **{zebra: "\u65e5 <b>", apple: "red"})

    row = read(company, case, object_id)
    assert row is not None
    assert list(row)[-3:] == sorted([zebra, apple, mango])
    assert (row[zebra], row[apple], row[mango]) == ("\u65e5 <b>", "red", "")

    assert refusal_of_change(company, case, id=object_id, **{mango: 555, zebra: ""}) is None
    assert refusal_of_change(company, case, id=object_id, **{mango: "555"}) == NOTHING
    assert refusal_of_change(company, case, id=object_id, **{apple: None}) is None
    row = read(company, case, object_id) or {}
    assert (row[zebra], row[apple], row[mango]) == ("", "", "555")

    assert refused_columns(refusal_of_change(company, case, id=object_id, **{apple: "blue"})) == [apple]
    assert refused_columns(refusal_of_change(company, case, id=object_id, **{zebra: "x" * 256})) == [zebra]
    assert refused_columns(company.refusal(case.create, {**minimal_object(company, case), zebra: []}), 210) == [zebra]
    for method in (case.listing, case.ranged):
        (listed,) = company.call(method, **({**EVER, "timestamp": "update"} if method == case.ranged else {}))
        assert listed == row

    company.call("deleteFields", objects=[{"systemName": mango}])
    assert mango not in (read(company, case, object_id) or {})
    assert refused_columns(refusal_of_change(company, case, id=object_id, **{mango: "1"})) == [mango]
    declared = REGISTRY[case.get].result
    assert isinstance(declared, Reads)
    assert [name for name in read(company, case, object_id) or {} if name in declared.noun.by_name] == [
        column.name for column in case.noun.columns
    ]


@cases("custom fields")
def test_a_field_of_another_relationship_is_unknown(company: Company, case: Case) -> None:
    of_leads = company.field("Shoe size")

    assert refused_columns(company.refusal(case.create, {**minimal_object(company, case), of_leads: "1"})) == [of_leads]
    assert of_leads not in (read(company, case, create_object(company, case)) or {})
