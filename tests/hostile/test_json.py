"""JSON that is malformed, that parsers read differently, or that is too deep or too long (A15 to A21)."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostile.ask import answer, call, code, examples
from hostile.corpus import BODIES, MALFORMED, TAKEN
from springhead.wire.api import envelope
from support import Company, new_email

PLACES: dict[str, bytes] = {
    "the whole body": b"%s",
    "the method": b'{"method":%s,"params":{"id":1},"id":"1"}',
    "the params": b'{"method":"getLead","params":%s,"id":"1"}',
    "the id": b'{"method":"getLead","params":{"id":1},"id":%s}',
    "another member": b'{"header":%s,"method":"getLead","params":{"id":1},"id":"1"}',
    "a lead's id": call("getLead", b'{"id":%s}'),
    "objects": call("createLeads", b'{"objects":%s}'),
    "an object": call("createLeads", b'{"objects":[%s]}'),
    "a description": call("createLeads", b'{"objects":[{"emailAddress":"a@example.com","description":%s}]}'),
    "an address": call("createLeads", b'{"objects":[{"emailAddress":%s}]}'),
    "a custom field": call("createLeads", b'{"objects":[{"emailAddress":"a@example.com","FIELD":%s}]}'),
    "where": call("getLeads", b'{"where":%s}'),
    "a filter": call("getLeads", b'{"where":{"emailAddress":%s}}'),
    "a list of a filter": call("getLeads", b'{"where":{"id":[1,%s]}}'),
    "fields": call("getLeads", b'{"where":{},"fields":%s}'),
    "a name of fields": call("getLeads", b'{"where":{},"fields":["id",%s]}'),
    "a limit": call("getLeads", b'{"where":{},"limit":%s,"offset":0}'),
    "an offset": call("getLeads", b'{"where":{},"offset":%s}'),
    "a date": call("getLeadsDateRange", b'{"startDate":%s,"endDate":"2999-12-31","timestamp":"create"}'),
    "a label": call("createFields", b'{"objects":[{"relationship":"lead","dataType":"string","label":%s}]}'),
    "options": call(
        "createFields", b'{"objects":[{"relationship":"lead","dataType":"radio","label":"L","options":%s}]}'
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_malformed_json_is_101_wherever_it_is(company: Company, place: str) -> None:
    body = PLACES[place]
    if b"FIELD" in body:
        body = body.replace(b"FIELD", company.field("Size").encode())
    wrong = {
        case: error_code
        for case, text in MALFORMED.items()
        if (error_code := code(company, body.replace(b"%s", text))) != 101
    }
    assert not wrong
    assert company.call("getLeads", where={}) == []


@pytest.mark.parametrize("case", BODIES)
def test_json_that_is_not_a_call_is_101(company: Company, case: str) -> None:
    assert answer(company, BODIES[case]) == {
        "result": None,
        "error": {
            "code": 101,
            "message": "Invalid request data format",
            "data": {
                "params": [
                    {"param": "body", "message": answer(company, BODIES[case])["error"]["data"]["params"][0]["message"]}
                ]
            },
        },
        "id": None,
    }


def test_the_error_of_malformed_json_shows_nothing_of_the_body(company: Company) -> None:
    def reason(body: bytes) -> str:
        return answer(company, body)["error"]["data"]["params"][0]["message"]

    assert reason(b'{"id":1,"secret":nil}') == "JSON is malformed: invalid character (byte 21)"
    assert reason(b'{"id":1,"secret":"') == "Input data was truncated"
    assert reason(b'{"id":1,"secret":"\xff"}') == "Not UTF-8"
    assert reason(b"[" * 100_000) == "Nested deeper than 32 levels"
    assert reason(b'{"id":1,"a":' + b"[" * 32 + b"]" * 32 + b"}") == "Nested deeper than 32 levels"
    assert reason(b'{"id":1,"a":' + b"1" * 5000 + b"}") == "A whole number has too many digits"
    assert reason(b'{"id":1,"a b":1,"a b":2}') == "The key 'a b' appears twice in one object"
    assert reason(b"[]") == "Expected an object"


@pytest.mark.parametrize("case", TAKEN)
def test_valid_json_is_stored_and_returned_equal(company: Company, case: str) -> None:
    text, meant = TAKEN[case]
    field = company.field("Size")
    address = new_email()
    new = b'{"emailAddress":"%s","description":%s,"%s":%s}' % (address.encode(), text, field.encode(), text)
    assert code(company, call("createLeads", b'{"objects":[%s]}' % new)) is None
    (lead,) = company.call("getLeads", where={"emailAddress": address})
    assert (lead["description"], lead[field]) == (meant, meant)


@pytest.mark.parametrize("place", PLACES)
def test_valid_json_never_causes_a_server_error(company: Company, place: str) -> None:
    scalars = [text for text, _ in TAKEN.values()]
    for text in [
        *scalars,
        b"null",
        b"true",
        b"false",
        b'""',
        b"[]",
        b"{}",
        b"[[]]",
        b"[{}]",
        b"[null]",
        b'{"":[]}',
        b"-0",
    ]:
        answer(company, PLACES[place].replace(b"%s", text))


@pytest.mark.parametrize(
    "text", [b'""', b'"a\\u0062"', b"0", b"-0", b"12345678901234567890123", b"1.50", b"1e999", b"true"]
)
def test_an_id_is_echoed_to_the_letter(company: Company, text: bytes) -> None:
    _, content = company.send(call("getLead", {"id": 1}, text))
    assert content.endswith(b'"id":%s}' % text)


def nested(opening: bytes, closing: bytes, levels: int) -> bytes:
    """A value nested in `levels` levels. The opening bracket may be one level or two."""
    if opening.startswith(b"[{"):
        return opening * (levels // 2) + (b"[]" if levels % 2 else b"1") + closing * (levels // 2)
    return opening * levels + b"1" + closing * levels


BRACKETS = [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")]


@pytest.mark.parametrize(("opening", "closing"), BRACKETS)
def test_32_levels_are_accepted_and_no_more(company: Company, opening: bytes, closing: bytes) -> None:
    for levels in (10, 31, 32, 33, 34, 500, 1_024, 1_025, 100_000):
        value = nested(opening, closing, levels - 2)  # the body and the params are two levels
        error_code = code(company, call("getLead", b'{"id":1,"more":%s}' % value))
        assert error_code == (None if levels <= 32 else 101), levels
        error_code = code(company, call("getLeads", b'{"where":{"id":%s}}' % value))
        assert error_code in ({210} if levels <= 31 else {101}), levels


@pytest.mark.parametrize(("opening", "closing"), BRACKETS)
@pytest.mark.parametrize("name", ["city", "updateTimestamp", "unknown", "FIELD"])
def test_a_nested_value_of_a_lead_is_refused_with_it_however_deep(
    company: Company, name: str, opening: bytes, closing: bytes
) -> None:
    name = name.replace("FIELD", company.field("Any of", "checkbox"))
    for levels in (2, 28, 32, 33, 100, *range(900, 1_010, 5), 5_000):
        new = b'{"emailAddress":"a@example.com","%s":%s}' % (name.encode(), nested(opening, closing, levels))
        for more in (b"", b',"city":"::"'):
            error_code = code(company, call("createLeads", b'{"objects":[%s]}' % (new[:-1] + more + b"}")))
            assert error_code in ({101, 205, 210} if name != "updateTimestamp" else {None, 301, 101}), levels


@pytest.mark.parametrize(
    "number", [b"1" * 4_300, b"-" + b"1" * 4_299, b"9223372036854775808", b"-9223372036854775809", b"1.5"]
)
@pytest.mark.parametrize("name", ["ownerID", "leadScore", "active"])
def test_a_number_out_of_its_range_is_205_for_that_field(company: Company, name: str, number: bytes) -> None:
    lead = b'{"objects":[{"emailAddress":"a@example.com","%s":%s}]}' % (name.encode(), number)
    error = answer(company, call("createLeads", lead))["error"][0]
    assert (error["code"], error["data"]["params"][0]["param"]) == (205, name)


@pytest.mark.parametrize(("number", "read"), [(b"7.0", "7"), (b"1e3", "1000"), (b"-0", "0"), (b"-0.0", "0")])
def test_a_whole_number_may_be_written_with_a_point(company: Company, number: bytes, read: str) -> None:
    new = b'{"objects":[{"emailAddress":"a@example.com","leadScore":%s}]}' % number
    assert code(company, call("createLeads", new)) is None
    (lead,) = company.call("getLeads", where={"emailAddress": "a@example.com"})
    assert lead["leadScore"] == read


def test_ten_million_digits_are_refused_at_once(company: Company) -> None:
    for number in (b"9" * 10_000_000, b"0." + b"9" * 10_000_000, b"1e" + b"9" * 10_000_000):
        assert code(company, call("getLead", b'{"id":%s}' % number)) in {101, 205}


REPEATED = [
    b'{"method":"getLead","method":"getLead","params":{"id":1},"id":"1"}',
    b'{"method":"getLead","params":{"id":1},"params":{"id":1},"id":"1"}',
    b'{"method":"getLead","params":{"id":1},"id":"1","id":"1"}',
    b'{"method":"getLead","params":{"id":1,"id":2},"id":"1"}',
    b'{"method":"getLead","params":{"id":1,"\\u0069d":2},"id":"1"}',
    b'{"method":"getLead","params":{"id":1},"id":"1","header":{"a":{"b":[{"c":1,"c":2}]}}}',
    call("createLeads", b'{"objects":[{"emailAddress":"a@example.com","emailAddress":"b@example.com"}]}'),
    call(
        "createLeads", b'{"objects":[{"emailAddress":"a@example.com"},{"emailAddress":"b@example.com","a:":1,"a:":1}]}'
    ),
    call("createLeads", b'{"objects":[{"emailAddress":"a@example.com","a\\u003a":1,"a:":":::"}]}'),
    call("createLeads", b'{"objects":[{"emailAddress":"a@example.com","":1,"":1}]}'),
    call("getLeads", b'{"where":{"id":1,"id":2}}'),
]


@pytest.mark.parametrize("body", REPEATED)
def test_a_repeated_key_is_101_on_every_level(company: Company, body: bytes) -> None:
    error = answer(company, body)["error"]
    assert error["code"] == 101
    assert "appears twice" in error["data"]["params"][0]["message"]
    assert company.call("getLeads", where={}) == []


_texts = st.text(
    st.sampled_from(':":\\{}[],/ \0\n\u003aabu003A\u00e9\u2028😀') | st.characters(exclude_categories=["Cs"]),
    max_size=8,
)
_numbers = st.sampled_from(["1.5", "1e5", "-0", "0.0", "-1E-7", "1e999"]) | st.integers(-(10**40), 10**40).map(str)
_json = st.recursive(
    st.none() | st.booleans() | _numbers.map(lambda text: ("number", text)) | _texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=12,
)


class Writer:
    """Writes JSON in a random spelling. The `twice`-th object with keys repeats one of them."""

    def __init__(self, random: random.Random, twice: int | None = None) -> None:
        self._random, self._twice = random, twice
        self.objects = 0

    def write(self, value: Any) -> str:
        space = self._random.choice(["", "", " ", "\t", "\r\n "])
        if isinstance(value, tuple):
            text = value[1]
        elif isinstance(value, str):
            text = self._text(value)
        elif isinstance(value, list):
            text = f"[{space}{','.join(map(self.write, value))}]"
        elif isinstance(value, dict):
            pairs = list(value.items())
            if pairs:
                if self.objects == self._twice:
                    pairs.insert(self._random.randrange(len(pairs) + 1), self._random.choice(pairs))
                self.objects += 1
            text = (
                "{"
                + ",".join(f"{space}{self._text(name)}{space}:{self.write(item)}" for name, item in pairs)
                + space
                + "}"
            )
        else:
            text = json.dumps(value)
        return space + text + space

    def _text(self, value: str) -> str:
        return f'"{"".join(map(self._character, value))}"'

    def _character(self, character: str) -> str:
        if self._random.random() < 0.4:
            units = character.encode("utf-16-be")
            form = self._random.choice(["\\u%04x", "\\u%04X"])
            return "".join(form % int.from_bytes(units[start : start + 2]) for start in range(0, len(units), 2))
        return character if character not in '"\\' and character >= " " else json.dumps(character)[1:-1]


@examples(150)
@given(_json, st.randoms(use_true_random=False))
def test_a_body_without_repeated_keys_is_accepted_however_it_is_spelled(value: Any, random: random.Random) -> None:
    read = envelope.parse(
        Writer(random).write({"id": "1", "method": "m", "params": {"p": value}, "more": value}).encode()
    )
    assert read.error is None
    assert read.params["p"] == _meant(value)


@examples(150)
@given(_json, st.randoms(use_true_random=False), st.integers(0, 30))
def test_a_body_with_a_repeated_key_is_refused_however_it_is_spelled(
    value: Any, random: random.Random, twice: int
) -> None:
    call = {"id": "1", "method": "m", "params": {"p": value}, "more": value}
    count = Writer(random)
    count.write(call)
    error = envelope.parse(Writer(random, twice % count.objects).write(call).encode()).error
    assert error is not None
    assert "appears twice" in str(error.data)


def _meant(value: Any) -> Any:
    if isinstance(value, tuple):
        return int(value[1]) if value[1].lstrip("-").isdigit() else value[1]
    if isinstance(value, list):
        return [_meant(item) for item in value]
    return {name: _meant(item) for name, item in value.items()} if isinstance(value, dict) else value
