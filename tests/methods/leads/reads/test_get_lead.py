"""getLead, rule by rule (docs/wire/leads.md#getlead)."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from support import Company, sql


def test_a_lead_is_returned_in_a_list_under_the_captured_key(company: Company) -> None:
    (lead_id,) = company.create({"firstName": "Lead"})

    answer = company.envelope("getLead", {"id": lead_id})

    assert list(answer) == ["result", "error", "id"]
    assert list(answer["result"]) == ["lead"]
    assert answer["result"]["lead"][0]["firstName"] == "Lead"
    assert answer["error"] is None


def test_an_unknown_id_is_an_empty_list(company: Company) -> None:
    company.field("Shoe size")

    assert company.call("getLead", id=7) == []


def test_the_id_may_be_a_numeric_string(company: Company) -> None:
    (lead_id,) = company.create({})

    assert company.call("getLead", id=str(lead_id))[0]["id"] == str(lead_id)


def test_an_inactive_lead_is_returned(company: Company) -> None:
    (lead_id,) = company.create({"active": 0})

    assert company.lead(lead_id)["active"] == "0"


def test_an_id_that_is_no_integer_is_refused_as_in_the_vendors_sample(company: Company) -> None:
    error = company.error("getLead", id="abc")

    assert error["code"] == 205
    assert error["message"] == "Invalid parameters"
    assert error["data"] == {
        "params": [
            {
                "param": "id",
                "message": "Expected data of type integer",
                "validFormat": {"type": "int", "length": 11, "required": True},
            }
        ]
    }


def test_a_missing_id_is_206(company: Company) -> None:
    assert company.error("getLead")["code"] == 206


def test_a_list_for_the_id_is_210(company: Company) -> None:
    assert company.error("getLead", id=[1])["code"] == 210


def test_ids_beyond_64_bits_are_refused_and_those_within_are_looked_up(company: Company) -> None:
    assert company.call("getLead", id=2**63 - 1) == []
    assert company.error("getLead", id=2**63)["code"] == 205
    assert company.error("getLead", id=str(2**64))["code"] == 205


@pytest.mark.parametrize(
    "wrong", ["", " 5", "5.", "5.01", ".0", 1.5, True, "1e-1", "\u0665", "5; drop table lead", "\0", "-"]
)
def test_an_id_that_is_not_a_whole_number_is_205(company: Company, wrong: Any) -> None:
    error = company.error("getLead", id=wrong)

    assert (error["code"], error["data"]["params"][0]["param"]) == (205, "id")


def test_null_counts_as_missing(company: Company) -> None:
    error = company.error("getLead", id=None)

    assert (error["code"], error["message"]) == (206, "Missing parameters")
    assert error["data"]["params"][0]["param"] == "id"


@pytest.mark.parametrize("params", [[], {}, {"params": {"id": 5}}, {"leadID": 5}, {"ID": 5}])
def test_params_without_an_id_are_206_whatever_else_they_have(company: Company, params: Any) -> None:
    assert company.envelope("getLead", params)["error"]["code"] == 206


def test_other_params_than_the_id_are_ignored(company: Company) -> None:
    (lead_id,) = company.create({})

    assert len(company.call("getLead", id=lead_id, limit="", offset="", where=[], fields=["id"])[0]) > 30


def test_a_negative_id_and_zero_are_no_leads(company: Company) -> None:
    assert company.call("getLead", id=0) == company.call("getLead", id="-5") == []


def test_another_companys_lead_is_an_empty_list(company: Company, given_company: Callable[..., Company]) -> None:
    (lead_id,) = given_company().create({})

    assert company.call("getLead", id=lead_id) == []


def test_a_deleted_lead_is_an_empty_list(company: Company) -> None:
    (lead_id,) = company.create({})
    company.call("deleteLeads", objects=[{"id": lead_id}])

    assert company.call("getLead", id=lead_id) == []


def test_the_lead_is_the_row_of_get_leads(company: Company) -> None:
    company.field("Shoe size")
    (lead_id,) = company.create({"leadScore": 5, "isUnsubscribed": 1})

    (listed,) = company.call("getLeads", where={})

    assert list(company.lead(lead_id).items()) == list(listed.items())


def test_the_times_are_the_companys_in_v1_and_utc_in_v1_2(given_company: Callable[..., Company]) -> None:
    company = given_company(time_zone="America/New_York")
    (lead_id,) = company.create({})
    statement = (
        "update lead set create_timestamp = '2016-07-09 22:18:22+00', update_timestamp = '2016-11-09 22:18:22+00'"
    )
    sql(company.dsn, statement, company_id=company.id)

    shown = [company.at(version).lead(lead_id) for version in ("v1", "v1.2")]

    assert [lead["createTimestamp"] for lead in shown] == ["2016-07-09 18:18:22", "2016-07-09 22:18:22"]
    assert [lead["updateTimestamp"] for lead in shown] == ["2016-11-09 17:18:22", "2016-11-09 22:18:22"]


@pytest.mark.parametrize("stored", ["1", "0", None])
def test_flags_are_0_and_1_or_null(company: Company, stored: str | None) -> None:
    (lead_id,) = company.create({"isUnsubscribed": stored})

    assert company.lead(lead_id)["isUnsubscribed"] == stored


@pytest.mark.parametrize("form", ["ID.0", "ID.000", '"ID.0"'])
def test_a_whole_number_with_a_point_is_the_number_as_in_objects(company: Company, form: str) -> None:
    """Programs whose numbers are all floats send an id as 100000000000.0."""
    (lead,) = company.create({"firstName": "Ann"})
    for method, params in (
        ("getLead", f'{{"id": {form}}}'),
        ("getLeads", f'{{"where": {{"id": {form}}}}}'),
        ("getLeads", f'{{"where": {{"id": [{form}]}}}}'),
        ("getLeads", '{"where": {}, "limit": 1.0, "offset": 0.0}'),
        ("deleteLeads", f'{{"objects": [{{"id": {form}}}]}}'),
    ):
        body = f'{{"method": "{method}", "params": {params.replace("ID", str(lead))}, "id": "1"}}'
        answer = json.loads(company.send(body.encode())[1])
        assert answer["error"] in (None, []), (body, answer)
        rows = next(iter(answer["result"].values()))
        assert len(rows) == 1
        assert rows[0].get("id", str(lead)) == str(lead)
