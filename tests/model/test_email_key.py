"""The key of an email address: which addresses count as equal (docs/wire/values.md#email-addresses; A26)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springhead.model.leads.leads import email_key

E_ACUTE, E_COMBINING = "\u00e9", "e\u0301"

SAME = [
    ("lead.one@example.com", "LEAD.ONE@EXAMPLE.COM"),  # the case of ASCII letters, all over
    (
        "lead.one@example.com",
        "Lead.One@example.com",
    ),  # ... of the local part alone: mail servers may distinguish it, we do not
    ("lead@example.com", " lead@example.com "),  # white space that a form left around it
    ("lead@example.com", "lead@example.com\r\n"),  # ... or a file
    ("lead@example.com", "\u00a0lead@example.com\u3000"),  # ... or a word processor: no-break and ideographic space
    ("lead@example.com", "lead@example.com."),  # the final dot of a full domain name
    (f"ren{E_ACUTE}@example.com", f"ren{E_COMBINING}@example.com"),  # NFC and NFD look the same and are the same
    (f"REN{E_ACUTE.upper()}@example.com", f"ren{E_COMBINING}@example.com"),  # ... whatever the case too
    ("\u00e4rger@example.com", "\u00c4RGER@EXAMPLE.COM"),  # case outside ASCII
    ("\u03b1\u03b2@example.gr", "\u0391\u0392@example.gr"),  # ... Greek
    ("\u0438@example.ru", "\u0418@example.ru"),  # ... Cyrillic
    ("lead@b\u00fccher.example", "lead@xn--bcher-kva.example"),  # a domain in letters and in punycode
    ("lead@B\u00dcCHER.example", "lead@XN--BCHER-KVA.example"),  # ... whatever the case
    ("lead@b\u00fccher.example.", "lead@xn--bcher-kva.example"),  # ... and with a final dot
    ("\u212aelvin@example.com", "kelvin@example.com"),  # the Kelvin sign is a capital k to Unicode
    ("\u212bngstrom@example.com", "\u00e5ngstrom@example.com"),  # the Angstrom sign is the letter, by NFC
    ("\u0130stanbul@example.com", "i\u0307stanbul@example.com"),  # the dotted capital I lowers to i and a dot above
    ("\ufefflead@example.com", "lead@exam\u00adple.com\u200b"),  # invisible characters that a document left
    ("le\u200dad@example.com", "lead\u00a0@\u2060example.com"),  # joiners and no-break spaces
    ("lead@example.com.\u200b", "lead@example.com"),  # an invisible character does not hide the final dot
    ("lead@xn--b\u200bcher-kva.example", "lead@b\u00fccher.example"),  # ... or punycode
    ("\u03bd\u03af\u03ba\u03bf\u03c2@example.gr", "\u039d\u038a\u039a\u039f\u03a3@example.gr"),  # the final sigma
    ("no at all", "NO AT ALL"),  # syntax is not checked: a text without @ is a key like any other
]

DIFFERENT = [
    ("lead@example.com", "lead2@example.com"),  # another name
    ("lead@example.com", "lead@example.org"),  # another domain
    ("lead@example.com", "lead@mail.example.com"),  # a domain below is another one
    ("leadone@example.com", "lead.one@example.com"),  # dots count: only one big provider ignores them
    ("lead@example.com", "lead+news@example.com"),  # tags count, for the same reason
    ("lead@example.com", '"lead"@example.com'),  # quotes are the mail server's business
    ("lead@example.com", "lead(comment)@example.com"),  # comments too
    ("lead@example.com", "lead.@example.com"),  # a dot at the end of the local part is no final dot
    ("strasse@example.de", "stra\u00dfe@example.de"),  # sharp s is a letter of its own in an address
    ("\u0131rmak@example.com", "irmak@example.com"),  # so is the dotless i
    ("\u0130@example.com", "i@example.com"),  # and the dotted capital I does not lose its dot
    ("\uff4c\uff45\uff41\uff44@example.com", "lead@example.com"),  # full-width letters are others (NFC, not NFKC)
    ("\ufb01@example.com", "fi@example.com"),  # so are ligatures
    ("lead@b\u00fccher.example", "lead@bucher.example"),  # accents count
    ("\u0430dmin@example.com", "admin@example.com"),  # a Cyrillic a only looks like one (no lookalike folding)
    ("lead@xn--zz--.example", "lead@zz.example"),  # invalid punycode is kept as it is
    ("le ad@example.com", "lead@example.com"),  # white space inside stays
    ("xn--bcher-kva@example.com", "b\u00fccher@example.com"),  # punycode is for domains, not for names
]


@pytest.mark.parametrize(("first", "other"), SAME)
def test_two_ways_to_write_an_address_make_one_lead(first: str, other: str) -> None:
    assert email_key(first) == email_key(other)


@pytest.mark.parametrize(("first", "other"), DIFFERENT)
def test_two_addresses_make_two_leads(first: str, other: str) -> None:
    assert email_key(first) != email_key(other)


@pytest.mark.parametrize(
    "address",
    [
        "a" * 64 + "@" + "b" * 85,  # the longest local part that mail knows, and 150 characters in all
        "a" * 65 + "@example.com",  # one more than mail knows: not our business
        "@", "@@", "a@", "@b", ".", "xn--", "a@xn--", "a@xn--.", "a@.", "a@xn--\u00fc",  # nonsense has a key as well
    ],
)  # fmt: skip
def test_every_text_has_a_key_and_none_is_empty(address: str) -> None:
    assert email_key(address)


@given(st.emails())
def test_the_case_of_no_address_matters(address: str) -> None:
    assert email_key(address) == email_key(address.upper())


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=150))
def test_a_key_fits_the_index_whatever_the_text(address: str) -> None:
    assert len(email_key(address).encode()) < 2_600  # PostgreSQL refuses index entries above 2,704 bytes


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.sampled_from(["example.com", "b\u00fccher.example"]),
)
def test_the_key_of_a_key_is_the_key(local: str, domain: str) -> None:
    key = email_key(f"{local}@{domain}")

    assert email_key(key) == key
