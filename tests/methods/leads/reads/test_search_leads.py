"""searchLeads: filters, words, order and cursor (our own)."""

import base64
import json
import random
from typing import Any

import pytest

from springhead.model.kit.filters import OPERATORS, value_type
from springhead.model.leads.leads import LEAD
from support import Company, sql


def matching(company: Company, **params: Any) -> str:
    """The first letters of the addresses of the leads that a search finds, in their order."""
    return "".join(lead["emailAddress"][0] for lead in company.call("searchLeads", **params))


def result_of(company: Company, **params: Any) -> dict[str, Any]:
    result: dict[str, Any] = company.envelope("searchLeads", params)["result"]
    return result


def walk(company: Company, **params: Any) -> list[dict[str, Any]]:
    """All pages of a search."""
    rows: list[dict[str, Any]] = []
    cursor = None
    while True:
        result = result_of(company, **params, **({"cursor": cursor} if cursor else {}))
        rows += result["lead"]
        cursor = result["cursor"]
        if cursor is None:
            return rows


@pytest.fixture
def people(company: Company) -> Company:
    """Six leads, of which f is not active."""
    company.create(
        {"emailAddress": "a@example.com", "firstName": "John", "lastName": "Smith", "city": "Berlin", "leadScore": 5},
        {"emailAddress": "b@example.com", "firstName": "Zoë", "lastName": "Ångström", "city": "bonn", "leadScore": 9},
        {"emailAddress": "c@example.com", "firstName": "Mary", "companyName": "Kowalski & Sons", "leadScore": 5},
        {"emailAddress": "d@example.com", "description": "Met 100% at the fair_2026", "city": "Athens", "leadScore": 7},
        {"emailAddress": "e@example.org", "firstName": "Johanna", "lastName": "Smithers", "city": ""},
        {"emailAddress": "f@example.com", "firstName": "John", "active": 0, "leadScore": 1},
    )
    return company


def test_all_active_leads_are_found_without_a_filter(people: Company) -> None:
    assert matching(people) == matching(people, filter={}, text="", sort=[], limit="", fields=[]) == "abcde"
    assert matching(people, filter=[], sort="", cursor=None) == "abcde"
    assert matching(people, inactive=1) == "abcdef"
    assert matching(people, inactive="1", filter={"active": 0}) == "f"


@pytest.mark.parametrize(
    ("filter", "letters"),
    [
        ({"city": "BERLIN"}, "a"),
        ({"city": ["berlin", "Bonn"]}, "ab"),
        ({"city": {"contains": "e"}}, "ad"),
        ({"city": {"startsWith": "b"}}, "ab"),
        ({"city": {"endsWith": "N"}}, "ab"),
        ({"city": {"empty": True}}, "ce"),
        ({"leadScore": {"greater": 5}}, "bd"),
        ({"leadScore": {"atLeast": 5, "less": 9}}, "acd"),
        ({"leadScore": {"atMost": 5}}, "ace"),
        ({"leadScore": {"between": [5, 7]}}, "acd"),
        ({"not": {"city": "Berlin"}}, "bcde"),
        ({"or": [{"firstName": "Mary"}, {"and": [{"city": "bonn"}, {"leadScore": 9}]}]}, "bc"),
        ({"emailAddress": "A@EXAMPLE.com"}, "a"),
        ({"updateTimestamp": {"greater": "2016-01-01"}}, "abcde"),
        ({"updateTimestamp": {"greater": "2999-01-01"}}, ""),
        ({"hasOpportunity": 0, "crmID": {"empty": 1}, "numBounces": {"empty": 0}}, "abcde"),
        ({"isCustomer": 0, "status": "unqualified"}, "abcde"),
    ],
)
def test_a_filter_chooses(people: Company, filter: dict[str, Any], letters: str) -> None:
    assert matching(people, filter=filter) == letters
    assert matching(people, filter={"not": filter}) == "".join(sorted(set("abcde") - set(letters)))


@pytest.mark.parametrize("column", LEAD.columns, ids=lambda column: column.name)
def test_every_field_takes_its_operators_and_sorts(company: Company, column: Any) -> None:
    kind = value_type(column)
    value: Any = {"flag": 1, "whole number": 7, "time": "2026-01-01 00:00:00"}.get(kind, "x")
    given = {"in": [value], "between": [value, value], "empty": False}

    for operator in OPERATORS[kind]:
        test = {column.name: {operator: given.get(operator, value)}}
        assert isinstance(company.call("searchLeads", filter=test), list)
    company.create({}, {}, {})
    for direction in ("asc", "desc"):
        sort = [{"field": column.name, "direction": direction}]
        assert len({lead["id"] for lead in walk(company, sort=sort, limit=1)}) == 3


def test_leads_can_be_filtered_by_their_lists(people: Company) -> None:
    ids = {lead["emailAddress"][0]: int(lead["id"]) for lead in people.call("searchLeads")}
    (first,) = people.call("createList", name="One")
    (second,) = people.call("createList", name="Two")
    for new_list, letter in ((first, "a"), (first, "b"), (second, "b"), (second, "d")):
        people.call("addListMember", listID=new_list["id"], memberID=ids[letter])
    people.call("removeListMember", listID=second["id"], memberID=ids["d"])

    assert matching(people, filter={"list": first["id"]}) == "ab"
    assert matching(people, filter={"list": {"in": [first["id"], second["id"]]}}) == "ab"
    assert matching(people, filter={"list": {"equals": str(second["id"])}, "city": "bonn"}) == "b"
    assert matching(people, filter={"list": {"empty": True}}) == "cde"
    assert matching(people, filter={"not": {"list": first["id"]}}) == "cde"
    assert matching(people, filter={"list": 1}) == ""
    assert people.error("searchLeads", filter={"list": {"greater": 1}})["code"] == 205
    refused = people.error("createList", name="No", filter={"list": first["id"]})
    assert refused["code"] == 205, "a filter of a list cannot depend on another list"


def test_leads_can_be_filtered_and_sorted_by_custom_fields(people: Company) -> None:
    size, day = people.field("Size", "picklist", options=["s", "M", "l"]), people.field("Day", "date")
    ids = {lead["emailAddress"][0]: lead["id"] for lead in people.call("searchLeads")}
    values = {"a": ("s", "2026-01-02"), "b": ("M", ""), "c": ("l", "0999-01-01"), "d": ("s", "2026-01-01")}
    people.call("updateLeads", objects=[{"id": ids[letter], size: s, day: d} for letter, (s, d) in values.items()])

    assert matching(people, filter={size: ["S", "m"]}) == "abd"
    assert matching(people, filter={day: {"atLeast": "2026-01-01"}}) == "ad"
    assert matching(people, filter={day: {"empty": True}}) == "be"
    assert matching(people, sort=day) == "cdabe"
    assert matching(people, sort=[{"field": day, "direction": "desc"}]) == "adcbe"
    assert matching(people, sort=[size, {"field": day}]) == "cbdae"
    assert [row["emailAddress"][0] for row in walk(people, sort=[size, {"field": day}], limit=1)] == list("cbdae")


def test_leads_are_sorted_by_up_to_three_fields_and_the_id_with_empty_values_last(people: Company) -> None:
    assert matching(people, sort="city") == "dabce"
    assert matching(people, sort={"field": "city", "direction": "desc"}) == "badce"
    assert matching(people, sort=[{"field": "leadScore", "direction": "desc"}, "city"]) == "bdace"
    assert matching(people, sort=[{"field": "id", "direction": "desc"}]) == "edcba"
    assert matching(people, sort=["leadScore", {"field": "id", "direction": "desc"}]) == "ecadb"
    assert matching(people, sort=["lastName"]) == "aebcd"
    assert matching(people, sort="accountID") == "abcde"


@pytest.mark.parametrize("seed", range(8))
def test_pages_of_any_size_add_up_to_all_leads(company: Company, seed: int) -> None:
    chance = random.Random(seed)
    company.create(
        *(
            {
                "city": chance.choice(["", "Rome", "rome", "Ärö"]),
                "leadScore": chance.randrange(3),
                "isUnsubscribed": number,
            }
            for number in (chance.choice([0, 1]) for _ in range(60))
        )
    )
    names = chance.sample(["city", "leadScore", "isUnsubscribed", "updateTimestamp", "ownerID", "trackingID"], 3)
    sort = [{"field": name, "direction": chance.choice(["asc", "desc"])} for name in names]

    at_once = company.call("searchLeads", sort=sort, limit=500)

    assert len(at_once) == 60
    assert walk(company, sort=sort, limit=chance.choice([1, 7, 59, 60])) == at_once


def test_reading_page_by_page_returns_every_unchanged_lead_once_while_others_change(company: Company) -> None:
    ids = [
        lead_id
        for _ in range(4)
        for lead_id in company.create(*({"city": f"c{number % 7}", "leadScore": number % 5} for number in range(500)))
    ]
    params: dict[str, Any] = {
        "sort": ["city", {"field": "leadScore", "direction": "desc"}],
        "fields": ["id"],
        "limit": 90,
    }
    gone = set(ids[::40])
    seen: list[int] = []
    cursor = None
    while True:
        result = result_of(company, **params, **({"cursor": cursor} if cursor else {}))
        seen += [int(lead["id"]) for lead in result["lead"]]
        cursor = result["cursor"]
        if not cursor:
            break
        company.create({"city": "c0"}, {"city": "c6"})
        if gone:
            last = gone.pop()
            company.call("deleteLeads", objects=[{"id": last}])
            company.call("updateLeads", objects=[{"id": lead_id, "title": str(len(seen))} for lead_id in ids[1:200]])

    assert len(seen) == len(set(seen))
    assert set(seen) >= set(ids) - set(ids[::40])


def test_a_cursor_works_after_its_row_was_deleted(people: Company) -> None:
    result = result_of(people, sort="city", limit=2)
    people.call("deleteLeads", objects=[{"id": result["lead"][-1]["id"]}])

    assert matching(people, sort="city", cursor=result["cursor"]) == "bce"


def test_a_cursor_of_another_search_is_refused(people: Company) -> None:
    cursor = result_of(people, sort="city", limit=2)["cursor"]
    raw = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    for params in (
        {"cursor": "x"}, {"cursor": "é"}, {"cursor": cursor}, {"cursor": cursor, "sort": "firstName"},
        {"cursor": cursor[:-3], "sort": "city"}, {"cursor": cursor, "sort": "city", "text": "a"},
        {"cursor": cursor, "sort": "city", "filter": {"city": "Berlin"}},
        {"cursor": cursor, "sort": "city", "inactive": 1},
        *({"cursor": forged(raw, values), "sort": "city"} for values in
          ([5, 5], ["x", None], ["x"], ["x", True], ["x", 2**64], ["x" * 300, 1], ["\0", 1], [], {}, ["x", 1.5])),
    ):  # fmt: skip
        refused = people.error("searchLeads", **params)
        assert (refused["code"], refused["data"]["params"][0]["param"]) == (205, "cursor"), params
    ranked = json.loads(base64.urlsafe_b64decode(result_of(people, text="example", limit=1)["cursor"] + "=="))
    for values in ([0, 1, 1], [0, "x", 1, 1], [None, 1, 1, 1], [0, None, 2**63, 1], [0, None, 1, 1.5], {}):
        assert people.error("searchLeads", text="example", cursor=forged(ranked, values))["code"] == 205
    for values, letters in (([0, None, 99, 1], "abcde"), ([2**62, None, 1, 1], ""), ([0, -5, 1, 1], "abcde")):
        assert matching(people, text="example", cursor=forged(ranked, values)) == letters
    time = result_of(people, sort="updateTimestamp", limit=1)["cursor"]
    raw = json.loads(base64.urlsafe_b64decode(time + "=="))
    for value in ("now", "infinity", "2026-01-01", "2026-01-01T00:00:00", "0001-01-01T00:00:00+23:00", None, 5):
        assert people.error("searchLeads", sort="updateTimestamp", cursor=forged(raw, [value, 1]))["code"] == 205


def test_a_forged_cursor_only_selects_another_position(people: Company) -> None:
    for sort, values, letters in (
        ("leadScore", [2**60, 1], ""),
        ("leadScore", [-(2**60), 1], "eacdb"),
        ("city", ["'; drop table lead; --", 1], "dabce"),
        ("updateTimestamp", ["0001-01-01T00:00:00+00:00", 1], "abcde"),
        ("updateTimestamp", ["9999-12-31T23:59:59.999999+00:00", 1], ""),
        ("id", [-1], "abcde"),
    ):
        raw = json.loads(base64.urlsafe_b64decode(result_of(people, sort=sort, limit=1)["cursor"] + "=="))
        assert matching(people, sort=sort, cursor=forged(raw, values)) == letters, sort


def forged(raw: list[Any], values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps([raw[0], raw[1], values]).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("john", "a"),
        ("joh", "ae"),
        ("JOHN smith", "a"),
        ("smith joh", "ae"),
        ("smithe", "e"),
        ("example.org", "e"),
        ("ångström", "b"),
        ("A\u030angström", "b"),
        ("ZOË", "b"),
        ("fair", "d"),
        ("100%", "d"),
        ("r_2", "d"),
        ("0_", ""),
        ("\\", ""),
        ("& sons", "c"),
        ("Jon Smtih", "a"),
        ("Johhn", "ae"),
        ("Jhon", "a"),
        ("Kowlaski", "c"),
        ("Kowalsky", "c"),
        ("Xowalski", "c"),
        ("Kowasky", ""),
        ("Angström", "b"),
        ("zëo", "b"),
        ("zzz", ""),
        ("%%%", ""),
        ("' or 1=1 --", ""),
        ("(((", ""),
        ("\u3042\u3042\u3042", ""),
    ],
)
def test_words_are_found_in_texts_with_a_typo_when_nothing_else_is(people: Company, text: str, letters: str) -> None:
    assert matching(people, text=text) == letters
    assert "".join(row["emailAddress"][0] for row in walk(people, text=text, limit=1, sort="id")) == letters


def test_the_best_matches_of_a_text_come_first(company: Company) -> None:
    company.create(
        {"emailAddress": "a@example.com", "description": "knows Ann"},
        {"emailAddress": "b@example.com", "firstName": "Joanna"},
        {"emailAddress": "c@example.com", "firstName": "Anna"},
        {"emailAddress": "d@example.com", "firstName": "Jo", "lastName": "Ann"},
        {"emailAddress": "ann@example.com", "companyName": "Ann & Sons"},
        {"emailAddress": "f@example.com", "firstName": "Zoë", "companyName": "100% Ann_a"},
    )

    assert matching(company, text="ann") == "dacfba"
    assert matching(company, text="ANN", sort="id") == "abcdaf"
    assert matching(company, text="ann sons") == "a"
    assert matching(company, text="ann jo") == "db"
    assert matching(company, text="100%") == "f"
    assert matching(company, text="n_") == "f"
    for limit in (1, 2, 5, 6):
        rows = walk(company, text="ann", limit=limit)
        assert "".join(row["emailAddress"][0] for row in rows) == "dacfba"


def test_of_many_matches_the_best_come_first_in_blocks_and_each_once(company: Company) -> None:
    sql(company.dsn, LEADS, company.id, 1, 5_000, company_id=company.id)
    (best,) = company.create({"emailAddress": "late@example.com", "firstName": "Example"})
    (early,) = sql(
        company.dsn,
        "update lead set first_name = 'example' where email_key = '1500@example.com' returning id",
        company_id=company.id,
    )

    seen: list[int] = []
    cursor = None
    while cursor is not None or not seen:
        result = result_of(company, text="example", limit=450, fields=["id"], **({"cursor": cursor} if cursor else {}))
        seen += [int(lead["id"]) for lead in result["lead"]]
        cursor = result["cursor"]
        gone = sql(
            company.dsn,
            "delete from lead where id = any(array(select id from lead where id <> $1 order by id desc limit 20))"
            " returning id",
            best,
            company_id=company.id,
        )
        assert len(gone) == 20

    assert seen[0] == early["id"]
    assert best in seen
    assert len(seen) == len(set(seen))
    left = {row["id"] for row in sql(company.dsn, "select id from lead", company_id=company.id)}
    assert set(seen) >= left


def test_text_filter_and_order_can_be_combined(people: Company) -> None:
    result = result_of(people, text="smtih", filter={"leadScore": {"atMost": 5}}, sort="leadScore", total=1)

    assert [lead["emailAddress"][0] for lead in result["lead"]] == ["e", "a"]
    assert (result["total"], result["totalIsExact"], result["cursor"]) == (2, True, None)


def test_the_total_counts_all_matches_and_only_on_request(people: Company) -> None:
    result = result_of(people, limit=2, total=1, fields=["id"])

    assert (len(result["lead"]), result["total"], result["totalIsExact"]) == (2, 5, True)
    assert list(result["lead"][0]) == ["id"]
    again = result_of(people, limit=2, cursor=result["cursor"])
    assert (again["total"], again["totalIsExact"], len(again["lead"])) == (None, None, 2)
    assert result_of(people, limit=0, total=1) == {"lead": [], "cursor": None, "total": 5, "totalIsExact": True}


LEADS = """
insert into lead (company_id, email_key, email_address, lead_score, lead_score_weighted, active, create_timestamp,
    update_timestamp, lead_status, description)
select $1, i || '@example.com', i || '@example.com', 0, 0, true, now(), now(), 'contact', repeat('Ä', $2)
from generate_series(1, $3) i
"""


def test_more_than_ten_thousand_are_not_counted(company: Company) -> None:
    sql(company.dsn, LEADS, company.id, 1, 10_001, company_id=company.id)

    result = result_of(company, total=1, limit=1)

    assert (result["total"], result["totalIsExact"]) == (10_000, False)


def test_a_search_that_takes_too_long_is_refused_and_says_what_to_do(company: Company) -> None:
    sql(company.dsn, LEADS, company.id, 20_000, 3_000, company_id=company.id)
    slow = {"or": [{"description": {"contains": f"ä{'ä' * 300}{number}"}} for number in range(60)]}

    refused = company.error("searchLeads", filter=slow)

    assert (refused["code"], refused["data"]["params"][0]["param"]) == (205, "filter")
    assert "3 seconds" in refused["data"]["params"][0]["message"]
    assert len(company.call("searchLeads", limit=1, fields=["id"])) == 1, "and the next one is answered"


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"filter": 5}, "filter"),
        ({"filter": {"nobody": 1}}, "filter.nobody"),
        ({"filter": {"city": {"like": "x"}}}, "filter.city.like"),
        ({"filter": {"leadScore": "x"}}, "filter.leadScore"),
        ({"filter": {"or": []}}, "filter.or"),
        ({"sort": "nobody"}, "sort"),
        ({"sort": "list"}, "sort"),
        ({"sort": "id; drop table lead"}, "sort"),
        ({"sort": ["city", "city"]}, "sort[1]"),
        ({"sort": ["city", "title", "state", "id"]}, "sort"),
        ({"sort": [{"field": "city", "direction": "up"}]}, "sort[0]"),
        ({"sort": [{"field": "city", "nulls": "first"}]}, "sort[0]"),
        ({"sort": [{"field": "city", "direction": []}]}, "sort[0]"),
        ({"sort": 5}, "sort[0]"),
        ({"text": "x" * 256}, "text"),
        ({"text": "a b c d e f g h i j k"}, "text"),
        ({"text": "\0"}, "text"),
        ({"limit": -1}, "limit"),
        ({"total": 2}, "total"),
        ({"inactive": "x"}, "inactive"),
        ({"fields": ["nobody"]}, "nobody"),
        ({"fields": "id"}, "fields"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(company: Company, params: dict[str, Any], named: str) -> None:
    refused = company.error("searchLeads", **params)

    assert refused["code"] == 205
    assert refused["data"]["params"][0]["param"] == named


def test_a_page_has_fifty_leads_and_at_most_five_hundred(company: Company) -> None:
    company.create(*({} for _ in range(500)))
    company.create({})

    assert len(company.call("searchLeads")) == 50
    assert len(company.call("searchLeads", limit=501, fields=["id"])) == 500
    assert len(walk(company, limit=500, fields=["id"])) == 501


def test_a_company_finds_nothing_of_another(people: Company, given_company: Any) -> None:
    other = given_company()
    other.create({"emailAddress": "z@example.com"})
    cursor = result_of(people, limit=1)["cursor"]

    assert matching(other, text="example.com") == "z"
    assert matching(other, filter={"list": {"empty": True}}) == "z"
    assert matching(other, cursor=cursor) == "z"
    assert matching(people, inactive=1) == "abcdef"
