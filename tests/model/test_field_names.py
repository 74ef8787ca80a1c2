"""System names of custom fields, and the system's own fields (docs/wire/fields.md)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springhead.model.kit.fields import DATA_TYPES, SYSTEM_FIELDS, new_system_name
from springhead.model.leads.leads import LAST_EVENT_COLUMNS, LEAD


@pytest.mark.parametrize(
    ("label", "slug"),
    [
        ("Favorite color", "favorite_color"),  # as captured: favorite_color_5a0dd86e6e290
        ("API Big Text Area", "api_big_text_area"),  # as captured: api_big_text_area_57f6638adc5b8
        ("  Shoe -- size?! ", "shoe_size"),  # other characters separate words, several in a row once
        ("Gr\u00f6\u00dfe", "groe"),  # accents go, and letters that ASCII has not
        ("\u9774\u306e\u30b5\u30a4\u30ba", "field"),  # a default word if nothing is left
        ("2nd phone", "field_2nd_phone"),  # a name begins with a letter
        ("\U0001f600", "field"),
    ],
)
def test_a_system_name_is_the_labels_slug_and_13_hex_digits(label: str, slug: str) -> None:
    name, _, digits = new_system_name(label).rpartition("_")

    assert name == slug
    assert re.fullmatch("[0-9a-f]{13}", digits)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=255))
def test_a_system_name_is_plain_and_fits_whatever_the_label(label: str) -> None:
    assert re.fullmatch("[a-z][a-z0-9_]{0,254}", new_system_name(label))


def test_one_label_gives_another_name_each_time() -> None:
    assert len({new_system_name("Shoe size") for _ in range(1_000)}) == 1_000


def test_the_system_fields_differ_from_the_columns_of_leads() -> None:
    names = {field.system_name for field in SYSTEM_FIELDS if field.relationship == "lead"}

    assert {"crmID", "numBounces", "hardBounced", "hasOpportunity", "isQualified", "isContact"} <= names
    assert not {"accountID", "active"} & names
    assert names == {column.name for column in LEAD.columns} - {"accountID", "active", *LAST_EVENT_COLUMNS}


def test_each_relationship_has_the_captured_data_types() -> None:
    assert " ".join(DATA_TYPES["lead"]) == (
        "string textarea hidden picklist country state boolean checkbox radio"
        " phone date datetime url bit upload attachment"
    )
    assert " ".join(DATA_TYPES["opportunity"]) == "string textarea picklist checkbox phone upload"
    assert " ".join(DATA_TYPES["account"]) == "string picklist checkbox phone upload"
    assert len(DATA_TYPES) == 3
