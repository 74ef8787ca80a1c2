"""The names of inputs: which field of a form an input stands for, as other pages, plugins and languages name it."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from springhead.model.capture.forms import CONSENT, EMAIL, UPLOADS, Form, available_fields
from springhead.model.kit.fields import FieldSet

FULL_NAME = "*fullName"
"""Stands for an input with the whole name of a person. No field has this system name."""

NAME_LENGTH = 300
"""The most characters of a name that are looked at."""

_SPELLINGS: Mapping[str, str] = {
    EMAIL: "email mail emailaddress youremail emailid courriel correo correoelectronico indirizzoemail",
    "firstName": "firstname fname first givenname forename vorname prenom nombre nome voornaam primeironome",
    "lastName": "lastname lname last surname familyname nachname apellido apellidos cognome achternaam sobrenome "
    "nomdefamille",
    FULL_NAME: "name fullname yourname realname author naam nomecompleto nombrecompleto nomcomplet",
    "companyName": "company companyname organization organisation organizationname organisationname accountname "
    "business businessname firma unternehmen entreprise societe empresa azienda bedrijf bedrijfsnaam",
    "title": "jobtitle organizationtitle jobrole",
    "phoneNumber": "phone phonenumber tel telephone telnational telefon telefono telefone telefoon telefoonnummer "
    "telefonnummer",
    "mobilePhoneNumber": "mobile mobilephone mobilenumber cell cellphone cellphonenumber handy mobil portable movil "
    "cellulare celular mobiel",
    "officePhoneNumber": "officephone workphone",
    "faxNumber": "fax",
    "street": "address streetaddress street1 address1 addressline1 addr1 addrline1 strasse adresse direccion indirizzo "
    "adres endereco",
    "city": "town addresslevel2 ort stadt ville ciudad citta stad cidade",
    "state": "province region addresslevel1 bundesland provincia estado",
    "country": "countryname land pays pais paese",
    "zipcode": "zip postcode postalcode postal plz postleitzahl codepostal codigopostal cap cep",
    "website": "url websiteurl web homepage webseite siteweb",
    "description": "message comment comments yourmessage textarea enquiry inquiry question nachricht mitteilung "
    "mensaje messaggio bericht mensagem",
    CONSENT: "consent acceptance accept agree agreement gdpr gdprconsent gdpragreement optin einwilligung zustimmung "
    "consentement consenso consentimiento consentimento toestemming",
}
"""Common names of inputs by the field they stand for, as normalised_name returns them."""

_FIELDS = {spelling: field for field, spellings in _SPELLINGS.items() for spelling in spellings.split()}

_OWN_PREFIXES = re.compile(
    r"(?a)(?:your|my|contact|user|customer|client|lead|visitor|person|billing|sender|mce|etpbcontact|wpcf7|field)(.+)"
)
"""Words before the name of a field that are about the person who fills in the form."""

_NOT_OWN = {"username", "contactform", "userid", "usertitle"}

_OTHER_THINGS = frozenset(
    [
        "event",
        "events",
        "product",
        "products",
        "order",
        "orders",
        "item",
        "items",
        "file",
        "files",
        "page",
        "site",
        "friend",
        "friends",
        "guest",
        "guests",
        "partner",
        "spouse",
        "child",
        "children",
        "parent",
        "emergency",
        "reference",
        "referrer",
        "referral",
        "shipping",
        "invoice",
    ]
)
"""Words of outer names, as in `friend[email]`, whose inner names are not about the person who fills in the form."""

EXACT, SPELLING, INNER, OUTER = 0, 1, 2, 3
"""How an input names a field: by the field's own name, by a common name, or by one part of `outer[inner]`."""


class Understood(msgspec.Struct, frozen=True):
    """The field that an input stands for. `key` is in brackets behind the name.

    Of several inputs for a field, those with the lowest `rank` name it best. Its second part is the number behind the
    name, so `address-1` is better than `address-2`.
    """

    system_name: str
    rank: tuple[int, int]
    key: str = ""


class InputNames:
    """The names that the inputs of a form can have."""

    def __init__(self, form: Form, fields: FieldSet) -> None:
        known = available_fields(fields)
        form_fields = [field.system_name for field in form.fields if field.system_name in known]
        self._several = {name for name in form_fields if known[name].data_type in {"checkbox", *UPLOADS}}
        self._exact = {normalised_name(name): name for name in form_fields}
        for name in form_fields:
            if known[name].is_custom:
                self._exact.setdefault(normalised_name(f"field_{known[name].id}"), name)
                self._exact.setdefault(normalised_name(known[name].label), name)
        self._exact.pop("", None)
        self._asked = {*form_fields, *([FULL_NAME] if {"firstName", "lastName"} & {*form_fields} else [])}
        self._asked |= {CONSENT} if form.consent_text else set()

    def understand(self, name: str) -> Understood | None:
        """Returns the field that an input with this name stands for, or None.

        PHP and other programs send `field[]`, `field[0]` and `field[key]` for several values of a field, and
        `form[field]` for a field of a form.
        """
        parts = re.findall(r"[^\[\]]+", name[:NAME_LENGTH]) or [""]
        outer = self._exact.get(normalised_name(parts[0]))
        key = parts[1] if len(parts) > 1 else ""
        if outer in self._several:
            return Understood(outer, (EXACT, 0), key)
        if system_name := self._exact.get(normalised_name("".join(parts))):
            return Understood(system_name, (EXACT, 0))
        inner = _inner_name(parts) if is_about_sender(parts[0]) else ""
        if system_name := self._exact.get(normalised_name(inner)):
            return Understood(system_name, (INNER, 0))
        for spelled, kind in ((name[:NAME_LENGTH], SPELLING), (inner, INNER), (parts[0], OUTER)):
            for candidate, number in _candidates(spelled):
                if field := _FIELDS.get(candidate):
                    return Understood(field, (kind, number)) if field in self._asked else None
        return Understood(outer, (EXACT, 0), key) if outer else None


def _candidates(name: str) -> Iterable[tuple[str, int]]:
    """Yields the normalised names without the prefixes and the number that form plugins put around them.

    The number comes with each name; it is 0 if there is none.
    """
    name = re.sub(r"(?a)\[\d*\]", "", name)
    number = re.search(r"(?a)[-_.](\d{1,9})\Z", name)
    without_number = name[: number.start()] if number else name
    without_prefix = re.sub(r"(?ai)\A(?:[gq]\d+[-_]|[a-z]+-\d+-)", "", name)
    yield from ((candidate, 0) for candidate in _with_and_without_prefix(name))
    if number:
        yield from ((candidate, int(number[1])) for candidate in _with_and_without_prefix(without_number))
    yield from ((candidate, 0) for candidate in _with_and_without_prefix(without_prefix))


def _with_and_without_prefix(name: str) -> Iterable[str]:
    plain = normalised_name(name)
    yield plain
    own = _OWN_PREFIXES.fullmatch(plain)
    if own and plain not in _NOT_OWN:
        yield own[1]


def _inner_name(parts: Sequence[str]) -> str:
    """Returns the innermost part of a name that can name a field, or "": `email` of `fields[email][value]`.

    `[value]` and numbers name no field.
    """
    names = [part for part in parts if not re.fullmatch(r"(?a)\s*\d*\s*", part)]
    if len(names) > 1 and names[-1] == "value":
        names.pop()
    return names[-1] if len(names) > 1 else ""


def is_about_sender(name: str) -> bool:
    """Whether an input with this name can be about the person who fills in the form: `friend_email` is not."""
    return not _OTHER_THINGS.intersection(re.findall(r"[a-z]+", name[:NAME_LENGTH].lower()))


def normalised_name(name: str) -> str:
    """Returns the lower-case letters and digits of an input's name: `email` for `E-Mail`, `e_mail` and `email[]`."""
    plain = unicodedata.normalize("NFKD", name[:NAME_LENGTH]).lower()
    return re.sub(r"[^a-z0-9]+", "", plain)
