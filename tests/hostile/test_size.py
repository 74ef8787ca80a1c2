"""Too much of everything: names, ids, keys, bytes, compressed and not, and what it costs (A07, A28, A29)."""

import gzip
import http.client
import json
import zlib
from typing import Any

import pytest

from hostile.ask import answer, call, code
from springhead.model.leads.leads import LEAD
from stopwatch import within
from support import Company, Server, new_email

BODY_LIMIT = 10_485_760
RANGE = {"startDate": "2000-01-01", "endDate": "2999-12-31", "timestamp": "create"}


def test_a_hundred_thousand_names_are_205(company: Company) -> None:
    names = [f"name{number}" for number in range(100_000)]
    assert company.error("getLeads", where={}, fields=names)["code"] == 205
    assert company.error("getLeads", where={}, fields=["id"] * 100_000)["code"] == 205
    assert company.error("getLeadsDateRange", **RANGE, fields=names)["code"] == 205


def test_a_field_that_is_requested_repeatedly_is_returned_once(company: Company) -> None:
    (lead_id,) = company.create({})
    assert company.call("getLeads", where={}, fields=["id"] * 2_000) == [{"id": str(lead_id)}]
    everything = [column.name for column in LEAD.columns] * 40
    (row,) = company.call("getLeads", where={}, fields=everything)
    assert list(row) == [column.name for column in LEAD.columns]


def test_a_hundred_thousand_values_of_a_filter_are_205_and_ten_thousand_are_found_at_once(company: Company) -> None:
    ids = company.create({}, {})
    for method, name in (("getLeads", "id"), ("getFields", "id"), ("getUserProfiles", "id"), ("getFields", "label")):
        assert company.error(method, where={name: [str(number) for number in range(100_000)]})["code"] == 205
    assert answer(company, call("getLeads", {"where": {"id": [*range(9_998), *ids]}}))["result"]["lead"][0][
        "id"
    ] == str(ids[0])
    addresses = [f"nobody{number}@example.com" for number in range(10_000)]
    assert answer(company, call("getLeads", {"where": {"emailAddress": addresses}}))["result"] == {"lead": []}
    filters = ("id", "label", "systemName", "relationship", "dataType")
    company.field("Any")
    texts = [str(number) for number in range(10_000)]
    kept = {"where": {"isCustom": 1, "label": [*texts[1:], "Any"], "id": texts}}
    assert answer(company, call("getFields", kept), seconds=0.5)["result"] == {"field": []}
    assert set(filters) <= set(company.call("getFields", where={}, limit=1)[0])


def test_the_same_lead_500_times_is_one_change_and_one_row(company: Company) -> None:
    (lead_id,) = company.create({})
    assert len(company.call("getLeads", where={"id": [lead_id] * 500})) == 1
    same = company.call("createLeads", objects=[{"emailAddress": "same@example.com"}] * 500)
    assert [outcome["success"] for outcome in same] == [True] + [False] * 499
    gone = company.call("deleteLeads", objects=[{"id": lead_id}] * 500)
    assert [outcome["success"] for outcome in gone] == [True] + [False] * 499


def test_500_changes_of_one_lead_are_made_in_the_order_sent(company: Company) -> None:
    (lead_id,) = company.create({})
    changes = [{"id": lead_id, "leadScore": number} for number in range(1, 501)]
    outcomes = answer(company, call("updateLeads", {"objects": changes}), seconds=10)["result"]["updates"]
    assert all(outcome["success"] for outcome in outcomes)
    assert company.lead(lead_id)["leadScore"] == "500"


@pytest.mark.parametrize("offset", [0, 1, 2**31, 2**53 + 1, 2**63 - 1, str(2**63 - 1)])
@pytest.mark.parametrize("limit", [0, 500, 10**9, 2**63 - 1, "1000000000"])
def test_the_bounds_of_limit_and_offset_are_accepted(company: Company, limit: Any, offset: Any) -> None:
    company.create({}, {})
    pages: list[tuple[str, dict[str, Any]]] = [
        ("getLeads", {"where": {}}),
        ("getLeads", {"where": {"id": [1, 2]}}),
        ("getLeadsDateRange", RANGE),
        ("getFields", {"where": {}}),
        ("getUserProfiles", {"where": {}}),
    ]
    for method, params in pages:
        (rows,) = answer(company, call(method, {**params, "limit": limit, "offset": offset}))["result"].values()
        assert len(rows) <= 500
        assert not rows or (int(offset) <= 1 and limit)


@pytest.mark.parametrize(
    "wrong", [2**63, -1, -(2**63) - 1, 10**30, 10**100, "9223372036854775808", "1.5", "x", True, [], {}]
)
def test_beyond_the_ends_limit_and_offset_are_refused(company: Company, wrong: Any) -> None:
    for name in ("limit", "offset"):
        assert code(company, call("getLeads", {"where": {}, name: wrong})) in {205, 210}


def test_a_quarter_of_a_million_names_in_one_object_are_answered_briefly(company: Company) -> None:
    """A28: an object with 250,000 unknown names is refused, the other objects of the call are written."""
    names = b",".join(b'"%x":1' % number for number in range(250_000))
    body = call("createLeads", b'{"objects":[{"emailAddress":"a@example.com"},{%s}]}' % names)
    result = answer(company, body, seconds=10)["result"]["creates"]
    assert [outcome["success"] for outcome in result] == [True, False]
    assert len(result[1]["error"]["data"]["params"]) <= 101
    company.call("deleteLeads", objects=[{"id": result[0]["id"]}])
    body = call("getLeads", b'{"where":{%s}}' % names)
    assert len(answer(company, body, seconds=10)["error"]["data"]["params"]) <= 100
    answer(company, call("getLeads", b'{"where":{},%s}' % names), seconds=10)


@pytest.mark.parametrize(
    ("piece", "count", "message"),
    [
        (b"{}", 100_001, "Expected at most 100000 lists and objects"),
        (b"[[],[]]", 33_334, "Expected at most 100000 lists and objects"),
        (b'"x"', 1_000_001, "Expected at most 1000000 values"),
        (b"1", 4_500_000, "Expected at most 1000000 values"),
    ],
)
def test_megabytes_of_tiny_values_are_refused_before_they_are_built(
    company: Company, piece: bytes, count: int, message: str
) -> None:
    """A28: the answer is 101 and has the `id` of the call."""
    body = call("getLeads", b'{"where":{},"fields":[%s]}' % b",".join([piece] * count))
    refused = answer(company, body)
    assert refused["error"]["code"] == 101
    assert refused["id"] is not None
    assert refused["error"]["data"]["params"][0]["message"].startswith(message)


def test_a_body_of_more_keys_than_500_leads_can_have_is_refused(company: Company) -> None:
    names = b",".join(b'"%x":1' % number for number in range(300_001))
    refused = answer(company, call("createLeads", b'{"objects":[{%s}]}' % names))
    assert refused["error"]["code"] == 101
    assert "Expected at most 300000 keys" in refused["error"]["data"]["params"][0]["message"]


def test_the_errors_of_500_leads_have_a_bounded_size(company: Company) -> None:
    options = [f"{number:03}" + "x" * 250 for number in range(500)]
    name = company.field("Choice", "radio", options=options)
    many = [company.field(f"Field {number}", "date") for number in range(60)]
    wrong = [
        {"emailAddress": new_email(), name: "y", "unknown": 1, **dict.fromkeys(many, "no date")} for _ in range(500)
    ]
    _, content = company.send(call("createLeads", {"objects": wrong}))
    outcomes = json.loads(content)["result"]["creates"]
    assert [outcome["error"]["code"] for outcome in outcomes] == [205] * 500
    first, last = outcomes[0]["error"]["data"], outcomes[-1]["error"]["data"]
    assert len(first["params"]) == 62
    assert first["params"][0]["validFormat"]["options"] == options
    assert last == {"params": [{"param": name, "message": first["params"][0]["message"]}]}
    assert len(content) < 3_000_000


def test_500_leads_with_400_custom_fields_are_created(company: Company) -> None:
    fields = [{"relationship": "lead", "dataType": "string", "label": f"F{number}"} for number in range(400)]
    assert all(outcome["success"] for outcome in company.call("createFields", objects=fields))
    names = [row["systemName"] for row in company.call("getFields", where={"isCustom": "1"})]
    leads = [{"emailAddress": new_email(), **dict.fromkeys(names, "v")} for _ in range(500)]
    body = call("createLeads", {"objects": leads})
    assert len(body) < BODY_LIMIT
    outcomes = answer(company, body, seconds=20)["result"]["creates"]
    assert all(outcome["success"] for outcome in outcomes)
    (row,) = company.call("getLead", id=outcomes[-1]["id"])
    assert [row[name] for name in names] == ["v"] * 400


def test_a_body_of_the_limit_is_read_and_one_more_byte_is_101(company: Company) -> None:
    start, end = b'{"method":"getLead","params":{"id":1},"id":"1","more":"', b'"}'
    full = start + b"x" * (BODY_LIMIT - len(start) - len(end)) + end
    assert answer(company, full)["result"] == {"lead": []}
    for headers in ({}, {"Transfer-Encoding": "chunked"}):
        connection = http.client.HTTPConnection(company.address.netloc)
        connection.request(
            "POST", company.path, iter([full, b" "]) if headers else full + b" ", headers, encode_chunked=True
        )
        refused = json.loads(connection.getresponse().read())
        assert (refused["error"]["code"], refused["id"]) == (101, None)
        assert refused["error"]["data"]["params"][0]["message"] == f"Expected at most {BODY_LIMIT} bytes"
        connection.close()


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "GZIP", "gzip, identity", "identity, gzip", "x"])
def test_compressed_bodies_are_refused_unread(company: Company, encoding: str) -> None:
    """A29: 10 kB that would decompress to 10 MB are not decompressed."""
    plain = call("getLead", {"id": 1}) + b" " * 10_000_000
    bomb = gzip.compress(plain) if "gzip" in encoding.lower() else zlib.compress(plain)
    status, content = company.send(bomb, headers={"Content-Encoding": encoding})
    error = json.loads(content)["error"]
    assert (status, error["code"]) == (200, 101)
    assert error["data"]["params"] == [{"param": "body", "message": "Send the body uncompressed"}]


def test_others_are_served_while_one_client_sends_the_largest_bodies(server: Server, company: Company) -> None:
    body = call("createLeads", b'{"objects":[%s]}' % b",".join([b"[[],[]]"] * 33_000))
    big = http.client.HTTPConnection(company.address.netloc)
    big.request("POST", company.path, body)
    with within(5):
        company.call("getLeads", where={})
    assert json.loads(big.getresponse().read())["error"]["code"] == 209
    big.close()
