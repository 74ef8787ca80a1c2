"""The leads that a filter finds in a real PostgreSQL, compared with plain Python: every test, alone and in groups."""

import asyncio
import json
import unicodedata
from collections.abc import Callable, Coroutine, Generator
from operator import contains, eq, ge, gt, le, lt
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from springhead.model.kit import filters
from springhead.model.kit.columns import Column, Kind, number
from springhead.model.kit.fields import Field
from springhead.model.kit.filters import FilterFields
from springhead.model.leads.leads import LEAD, email_key
from springhead.store.nouns.filters import condition
from support import Company, Server, new_company

UTC_ZONE = ZoneInfo("UTC")
TYPES = ("string", "checkbox", "date", "datetime", "bit")
HOSTILE = "'; drop table lead; --"
EMAILS = ["anna@example.com", "Bob@Example.COM", "c_d@example.com", "j\u00f6rg@b\u00fccher.example", "x%y@example.com"]
CITIES = ["Berlin", "berlin", "BERLIN ", "Bonn", "\u00c4gypten", "\u00e4gypten", "\u041c\u043e\u0441\u043a\u0432\u0430"]
TITLES = [
    "100%",
    "100x",
    "a_b",
    "axb",
    "a\\b",
    "\\",
    "%",
    "_",
    HOSTILE,
    '$1 "q" {x}',
    "\U0001f600 e\u0301",
    "Dr",
    "dr. Dr",
]
SCORES = [-32768, -1, 0, 1, 10, 32767]
STATUSES = ["open", "qualified", "contact", "customer"]
TIMES = [  # some look equal in reads, which show whole seconds
    "0001-01-01 00:00:01.5+00", "2024-05-30 23:59:59.999999+00", "2024-05-31 00:00:00+00", "2024-05-31 10:00:00.25+00",
    "2024-05-31 23:59:59.999999+00", "2024-06-01 00:00:00+00", "9999-12-31 23:59:59+00",
]  # fmt: skip
STAMPS = [moment[:19] for moment in TIMES]
DAYS = [stamp[:10] for stamp in STAMPS]
CHECKS = ["red", "red,green", "GREEN,blue", "dark red", "red,,blue", "reds"]
WORDS = [
    "Berlin",
    "er",
    "B",
    "n",
    "%",
    "_",
    "\\",
    "100",
    "'",
    "e",
    " ",
    "\u00c4",
    "\u041c\u041e\u0421",
    "red,green",
    ",",
]


class Leads:
    """Leads of a fresh company, and a connection that reads them."""

    def __init__(self, company: Company) -> None:
        self._runner = asyncio.Runner()
        self._connection = self.run(asyncpg.connect(company.dsn))
        self.company = company
        self.fields = {data_type: company.field(f"My {data_type}", data_type) for data_type in TYPES}
        self.columns = FilterFields(
            LEAD.by_name,
            {
                name: Field(
                    id=1, relationship="lead", system_name=name, label="", data_type=kind, data_length=255
                ).column
                for kind, name in self.fields.items()
            },
        )
        self.execute("select set_config('app.company_id', $1, false)", str(company.id))
        self.ids = company.create(*(self._lead(place) for place in range(26)))
        empty = json.dumps(dict.fromkeys(self.fields.values(), ""))
        for place, lead_id in enumerate(self.ids):
            self.execute(
                """
                update lead set create_timestamp = $3::text::timestamptz, account_id = $4, city = $5,
                    custom = custom || $6::jsonb
                where company_id = $1 and id = $2
                """,
                company.id, lead_id, TIMES[place % len(TIMES)], [None, 5, 2**53 + 1][place % 3],
                {0: None, 1: ""}.get(place % 9, CITIES[place % len(CITIES)]), empty if place % 8 == 1 else "{}",
            )  # fmt: skip
        names = [*LEAD.by_name, *self.fields.values()]
        self.rows = {int(row["id"]): row for row in company.call("getLeads", where={"id": self.ids}, fields=names)}
        assert len(self.rows) == len(self.ids)

    def _lead(self, place: int) -> dict[str, Any]:
        custom = {
            "string": CITIES[place % len(CITIES)],
            "checkbox": CHECKS[place % len(CHECKS)],
            "date": DAYS[place % len(DAYS)],
            "datetime": STAMPS[place % len(STAMPS)],
            "bit": place % 2,
        }
        return {
            **({"emailAddress": EMAILS[place]} if place < len(EMAILS) else {}),
            "title": TITLES[place % len(TITLES)],
            "leadScore": SCORES[place % len(SCORES)],
            "leadStatus": STATUSES[place % len(STATUSES)],
            "isUnsubscribed": [None, 0, 1][place % 3],
            "active": int(place % 5 != 0),
            **{self.fields[kind]: value for kind, value in custom.items() if place % 4 or kind == "string"},
            **({self.fields["checkbox"]: ""} if place == 0 else {}),
        }

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)

    def execute(self, statement: str, *arguments: object) -> list[Any]:
        return self.run(self._connection.fetch(statement, *arguments))

    def matching(self, sent: Any, *, zone: ZoneInfo = UTC_ZONE) -> set[int]:
        """The places of the leads that a filter finds. Checks that it is true or false, never null, for each lead."""
        return self.places(filters.parse(sent, self.columns, zone=zone), self.columns)

    def places(self, filter: filters.Filter, columns: FilterFields) -> set[int]:
        parameters: list[object] = [self.company.id]
        chosen = condition(filter, columns, parameters, first=1)
        rows = self.execute(f"select l.id, {chosen} as chosen from lead l where l.company_id = $1", *parameters)
        assert {type(row["chosen"]) for row in rows} == {bool}, "null is neither true nor false"
        return {self.ids.index(row["id"]) for row in rows if row["chosen"]}

    def values(self, name: str) -> dict[int, Any]:
        """The value of each lead in a field, as reads show it. Leads without a value are left out."""
        return {place: value for place, lead_id in enumerate(self.ids) if (value := self.rows[lead_id][name])}

    def close(self) -> None:
        self.run(self._connection.close())
        self._runner.close()
        self.company.close()


@pytest.fixture(scope="module")
def leads(server: Server) -> Generator[Leads]:
    made = Leads(new_company(server))
    yield made
    made.close()


def fold(text: str) -> str:
    """A text with full case folding and composed accents."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


ORDER: dict[str, Callable[[Any, Any], bool]] = {"greater": gt, "atLeast": ge, "less": lt, "atMost": le}
LIKE: dict[str, Callable[[str, str], bool]] = {
    "contains": contains, "startsWith": str.startswith, "endsWith": str.endswith
}  # fmt: skip


class Plain:
    """Evaluates filters in plain Python, on leads as reads show them."""

    def __init__(self, leads: Leads) -> None:
        self._kinds = {name: kind for kind, name in leads.fields.items()}

    def holds(self, sent: Any, row: dict[str, Any]) -> bool:
        return all(self._entry(key, value, row) for key, value in sent.items())

    def _entry(self, key: str, value: Any, row: dict[str, Any]) -> bool:
        if key == "not":
            return not self.holds(value, row)
        if key in {"and", "or"}:
            return (all if key == "and" else any)(self.holds(part, row) for part in value)
        tests = value if isinstance(value, dict) else {"in" if isinstance(value, list) else "equals": value}
        return all(self._test(key, operator, wanted, row[key]) for operator, wanted in tests.items())

    def _test(self, name: str, operator: str, wanted: Any, stored: str | None) -> bool:
        if operator == "empty":
            return bool(wanted) != bool((stored or "").strip())
        if not stored:
            flag = self._kind(name) in {"boolean", "bit"} and operator in {"equals", "in"}
            return flag and 0 in [int(value) for value in (wanted if operator == "in" else [wanted])]
        if operator == "in":
            return any(self._test(name, "equals", value, stored) for value in wanted)
        if operator == "between":
            return self._test(name, "atLeast", wanted[0], stored) and self._test(name, "atMost", wanted[1], stored)
        kind = self._kind(name)
        if operator == "equals":
            return self._equal(name, kind, wanted, stored)
        return (
            self._ordered(kind, operator, wanted, stored)
            if operator in ORDER
            else LIKE[operator](fold(stored), fold(wanted))
        )

    def _kind(self, name: str) -> str:
        return self._kinds.get(name) or LEAD.by_name[name].kind.sql

    def _ordered(self, kind: str, operator: str, wanted: Any, stored: str) -> bool:
        if kind in {"bigint", "smallint"}:
            return ORDER[operator](int(stored), int(wanted))
        if kind != "date" and len(wanted) == 10:
            wanted += " 23:59:59" if operator in {"greater", "atMost"} else " 00:00:00"
        return ORDER[operator](stored, wanted)

    def _equal(self, name: str, kind: str, wanted: Any, stored: str) -> bool:
        if name == "emailAddress":
            return email_key(wanted) == email_key(stored)
        if kind in {"boolean", "bit", "bigint", "smallint"}:
            return int(stored) == int(wanted)
        if kind == "checkbox":
            return fold(wanted) in fold(stored).split(",")
        if kind in {"timestamptz", "datetime"}:
            return stored.startswith(wanted)
        return fold(stored) == fold(wanted)


def ordered(values: list[Any]) -> Any:
    value = st.sampled_from(values)
    return (
        st.fixed_dictionaries({}, optional=dict.fromkeys(ORDER, value)).filter(bool)
        | st.tuples(value, value).map(lambda ends: {"between": sorted(ends)})
        | value
    )


def equal(values: list[Any]) -> Any:
    value = st.sampled_from(values)
    return value | st.lists(value, min_size=1, max_size=3)


EMPTY = st.sampled_from([{"empty": True}, {"empty": False}])
PARTS = st.dictionaries(st.sampled_from(list(LIKE)), st.sampled_from(WORDS), min_size=1)
KINDS = {
    "string": equal(CITIES) | PARTS | EMPTY,
    "checkbox": equal(["red", "RED", "green", "Blue", "dark red", "x"]) | PARTS | EMPTY,
    "date": ordered(DAYS) | equal(DAYS) | EMPTY,
    "datetime": ordered(STAMPS + DAYS) | equal(STAMPS) | EMPTY,
    "bit": equal([0, 1, True, False, "1"]) | EMPTY,
}
STANDARD = {
    "city": KINDS["string"],
    "title": equal(TITLES) | PARTS | EMPTY,
    "persona": equal(CITIES) | PARTS | EMPTY,
    "crmID": equal(CITIES) | PARTS | EMPTY,
    "leadStatus": equal([*STATUSES, "CUSTOMER", "other"]) | PARTS | EMPTY,
    "status": equal([*STATUSES, "CUSTOMER", "other"]) | PARTS | EMPTY,
    "emailAddress": equal([*EMAILS, " BOB@example.com", "j\u00f6rg@xn--bcher-kva.example"]) | PARTS | EMPTY,
    "leadScore": ordered([*SCORES, 5]) | equal([*SCORES, 2**62, -(2**63)]) | EMPTY,
    "accountID": ordered([5, 6, 2**53, 2**53 + 1]) | equal([5, 2**53 + 1, 2**53, "5"]) | EMPTY,
    "numBounces": ordered([0, 1]) | EMPTY,
    "createTimestamp": ordered(STAMPS + DAYS) | equal(STAMPS) | EMPTY,
    **dict.fromkeys(
        ["active", "isUnsubscribed", "isQualified", "isContact", "isCustomer", "hardBounced", "hasOpportunity"],
        KINDS["bit"],
    ),
}


def of_any(strategy: Any) -> Any:
    """A strategy for filters of these tests and of groups of them."""
    return st.recursive(
        strategy,
        lambda inner: (
            st.builds(lambda part: {"not": part}, inner)
            | st.builds(
                lambda word, parts: {word: parts},
                st.sampled_from(["and", "or"]),
                st.lists(inner, min_size=1, max_size=3),
            )
            | st.builds(lambda left, right: {**left, **right}, inner, inner)
        ),
        max_leaves=5,
    )


def deep(sent: Any) -> int:
    """How deep a filter nests, or a little more."""
    inner = [part for value in sent.values() for part in (value if isinstance(value, list) else [value])]
    return 1 + max((deep(part) for part in inner if isinstance(part, dict)), default=0)


def test_a_filter_finds_what_plain_python_finds(leads: Leads) -> None:
    tests = {**STANDARD, **{leads.fields[kind]: values for kind, values in KINDS.items()}}
    plain = Plain(leads)

    @settings(max_examples=400)
    @given(
        of_any(
            st.one_of([st.builds(lambda value, name=name: {name: value}, strategy) for name, strategy in tests.items()])
        )
    )
    def compare(sent: Any) -> None:
        if deep(sent) > 4:
            return
        expected = {place for place, lead_id in enumerate(leads.ids) if plain.holds(sent, leads.rows[lead_id])}
        parsed = filters.parse(sent, leads.columns, zone=UTC_ZONE)
        assert leads.places(parsed, leads.columns) == expected
        stored = filters.from_json(filters.to_json(parsed), leads.columns)
        assert leads.places(stored, leads.columns) == expected, "as lists store it"

    compare()


@pytest.mark.parametrize("name", [*STANDARD, *TYPES])
def test_every_lead_passes_either_a_test_or_its_negation(leads: Leads, name: str) -> None:
    plain = Plain(leads)
    field = leads.fields.get(name, name)

    @settings(max_examples=40)
    @given((STANDARD | KINDS)[name])
    def compare(value: Any) -> None:
        matching = leads.matching({field: value})
        assert matching == {
            place for place, lead_id in enumerate(leads.ids) if plain.holds({field: value}, leads.rows[lead_id])
        }
        assert leads.matching({"not": {field: value}}) == set(range(len(leads.ids))) - matching

    compare()


def test_every_column_of_a_lead_can_be_asked_with_every_operator_that_it_takes(leads: Leads) -> None:
    right = {"text": "x", "flag": 1, "whole number": 5, "time": "2024-05-31"}
    for name, column in {**leads.columns.standard, **leads.columns.custom}.items():
        kind = filters.value_type(column)
        value = right.get(kind, {"checkbox": "x", "written date": "2024-05-31"}.get(kind, "2024-05-31 10:00:00"))
        for operator in filters.OPERATORS[kind]:
            several = ["2024-05-31 10:00:00"] if kind == "time" else [value]
            wanted = {"in": several, "between": [value, value], "empty": 1}.get(operator, value)
            leads.matching({name: {operator: wanted}})


def test_a_lead_without_a_value_passes_no_test_but_empty_and_the_negations(leads: Leads) -> None:
    everybody = set(range(len(leads.ids)))
    for name, value in {
        "city": "Berlin",
        "accountID": 5,
        "isUnsubscribed": 1,
        leads.fields["string"]: "x",
        leads.fields["checkbox"]: "red",
        leads.fields["date"]: {"less": "9999-01-01"},
        leads.fields["datetime"]: {"atLeast": "0001-01-01"},
        leads.fields["bit"]: 1,
    }.items():
        with_value = set(leads.values(name))
        assert leads.matching({name: {"empty": True}}) == everybody - with_value
        assert leads.matching({name: {"empty": False}}) == with_value
        assert leads.matching({name: value}) <= with_value
        assert leads.matching({"not": {name: value}}) >= everybody - with_value
        assert leads.matching({"not": {"not": {"not": {name: value}}}}) == everybody - leads.matching({name: value})
        assert leads.matching({"or": [{name: value}, {"not": {name: value}}]}) == everybody


@pytest.mark.parametrize(
    "text", ["100%", "a_b", "a\\b", "\\", "%", "_", HOSTILE, '$1 "q" {x}', "DROP TABLE", "{a}", "\\%"]
)
@pytest.mark.parametrize("operator", ["equals", "in", "contains", "startsWith", "endsWith"])
def test_wildcards_in_a_text_are_plain_characters(leads: Leads, operator: str, text: str) -> None:
    matching = leads.matching({"title": {operator: [text] if operator == "in" else text}})

    same = LIKE.get(operator, eq)
    assert matching == {place for place, title in leads.values("title").items() if same(fold(title), fold(text))}


def test_case_is_ignored_in_every_script(leads: Leads) -> None:
    for spelled, other in [
        ("BERLIN", "berlin"),
        ("\u00c4GYPTEN", "\u00e4gypten"),
        (CITIES[6].upper(), CITIES[6].lower()),
    ]:
        assert leads.matching({"city": spelled}) == leads.matching({"city": [other]}) != set()
        assert leads.matching({"city": {"startsWith": spelled[:3]}}) == leads.matching(
            {"city": {"startsWith": other[:3]}}
        )


def test_an_address_is_found_however_it_is_written(leads: Leads) -> None:
    assert leads.matching({"emailAddress": " BOB@EXAMPLE.com."}) == {1}
    assert leads.matching({"emailAddress": ["JO\u0308RG@xn--bcher-kva.example", "nobody@example.com"]}) == {3}
    assert leads.matching({"emailAddress": {"contains": "_D@"}}) == {2}
    assert leads.matching({"emailAddress": {"startsWith": "x%"}}) == {4}


def test_a_checkbox_field_has_each_of_its_values(leads: Leads) -> None:
    field = leads.fields["checkbox"]
    stored = leads.values(field)

    assert leads.matching({field: "Red"}) == {place for place, value in stored.items() if "red" in value.split(",")}
    assert leads.matching({field: ["green", "dark red"]}) == {
        place for place, value in stored.items() if {"green", "dark red"} & set(value.lower().split(","))
    }
    assert leads.matching({"and": [{field: "red"}, {field: "blue"}]}) == {
        place for place, value in stored.items() if value == "red,,blue"
    }
    assert leads.matching({field: {"contains": "d,g"}}) == {
        place for place, value in stored.items() if value == "red,green"
    }


def test_a_time_is_compared_as_it_is_read_to_the_second(leads: Leads) -> None:
    def created_at(*stamps: str) -> set[int]:
        return {place for place, stamp in leads.values("createTimestamp").items() if stamp in stamps}

    half, last = "2024-05-31 10:00:00", "2024-05-31 23:59:59"
    assert leads.matching({"createTimestamp": half}) == created_at(half) != set()
    assert leads.matching({"createTimestamp": [half]}) == created_at(half)
    assert leads.matching({"createTimestamp": {"atMost": half, "atLeast": half}}) == created_at(half)
    assert leads.matching({"createTimestamp": {"greater": half, "less": "2024-06-01"}}) == created_at(last)
    assert leads.matching({"createTimestamp": "2024-05-31"}) == created_at("2024-05-31 00:00:00", half, last)
    assert leads.matching({"createTimestamp": {"greater": "2024-05-31", "less": "2025-01-01"}}) == created_at(
        "2024-06-01 00:00:00"
    )
    assert (
        leads.matching({"createTimestamp": {"atLeast": "9999-12-31 23:59:59"}})
        == created_at("9999-12-31 23:59:59")
        != set()
    )


def test_a_date_is_a_day_of_the_zone_of_the_call(leads: Leads) -> None:
    stored = leads.values("createTimestamp")

    matching = leads.matching({"createTimestamp": "2024-05-31"}, zone=ZoneInfo("America/New_York"))

    assert (
        matching
        == {place for place, stamp in stored.items() if "2024-05-31 04:00:00" <= stamp <= "2024-06-01 03:59:59"}
        != set()
    )


def test_a_deleted_field_has_no_value(leads: Leads) -> None:
    everybody, name = set(range(len(leads.ids))), leads.fields["string"]
    left = FilterFields(leads.columns.standard)

    def matching(sent: Any) -> set[int]:
        stored = filters.to_json(filters.parse(sent, leads.columns, zone=UTC_ZONE))
        return leads.places(filters.from_json(stored, left), left)

    assert matching({name: {"empty": True}}) == everybody
    for test in ("Berlin", ["Berlin", "Bonn"], {"contains": "B"}, {"empty": False}):
        assert matching({name: test}) == set()
        assert matching({"not": {name: test}}) == everybody
        assert matching({"or": [{name: test}, {"title": "Dr"}]}) == leads.matching({"title": "Dr"})


def test_values_are_typed_parameters_and_never_in_the_sql(leads: Leads) -> None:
    def made(value: str, number: int) -> tuple[str, list[object]]:
        sent = {"title": value, "city": [value, "b"], "leadScore": {"less": number}, leads.fields["string"]: value}
        parameters: list[object] = ["before"]
        text = condition(filters.parse(sent, leads.columns, zone=UTC_ZONE), leads.columns, parameters, first=3)
        return text, parameters

    text, parameters = made(HOSTILE, 7)

    assert made("x", 123456789)[0] == text
    assert parameters == ["before", HOSTILE, [HOSTILE, "b"], 7, HOSTILE]
    assert [f"${3 + place}::" in text for place in range(6)] == [False, True, True, True, True, False]


@pytest.mark.parametrize(
    "name", ["o'brien", "x' or true --", '"quoted"', "{x} {a} %s $1 $$", "back\\slash", "\u00e4 b"]
)
@pytest.mark.parametrize("data_type", TYPES)
def test_a_custom_fields_name_can_be_anything(leads: Leads, name: str, data_type: str) -> None:
    field = Field(id=1, relationship="lead", system_name=name, label="", data_type=data_type, data_length=255)
    columns = FilterFields({}, {name: field.column})
    stored = {"string": "x", "checkbox": "x", "date": "2024-05-31", "datetime": "2024-05-31 10:00:00", "bit": "1"}
    for tests in (stored[data_type], {"empty": False}, [stored[data_type]]):
        parameters: list[object] = [name, stored[data_type]]
        chosen = condition(filters.parse({name: tests}, columns, zone=UTC_ZONE), columns, parameters, first=1)
        (row,) = leads.execute(
            f"select {chosen} as chosen from (select jsonb_build_object($1::text, $2::text) as custom) l", *parameters
        )
        assert row["chosen"] is True


@pytest.mark.parametrize(
    ("sql_type", "values", "tests"),
    [
        ("numeric", "(1.5), (1.50), (2), (-0.1), (null)", {"1.5": 2, "2.0": 1, "-0.1": 1, "7": 0}),
        ("double precision", "(1.5), (0.1), (1e14), (null)", {"1.5": 1, "0.1": 1, "0.2": 0}),
        ("date", "('2024-05-31'), ('2024-06-01'), (null)", {"2024-05-31": 1, "2024-06-01": 1, "0001-01-01": 0}),
    ],
)
def test_numbers_with_a_point_and_dates_are_compared_exactly(
    leads: Leads, sql_type: str, values: str, tests: dict[str, int]
) -> None:
    kind = number() if sql_type != "date" else Kind(type="date", sql="date", accepts=str, expected="")
    column = Column(name="amount", kind=Kind(type=kind.type, sql=sql_type, accepts=kind.accepts, expected=""))
    columns = FilterFields({"amount": column})

    def count(test: Any) -> int:
        parameters: list[object] = []
        parsed = filters.parse({"amount": test}, columns, zone=UTC_ZONE)
        chosen = condition(filters.from_json(filters.to_json(parsed), columns), columns, parameters, first=1)
        source = f"(select v.amount::{sql_type} from (values {values}) as v (amount)) l"
        return leads.execute(f"select count(*) filter (where {chosen}) as n from {source}", *parameters)[0]["n"]

    for value, times in tests.items():
        assert count(value) == times
        assert count([value, value]) == times
        assert count({"between": [value, value]}) == times
        assert count({"less": value}) + count({"atLeast": value}) == count({"empty": False}) > 0
        assert count({"atMost": value}) + count({"greater": value}) == count({"empty": False})
    assert count({"empty": True}) == 1


def test_an_address_is_found_through_its_index(leads: Leads) -> None:
    leads.execute("set enable_seqscan = off")
    parameters: list[object] = [leads.company.id]
    wanted = filters.parse({"city": "Bonn", "emailAddress": "a@b.c"}, leads.columns, zone=UTC_ZONE)
    chosen = condition(wanted, leads.columns, parameters, first=1)

    plan = leads.execute(f"explain select from lead l where l.company_id = $1 and {chosen}", *parameters)

    assert any("Index Cond" in row[0] and "email_key =" in row[0] for row in plan)
    leads.execute("reset enable_seqscan")


def test_the_largest_accepted_filter_runs(leads: Leads) -> None:
    fields = ["city", "title", leads.fields["string"], leads.fields["checkbox"], "emailAddress"]
    lists = [{fields[test % 5]: [f"{test} {place}" for place in range(1_000)]} for test in range(10)]
    wanted = [*lists, *({fields[test % 5]: {"contains": f"{test} {test}"}} for test in range(89))]

    assert leads.matching({"or": [*wanted, {"title": "a_b"}]}) == leads.matching({"title": "a_b"})
    assert leads.matching({"not": {"or": [*wanted, {"title": "a_b"}]}}) == leads.matching({"not": {"title": "a_b"}})
