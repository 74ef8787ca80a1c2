"""logCalls, rule by rule (docs/wire/events.md#logcalls)."""

from collections.abc import Callable
from typing import Any

import pytest

from support import Company


def a_call(company: Company, lead: int, **more: Any) -> dict[str, Any]:
    (user,) = company.call("getUserProfiles")
    return {
        "userID": user["id"],
        "leadID": str(lead),
        "callResult": "noAnswerNoMessage",
        "direction": "incoming",
        "callNotes": "Left no message",
        "createTimestamp": "2018-06-07 10:00:00",
    } | more


def calls_of(company: Company, lead: int) -> list[dict[str, Any]]:
    return company.call("getLeadTimeline", where={"whoID": lead, "eventSource": ["incomingCall", "outgoingCall"]})


def test_the_documented_answer_says_success(company: Company) -> None:
    (lead,) = company.create({})

    answer = company.envelope("logCalls", {"objects": [a_call(company, lead)]}, id="")

    assert answer == {"result": {"success": True}, "error": None, "id": ""}


def test_a_key_can_ask_for_the_captured_answer(given_company: Callable[..., Company]) -> None:
    company = given_company(captured_calls=True)
    (lead,) = company.create({})

    answer = company.envelope("logCalls", {"objects": [a_call(company, lead), a_call(company, 1)]})

    first, second = answer["result"]["creates"]
    assert first["success"]
    assert isinstance(first["id"], int)
    assert second["error"]["code"] == 303
    assert answer["error"] == [second["error"]]


def test_a_logged_call_is_on_the_timeline_at_its_own_time(company: Company) -> None:
    (lead,) = company.create({})
    company.call("logCalls", objects=[a_call(company, lead), a_call(company, lead, direction="outgoing")])

    first, second = calls_of(company, lead)

    assert (first["eventSource"], second["eventSource"]) == ("incomingCall", "outgoingCall")
    assert first["createTimestamp"] == "2018-06-07 10:00:00"
    assert first["eventName"] == "Incoming call: noAnswerNoMessage"
    assert first["whatType"] == "call"
    assert "Left no message" in first["eventData"]


def test_the_time_of_a_call_is_in_the_zone_of_the_version(given_company: Callable[..., Company]) -> None:
    company = given_company(time_zone="America/New_York")
    (lead,) = company.create({})
    company.call("logCalls", objects=[a_call(company, lead)])

    assert calls_of(company, lead)[0]["createTimestamp"] == "2018-06-07 10:00:00"
    assert calls_of(company.at("v1.2"), lead)[0]["createTimestamp"] == "2018-06-07 14:00:00"


@pytest.mark.parametrize("missing", ["userID", "leadID", "direction", "createTimestamp"])
def test_a_call_without_required_values_is_refused_alone(company: Company, missing: str) -> None:
    (lead,) = company.create({})
    wrong = {name: value for name, value in a_call(company, lead).items() if name != missing}

    answer = company.envelope("logCalls", {"objects": [wrong, a_call(company, lead)]})

    assert answer["result"] == {"success": False}
    (error,) = answer["error"]
    assert error["code"] == 205
    assert [param["param"] for param in error["data"]["params"]] == [missing]
    assert len(calls_of(company, lead)) == 1


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("userID", 1, 303),
        ("leadID", 1, 303),
        ("direction", "sideways", 205),
        ("createTimestamp", "yesterday", 205),
        ("createTimestamp", "infinity", 205),
        ("callResult", "x" * 256, 205),
        ("callNotes", ["x"], 210),
    ],
)
def test_a_wrong_call_is_refused_and_leaves_nothing(company: Company, name: str, value: Any, code: int) -> None:
    (lead,) = company.create({})

    answer = company.envelope("logCalls", {"objects": [a_call(company, lead) | {name: value}]})

    assert answer["result"] == {"success": False}
    assert [error["code"] for error in answer["error"]] == [code]
    assert calls_of(company, lead) == []


def test_result_and_notes_are_optional_and_the_result_is_any_text(company: Company) -> None:
    (lead,) = company.create({})
    plain = {name: value for name, value in a_call(company, lead).items() if name not in {"callResult", "callNotes"}}

    company.call("logCalls", objects=[plain, a_call(company, lead, callResult="Left a <message>")])

    assert [event["eventName"] for event in calls_of(company, lead)] == [
        "Incoming call",
        "Incoming call: Left a <message>",
    ]


def test_500_calls_can_be_logged_in_one_request_and_501_cannot(company: Company) -> None:
    (lead,) = company.create({})
    logged = a_call(company, lead)

    assert company.envelope("logCalls", {"objects": [logged] * 500})["result"] == {"success": True}
    assert company.error("logCalls", objects=[logged] * 501)["code"] == 209
    assert len(calls_of(company, lead)) == 500
