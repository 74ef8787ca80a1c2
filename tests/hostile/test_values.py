"""Values that break programs: NUL, naughty texts, SQL, lengths, times, types (A20, A22 to A25, A27, A54 to A56)."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from hostile.ask import answer, call, code
from hostile.corpus import NAUGHTY
from springhead.model.kit.fields import DATA_TYPES
from springhead.model.kit.texts import clean_address, composed
from springhead.model.leads.leads import LEAD
from support import Company, Server, new_email, sql

TEXTS = [column.name for column in LEAD.writable_columns if column.kind.sql == "text" and not column.kind.options]
FREE = (
    "string",
    "textarea",
    "hidden",
    "picklist",
    "country",
    "state",
    "checkbox",
    "radio",
    "phone",
    "upload",
    "attachment",
)
SQL = [
    "1;DROP TABLE lead;--",
    "1'; DROP TABLE lead;--",
    '1"; DROP TABLE lead;--',
    "' OR '1'='1",
    "id) or true--",
    "id, (select secret_sha256 from api_key) as id",
    "*",
    "l.*",
    "first_name",
    "email_key",
    "company_id",
    "custom",
    "version",
    "pg_sleep(9)",
    "%s",
    "$1",
    "{0}",
    "emailAddress ",
    " emailAddress",
    "EMAILADDRESS",
    "id\u0000",
    'emailAddress"',
    "__class__",
    "#id",
    "",
]


def test_every_type_that_accepts_any_text_is_tested() -> None:
    assert {*FREE, "boolean", "bit", "date", "datetime", "url"} == set(DATA_TYPES["lead"])


@pytest.mark.parametrize("part", range(3))
def test_a_naughty_text_is_stored_and_returned_equal_in_every_field(company: Company, part: int) -> None:
    fields = [company.field(f"Any {data_type}", data_type) for data_type in FREE]
    texts = NAUGHTY[part::3]
    leads = [dict.fromkeys([*TEXTS, *fields], text) | {"emailAddress": new_email()} for text in texts]
    ids = company.create(*leads)
    rows = {row["id"]: row for row in company.call("getLeads", where={"id": ids})}
    for lead, lead_id in zip(leads, ids, strict=True):
        assert {name: rows[str(lead_id)][name] for name in lead} == lead
    updated = company.call("updateLeads", objects=[{"id": lead_id, fields[0]: "x"} for lead_id in ids])
    assert all(outcome["success"] for outcome in updated)
    assert company.lead(ids[-1]) == rows[str(ids[-1])] | {
        fields[0]: "x",
        "updateTimestamp": company.lead(ids[-1])["updateTimestamp"],
    }


def test_a_naughty_text_can_be_an_address_that_finds_its_lead(company: Company) -> None:
    outcomes = company.call("createLeads", objects=[{"emailAddress": text} for text in NAUGHTY])
    refused = {
        text: outcome["error"]["code"] for text, outcome in zip(NAUGHTY, outcomes, strict=True) if outcome["error"]
    }
    assert {text for text, error_code in refused.items() if error_code == 205} == {
        text for text in NAUGHTY if not clean_address(text)
    }
    assert set(refused.values()) == {205, 301}  # such as a letter with two Unicode spellings
    taken = [text for text in NAUGHTY if text not in refused]
    rows = company.call("getLeads", where={"emailAddress": taken})
    assert sorted(row["emailAddress"] for row in rows) == sorted(map(clean_address, taken))
    for text in taken[::10]:
        (lead,) = company.call("getLeads", where={"emailAddress": text})
        assert lead["emailAddress"] == clean_address(text)
        assert company.code("createLeads", {"emailAddress": text}) == 301


def test_a_naughty_text_can_be_a_label_and_an_option(company: Company) -> None:
    texts = list({composed(text): text for text in NAUGHTY if text.strip()}.values())  # of two codings, the later one
    new = {"relationship": "lead", "dataType": "radio", "label": "Any", "options": texts}
    assert company.code("createFields", new) is None
    (field,) = company.call("getFields", where={"label": "Any"})
    assert field["options"] == texts
    (lead_id,) = company.create({field["systemName"]: texts[-1]})
    assert company.lead(lead_id)[field["systemName"]] == texts[-1]
    labels = [{"relationship": "opportunity", "dataType": "string", "label": text} for text in texts[:200]]
    assert all(outcome["success"] for outcome in company.call("createFields", objects=labels))
    for label in texts[:200:20]:
        (row,) = company.call("getFields", where={"label": label})
        assert re.fullmatch(r"[a-z][a-z0-9_]*_[0-9a-f]{13}", row["systemName"])


def nul() -> Iterator[tuple[str, dict[str, Any]]]:
    """Calls with a NUL in each place where a text is possible."""
    bad = "a\0b"
    for name in [*TEXTS, "leadStatus", "ownerID", "leadScore", "active", "FIELD"]:
        yield "createLeads", {"objects": [{"emailAddress": "a@example.com", name: bad}]}
        yield "updateLeads", {"objects": [{"id": 1, name: bad}]}
        yield "updateLeadsV2", {"objects": [{"id": 1, name: bad}]}
    for method in ("createLeads", "updateLeads", "updateLeadsV2", "createFields", "updateFields"):
        yield method, {"objects": [{bad: "a"}]}
        yield method, {"objects": [{"id": bad, "emailAddress": "b@example.com", "a\0": "a\0"}]}
    yield "deleteLeads", {"objects": [{"id": bad}]}
    yield "getLead", {"id": bad}
    for name in ("id", "emailAddress", "first\0Name"):
        yield "getLeads", {"where": {name: bad}}
        yield "getLeads", {"where": {name: ["a", bad]}}
    for name in ("id", "label", "systemName", "isCustom", "relationship", "dataType", "isActive", "\0"):
        yield "getFields", {"where": {name: bad}}
    yield "getLeads", {"where": {}, "fields": [bad]}
    yield "getLeads", {"where": {}, "limit": bad}
    yield "getLeads", {"where": {}, "offset": "\0"}
    times = {"startDate": "2020-01-01", "endDate": "2020-01-01", "timestamp": "create"}
    for name in ("startDate", "endDate", "limit", "offset"):
        yield "getLeadsDateRange", {**times, name: "2020-01-01\0"}
    yield "getLeadsDateRange", {**times, "fields": ["id", "\0"]}
    field = {"relationship": "lead", "dataType": "radio", "label": "Any"}
    for name in ("label", "relationship", "dataType", "source", "dataLength", "isRequired"):
        yield "createFields", {"objects": [field | {name: bad}]}
        yield "updateFields", {"objects": [{"id": 1, name: bad}]}
    for options in ([bad], ["a", "\0"], bad, {"a": bad}, [["\0"]]):
        yield "createFields", {"objects": [field | {"options": options}]}
    yield "deleteFields", {"objects": [{"id": bad}]}
    yield "getUserProfiles", {"where": {"emailAddress": bad}}


def test_a_nul_is_205_wherever_it_is(company: Company) -> None:
    field = company.field("Size")
    wrong = {}
    for method, params in nul():
        body = call(method, json.dumps(params).replace("FIELD", field).encode())
        if (error_code := code(company, body)) != 205:
            wrong[body] = error_code
    assert not wrong
    assert company.call("getLeads", where={}) == []


def test_a_nul_in_an_ignored_value_is_harmless(company: Company) -> None:
    bad = "a\0b"
    assert company.envelope("getLeads", {"where": {}, bad: bad})["result"] == {"lead": []}
    assert company.envelope("getLeads", {"where": {}}, id=bad)["id"] == bad
    assert company.envelope(bad, {})["error"]["code"] == 204
    assert company.envelope(
        "getLeadsDateRange", {"startDate": "2020-01-01", "endDate": "2020-01-01", "timestamp": bad}
    )["error"]["code"] in {205, 217}
    assert company.envelope("deleteFields", {"objects": [{"systemName": bad}]})["error"][0]["code"] == 302
    (lead,) = company.create({"id": bad, "updateTimestamp": bad})
    assert company.lead(lead)["id"] == str(lead)


@pytest.mark.parametrize("text", SQL)
def test_sql_is_a_text_like_any_other_and_never_a_name(company: Company, text: str) -> None:
    (kept,) = company.create({"firstName": "Kept"})
    assert company.error("getLeads", where={}, fields=["id", text])["code"] == 205
    assert company.error("getLeads", where={text: "1"})["code"] == 205
    assert company.error("getFields", where={text: "1"})["code"] == 205
    assert company.error("getUserProfiles", where={text: "1"})["code"] == 205
    between = {"startDate": "2000-01-01", "endDate": "2999-01-01"}
    assert company.error("getLeadsDateRange", **between, timestamp="create", fields=[text])["code"] == 205
    assert company.error("getLeadsDateRange", **between, timestamp=text)["code"] in {205, 217}
    assert company.error("getLeadsDateRange", **between, timestamp="create", limit=text or "x")["code"] == 205
    assert company.error("getLead", id=text)["code"] == 205
    assert company.error("getLeads", where={"id": text})["code"] == 205
    assert company.code("createLeads", {"emailAddress": new_email(), text: "1"}) == 205
    assert company.code("updateLeads", {"id": kept, text: "1"}) == 205
    assert company.code("updateLeads", {"id": kept, "ownerID": text}) == 205
    assert company.code("deleteLeads", {"id": text}) == 205
    assert company.code("deleteFields", {"systemName": text}) == 302
    if "\0" not in text:
        assert company.call("getLeads", where={"emailAddress": text}) == []
        assert company.call("getFields", where={"systemName": text}) == []
    assert [row["id"] for row in company.call("getLeads", where={})] == [str(kept)]


def test_no_text_of_a_caller_becomes_part_of_a_statement(server: Server, company: Company) -> None:
    """A54: the last statement of each connection to PostgreSQL contains nothing that a caller sent."""
    mark = "Zq7 mark'--"
    field = company.field(mark)
    ids = company.create({"firstName": mark, field: mark, "emailAddress": f"{mark}@example.com"})
    calls: list[tuple[str, dict[str, Any]]] = [
        ("updateLeads", {"objects": [{"id": ids[0], "lastName": mark}]}),
        ("getLeads", {"where": {"emailAddress": [mark]}}),
        ("getLeads", {"where": {}, "fields": ["id", field]}),
        ("getFields", {"where": {"label": mark}}),
        ("getUserProfiles", {"where": {"emailAddress": mark}}),
        ("deleteFields", {"objects": [{"systemName": mark}]}),
    ]
    for method, params in calls:
        answer(company, call(method, params))
        queries = [row["query"] for row in sql(server.dsn, "select query from pg_stat_activity")]
        assert not [query for query in queries if "Zq7" in query]


@pytest.mark.parametrize(
    "unit", ["x", "\U0001f600", "e\u0301", "\u202e", "\u0928\u093f", "\ufdfa", "\U0001f468\u200d\U0001f469"]
)
def test_limits_count_characters_and_the_database_never_refuses(company: Company, unit: str) -> None:
    custom = company.field("Long", "textarea", dataLength=65_535)
    limits = {column.name: column.kind.length or 0 for column in LEAD.columns if column.name in TEXTS} | {
        custom: 65_535
    }
    limits.pop("emailAddress")

    def full(more: int) -> dict[str, str]:
        return {name: (unit * limit)[: limit + more] for name, limit in limits.items()}

    ids = company.create(full(-1), full(0))
    for lead_id, sent in zip(ids, (full(-1), full(0)), strict=True):
        lead = company.lead(lead_id)
        assert {name: lead[name] for name in sent} == sent
    refusal = company.refusal("createLeads", {name: (unit * 70_000)[: limit + 1] for name, limit in limits.items()})
    assert refusal is not None
    assert {problem["param"] for problem in refusal["data"]["params"]} == {*limits, "emailAddress"}


def test_an_address_of_150_of_the_largest_characters_fits_the_index(company: Company) -> None:
    for unit in ("\U0001f600", "\ufdfa", "İ", "ΐ"):
        company.create({"emailAddress": unit * 150})
        assert company.code("createLeads", {"emailAddress": unit * 151}) == 205


def test_megabytes_of_distinct_words_are_refused_by_length(company: Company) -> None:
    words = " ".join(f"word{number}" for number in range(400_000))
    assert company.code("createLeads", {"emailAddress": new_email(), "description": words}) == 205
    company.create({"description": words[:65_535]})


@pytest.mark.parametrize(
    "text",
    ["infinity", "-infinity", "now", "today", "yesterday", "epoch", "J2451187", "20260101", "2026-01-01 24:00:00",
     "2026-12-31 23:59:60", "0000-00-00 00:00:00", "0000-01-01", "294277-01-01 00:00:00", "2026-02-30",
     "2026-02-29 00:00:00",
     "2026-01-01 00:00:00 BC", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "2026-01-01 00:00:00+02",
     "2026-01-01 00:00",
     "2026-1-1", "01/02/2026", " 2026-01-01", "2026-01-01\n", "２０２６-01-01", "2026-13-01", "2026-00-10",
     "allballs", "", 0, 1.5,
     1478711902000, True, None],
)  # fmt: skip
def test_only_the_wires_timestamps_are_timestamps(company: Company, text: Any) -> None:
    right = {"startDate": "2000-01-01", "endDate": "2999-12-31 23:59:59", "timestamp": "update"}
    for name in ("startDate", "endDate"):
        assert company.error("getLeadsDateRange", **{**right, name: text})["code"] in {205, 206}
    if text not in {"", None}:
        for data_type in ("date", "datetime"):
            field = company.field("When", data_type)
            assert company.code("createLeads", {"emailAddress": new_email(), field: text}) == 205


@pytest.mark.parametrize("value", [None, True, 1, -1, 1.5, "x", "", [], [[]], {}, {"a": 1}, [None], ["x", 1]])
def test_a_wrong_type_is_refused_for_that_object_alone(company: Company, value: Any) -> None:
    for name in (column.name for column in LEAD.columns):
        objects = [
            {"emailAddress": new_email()},
            {"emailAddress": new_email(), name: value},
            value,
            {"emailAddress": new_email()},
        ]
        outcomes = company.call("createLeads", objects=objects)
        assert (outcomes[0]["success"], outcomes[3]["success"]) == (True, True)
        assert outcomes[2]["error"]["code"] == (205 if isinstance(value, dict) or value == [] else 208)
        assert outcomes[1]["success"] or outcomes[1]["error"]["code"] in {205, 210, 303}


@pytest.mark.parametrize("value", [[["a"]], [{"a": 1}], [None], [True], {"a": "b"}])
def test_a_list_for_a_checkbox_holds_texts_only(company: Company, value: Any) -> None:
    field = company.field("Any of", "checkbox")
    assert company.code("createLeads", {"emailAddress": new_email(), field: value}) in {205, 210}
    (lead_id,) = company.create({field: ["a", 1, "b"]})
    assert company.lead(lead_id)[field] == "a,1,b"


def test_a_pattern_in_a_filter_is_a_text(company: Company) -> None:
    company.create({"emailAddress": "abc@example.com"})
    for text in ("%", "_bc@example.com", "abc%", "a.*", "(a+)+$", "\\", "abc@example.com\\"):
        assert company.call("getLeads", where={"emailAddress": text}) == []


def test_texts_that_slow_down_regular_expressions_are_answered_at_once(company: Company) -> None:
    address = company.field("Site", "url")
    day = company.field("Day", "date")
    for text in (
        "a" * 255 + "!",
        "http://" + "a:" * 120,
        "/" * 255,
        "?" * 255,
        " " * 255,
        "1-" * 120,
        "http://a" + "/ " * 120,
    ):
        answer(
            company,
            call("createLeads", {"objects": [{"emailAddress": new_email(), address: text, day: text}]}),
            seconds=0.5,
        )


def test_no_value_forges_a_line_of_the_log(server: Server, company: Company) -> None:
    """A56: the log has one line of JSON for each call, whatever the call contains."""
    forged = '\n{"timestamp":"2026-01-01","level":"info","event":"forged Zq8"}\r\n\x1b[2J'
    headers = {"User-Agent": "Zq8\x1b[31m", "Referer": "Zq8", "X-Forwarded-For": "Zq8"}
    for method in ("createLeads", forged):
        company.send(
            json.dumps({"method": method, "params": {forged: forged, "objects": [forged]}, "id": forged}).encode()
        )
    company.send(b"{}", headers=headers)
    company.send(b"{}", path="/pubapi/v1/?accountID=%0AZq8&secretKey=%0AZq8")
    company.send(b"{}", path="/Zq8%0A%1B%5B31m")
    log = server.log.read_text()
    assert "Zq8" not in log
    assert all(isinstance(json.loads(line), dict) for line in log.splitlines())
