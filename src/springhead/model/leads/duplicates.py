"""The comparison of leads: which leads are compared, and how probable it is that two leads are the same person."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import cached_property
from itertools import chain
from math import prod

import msgspec

from springhead.model.kit.columns import Column, Kind, Noun, integer, text

EMAIL, PHONE, NAME = 1, 2, 3
"""The kinds of keys. Leads are compared if they share a key. The strongest kind comes first."""

SCORE_MIN = 0.5
"""The lowest score of a pair that findDuplicateLeads reports."""

SHARED_MAX = 20
"""How many leads can share a key. A key of more leads is ignored: it may be a switchboard or a made-up number."""

SAME_MAILBOX, SAME_WITHOUT_DOTS = 0.95, 0.8
"""The scores of the same mailbox (`a+b@x` is `a@x`, at Google `a.b` is `ab`), and of one that differs in dots only."""

SAME_MOBILE, SAME_PHONE = 0.7, 0.4
"""The scores of the same mobile number, and of any other same number."""

SAME_NAME = 0.75
"""The score of the same name at the same company."""

NAME_SIMILARITY, COMPANY_SIMILARITY, DIFFERENT_NAMES = 0.8, 0.7, 0.5
"""The least similarity of names, and of companies, that may be the same. Below the third, names are of two people."""

_MAIL_PROVIDERS = frozenset({
    "126", "163", "aol", "comcast", "free", "gmail", "gmx", "googlemail", "hotmail", "icloud", "libero", "live", "mac",
    "mail", "me", "msn", "naver", "orange", "outlook", "proton", "protonmail", "qq", "t-online", "wanadoo", "web",
    "yahoo", "yandex", "ymail",
})  # fmt: skip
"""Domains of mail providers, without their endings. They do not tell the company of a lead."""

_LEGAL_FORMS = re.compile(
    r"\b(?:inc|llc|ltd|limited|corp|corporation|co|company|gmbh|ag|kg|sa|sas|sarl|srl|spa|bv|nv|ab|as|oy|plc|the)\b"
)
_WORD = re.compile(r"[^\W_]+")
_NO_DIGIT = re.compile("[^0-9]+")
_GOOGLE = {"gmail.com", "googlemail.com"}
_LAST_DIGITS = 7
"""How many last digits of a number are its key. The digits before them are often left out."""

_WITHOUT_COUNTRY = 8
"""How many digits a number without its country code must have to be compared with a number that has one."""

Key = tuple[int, int]
"""A kind, and 64 bits of a hash. Leads that share a key are compared."""

_ID = integer(20, "bigint")
_LIST = Kind(type="list", sql="jsonb", accepts=list[str], expected="Expected a list")

DUPLICATE = Noun(
    name="duplicate",
    table="lead_key",
    about="Two leads that are probably the same person.",
    columns=(
        Column(name="leadID", kind=_ID, writable=False),
        Column(name="otherID", kind=_ID, writable=False),
        Column(name="score", kind=text(4, type="string"), writable=False),
        Column(name="reasons", kind=_LIST, writable=False),
    ),
)


LEAD_KEY = Noun(
    name="leadKey",
    table="lead_key",
    about="A hash by which a lead is compared with other leads.",
    columns=(
        Column(name="kind", kind=_ID, writable=False),
        Column(name="key", kind=_ID, writable=False),
    ),
)


class ComparedLead(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The values of a lead that are compared."""

    id: int
    email_key: str
    first_name: str | None
    last_name: str | None
    company_name: str | None
    mobile_phone_number: str | None
    phone_number: str | None
    office_phone_number: str | None

    @cached_property
    def mailbox(self) -> tuple[str, str]:
        """The email address without tags, and the same also without dots."""
        local, _, domain = self.email_key.rpartition("@")
        local, domain = local.partition("+")[0] or local, "gmail.com" if domain in _GOOGLE else domain
        bare = local.replace(".", "")
        return f"{bare if domain == 'gmail.com' else local}@{domain}", f"{bare}@{domain}"

    @cached_property
    def mobile(self) -> str:
        """The digits of the mobile number, with `+` before them if it has a country code."""
        return _digits(self.mobile_phone_number)

    @cached_property
    def phones(self) -> tuple[str, ...]:
        """The digits of all telephone numbers."""
        others = (_digits(self.phone_number), _digits(self.office_phone_number))
        return tuple(dict.fromkeys(number for number in (self.mobile, *others) if number))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """First and last name without accents and case, sorted, so that swapped names are equal."""
        return tuple(sorted(name for name in map(_folded, (self.first_name, self.last_name)) if name))

    @cached_property
    def company(self) -> str:
        """The name of the company, or else of the address's domain, without accents, case and legal form."""
        if name := _folded(self.company_name):
            return _LEGAL_FORMS.sub("", name).strip() or name
        label = self.email_key.rpartition("@")[2].partition(".")[0]
        return "" if label in _MAIL_PROVIDERS else _folded(label.replace("-", " "))

    @cached_property
    def keys(self) -> frozenset[Key]:
        """The keys of the lead. It is compared with the leads that share a key with it."""
        return frozenset((kind, _hash(value)) for kind, value in self._key_values())

    def _key_values(self) -> Iterator[tuple[int, str]]:
        yield EMAIL, self.mailbox[1]
        for number in self.phones:
            yield PHONE, number[-_LAST_DIGITS:]
        if len(self.names) == 2 and self.company:
            first, second = self.names
            yield NAME, f"{self.company[:6]}|{first[:3]}|{second[:1]}"
            yield NAME, f"{self.company[:6]}|{first[:1]}|{second[:3]}"


class Match(msgspec.Struct, frozen=True):
    """Two leads that are probably the same person. `score` is from 0 to 1."""

    lead_id: int
    other_id: int
    score: float
    reasons: tuple[str, ...]


def match(lead: ComparedLead, other: ComparedLead) -> Match | None:
    """Returns the match of two leads, or None if its score is below SCORE_MIN.

    The score is the probability that at least one of the reasons is right, as if they were independent. If the names
    are of two people, the score is halved.
    """
    reasons = dict(chain(_by_email(lead, other), _by_phone(lead, other), _by_name(lead, other)))
    score = 1 - prod(1 - reason_score for reason_score in reasons.values())
    if score < SCORE_MIN:
        return None
    full_names = len(lead.names) == len(other.names) == 2  # a lone first name does not differ from a lone last name
    if full_names and _similarity(" ".join(lead.names), " ".join(other.names)) < DIFFERENT_NAMES:
        score /= 2
    return Match(lead.id, other.id, round(score, 2), tuple(reasons)) if score >= SCORE_MIN else None


def _by_email(lead: ComparedLead, other: ComparedLead) -> Iterator[tuple[str, float]]:
    if lead.mailbox[0] == other.mailbox[0]:
        yield "email", SAME_MAILBOX
    elif lead.mailbox[1] == other.mailbox[1]:
        yield "email", SAME_WITHOUT_DOTS


def _by_phone(lead: ComparedLead, other: ComparedLead) -> Iterator[tuple[str, float]]:
    if lead.mobile and _same_number(lead.mobile, other.mobile):
        yield "mobilePhone", SAME_MOBILE
    elif any(_same_number(number, other_number) for number in lead.phones for other_number in other.phones):
        yield "phone", SAME_PHONE


def _by_name(lead: ComparedLead, other: ComparedLead) -> Iterator[tuple[str, float]]:
    if len(lead.names) < 2 or len(other.names) < 2 or not lead.company or not other.company:
        return
    alike = 1.0
    for name, other_name in zip(lead.names, other.names, strict=True):
        alike = alike and min(alike, _similarity_from(name, other_name, NAME_SIMILARITY))
    if alike and (companies := _similarity_from(lead.company, other.company, COMPANY_SIMILARITY)):
        yield "name", SAME_NAME * alike * companies


def _same_number(number: str, other: str) -> bool:
    """Whether two numbers are the same. One of them may lack the country code, which has one to three digits."""
    if number.startswith("+") == other.startswith("+"):
        return bool(number) and number.lstrip("0") == other.lstrip("0")
    full, local = (number[1:], other.lstrip("0")) if number.startswith("+") else (other[1:], number.lstrip("0"))
    return len(local) >= _WITHOUT_COUNTRY and full.endswith(local) and len(full) - len(local) <= 3


def _digits(number: str | None) -> str:
    """Returns the digits of a telephone number, or "" if there are too few of them, or all are the same."""
    if not number:
        return ""
    plain = number.strip() if number.isascii() else unicodedata.normalize("NFKC", number).strip()
    digits = _NO_DIGIT.sub("", plain.replace("(0)", "", 1))
    if len(digits) < 7 or len(set(digits)) == 1:
        return ""
    if plain.startswith("+"):
        return f"+{digits}"
    return f"+{digits[2:]}" if digits.startswith("00") else digits


def _folded(words: str | None) -> str:
    """Returns the words of a text without accents, case and punctuation."""
    if not words:
        return ""
    plain = words.casefold()
    if not plain.isascii():
        plain = unicodedata.normalize("NFKD", plain).casefold()
        plain = "".join(char for char in plain if not unicodedata.combining(char))
    return " ".join(_WORD.findall(plain))


def _similarity(text: str, other: str) -> float:
    """Returns the share of characters that are in both texts in the same order: 1 for equal texts."""
    return 1.0 if text == other else SequenceMatcher(None, text, other, autojunk=False).ratio()


def _similarity_from(text: str, other: str, least: float) -> float:
    """Returns the similarity of two texts, or 0 if it is below `least`."""
    if 2 * min(len(text), len(other)) < least * (len(text) + len(other)):  # the lengths already rule it out
        return 0
    similarity = _similarity(text, other)
    return similarity if similarity >= least else 0


def _hash(value: str) -> int:
    return int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest(), signed=True)
