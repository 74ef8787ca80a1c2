"""P11: what a call is answered stays what it was, byte by byte.

After a change that is meant: `SPRINGHEAD_TEST_GOLDEN=write .venv/bin/pytest tests/golden`, then read the diff. A change
that takes something away or renames it breaks clients: it belongs at a new version of the address.
"""

import json
import os
from typing import Any

import pytest

import transcripts
from support import Company


@pytest.mark.parametrize("name", transcripts.NAMES)
def test_the_answers_are_those_of_the_transcript(name: str, company: Company) -> None:
    transcript = transcripts.read(name)

    answers = transcripts.replay(transcript, company)

    if os.environ.get("SPRINGHEAD_TEST_GOLDEN") == "write":
        transcripts.write(name, transcript, answers)
        return
    for call, answer in zip(transcript["calls"], answers, strict=True):
        assert answer == call["answer"], f"{name}: {call['about']}"


def test_there_are_forty_calls_and_every_method_is_among_them() -> None:
    from springhead.rpc.method import REGISTRY

    requests = [call["request"] for name in transcripts.NAMES for call in transcripts.read(name)["calls"]]
    assert len(requests) >= 40
    assert [name for name in REGISTRY if not any(f'"{name}"' in request for request in requests)] == []


CAPTURED = json.loads((transcripts.FOLDER / "captured.json").read_text())
LEAD, FIELD, USER = (CAPTURED["columns"][name] for name in ("lead", "field", "userProfile"))


def _rows(company: Company, method: str, **params: Any) -> list[dict[str, Any]]:
    return company.call(method, **params)


def test_a_lead_is_as_captured(company: Company) -> None:
    name = company.field("API Big Text Area", "textarea")
    (lead_id,) = company.create({"leadScore": 20, "isUnsubscribed": 0, "emailAddress": "Lead.One@example.com"})

    lead = company.lead(lead_id)

    assert [key for key in lead if key in LEAD] == LEAD
    assert list(lead)[: len(LEAD)] == LEAD, "ours come behind the captured ones"
    assert list(lead)[-1] == name, "custom fields are the last"
    assert lead[name] == ""
    assert lead["firstName"] is None
    assert (lead["id"], lead["leadScore"], lead["active"], lead["isUnsubscribed"]) == (str(lead_id), "20", "1", "0")


def test_leads_of_a_range_are_as_captured_without_the_weighted_score(company: Company) -> None:
    company.create({})

    (lead,) = _rows(company, "getLeadsDateRange", startDate="2016-01-01", endDate="2999-01-01", timestamp="update")

    wanted = [key for key in LEAD if key != "leadScoreWeighted"]
    assert list(lead)[: len(wanted)] == wanted
    assert "leadScoreWeighted" not in lead


def test_a_field_is_as_captured(company: Company) -> None:
    name = company.field("API Big Text Area", "textarea")

    (field,) = _rows(company, "getFields", where={"isCustom": "1"}, limit="5", offset="0")

    captured = ["lead", name, "API Big Text Area", "sharpspring", "textarea", "10000", *"0111", "0", "1"]
    assert list(field) == FIELD
    assert list(field.values())[1:] == captured


def test_a_user_is_as_captured(company: Company) -> None:
    (user,) = _rows(company, "getUserProfiles")

    assert list(user) == USER
    assert list(user.values())[1:] == ["", "", "Administrator", "admin@example.com", "1", "0", None, None]


@pytest.mark.parametrize("call", CAPTURED["calls"], ids=lambda call: call["about"])
def test_the_captured_answer_is_given_to_the_letter(call: dict[str, str], company: Company) -> None:
    names = transcripts.Names()
    made = '{"method":"createLeads","params":{"objects":[{"emailAddress":"taken@example.com"}]},"id":1}'
    names.hide(company.send(names.fill(made))[1])

    _, body = company.send(names.fill(call["request"]))

    assert names.hide(body) == call["answer"]
