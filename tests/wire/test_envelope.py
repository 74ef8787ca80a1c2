"""The envelope, byte for byte: valid calls and their answers (docs/wire/envelope.md)."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from springhead.model.kit.errors import MissingRequestId
from springhead.wire.api import envelope
from support import Company, new_email

EMPTY = '"result":{"lead":[]},"error":null'


def raw(company: Company, body: str) -> str:
    status, content = company.send(body.encode())
    assert status == 200
    return content.decode()


def error(company: Company, body: str) -> dict[str, Any]:
    answer = json.loads(raw(company, body))
    assert list(answer) == ["result", "error", "id"]
    assert answer["result"] is None
    assert list(answer["error"]) == ["code", "message", "data"]
    return answer["error"]


@pytest.mark.parametrize(
    "identity",
    ['""', '"a"', '"1"', "1", "0", "-1", "9223372036854775807", "123456789012345678901234567890", "1.5", "1E5", "true",
     "false",
     '"c4a760a8-dbcf-5254-a0d9-6a4474bd1b62"', '"YWJj/+=="', '"\\u00e9\\/"', '"é😀"', '" "',
     '"\\u0000"', '"</script>"'],
)  # fmt: skip
def test_the_id_comes_back_as_it_was_sent(company: Company, identity: str) -> None:
    assert raw(company, f'{{"method":"getLead","params":{{"id":1}},"id":{identity}}}') == f'{{{EMPTY},"id":{identity}}}'
    refused = raw(company, f'{{"method":"getLead","params":5,"id":{identity}}}')
    assert (
        refused
        == f'{{"result":null,"error":{{"code":202,"message":"Missing params array","data":[]}},"id":{identity}}}'
    )


@pytest.mark.parametrize(
    "identity", ["", '"id":null,', '"id":[],', '"id":["1"],', '"id":{},', '"Id":"1",', '"ID":"1",']
)
def test_without_an_id_it_is_102_with_null(company: Company, identity: str) -> None:
    answer = raw(company, f'{{{identity}"method":"getLead","params":{{"id":1}}}}')
    assert answer == '{"result":null,"error":{"code":102,"message":"Header missing request ID","data":[]},"id":null}'
    assert MissingRequestId.code == 102


@pytest.mark.parametrize(
    "body",
    [
        '{"id":"1","params":{"id":1},"method":"getLead"}',
        ' \r\n\t{ "id" : "1" , "method" : "getLead" , "params" : { "id" : 1 } } \n',
        '{"jsonrpc":"2.0","method":"getLead","params":{"id":1},"id":"1"}',
        '{"header":{"accountID":"x","secretKey":"y"},"method":"getLead","params":{"id":1},"id":"1"}',
        '{"method":"getLead","params":{"id":"1","limit":"","offset":"","leadID":{"a":[1]},"where":null},"id":"1"}',
        '{"\\u006dethod":"get\\u004cead","params":{"\\u0069d":1},"id":"1"}',
        '{"method":"getLeads","params":{"where":{"id":1}},"id":"1","error":null,"result":[]}',
    ],
)
def test_the_order_of_members_white_space_and_further_members_do_not_matter(company: Company, body: str) -> None:
    assert raw(company, body) == f'{{{EMPTY},"id":"1"}}'


@pytest.mark.parametrize("where", ["[]", "{}", "null", '""'])
def test_an_empty_where_is_everything_however_it_is_written(company: Company, where: str) -> None:
    (lead,) = company.create({})
    answer = json.loads(raw(company, f'{{"method":"getLeads","params":{{"where":{where}}},"id":"1"}}'))
    assert [row["id"] for row in answer["result"]["lead"]] == [str(lead)]


@pytest.mark.parametrize(
    "numbers",
    [
        '"limit":"1","offset":"0"',
        '"limit":1,"offset":0',
        '"limit":"1"',
        '"limit":1,"offset":""',
        '"limit":1,"offset":null',
        '"limit":"0001"',
    ],
)
def test_limit_and_offset_may_be_numbers_numeric_texts_or_empty(company: Company, numbers: str) -> None:
    company.create({}, {})
    answer = json.loads(raw(company, f'{{"method":"getLeads","params":{{"where":[],{numbers}}},"id":"1"}}'))
    assert len(answer["result"]["lead"]) == 1


def test_params_may_be_the_empty_array_of_php(company: Company) -> None:
    for params in ("[]", "{}"):
        assert error(company, f'{{"method":"getLead","params":{params},"id":"1"}}')["code"] == 206
        assert error(company, f'{{"method":"createLeads","params":{params},"id":"1"}}')["code"] == 207
    assert (
        error(company, '{"method":"createLeads","params":[{"emailAddress":"a@example.com"}],"id":"1"}')["code"] == 207
    )
    assert error(company, '{"method":"createLeads","params":{"emailAddress":"a@example.com"},"id":"1"}')["code"] == 207


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("[]", 101, "Invalid request data format"),
        ('{"params":{},"id":"1"}', 201, "Missing method signature"),
        ('{"method":"","params":{},"id":"1"}', 201, "Missing method signature"),
        ('{"method":null,"params":{},"id":"1"}', 201, "Missing method signature"),
        ('{"method":"getLead","id":"1"}', 202, "Missing params array"),
        ('{"method":"getLead","params":null,"id":"1"}', 202, "Missing params array"),
        ('{"method":"getLead","params":"","id":"1"}', 202, "Missing params array"),
        ('{"method":"getLead","params":1,"id":"1"}', 202, "Missing params array"),
        ('{"method":"getlead","params":{},"id":"1"}', 204, "Invalid method signature"),
        ('{"method":"getLead","params":{"id":"x"},"id":"1"}', 205, "Invalid parameters"),
        ('{"method":"getLead","params":{},"id":"1"}', 206, "Missing parameters"),
        ('{"method":"createLeads","params":{},"id":"1"}', 207, "Missing objects array"),
        (
            '{"method":"createLeads","params":{"objects":1},"id":"1"}',
            208,
            "Object is malformed (expected array, got scalar)",
        ),
        ('{"method":"getLead","params":{"id":[1]},"id":"1"}', 210, "Got array, expected variable"),
    ],
)
def test_each_refusal_of_a_call_has_its_code_and_message_to_the_letter(
    company: Company, body: str, code: int, message: str
) -> None:
    refusal = error(company, body)
    assert (refusal["code"], refusal["message"]) == (code, message)


def test_the_first_error_is_reported(company: Company) -> None:
    """The order is 101, 102, 201, 202, 204. Each body also has all later errors."""
    bodies = [
        '{"id":null,"id":null',
        '{"method":"","params":1}',
        '{"id":1,"method":"","params":1}',
        '{"id":1,"method":"x","params":1}',
        '{"id":1,"method":"x","params":{}}',
    ]
    assert [error(company, body)["code"] for body in bodies] == [101, 102, 201, 202, 204]


def test_a_wrong_parameter_is_described_as_in_the_vendors_sample(company: Company) -> None:
    answer = raw(company, '{"method":"getLead","params":{"id":"abc"},"id":"1"}')
    assert answer == (
        '{"result":null,"error":{"code":205,"message":"Invalid parameters","data":{"params":[{"param":"id",'
        '"message":"Expected data of type integer","validFormat":{"type":"int","length":11,"required":true}}]}},'
        '"id":"1"}'
    )


def test_a_write_answers_bytes_of_the_wire(company: Company) -> None:
    address = new_email()
    twice = f'{{"emailAddress":"{address}"}},{{"emailAddress":"{address}"}}'
    answer = raw(company, f'{{"method":"createLeads","params":{{"objects":[{twice}]}},"id":"1"}}')
    lead = json.loads(answer)["result"]["creates"][0]["id"]
    taken = '{"code":301,"message":"Entry already exists","data":[]}'
    assert answer == (
        f'{{"result":{{"creates":[{{"success":true,"error":null,"id":{lead}}},{{"success":false,"error":{taken}}}]}},'
        f'"error":[{taken}],"id":"1"}}'
    )
    assert 0 < lead < 2**53
    nothing = raw(company, '{"method":"createLeads","params":{"objects":[]},"id":"1"}')
    assert nothing == '{"result":{"creates":[]},"error":[],"id":"1"}'
    gone = raw(company, f'{{"method":"deleteLeads","params":{{"objects":[{{"id":"{lead}"}}]}},"id":"1"}}')
    assert gone == '{"result":{"deletes":[{"success":true,"error":null}]},"error":[],"id":"1"}'


def test_a_key_for_the_vendors_documents_gets_null_for_successful_writes(given_company: Callable[..., Company]) -> None:
    company = given_company(plain_success=True)
    answer = raw(company, '{"method":"createLeads","params":{"objects":[]},"id":"1"}')
    assert answer == '{"result":{"creates":[]},"error":null,"id":"1"}'
    assert (
        json.loads(raw(company, '{"method":"createLeads","params":{"objects":[1]},"id":"1"}'))["error"][0]["code"]
        == 208
    )


@pytest.mark.parametrize(
    ("body", "identity"),
    [
        (b'{"id":"a","method":"x"}', b'"a"'),
        (b'{"method":{"id":2},"id":1}', b"1"),
        (b'{"id":[1]}', b"null"),
        (b'{"id":{}}', b"null"),
        (b'{"id":"\xff"}', b"null"),
        (b'{"id":"\\ud800"}', b"null"),
        (b'{"id":' + b"1" * 5_000 + b"}", b"null"),
        (b'{"id":"a"', b"null"),
        (b"[]", b"null"),
        (b"", b"null"),
        (b"[" * 100_000, b"null"),
    ],
)
def test_a_refused_call_has_its_id_if_it_has_one(body: bytes, identity: bytes) -> None:
    assert envelope.request_id(body) == identity


_LONG = b"[" + b"1," * envelope.ID_BYTES + b'{"id":9}]'


@pytest.mark.parametrize(
    ("body", "identity"),
    [
        (b' { "method" : "x" , "id" : 1 , "params" : %s}', b"1"),
        (b'{"id":"\\"a\\",","params":{"objects":%s}}\r\n', b'"\\"a\\","'),
        (b'{"params":%s,"id" : "b" , "method":"x"} ', b'"b"'),
        (b'{"id":1,"params":%s,"id":2}', b"2"),
        (b'{"first":[],"id":1,"params":%s}', b"null"),
        (b'{"params":{"objects":%s,"id":1}}', b"null"),
        (b'{"params":%s,"text":"\\",\\"id\\":3"}', b"null"),
        (b'{"params":%s,"id":"\xff"}', b"null"),
        (b'{"params":%s,"id":1', b"null"),
        (b"%s", b"null"),
    ],
)
def test_a_refused_long_call_has_an_id_that_is_before_or_after_the_long_values(body: bytes, identity: bytes) -> None:
    assert envelope.request_id(body % _LONG) == identity


@pytest.mark.parametrize("piece", [b'"a":1,', b',"a":"', b'\\"', b',"', b'"', b',"":""', b"\\"])
def test_only_the_ends_of_a_long_body_are_searched(piece: bytes) -> None:
    for body in (piece * envelope.ID_BYTES, b"{" + piece * envelope.ID_BYTES + b"}"):
        members = b"".join(envelope._outer_members(body))
        assert len(members) <= 2 * envelope._END_BYTES
