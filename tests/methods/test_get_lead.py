"""getLead, rule by rule (wire.md 10.5)."""

from support import Company


def test_a_lead_is_a_list_of_one_under_the_captured_key(company: Company) -> None:
    (lead_id,) = company.create({"firstName": "Lead"})

    answer = company.envelope("getLead", {"id": lead_id})

    assert list(answer) == ["result", "error", "id"]
    assert list(answer["result"]) == ["lead"]
    assert answer["result"]["lead"][0]["firstName"] == "Lead"
    assert answer["error"] is None


def test_an_unknown_id_is_an_empty_list_and_no_ghost(company: Company) -> None:
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
