"""getLeadsDateRange, rule by rule (docs/wire/leads.md#getleadsdaterange)."""

from collections.abc import Callable
from typing import Any

import pytest

from support import Company, sql

EVER = {"startDate": "2000-01-01 00:00:00", "endDate": "2999-12-31 23:59:59"}


def stamped(company: Company, lead_id: int, *, create: str, update: str | None = None) -> None:
    """Sets when a lead was created and updated, in UTC."""
    statement = """
        update lead set create_timestamp = $2::text::timestamptz, update_timestamp = $3::text::timestamptz where id = $1
    """
    sql(company.dsn, statement, lead_id, f"{create}+00", f"{update or create}+00", company_id=company.id)


def given(company: Company, **times: str) -> Company:
    """Creates a lead for each letter, created at that time (UTC)."""
    for letter, time in times.items():
        (lead_id,) = company.create({"emailAddress": f"{letter}@example.com"})
        stamped(company, lead_id, create=time)
    return company


def letters(company: Company, start: str, end: str, timestamp: str = "create", **more: Any) -> str:
    """The first letters of the addresses of the leads of a range."""
    rows = company.call("getLeadsDateRange", startDate=start, endDate=end, timestamp=timestamp, **more)
    return "".join(row["emailAddress"][0] for row in rows)


def test_the_answer_is_a_table_read_under_the_captured_key(company: Company) -> None:
    company.create({})

    answer = company.envelope("getLeadsDateRange", {**EVER, "timestamp": "update"}, id="r9")

    assert list(answer) == ["result", "error", "id"]
    assert list(answer["result"]) == ["lead"]
    assert (answer["error"], answer["id"]) == (None, "r9")


def test_a_lead_has_the_columns_of_get_leads_but_for_the_weighted_score(company: Company) -> None:
    company.field("Shoe size")
    company.create({"leadScoreWeighted": 5})
    (lead,) = company.call("getLeads", where={})

    (row,) = company.call("getLeadsDateRange", **EVER, timestamp="create")
    (selected,) = company.call("getLeadsDateRange", **EVER, timestamp="create", fields=["leadScoreWeighted", "id"])

    assert list(row.items()) == [item for item in lead.items() if item[0] != "leadScoreWeighted"]
    assert selected == {"id": lead["id"], "leadScoreWeighted": "5"}


# The range


def test_both_bounds_belong_to_the_range_to_the_second(company: Company) -> None:
    given(
        company,
        a="2016-11-02 09:59:59.999999",
        b="2016-11-02 10:00:00",
        c="2016-11-02 10:00:05.999999",
        d="2016-11-02 10:00:06",
    )

    assert letters(company, "2016-11-02 10:00:00", "2016-11-02 10:00:05") == "bc"
    assert letters(company, "2016-11-02 10:00:00", "2016-11-02 10:00:00") == "b"
    assert letters(company, "2016-11-02 10:00:06", "2016-11-02 10:00:05") == ""


def test_leads_come_oldest_first(company: Company) -> None:
    given(company, a="2016-11-03 00:00:00", b="2016-11-01 00:00:00", c="2016-11-02 00:00:00", d="2016-11-01 00:00:00")

    assert letters(company, "2016-01-01", "2016-12-31") == "bdca"
    assert letters(company, "2016-01-01", "2016-12-31", timestamp="update") == "bdca"


def test_create_and_update_look_at_different_times(company: Company) -> None:
    (lead_id,) = company.create({"emailAddress": "a@example.com"})
    stamped(company, lead_id, create="2016-01-01 00:00:00", update="2017-01-01 00:00:00")

    assert letters(company, "2016-01-01", "2016-12-31", "create") == "a"
    assert letters(company, "2016-01-01", "2016-12-31", "update") == ""
    assert letters(company, "2017-01-01", "2017-12-31", "create") == ""
    assert letters(company, "2017-01-01", "2017-12-31", "update") == "a"


def test_a_lead_that_was_created_and_never_updated_counts_as_updated_then(company: Company) -> None:
    given(company, a="2016-11-02 10:00:00")

    assert letters(company, "2016-11-02 10:00:00", "2016-11-02 10:00:00", "update") == "a"


def test_inactive_and_deleted_leads_are_not_returned(company: Company) -> None:
    kept, inactive, deleted = company.create({}, {}, {})
    company.call("updateLeads", objects=[{"id": inactive, "active": 0}])
    company.call("deleteLeads", objects=[{"id": deleted}])

    for timestamp in ("create", "update"):
        rows = company.call("getLeadsDateRange", **EVER, timestamp=timestamp)
        assert [row["id"] for row in rows] == [str(kept)]


def test_a_date_alone_is_its_first_second_as_a_start_and_its_last_one_as_an_end(company: Company) -> None:
    given(company, a="2018-06-06 23:59:59", b="2018-06-07 00:00:00", c="2018-06-07 23:59:59", d="2018-06-08 00:00:00")

    assert letters(company, "2018-06-07", "2018-06-07") == "bc"


def test_the_ends_of_the_calendar_are_valid_bounds_in_every_zone(given_company: Callable[..., Company]) -> None:
    for zone in ("UTC", "America/New_York", "Pacific/Kiritimati"):
        company = given(given_company(time_zone=zone), a="2016-11-02 10:00:00")
        for version in ("v1", "v1.2"):
            assert letters(company.at(version), "0001-01-01", "9999-12-31") == "a"
            assert letters(company.at(version), "0001-01-01 00:00:00", "9999-12-31 23:59:59") == "a"
            assert letters(company.at(version), "9999-12-31", "0001-01-01") == ""


def test_another_companys_leads_are_not_returned(company: Company, given_company: Callable[..., Company]) -> None:
    given_company().create({})

    assert company.call("getLeadsDateRange", **EVER, timestamp="create") == []


# The zone (docs/wire/times.md)


def test_v1_speaks_the_companys_time_and_v1_2_utc(given_company: Callable[..., Company]) -> None:
    company = given(given_company(time_zone="America/New_York"), a="2016-11-09 22:18:22", b="2016-07-09 22:18:22")

    for version, winter, summer in (
        ("v1", "2016-11-09 17:18:22", "2016-07-09 18:18:22"),
        ("v1.2", "2016-11-09 22:18:22", "2016-07-09 22:18:22"),
    ):
        caller = company.at(version)
        assert (letters(caller, winter, winter), letters(caller, summer, summer)) == ("a", "b")
        rows = caller.call("getLeadsDateRange", **EVER, timestamp="create")
        assert [(row["createTimestamp"], row["updateTimestamp"]) for row in rows] == [
            (summer, summer),
            (winter, winter),
        ]
        (row,) = caller.call("getLeads", where={"emailAddress": "a@example.com"})
        assert row["createTimestamp"] == winter
        assert caller.lead(int(row["id"]))["updateTimestamp"] == winter


def test_an_hour_that_the_clock_shows_twice_is_doubled_in_v1_and_distinct_in_v1_2(
    given_company: Callable[..., Company],
) -> None:
    """On 2 November 2025 New York's clocks went from 02:00 back to 01:00."""
    company = given(
        given_company(time_zone="America/New_York"),
        a="2025-11-02 04:30:00",
        b="2025-11-02 05:30:00",
        c="2025-11-02 06:30:00",
        d="2025-11-02 07:30:00",
    )
    rows = company.call("getLeadsDateRange", **EVER, timestamp="create", fields=["createTimestamp"])
    local = [row["createTimestamp"][11:] for row in rows]

    assert local == ["00:30:00", "01:30:00", "01:30:00", "02:30:00"]
    assert letters(company, "2025-11-02 01:30:00", "2025-11-02 01:30:00") == "bc"
    assert letters(company, "2025-11-02 01:00:00", "2025-11-02 01:59:59") == "bc"
    assert letters(company, "2025-11-02", "2025-11-02") == "abcd"
    utc = company.at("v1.2")
    assert letters(utc, "2025-11-02 05:30:00", "2025-11-02 05:30:00") == "b"
    assert letters(utc, "2025-11-02 06:30:00", "2025-11-02 06:30:00") == "c"


def test_an_hour_that_the_clock_jumps_over_loses_no_lead(given_company: Callable[..., Company]) -> None:
    """On 9 March 2025 New York's clocks went from 02:00 on to 03:00."""
    company = given(given_company(time_zone="America/New_York"), a="2025-03-09 06:30:00", b="2025-03-09 07:30:00")

    assert letters(company, "2025-03-09 01:00:00", "2025-03-09 01:59:59") == "a"
    assert letters(company, "2025-03-09 03:00:00", "2025-03-09 03:59:59") == "b"
    assert letters(company, "2025-03-09 01:00:00", "2025-03-09 02:59:59") in {"a", "ab"}
    assert letters(company, "2025-03-09", "2025-03-09") == "ab"


# Parameters


@pytest.mark.parametrize("missing", ["startDate", "endDate", "timestamp"])
def test_a_missing_parameter_is_206(company: Company, missing: str) -> None:
    params = {**EVER, "timestamp": "create"}
    del params[missing]

    error = company.error("getLeadsDateRange", **params)
    null = company.error("getLeadsDateRange", **params, **{missing: None})

    assert (error["code"], error["message"]) == (206, "Missing parameters")
    assert [problem["param"] for problem in error["data"]["params"]] == [missing]
    assert null["code"] == 206


@pytest.mark.parametrize("timestamp", ["", "created", "CREATE", 1, True])
def test_a_wrong_timestamp_is_217(company: Company, timestamp: Any) -> None:
    error = company.error("getLeadsDateRange", **EVER, timestamp=timestamp)

    assert error["data"]["params"][0]["param"] == "timestamp"
    assert (error["code"], error["message"]) == (217, "Incorrect parameter value supplied")


@pytest.mark.parametrize("name", ["startDate", "endDate"])
@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", 205),
        ("now", 205),
        ("infinity", 205),
        ("2016-02-30 00:00:00", 205),
        ("2016-11-02T00:00:00", 205),
        ("24:00:00", 205),
        ("0000-00-00 00:00:00", 205),
        ("2016-11-02 00:00:00\0", 205),
        (1478711902, 205),
        (True, 205),
        (["2016-11-02"], 210),
        ({}, 210),
    ],
)
def test_a_wrong_date_is_refused(company: Company, name: str, value: Any, code: int) -> None:
    error = company.error("getLeadsDateRange", **{**EVER, "timestamp": "create", name: value})

    assert error["code"] == code
    assert error["data"]["params"][0]["param"] == name


def test_limit_and_offset_page_through_the_range(company: Company) -> None:
    given(company, a="2016-01-01 00:00:00", b="2016-01-02 00:00:00", c="2016-01-03 00:00:00", d="2018-01-01 00:00:00")

    assert letters(company, "2016-01-01", "2016-12-31", limit=2) == "ab"
    assert letters(company, "2016-01-01", "2016-12-31", limit="2", offset="1") == "bc"
    assert letters(company, "2016-01-01", "2016-12-31", limit="", offset="") == "abc"
    assert letters(company, "2016-01-01", "2016-12-31", limit=0) == ""
    assert letters(company, "2016-01-01", "2016-12-31", offset=3) == ""
    assert company.error("getLeadsDateRange", **EVER, timestamp="create", limit=-1)["code"] == 205


def test_fields_are_returned_as_asked_for(company: Company) -> None:
    shoe = company.field("Shoe size")
    (lead_id,) = company.create({shoe: "12"})

    assert company.call("getLeadsDateRange", **EVER, timestamp="create", fields=[shoe, "id"]) == [
        {"id": str(lead_id), shoe: "12"}
    ]
    assert company.error("getLeadsDateRange", **EVER, timestamp="create", fields=["x"])["code"] == 205


# Long answers


@pytest.fixture
def many(company: Company) -> Company:
    """A company with 1,234 leads, of which each hundred were created in one second."""
    left = 1_234
    while left:
        company.create(*[{}] * min(left, 500))
        left -= min(left, 500)
    statement = """
        update lead set create_timestamp = timestamptz '2016-01-01 00:00:00+00' + interval '1 second' * (id / 1024 % 13)
    """
    sql(company.dsn, statement, company_id=company.id)
    return company


def ids(company: Company, **page: Any) -> list[str]:
    rows = company.call("getLeadsDateRange", **EVER, timestamp="create", fields=["id"], **page)
    return [row["id"] for row in rows]


def test_500_leads_come_by_default_and_as_many_as_asked_for_beyond_that(many: Company) -> None:
    all_of_them = ids(many, limit=100_000)

    assert len(set(all_of_them)) == 1_234
    assert ids(many) == all_of_them[:500]
    for limit in (499, 500, 501, 1_000, 1_001, 1_233, 1_234, 1_235):
        assert ids(many, limit=limit) == all_of_them[:limit]


def test_a_long_answer_is_its_pages_one_after_the_other(many: Company) -> None:
    all_of_them = ids(many, limit=5_000)

    pages = [ids(many, limit=100, offset=offset) for offset in range(0, 1_300, 100)]

    assert [lead_id for page in pages for lead_id in page] == all_of_them
    assert ids(many, limit=1_000, offset=200) == all_of_them[200:1_200]
    assert ids(many, limit=2**63 - 1, offset=1_230) == all_of_them[1_230:]


def test_a_long_answer_is_as_well_formed_as_a_short_one(many: Company) -> None:
    answer = many.envelope("getLeadsDateRange", {**EVER, "timestamp": "create", "limit": 2_000})

    assert list(answer) == ["result", "error", "id"]
    assert answer["result"]["lead"][:3] == many.call("getLeadsDateRange", **EVER, timestamp="create", limit=3)


def test_leads_of_one_second_are_neither_lost_nor_doubled_between_pieces(company: Company) -> None:
    for _ in range(3):
        company.create(*[{}] * 400)
    sql(company.dsn, "update lead set create_timestamp = '2016-01-01 00:00:00.5+00'", company_id=company.id)

    lead_ids = ids(company, limit=5_000)

    assert lead_ids == sorted(lead_ids)
    assert len(set(lead_ids)) == len(lead_ids) == 1_200


def test_a_field_created_during_a_long_answer_does_not_cut_it_short(company: Company) -> None:
    """The answer is read slowly, so that the server still sends it when the field is created."""
    for _ in range(3):
        company.create(*[{"description": "x" * 20_000}] * 400)
    body = {"method": "getLeadsDateRange", "params": {**EVER, "timestamp": "create", "limit": 9_999}, "id": 1}
    reader = company.at("v1.2")

    with reader.reading(body) as answer:
        begin = answer.read(100_000)
        company.field("Shoe size")
        rest = answer.read()

    assert (begin + rest).count(b'"emailAddress"') == 1_200
    assert rest.endswith(b'"error":null,"id":1}')
