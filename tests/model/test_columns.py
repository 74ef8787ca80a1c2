"""The values that a column accepts, and the messages about others, by dataType (docs/wire/values.md; A23, A27)."""

from typing import Any

import pytest

from springhead.model.kit.columns import Kind, choice, custom, flag, integer, text
from springhead.model.kit.fields import DATA_LENGTH, DATA_TYPES
from springhead.model.leads.leads import LEAD, STATUSES

ALL_TYPES = sorted({(relationship, name) for relationship, names in DATA_TYPES.items() for name in names})
EMOJI = "\U0001f600"  # one character, four bytes, two UTF-16 units
COMBINING = "e\u0301"  # one letter to the eye, two characters
OVERRIDE = "\u202e"  # turns what follows right to left
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"  # one picture, five characters


def refusal(kind: Kind, value: Any) -> str:
    """The message about a wrong value."""
    with pytest.raises(ValueError) as wrong:
        kind.read(value)
    return str(wrong.value)


def field(data_type: str, *options: str, length: int | None = None) -> Kind:
    return custom(data_type, length or DATA_LENGTH.get(data_type, 255), options)


RIGHT = {
    "string": ["x", "\u65e5\u672c\u8a9e", "a\nb", " kept "],
    "textarea": ["line\nline", "x" * 10_000],
    "hidden": ["x"],
    "picklist": ["anything, for there are no options"],
    "country": ["Germany", "DE"],
    "state": ["FL"],
    "boolean": ["0", "1"],
    "checkbox": ["a,b", "anything"],
    "radio": ["anything"],
    "phone": ["+1 (555) 555-5555 ext. 5", "CALL-ME"],
    "date": ["2018-06-07", "2024-02-29", "2023-01-31", "0001-01-01", "9999-12-31"],
    "datetime": ["2018-06-07 10:00:00", "2024-02-29 23:59:59"],
    "url": ["https://example.com/a?b=c#d", "example.com", "ftp://files.example.com:2121", "http://b\u00fccher.example"],
    "bit": ["0", "1"],
    "upload": ["https://example.com/file.pdf", "file.pdf"],
    "attachment": ["file.pdf"],
}
WRONG = {
    "boolean": ["2", "yes", "true", 2, -1],
    "bit": ["2", "no", "false", 2],
    "date": ["2018-6-7", "2018-02-30", "2018-06-07 10:00:00", "07.06.2018", "today", "0000-00-00", "2018-06-07\n"],
    "datetime": ["2018-06-07", "2018-06-07T10:00:00", "2018-06-07 24:00:00", "2018-02-30 10:00:00", "now"],
    "url": ["javascript:alert(1)", "http://", "two words", "http://exa mple.com", "//example.com", "data:text/html,x"],
}


@pytest.mark.parametrize(("relationship", "data_type"), ALL_TYPES)
def test_a_custom_field_of_every_type_keeps_right_values_as_they_are(relationship: str, data_type: str) -> None:
    kind = field(data_type)

    assert [kind.read(value) for value in RIGHT[data_type]] == RIGHT[data_type]


@pytest.mark.parametrize(("relationship", "data_type"), ALL_TYPES)
def test_a_custom_field_of_every_type_is_cleared_by_an_empty_text(relationship: str, data_type: str) -> None:
    assert field(data_type).read("") == ""


@pytest.mark.parametrize(("data_type", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_custom_field_refuses_values_of_other_types(data_type: str, value: Any) -> None:
    assert refusal(field(data_type), value).startswith("Expected")


@pytest.mark.parametrize(("relationship", "data_type"), ALL_TYPES)
def test_a_custom_field_of_every_type_refuses_lists_and_hashes_and_nul(relationship: str, data_type: str) -> None:
    for value in ({"a": 1}, "a\0b", "\0"):
        refusal(field(data_type), value)
    if data_type != "checkbox":
        refusal(field(data_type), ["a"])


FREE = [name for name in RIGHT if name not in {"boolean", "bit", "date", "datetime", "url"}]


@pytest.mark.parametrize("data_type", FREE)
@pytest.mark.parametrize("character", ["x", EMOJI, "\u00df", "\u0301", OVERRIDE, "\u200d"])
def test_a_length_counts_characters_not_bytes(data_type: str, character: str) -> None:
    kind = field(data_type, length=12)

    assert kind.read(character * 11) == character * 11
    assert kind.read(character * 12) == character * 12
    assert refusal(kind, character * 13) == "Expected at most 12 characters, got 13"


@pytest.mark.parametrize(
    "column", [c for c in LEAD.writable_columns if c.kind.sql == "text" and not c.kind.options], ids=lambda c: c.name
)
@pytest.mark.parametrize("unit", ["x", EMOJI, COMBINING, FAMILY, OVERRIDE])
def test_a_text_of_a_lead_is_accepted_up_to_its_limit(column: Any, unit: str) -> None:
    limit = column.kind.length
    longest = (unit * limit)[:limit]
    stored = column.kind.clean or str  # an address is stored without invisible characters

    assert column.kind.read(longest[:-1]) == stored(longest[:-1])
    assert column.kind.read(longest) == stored(longest)
    assert refusal(column.kind, longest + "x") == f"Expected at most {limit} characters, got {limit + 1}"


def test_the_lengths_of_a_leads_texts_are_the_vendors() -> None:
    lengths = {column.name: column.kind.length for column in LEAD.columns}

    assert {name: lengths[name] for name in ("firstName", "lastName", "state", "zipcode")} == dict.fromkeys(
        ("firstName", "lastName", "state", "zipcode"), 50
    )
    assert (lengths["emailAddress"], lengths["companyName"], lengths["persona"]) == (150, 100, 128)
    others = ("title", "street", "city", "country", "website", "phoneNumber", "trackingID", "officePhoneNumber",
              "phoneNumberExtension", "mobilePhoneNumber", "faxNumber", "industry")  # fmt: skip
    assert {lengths[name] for name in others} == {255}


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (5551234, "5551234"),  # a form sends a phone number as a number
        (0, "0"),
        (-7, "-7"),
        ("1.50", "1.50"),  # a number with a point comes as the text that was sent
    ],
)
def test_a_number_for_a_text_is_stored_as_its_digits(value: Any, stored: str) -> None:
    assert text(255).read(value) == stored


@pytest.mark.parametrize("value", [True, False, None, 10**40])
def test_a_boolean_null_or_infinite_number_is_no_text(value: Any) -> None:
    assert refusal(text(255), value) == "Expected data of type string"


@pytest.mark.parametrize(
    ("value", "stored"), [("20", 20), (20, 20), ("-3", -3), ("0", 0), (32767, 32767), (-32768, -32768)]
)
def test_a_whole_number_may_be_a_number_or_a_numeric_string(value: Any, stored: int) -> None:
    assert integer(6, "smallint", low=-(2**15)).read(value) == stored


@pytest.mark.parametrize(
    "value", ["", "abc", "1.5", " 1", "1_0", "\u0661", 32768, -32769, "99999999999999999999", True, None, "0x1"]
)
def test_a_number_that_is_not_whole_or_out_of_range_is_refused(value: Any) -> None:
    assert refusal(integer(6, "smallint", low=-(2**15)), value) == "Expected data of type integer, from -32768 to 32767"


@pytest.mark.parametrize(
    ("value", "stored"),
    [(0, False), (1, True), ("0", False), ("1", True), (False, False), (True, True), ("true", True)],
)
def test_a_flag_may_be_a_number_a_string_or_a_boolean(value: Any, stored: bool) -> None:
    assert flag().read(value) is stored


@pytest.mark.parametrize("value", ["", "2", 2, -1, "yes", None, "on"])
def test_anything_else_is_no_flag(value: Any) -> None:
    assert refusal(flag(), value) == "Expected 0 or 1"


@pytest.mark.parametrize(("data_type", "stored"), [("bit", "1"), ("boolean", "1")])
def test_a_yes_or_no_field_keeps_1_and_0_however_they_are_sent(data_type: str, stored: str) -> None:
    assert [field(data_type).read(value) for value in (1, "1", True)] == [stored] * 3
    assert [field(data_type).read(value) for value in (0, "0", False)] == ["0"] * 3


def test_a_status_is_one_of_the_words_and_never_empty() -> None:
    kind = choice(STATUSES)

    assert [kind.read(word) for word in STATUSES] == list(STATUSES)
    for wrong in ("", "Open", "lead", " open", 0, None):
        assert refusal(kind, wrong) == "Expected one of: " + ", ".join(STATUSES)


@pytest.mark.parametrize("data_type", ["picklist", "radio"])
def test_a_field_with_options_takes_one_of_them_or_nothing(data_type: str) -> None:
    kind = field(data_type, "S", "M", "42")

    assert [kind.read(value) for value in ("S", "", "42", 42)] == ["S", "", "42", "42"]
    for wrong in ("s", "XL", "S,M", "S "):
        assert refusal(kind, wrong) == "Expected one of: S, M, 42"
    assert kind.valid_format(required=False) == {
        "type": data_type,
        "length": 255,
        "required": False,
        "options": ["S", "M", "42"],
    }


def test_a_checkbox_field_takes_several_options_separated_by_commas_or_as_a_list() -> None:
    kind = field("checkbox", "a", "b", "c")

    assert [kind.read(value) for value in ("a", "a,c", "", ["a", "b"], [])] == ["a", "a,c", "", "a,b", ""]
    for wrong in ("d", "a,d", "a, b", ["d"], [["a"]]):
        assert refusal(kind, wrong) == "Expected one or more of these, separated by commas: a, b, c"
