"""Invented people from many countries, the same on every run. Email addresses use reserved example domains."""

import random
import re
import unicodedata

from mimesis import Gender, Generic, Locale

from springhead.model.kit.errors import Json
from springhead.model.leads.leads import DERIVED_STATUS, LEAD, STATUSES

BATCH = 500

_COUNTRIES = {
    "en": ("United States", 4), "en-gb": ("United Kingdom", 2), "en-au": ("Australia", 1), "en-ca": ("Canada", 1),
    "de": ("Germany", 2), "de-at": ("Austria", 1), "de-ch": ("Switzerland", 1), "fr": ("France", 2),
    "es": ("Spain", 1), "es-mx": ("Mexico", 1), "it": ("Italy", 2), "pt-br": ("Brazil", 2), "pt": ("Portugal", 1),
    "nl": ("Netherlands", 1), "nl-be": ("Belgium", 1), "sv": ("Sweden", 1), "no": ("Norway", 1),
    "da": ("Denmark", 1), "fi": ("Finland", 1), "pl": ("Poland", 1), "cs": ("Czechia", 1), "sk": ("Slovakia", 1),
    "hu": ("Hungary", 1), "tr": ("Türkiye", 1), "el": ("Greece", 1), "uk": ("Ukraine", 1), "ru": ("Russia", 1),
    "ja": ("Japan", 1), "ko": ("South Korea", 1), "zh": ("China", 1),
}  # fmt: skip
"""Country and weight of each locale. The locale decides the language of names and addresses."""

_STATUSES = [status for status in STATUSES if status != DERIVED_STATUS]
_STATUS_WEIGHTS = {"open": 30, "unqualified": 35, "qualified": 18, "contact": 10, "customer": 7}
_INDUSTRIES = (
    "Agriculture", "Architecture", "Automotive", "Banking", "Biotechnology", "Chemicals", "Construction",
    "Consulting", "Education", "Energy", "Entertainment", "Food and Beverages", "Government", "Healthcare",
    "Hospitality", "Insurance", "Legal", "Logistics", "Manufacturing", "Media", "Non-profit", "Real Estate",
    "Retail", "Software", "Telecommunications",
)  # fmt: skip
_PERSONAS = ("", "", "Decision Maker", "Technical Buyer", "End User", "Researcher")
_LOCALES = tuple(_COUNTRIES)
_WEIGHTS = tuple(weight for _, weight in _COUNTRIES.values())
_DOMAINS = ("example.com", "example.org", "example.net", "example")
_LENGTH_LIMITS = {column.name: column.kind.length for column in LEAD.columns if column.kind.sql == "text"}
_PLAIN_LETTERS = str.maketrans({"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "æ": "ae", "đ": "d", "\u0131": "i"})

_providers: dict[str, Generic] = {}


def people(start: int, count: int) -> list[Json]:
    """Returns the leads number `start` to `start + count - 1`, as createLeads takes them.

    `start` must be a multiple of BATCH: a batch is always the same.
    """
    randomness = random.Random(start)  # noqa: S311 - creates names, not secrets
    for locale in _COUNTRIES:
        _provider(locale).reseed(f"{start} {locale}")
    return [_person(start + number, randomness) for number in range(count)]


def _provider(locale: str) -> Generic:
    if locale not in _providers:
        _providers[locale] = Generic(Locale(locale))
    return _providers[locale]


def _person(number: int, randomness: random.Random) -> dict[str, Json]:
    (locale,) = randomness.choices(_LOCALES, _WEIGHTS)
    provider = _provider(locale)
    gender = randomness.choice((Gender.FEMALE, Gender.MALE))
    first, last = provider.person.first_name(gender), provider.person.last_name(gender)
    company = provider.finance.company()
    domain = f"{_word(company)[:40] or 'mail'}.{randomness.choice(_DOMAINS)}"
    lead: dict[str, Json] = {
        "emailAddress": f"{_mailbox(first, last)}.{number + 1}@{domain}",
        "firstName": first,
        "lastName": last,
        "country": _COUNTRIES[locale][0],
        "leadStatus": randomness.choices(_STATUSES, [_STATUS_WEIGHTS[status] for status in _STATUSES])[0],
        "leadScore": int(randomness.triangular(0, 200, 10)),
    }
    if randomness.random() < 0.85:  # has a company
        lead |= {
            "companyName": company,
            "title": provider.person.occupation(),
            "industry": randomness.choice(_INDUSTRIES),
            "website": f"https://www.{domain}/",
            "officePhoneNumber": provider.person.phone_number(),
        }
    if randomness.random() < 0.7:  # has an address
        lead |= {
            "street": provider.address.address(),
            "city": provider.address.city(),
            "state": provider.address.state(),
            "zipcode": provider.address.zip_code(),
        }
    if randomness.random() < 0.6:
        lead["phoneNumber"] = provider.person.phone_number()
    if randomness.random() < 0.5:
        lead["mobilePhoneNumber"] = provider.person.phone_number()
    if randomness.random() < 0.1:
        lead["phoneNumberExtension"] = str(randomness.randrange(10, 1000))
    if randomness.random() < 0.2:
        lead["description"] = provider.text.sentence()
    if persona := randomness.choice(_PERSONAS):
        lead["persona"] = persona
    if randomness.random() < 0.03:
        lead["isUnsubscribed"] = 1
    return {name: value[: _LENGTH_LIMITS[name]] if isinstance(value, str) else value for name, value in lead.items()}


def _mailbox(first: str, last: str) -> str:
    """Returns the local part of an email address."""
    return ".".join(filter(None, (_word(first), _word(last))))[:60] or "lead"


def _word(text: str) -> str:
    """Returns a name in ASCII letters, which every mail server accepts."""
    plain = unicodedata.normalize("NFKD", text.translate(_PLAIN_LETTERS)).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
