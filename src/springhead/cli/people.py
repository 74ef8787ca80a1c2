"""Made-up people: plausible, from many countries, the same ones every time. Addresses are of domains for examples."""

import random
import re
import unicodedata

from mimesis import Gender, Generic, Locale

from springhead.model.kit.errors import Json
from springhead.model.leads.leads import DERIVED_STATUS, LEAD, STATUSES

BATCH = 500

_PLACES = {
    "en": ("United States", 4), "en-gb": ("United Kingdom", 2), "en-au": ("Australia", 1), "en-ca": ("Canada", 1),
    "de": ("Germany", 2), "de-at": ("Austria", 1), "de-ch": ("Switzerland", 1), "fr": ("France", 2),
    "es": ("Spain", 1), "es-mx": ("Mexico", 1), "it": ("Italy", 2), "pt-br": ("Brazil", 2), "pt": ("Portugal", 1),
    "nl": ("Netherlands", 1), "nl-be": ("Belgium", 1), "sv": ("Sweden", 1), "no": ("Norway", 1),
    "da": ("Denmark", 1), "fi": ("Finland", 1), "pl": ("Poland", 1), "cs": ("Czechia", 1), "sk": ("Slovakia", 1),
    "hu": ("Hungary", 1), "tr": ("Türkiye", 1), "el": ("Greece", 1), "uk": ("Ukraine", 1), "ru": ("Russia", 1),
    "ja": ("Japan", 1), "ko": ("South Korea", 1), "zh": ("China", 1),
}  # fmt: skip
"""Where people come from, by the language of their names, and how many of them."""

_STATUSES = [status for status in STATUSES if status != DERIVED_STATUS]
_STATUS_WEIGHTS = {"open": 30, "unqualified": 35, "qualified": 18, "contact": 10, "customer": 7}
_INDUSTRIES = (
    "Agriculture", "Architecture", "Automotive", "Banking", "Biotechnology", "Chemicals", "Construction",
    "Consulting", "Education", "Energy", "Entertainment", "Food and Beverages", "Government", "Healthcare",
    "Hospitality", "Insurance", "Legal", "Logistics", "Manufacturing", "Media", "Non-profit", "Real Estate",
    "Retail", "Software", "Telecommunications",
)  # fmt: skip
_PERSONAS = ("", "", "Decision Maker", "Technical Buyer", "End User", "Researcher")
_LOCALES = tuple(_PLACES)
_CROWDS = tuple(crowd for _, crowd in _PLACES.values())
_ENDINGS = ("example.com", "example.org", "example.net", "example")
_LENGTHS = {column.name: column.kind.length for column in LEAD.columns if column.kind.sql == "text"}
_PLAIN_LETTERS = str.maketrans({"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "æ": "ae", "đ": "d", "\u0131": "i"})

_providers: dict[str, Generic] = {}


def people(start: int, count: int) -> list[Json]:
    """The people number `start` to `start + count - 1` for createLeads; `start` is a multiple of BATCH."""
    dice = random.Random(start)  # noqa: S311 - names, no secrets
    for locale in _PLACES:
        _provider(locale).reseed(f"{start} {locale}")
    return [_person(start + number, dice) for number in range(count)]


def _provider(locale: str) -> Generic:
    if locale not in _providers:
        _providers[locale] = Generic(Locale(locale))
    return _providers[locale]


def _person(number: int, dice: random.Random) -> dict[str, Json]:
    (locale,) = dice.choices(_LOCALES, _CROWDS)
    make = _provider(locale)
    gender = dice.choice((Gender.FEMALE, Gender.MALE))
    first, last = make.person.first_name(gender), make.person.last_name(gender)
    company = make.finance.company()
    domain = f"{_word(company)[:40] or 'mail'}.{dice.choice(_ENDINGS)}"
    lead: dict[str, Json] = {
        "emailAddress": f"{_mailbox(first, last)}.{number + 1}@{domain}",
        "firstName": first,
        "lastName": last,
        "country": _PLACES[locale][0],
        "leadStatus": dice.choices(_STATUSES, [_STATUS_WEIGHTS[status] for status in _STATUSES])[0],
        "leadScore": int(dice.triangular(0, 200, 10)),
    }
    if dice.random() < 0.85:  # with a company
        lead |= {
            "companyName": company,
            "title": make.person.occupation(),
            "industry": dice.choice(_INDUSTRIES),
            "website": f"https://www.{domain}/",
            "officePhoneNumber": make.person.phone_number(),
        }
    if dice.random() < 0.7:  # with an address
        lead |= {
            "street": make.address.address(),
            "city": make.address.city(),
            "state": make.address.state(),
            "zipcode": make.address.zip_code(),
        }
    if dice.random() < 0.6:
        lead["phoneNumber"] = make.person.phone_number()
    if dice.random() < 0.5:
        lead["mobilePhoneNumber"] = make.person.phone_number()
    if dice.random() < 0.1:
        lead["phoneNumberExtension"] = str(dice.randrange(10, 1000))
    if dice.random() < 0.2:
        lead["description"] = make.text.sentence()
    if persona := dice.choice(_PERSONAS):
        lead["persona"] = persona
    if dice.random() < 0.03:
        lead["isUnsubscribed"] = 1
    return {name: value[: _LENGTHS[name]] if isinstance(value, str) else value for name, value in lead.items()}


def _mailbox(first: str, last: str) -> str:
    return ".".join(filter(None, (_word(first), _word(last))))[:60] or "lead"


def _word(text: str) -> str:
    """The letters of a name that every mail server takes."""
    plain = unicodedata.normalize("NFKD", text.translate(_PLAIN_LETTERS)).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
