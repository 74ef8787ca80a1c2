"""The user profile: a person of the company (docs/wire/methods.md#users), and users as they sign in."""

import hashlib
import secrets
from zoneinfo import ZoneInfo

import msgspec

from springhead.model.companies.companies import Company
from springhead.model.companies.roles import Right, Role
from springhead.model.kit.columns import Column, Noun, flag, integer, text
from springhead.model.leads.leads import email_key

USER_PROFILE = Noun(
    name="userProfile",
    table="user_profile",
    about="A user of your company, who can own leads and write notes.",
    columns=(
        Column(name="id", kind=integer(18, "bigint")),
        Column(name="firstName", kind=text(50)),
        Column(name="lastName", kind=text(50)),
        Column(name="displayName", kind=text(255)),
        Column(name="emailAddress", kind=text(150), key_sql="email_key", make_key=email_key),
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


def new_token() -> str:
    """Returns a random token for a link or a session: 256 bits in the alphabet of URLs."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> bytes:
    """Returns the hash under which a token is stored. A token of 256 random bits needs no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
