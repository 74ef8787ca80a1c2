"""When two leads are probably one person: by what they are compared at all, and how sure that makes."""

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
"""What a key is made of, the strongest first."""

SCORE_MIN = 0.5
"""Pairs below are not told."""

SHARED_MAX = 20
"""A value that more leads share says nothing: a switchboard, a made-up number."""

SAME_MAILBOX, SAME_WITHOUT_DOTS = 0.95, 0.8
"""How sure the same mailbox makes (`a+b@x` is `a@x`, at Google also `a.b` is `ab`), and the same but for other dots."""

SAME_MOBILE, SAME_PHONE = 0.7, 0.4
"""How sure the same number makes: of a mobile telephone, of any other."""

SAME_NAME = 0.75
"""How sure the same name at the same company makes."""

NAME_LIKENESS, COMPANY_LIKENESS, DIFFERENT_NAMES = 0.8, 0.7, 0.5
"""From which likeness on two names, and two companies, may be the same; and below which two names are two people's."""

_MAIL_PROVIDERS = frozenset({
    "126", "163", "aol", "comcast", "free", "gmail", "gmx", "googlemail", "hotmail", "icloud", "libero", "live", "mac",
    "mail", "me", "msn", "naver", "orange", "outlook", "proton", "protonmail", "qq", "t-online", "wanadoo", "web",
    "yahoo", "yandex", "ymail",
})  # fmt: skip
"""Domains of mailboxes that say nothing of a company, without their endings."""

_LEGAL_FORMS = re.compile(
    r"\b(?:inc|llc|ltd|limited|corp|corporation|co|company|gmbh|ag|kg|sa|sas|sarl|srl|spa|bv|nv|ab|as|oy|plc|the)\b"
)
_WORD = re.compile(r"[^\W_]+")
_NO_DIGIT = re.compile("[^0-9]+")
_GOOGLE = {"gmail.com", "googlemail.com"}
_LAST_DIGITS = 7
"""Last digits by which numbers are looked for: before them stands what is often left out."""

_WITHOUT_COUNTRY = 8
"""Digits that a number must have to be that of a longer one without its country."""

Key = tuple[int, int]
"""A kind, and 64 bits of a hash: leads that share one are looked at."""

_ID = integer(20, "bigint")
_LIST = Kind(type="list", sql="jsonb", accepts=list[str], expected="Expected a list")

DUPLICATE = Noun(
    name="duplicate",
    table="lead_key",
    about="Two leads that are probably one person.",
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
    about="A hash by which a lead is compared with others.",
    columns=(
        Column(name="kind", kind=_ID, writable=False),
        Column(name="key", kind=_ID, writable=False),
    ),
)


class ComparedLead(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What of a lead is compared."""

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
        """The address without tags; and without dots as well."""
        local, _, domain = self.email_key.rpartition("@")
        local, domain = local.partition("+")[0] or local, "gmail.com" if domain in _GOOGLE else domain
        bare = local.replace(".", "")
        return f"{bare if domain == 'gmail.com' else local}@{domain}", f"{bare}@{domain}"

    @cached_property
    def mobile(self) -> str:
        """The digits of the mobile number, `+` before them where the country is given."""
        return _digits(self.mobile_phone_number)

    @cached_property
    def phones(self) -> tuple[str, ...]:
        """All numbers."""
        others = (_digits(self.phone_number), _digits(self.office_phone_number))
        return tuple(dict.fromkeys(one for one in (self.mobile, *others) if one))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """First and last name without accents and case, in one order, so that it does not matter which is which."""
        return tuple(sorted(name for name in map(_folded, (self.first_name, self.last_name)) if name))

    @cached_property
    def company(self) -> str:
        """The company's name, or that of the address's domain, without accents, case and legal form."""
        if named := _folded(self.company_name):
            return _LEGAL_FORMS.sub("", named).strip() or named
        label = self.email_key.rpartition("@")[2].partition(".")[0]
        return "" if label in _MAIL_PROVIDERS else _folded(label.replace("-", " "))

    @cached_property
    def keys(self) -> frozenset[Key]:
        """The lead is compared with those that share one of these."""
        return frozenset((kind, _hash(value)) for kind, value in self._key_values())

    def _key_values(self) -> Iterator[tuple[int, str]]:
        yield EMAIL, self.mailbox[1]
        for number in self.phones:
            yield PHONE, number[-_LAST_DIGITS:]
        if len(self.names) == 2 and self.company:
            one, other = self.names
            yield NAME, f"{self.company[:6]}|{one[:3]}|{other[:1]}"
            yield NAME, f"{self.company[:6]}|{one[:1]}|{other[:3]}"


class Match(msgspec.Struct, frozen=True):
    """Two leads that are probably one person: how sure, from 0 to 1, and why."""

    lead_id: int
    other_id: int
    score: float
    reasons: tuple[str, ...]


def match(one: ComparedLead, other: ComparedLead) -> Match | None:
    """How sure it is that two leads are one person; None when it is not likely enough.

    Reasons add up as independent ones do: the doubts that they leave are multiplied. Names of two people halve it.
    """
    found = dict(chain(_by_email(one, other), _by_phone(one, other), _by_name(one, other)))
    score = 1 - prod(1 - sure for sure in found.values())
    if score < SCORE_MIN:
        return None
    both = len(one.names) == len(other.names) == 2  # a first name alone is no other one than a last name alone
    if both and _likeness(" ".join(one.names), " ".join(other.names)) < DIFFERENT_NAMES:
        score /= 2
    return Match(one.id, other.id, round(score, 2), tuple(found)) if score >= SCORE_MIN else None


def _by_email(one: ComparedLead, other: ComparedLead) -> Iterator[tuple[str, float]]:
    if one.mailbox[0] == other.mailbox[0]:
        yield "email", SAME_MAILBOX
    elif one.mailbox[1] == other.mailbox[1]:
        yield "email", SAME_WITHOUT_DOTS


def _by_phone(one: ComparedLead, other: ComparedLead) -> Iterator[tuple[str, float]]:
    if one.mobile and _same_number(one.mobile, other.mobile):
        yield "mobilePhone", SAME_MOBILE
    elif any(_same_number(number, another) for number in one.phones for another in other.phones):
        yield "phone", SAME_PHONE


def _by_name(one: ComparedLead, other: ComparedLead) -> Iterator[tuple[str, float]]:
    if len(one.names) < 2 or len(other.names) < 2 or not one.company or not other.company:
        return
    alike = 1.0
    for a, b in zip(one.names, other.names, strict=True):
        alike = alike and min(alike, _likeness_from(a, b, NAME_LIKENESS))
    if alike and (companies := _likeness_from(one.company, other.company, COMPANY_LIKENESS)):
        yield "name", SAME_NAME * alike * companies


def _same_number(one: str, other: str) -> bool:
    """Whether two numbers are the same, though only one of them may have its country, of one to three digits."""
    if one.startswith("+") == other.startswith("+"):
        return bool(one) and one.lstrip("0") == other.lstrip("0")
    whole, part = (one[1:], other.lstrip("0")) if one.startswith("+") else (other[1:], one.lstrip("0"))
    return len(part) >= _WITHOUT_COUNTRY and whole.endswith(part) and len(whole) - len(part) <= 3


def _digits(number: str | None) -> str:
    """The digits of a telephone number; empty when there are too few to say anything."""
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
    """Words without accents, case, and what is neither letter nor digit."""
    if not words:
        return ""
    plain = words.lower()
    if not plain.isascii():
        plain = "".join(char for char in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(char))
    return " ".join(_WORD.findall(plain))


def _likeness(one: str, other: str) -> float:
    """How many of the characters stand in both, in the same order: 1 for the same."""
    return 1.0 if one == other else SequenceMatcher(None, one, other, autojunk=False).ratio()


def _likeness_from(one: str, other: str, least: float) -> float:
    """Their likeness, 0 when it is less than that."""
    if 2 * min(len(one), len(other)) < least * (len(one) + len(other)):  # it cannot be more than this
        return 0
    found = _likeness(one, other)
    return found if found >= least else 0


def _hash(value: str) -> int:
    return int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest(), signed=True)
