"""A day is a day: a date that is sent as a day reads as this day in every time zone, at v1 and at v1.2."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from springhead import methods
from springhead.model.kit.columns import WRITTEN_NOUNS
from support import Company, Server, sql

assert methods.leads, "importing the methods registers their nouns"

ZONES = [
    "Pacific/Pago_Pago",  # UTC-11
    "America/New_York",
    "America/St_Johns",  # UTC-03:30
    "America/Havana",  # clocks change at midnight, so some days have no 00:00:00
    "UTC",
    "Europe/Berlin",
    "Asia/Kathmandu",  # UTC+05:45
    "Pacific/Auckland",  # UTC+13 in summer
    "Pacific/Kiritimati",  # UTC+14
]
DAYS = ["2026-03-08", "2026-03-29", "2026-10-25", "2026-11-01", "2026-12-31", "2027-01-01", "2028-02-29", "0001-01-01"]
"""Days on which clocks change in one of the zones, and ends of years and of the calendar."""

MOMENTS = {("call", "createTimestamp"), ("leadRedelivery", "since")}
"""Writable times that are points in time, so that a date alone is the first second of the day in the caller's zone."""


DEAL = {"opportunityName": "A roof"}
NOUNS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "Campaigns": ({"campaignName": "A"}, ("startDate", "endDate")),
    "Opportunities": (DEAL, ("closeDate",)),
    "Tasks": ({"title": "A"}, ("dueDate",)),
}
"""By noun: an object without days, and the columns with days."""


def new(company: Company, noun: str, *days: str) -> list[dict[str, Any]]:
    values, columns = NOUNS[noun]
    stage = {}
    if noun == "Opportunities":
        stage["dealStageID"] = company.make("createDealStages", {"dealStageName": "Offer"})[0]
    return [{**values, **stage, **dict.fromkeys(columns, day)} for day in days]


def read(company: Company, noun: str, ids: list[int]) -> list[set[str]]:
    """The values of the columns with days, by object."""
    rows = {int(row["id"]): row for row in company.call(f"get{noun}", where={"id": ids})}
    return [{rows[id_][column] for column in NOUNS[noun][1]} for id_ in ids]


@pytest.mark.parametrize("noun", NOUNS)
@pytest.mark.parametrize("zone", ZONES)
def test_a_day_is_the_same_day_in_every_zone(given_company: Callable[..., Company], zone: str, noun: str) -> None:
    local = given_company(time_zone=zone)
    versions = (local, local.at("v1.2"))
    expected = [{f"{day} 00:00:00"} for day in DAYS] * 2
    forms = [*DAYS, *(f"{day} 00:00:00" for day in DAYS)]
    for writer in versions:
        made = writer.make(f"create{noun}", *new(local, noun, *forms))
        for reader in versions:
            assert read(reader, noun, made) == expected
            again = [
                {"id": id_, **dict.fromkeys(NOUNS[noun][1], *day)}
                for id_, day in zip(made, read(reader, noun, made), strict=True)
            ]
            outcomes = reader.call(f"update{noun}", objects=again)
            assert {outcome["error"]["code"] for outcome in outcomes} == {302}, "writing back what was read"


@pytest.mark.parametrize("noun", NOUNS)
def test_an_updated_day_is_the_same_day_too(given_company: Callable[..., Company], noun: str) -> None:
    local = given_company(time_zone="America/New_York")
    versions = (local, local.at("v1.2"))
    made = local.make(f"create{noun}", *new(local, noun, *["2026-05-05 09:30:00"] * len(DAYS)))
    for writer, days in zip(versions, (DAYS, DAYS[::-1]), strict=True):
        changed = [{"id": id_, **dict.fromkeys(NOUNS[noun][1], day)} for id_, day in zip(made, days, strict=True)]
        assert all(outcome["success"] for outcome in writer.call(f"update{noun}", objects=changed))
        for reader in versions:
            assert read(reader, noun, made) == [{f"{day} 00:00:00"} for day in days]


def test_the_day_of_a_conversion_is_the_same_day_too(given_company: Callable[..., Company]) -> None:
    local = given_company(time_zone="America/New_York")
    versions = (local, local.at("v1.2"))
    (stage,) = local.make("createDealStages", {"dealStageName": "Offer"})
    for writer in versions:
        (lead,) = local.create({})
        deal = {"opportunityName": "A roof", "dealStageID": stage, "closeDate": "2030-01-31"}
        (outcome,) = writer.call("convertLeads", objects=[{"id": lead, **deal}])
        for reader in versions:
            assert read(reader, "Opportunities", [outcome["opportunityID"]]) == [{"2030-01-31 00:00:00"}]
            assert '"closeDate": "2030-01-31 00:00:00"' in json.dumps(reader.call("exportLead", id=lead))


@pytest.mark.parametrize("noun", NOUNS)
def test_a_time_of_the_day_is_a_point_in_time_as_before(given_company: Callable[..., Company], noun: str) -> None:
    local = given_company(time_zone="America/New_York")
    moments = {
        "2026-07-01 09:30:00": "2026-07-01 13:30:00",
        "2026-06-30 20:00:00": "2026-07-01 00:00:00",  # a midnight in UTC that was not sent as one
        "2026-07-01 00:00:01": "2026-07-01 04:00:01",
    }
    made = local.make(f"create{noun}", *new(local, noun, *moments))

    assert read(local, noun, made) == [{moment} for moment in moments]
    assert read(local.at("v1.2"), noun, made) == [{moment} for moment in moments.values()]


def test_a_custom_date_is_a_day_without_a_zone(given_company: Callable[..., Company]) -> None:
    local = given_company(time_zone="America/New_York")
    versions = (local, local.at("v1.2"))
    name = local.field("Birthday", "date")
    for writer in versions:
        made = writer.create(*({name: day} for day in DAYS))
        for reader in versions:
            assert [reader.lead(lead)[name] for lead in made] == DAYS


def test_a_day_stays_when_its_company_changes_the_zone(given_company: Callable[..., Company], server: Server) -> None:
    company = given_company(time_zone="Pacific/Kiritimati")
    (task,) = company.make("createTasks", {"title": "A", "dueDate": "2026-03-08"})

    sql(server.dsn, "update company set time_zone = 'Pacific/Pago_Pago' where id = $1", company.id)

    assert read(company, "Tasks", [task]) == [{"2026-03-08 00:00:00"}]


def test_every_time_that_callers_write_is_a_day_or_named_here_as_a_point_in_time() -> None:
    written = {
        (noun.name, column.name)
        for noun in WRITTEN_NOUNS.values()
        for column in noun.writable_columns
        if column.kind.sql == "timestamptz" and not column.kind.whole_days
    }
    assert written == MOMENTS
