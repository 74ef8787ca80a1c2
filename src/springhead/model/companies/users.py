"""The user profile: a person of the company (docs/wire/methods.md#users)."""

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
