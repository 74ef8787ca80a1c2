"""The user profile: a person of the company (docs/wire/methods.md#users), and users as they sign in."""

import hashlib
import re
import secrets
from zoneinfo import ZoneInfo

import msgspec

from springhead.model.companies.companies import Company
from springhead.model.companies.roles import Right, Role
from springhead.model.kit.columns import Column, Noun, flag, integer, text
from springhead.model.leads.leads import email_key

_NAME_LENGTH, _ADDRESS_LENGTH = 255, 150

USER_PROFILE = Noun(
    name="userProfile",
    table="user_profile",
    about="A user of your company, who can own leads and write notes.",
    columns=(
        Column(name="id", kind=integer(18, "bigint")),
        Column(name="firstName", kind=text(50)),
        Column(name="lastName", kind=text(50)),
        Column(name="displayName", kind=text(_NAME_LENGTH)),
        Column(name="emailAddress", kind=text(_ADDRESS_LENGTH), key_sql="email_key", make_key=email_key),
        Column(name="isActive", kind=flag()),
        Column(name="isReseller", kind=flag()),
        Column(name="userTimezone", kind=text(255)),
        Column(name="phone", kind=text(255)),
    ),
)


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user who can sign in, with the company and the role. `time_zone` is empty for the company's."""

    company: Company
    id: int
    display_name: str
    email_address: str
    role: Role
    time_zone: str = ""
    language: str = "en"
    has_password: bool = False

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which the pages show times to this user."""
        return ZoneInfo(self.time_zone) if self.time_zone else self.company.zone

    def may(self, right: Right) -> bool:
        """Returns whether the user's role has the right."""
        return self.role.may(right)


_ADDRESS = re.compile(r"[^\s@\x00-\x1f]{1,64}@[^\s@\x00-\x1f]{1,100}")


def is_address(text: str) -> bool:
    """Returns whether the text can be the email address of a user."""
    return len(text) <= _ADDRESS_LENGTH and bool(_ADDRESS.fullmatch(text))


def is_name(text: str) -> bool:
    """Returns whether the text can be the displayed name of a user."""
    return 0 < len(text) <= _NAME_LENGTH and text.isprintable()


def new_token() -> str:
    """Returns a random token for a link or a session: 256 bits in the alphabet of URLs."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> bytes:
    """Returns the hash under which a token is stored. A token of 256 random bits needs no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
