"""One text in many codings is one text: in searches, filters, lists, options, accounts, duplicates, unique fields."""

import random
import unicodedata
from typing import Any

import pytest

from springhead.model.kit.texts import folded as folded_here
from springhead.model.kit.texts import without_accents as bare_here
from springhead.store.nouns.folding import folded, folded_value, without_accents
from support import Company, sql

NAMES = ["Björnsson", "한글", "Nguyễn", "Köln", "Ångström", "Café", "Ḍāṅ", "Ω", "\u0915\u093c"]


def both(name: str) -> tuple[str, str]:
    """The composed and the decomposed form of a name."""
    return unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)


def found(company: Company, **params: Any) -> set[int]:
    return {int(row["id"]) for row in company.call("searchLeads", fields=["id"], **params)}


@pytest.mark.parametrize("name", NAMES)
def test_both_codings_of_accents_are_found_by_words_and_filters_and_returned_as_sent(
    company: Company, name: str
) -> None:
    field, codings = company.field("Town"), both(name)
    leads = company.create(
        *({"lastName": coding, "city": coding, "description": f"in {coding}.", field: coding} for coding in codings)
    )
    for coding in codings:
        for text in (coding, coding.upper(), coding[:-1] + coding[-1]):
            assert found(company, text=text) == set(leads)
        for key in ("lastName", "city", field):
            for test in (coding, [coding], {"contains": coding}, {"startsWith": coding}, {"endsWith": coding}):
                assert found(company, filter={key: test}) == set(leads), (key, test)
    assert [company.lead(lead)["lastName"] for lead in leads] == list(codings)


@pytest.mark.parametrize("name", NAMES)
def test_a_list_has_the_leads_of_both_codings(company: Company, name: str) -> None:
    composed, decomposed = both(name)
    (list_id,) = company.make("createList", {"name": "Town", "filter": {"city": decomposed}})
    leads = company.create({"city": composed}, {"city": decomposed}, {"city": "elsewhere"})

    members = company.call("getListMembers", where={"id": list_id})
    assert [int(member["leadID"]) for member in members] == leads[:2]


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("Größe", "GRÖSSE"),
        ("Größe", "grösse"),
        ("GRÖẞE", "größe"),
        ("STRASSE", "straße"),
        ("\u03bd\u03af\u03ba\u03bf\u03c2", "\u039d\u038a\u039a\u039f\u03a3"),  # the final sigma
        ("Wie\u017fe", "WIESE"),  # the long s
        ("\u0130stanbul", "istanbul"),
        ("\u0130stanbul", "i\u0307stanbul"),  # the dotted capital I, as Unicode lowers it
        ("Irmak", "\u0131rmak"),
        ("\u1ec6", "\u1ec7"),
        ("\ufb01rma", "FIRMA"),  # the ligature fi
        ("O\ufb03ce", "office"),
        ("\u1fb3", "\u0391\u0399"),  # the iota below, and beside
        ("\u0391\u0345\u0301", "\u03ac\u03b9"),
        ("\u0390a", "\u03aa\u0301a"),  # small letters whose capital is decomposed
        ("\u01f0a", "J\u030ca"),
        ("\u0587", "\u0535\u0552"),
    ],
)
def test_case_is_folded_in_full(company: Company, stored: str, asked: str) -> None:
    leads = company.create({"lastName": stored}, {"description": f"about {stored}"})

    assert found(company, text=asked) == set(leads)
    assert found(company, filter={"lastName": asked}) == set(leads[:1])
    assert found(company, filter={"lastName": [asked]}) == set(leads[:1])
    assert found(company, filter={"lastName": {"endsWith": asked[-1:]}}) == set(leads[:1])


IDEOGRAPHS = {*map(chr, (*range(0x3400, 0xA000), *range(0xAC00, 0xD7A4)))}
LETTERS = [
    letter
    for letter in map(chr, (*range(1, 0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE0200)))
    if unicodedata.category(letter) != "Cn"
]
"""All characters of Unicode's planes with letters."""


def canonical_fold(text: str) -> str:
    """A text as Unicode's definition D145 (canonical caseless match) compares it."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())


def compatible_fold(text: str) -> str:
    """A text as Unicode's definition D146 (compatibility caseless match) compares it."""
    once = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", text).casefold())
    return unicodedata.normalize("NFKD", once.casefold())


def test_texts_that_match_caselessly_by_unicodes_definitions_are_equal() -> None:
    marks = [letter for letter in LETTERS if unicodedata.combining(letter)]
    chosen = random.Random(4)
    odd = [letter for letter in LETTERS if len(letter.casefold()) > 1 or unicodedata.decomposition(letter)]
    texts = [
        *LETTERS,
        *(a + b for a in odd for b in chosen.sample(marks, 5)),
        *(f"{letter}\u0345\u0302" for letter in odd),
    ]

    for text in texts:
        same = folded_here(text)
        assert same == folded_here(canonical_fold(text)) == folded_here(compatible_fold(text)) == folded_here(same)
    assert sum(len(letter.casefold()) > 1 for letter in LETTERS) == 104


def test_the_database_folds_every_text_as_python_does_in_each_of_its_ways(company: Company) -> None:
    chosen = random.Random(5)
    plain = [letter for letter in LETTERS if "\u0100" <= letter < "\u0530"]
    ways = [
        [letter for letter in LETTERS if folded_here(letter) != letter or unicodedata.combining(letter)],
        [letter for letter in LETTERS if "\u0590" <= letter < "\u0f00" or "\u1100" <= letter < "\u1200"],
        list("\u2018\u2019\u201c\u201e\u2013\u2026\u00a0\u2011") + plain,
    ]
    texts = [*LETTERS, *(f"a{letter}" for letter in LETTERS if letter not in IDEOGRAPHS)]
    texts += ["".join(chosen.choices([*way, *plain], k=chosen.randrange(2, 7))) for way in ways for _ in range(5_000)]
    rows = sql(
        company.dsn, f"select t, {folded('t')} as stored, {folded_value('t')} as value from unnest($1::text[]) t", texts
    )

    assert [row["t"] for row in rows if not row["stored"] == row["value"] == folded_here(row["t"])] == []


def test_the_database_takes_accents_away_as_python_does(company: Company) -> None:
    chosen = random.Random(6)
    letters = [letter for letter in LETTERS if letter not in IDEOGRAPHS]
    marked = [letter for letter in letters if letter < "\u2000"]
    texts = [*map(folded_here, letters), *("".join(chosen.choices(marked, k=4)) for _ in range(5_000))]
    rows = sql(company.dsn, f"select t, {without_accents('t')} as bare from unnest($1::text[]) as t", texts)

    assert [row["t"] for row in rows if row["bare"] != bare_here(row["t"])] == []


def test_the_key_of_an_account_is_its_folded_name(company: Company) -> None:
    names = [
        " \ufb01rma \u00ad",
        "\u1fb3",
        "\uff21\uff22",
        "O\u2019Brien \u2013 Gro\u00df\u00a0",
        "plain ",
        "\u0e19\u0e49\u0e33",
    ]
    made = company.make("createAccounts", *({"accountName": name} for name in names))
    rows = sql(
        company.dsn, "select account_name, account_key from account where id = any($1::bigint[])", made,
        company_id=company.id,
    )  # fmt: skip

    assert {row["account_name"]: row["account_key"] for row in rows} == {
        name: folded_here(name).strip() for name in names
    }


@pytest.mark.parametrize(
    "text",
    [
        "Smith, John", "John.", "(John)", "John Smith!", '"John Smith"', "Smith,John", "Smith/John", "[Smith]",
        "\u201eJohn\u201c", "Smith; John", "John - Smith", "John \u2013 Smith", "\u00bfJohn?", "Smith's",
        "John\u3001Smith", "\ufeffJohn", "John\u00a0Smith", "John.Smith", "JOHN.SMITH@MAIL", "mail.example.com",
        "John <john.smith@mail.example.com>", "john.smith@mail.example.com", "@mail.example.com", "smith@",
        "mail.exam", "e-mail:john.smith@mail.example.com,", "https://mail.example.com/",
    ],
)  # fmt: skip
def test_punctuation_separates_words_and_addresses_are_found_whole_and_in_part(company: Company, text: str) -> None:
    john, _ = company.create(
        {
            "firstName": "John", "lastName": "Smith", "emailAddress": "john.smith@mail.example.com",
            "description": "e-mail, s, https",
        },
        {"firstName": "Ann", "lastName": "Lee", "emailAddress": "ann@shop.example.com"},
    )  # fmt: skip

    assert found(company, text=text) == {john}
    assert found(company, text=text, sort="id", total=1) == {john}


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("O'Brien", "O\u2019Brien"), ("O\u2019Brien", "o'brien"), ("Jean-Luc", "jean luc"), ("Jean Luc", "Jean-Luc"),
        ("St. John", "St.John"), ("AT&T", "AT & T"), ("Dr. Who, Ltd.", "Dr.Who Ltd"), ("C#", "c#"), ("100%", "100%"),
    ],
)  # fmt: skip
def test_names_are_found_with_other_punctuation(company: Company, stored: str, asked: str) -> None:
    (lead,) = company.create({"companyName": stored})
    company.create({"companyName": "Other"})

    assert found(company, text=asked) == {lead}


def test_an_unknown_address_finds_nobody_with_its_words(company: Company) -> None:
    company.create({"firstName": "Ann", "lastName": "Example", "description": "com"})

    assert found(company, text="ann@example.com") == set()


@pytest.mark.parametrize("text", ["...", "(((", "%", "_", "\\", "&", "-"])
def test_a_text_of_signs_alone_is_searched_as_it_is(company: Company, text: str) -> None:
    lead, _ = company.create({"description": f"a {text} b"}, {"description": "plain"})

    assert found(company, text=text) == {lead}


NUMBERS = ["+49 151 1234-5678", "0049 (151) 12345678", "+49 (0)151/1234.5678", "4915112345678", "+4915112345678"]


@pytest.mark.parametrize("field", ["phoneNumber", "mobilePhoneNumber", "officePhoneNumber", "faxNumber"])
def test_a_phone_number_is_found_in_every_spelling_whole_and_in_part(company: Company, field: str) -> None:
    leads = company.create(*({field: number} for number in NUMBERS))
    company.create({field: "+49 151 9999999"}, {field: "1-800-FLOWERS"})

    for text in (*NUMBERS, "0151 1234-5678", "(0151) 12345678", "12345678", "1234 5678", "5678", "+49 151 1234"):
        assert found(company, text=text) == set(leads), text
    for number in NUMBERS:
        for test in (number, [number], {"contains": number}, {"startsWith": number}, {"endsWith": number}):
            assert found(company, filter={field: test}) == set(leads), test
    for part in ("151 1234", "(151) 12-34", "1511234"):
        assert found(company, filter={field: {"contains": part}}) == set(leads), part
    assert found(company, filter={field: {"startsWith": "0049151-1234"}}) == set(leads)
    assert found(company, filter={field: {"endsWith": "34-56 78"}}) == set(leads)
    assert len(found(company, filter={field: {"startsWith": "+"}})) == 4
    assert len(found(company, filter={field: "1 800 flowers"})) == 1


def test_a_custom_phone_field_is_compared_as_a_phone_number(company: Company) -> None:
    field = company.field("Second phone", "phone")
    leads = company.create(*({field: number} for number in NUMBERS))
    company.create({field: "+49 151 9999999"}, {})

    for number in NUMBERS:
        assert found(company, filter={field: number}) == set(leads)


def test_a_flag_filter_of_0_finds_leads_in_which_it_was_never_set(company: Company) -> None:
    for name in ("isUnsubscribed", company.field("Vip", "boolean"), company.field("Bit", "bit")):
        unset, off, on = company.create({}, {name: 0}, {name: 1})
        here = {"id": [unset, off, on]}
        assert found(company, filter={**here, name: 0}) == found(company, filter={**here, name: [0]}) == {unset, off}
        assert found(company, filter={**here, name: 1}) == {on}
        assert found(company, filter={**here, name: [0, 1]}) == {unset, off, on}
        assert found(company, filter={**here, "not": {name: 0}}) == {on}
        assert found(company, filter={**here, name: {"empty": True}}) == {unset}


def test_a_flag_filter_of_a_list_has_leads_in_which_it_was_never_set(company: Company) -> None:
    (list_id,) = company.make("createList", {"name": "Mail", "filter": {"isUnsubscribed": 0}})
    unset, off, _ = company.create({}, {"isUnsubscribed": 0}, {"isUnsubscribed": 1})

    members = company.call("getListMembers", where={"id": list_id})
    assert [int(member["leadID"]) for member in members] == [unset, off]


@pytest.mark.parametrize("blank", ["", "  ", "\t\n", "\u00a0\u3000", "\u200b"])
def test_a_text_of_white_space_counts_as_empty(company: Company, blank: str) -> None:
    field = company.field("Note")
    lead, _ = company.create({"city": blank, field: blank}, {"city": "Rome", field: "x"})

    for name in ("city", field):
        assert found(company, filter={name: {"empty": True}}) == {lead}
        assert lead not in found(company, filter={name: {"empty": False}})
    if not blank.strip():
        for test in (blank, [blank]):
            assert company.error("searchLeads", filter={"city": test})["code"] == 205


@pytest.mark.parametrize(
    ("names", "accounts"),
    [
        (["Caf\u00e9", "Cafe\u0301", " CAFE\u0301 "], 1),
        (["Gr\u00f6\u00dfe AG", "GRO\u0308SSE AG"], 1),
        (["Cafe", "Caf\u00e9"], 2),
    ],
)
def test_names_of_accounts_are_one_in_every_coding(company: Company, names: list[str], accounts: int) -> None:
    leads = company.create(*({"companyName": name} for name in names))

    for lead in leads:
        assert company.call("convertLeads", objects=[{"id": lead, "account": 1}])[0]["success"]

    assert len({company.lead(lead)["accountID"] for lead in leads}) == accounts
    assert len(company.call("getAccounts", where={})) == accounts
    assert company.call("getAccounts", where={})[0]["accountName"] == names[0]


def test_options_are_taken_in_both_codings_and_returned_as_sent(company: Company) -> None:
    composed, decomposed = both("K\u00f6ln")
    for data_type in ("picklist", "radio", "checkbox"):
        field = company.field("Town", data_type, options=[composed, "Rome"])
        leads = company.create({field: composed}, {field: decomposed})
        assert [company.lead(lead)[field] for lead in leads] == [composed, decomposed]
        for coding in (composed, decomposed):
            assert found(company, filter={field: coding}) == found(company, filter={field: [coding]}) == set(leads)
        assert company.code("createLeads", {"emailAddress": "x@example.com", field: "Koln"}) == 205
    twice = {"relationship": "lead", "dataType": "picklist", "label": "Two", "options": [composed, decomposed]}
    assert company.code("createFields", twice) == 205


def test_a_unique_field_has_one_value_in_both_codings(company: Company) -> None:
    composed, decomposed = both("Caf\u00e9-1")
    field = company.field("Number", isUnique=1)
    (lead,) = company.create({field: composed})

    assert company.code("createLeads", {"emailAddress": "x@example.com", field: decomposed}) == 301
    (outcome,) = company.call("upsertLeads", objects=[{field: decomposed, "city": "Rome"}], key=field)
    assert (outcome["id"], outcome["created"]) == (lead, False)


@pytest.mark.parametrize(
    ("name", "other"), [both("Bj\u00f6rn"), both("\ud55c\uae00"), ("Gro\u00df", "GROSS"), ("Gro\u00df", "GROẞ")]
)
def test_duplicates_are_found_in_both_codings(company: Company, name: str, other: str) -> None:
    leads = company.create(
        {"firstName": name, "lastName": f"{name}son", "companyName": f"{name} Works"},
        {"firstName": other, "lastName": f"{other}son", "companyName": f"{other} Works"},
    )

    (pair,) = company.call("findDuplicateLeads", id=leads[0])
    assert {int(pair["leadID"]), int(pair["otherID"])} == set(leads)


def test_score_rules_count_events_in_both_codings(company: Company) -> None:
    composed, decomposed = both("Gr\u00f6\u00dfe")
    rule = {"name": "R", "part": "engagement", "eventSource": "formSubmit", "points": 5}
    for pattern in (f"*{composed}*", f"*{decomposed.upper()}*"):
        company.make("createScoreRules", {**rule, "pattern": pattern})
    (lead,) = company.create({})
    sql(
        company.dsn,
        "insert into event (company_id, lead_id, create_timestamp, event_source, event_name)"
        " values ($1, $2, now(), 'formSubmit', $3)",
        company.id,
        lead,
        f"Submitted {decomposed}",
        company_id=company.id,
    )

    lines = company.call("getScoreExplanation", leadID=lead)
    assert [line["points"] for line in lines] == ["5", "5"]


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("4.915112345678e12", "4915112345678"), ("4.915112345678E+12", "4915112345678"),
        ("4915112345678.0", "4915112345678"), ("4.91511234567e12", "4915112345670"),
        ('"4.915112345678E+12"', "4915112345678"), ("4915112345678", "4915112345678"),
        ('"4.91511E+12"', "4.91511E+12"), ('"030.123.456"', "030.123.456"), ('"+49 151 1"', "+49 151 1"),
    ],
)  # fmt: skip
def test_a_phone_that_was_taken_for_a_number_keeps_the_digits_that_were_meant(
    company: Company, sent: str, stored: str
) -> None:
    custom = company.field("Second phone", "phone")
    for field in ("phoneNumber", "mobilePhoneNumber", "officePhoneNumber", "faxNumber", custom):
        lead = f'{{"emailAddress": "{field}@example.com", "{field}": {sent}}}'
        status, body = company.send(
            f'{{"method": "createLeads", "params": {{"objects": [{lead}]}}, "id": "1"}}'.encode()
        )
        assert (status, b'"success":true' in body) == (200, True), body
        (row,) = company.call("getLeads", where={"emailAddress": f"{field}@example.com"})
        assert row[field] == stored
        body = f'{{"method": "searchLeads", "params": {{"filter": {{"{field}": {sent}}}}}, "id": "1"}}'.encode()
        assert f'"id":"{row["id"]}"'.encode() in company.send(body)[1]
