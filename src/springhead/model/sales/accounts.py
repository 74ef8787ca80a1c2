"""The account: a customer company, to which leads belong (docs/wire/sales.md#accounts)."""

from springhead.model.kit.columns import Column, Noun, integer, text

_ID = integer(18, "bigint")

ACCOUNT = Noun(
    name="account",
    table="account",
    about="A company or organisation that leads and opportunities belong to.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="ownerID", kind=_ID, nullable=True, references="user_profile"),
        Column(name="accountName", kind=text(255), required=True),
        Column(name="industry", kind=text(255)),
        Column(name="phone", kind=text(255)),
        Column(name="annualRevenue", kind=_ID, nullable=True),
        Column(name="numberOfEmployees", kind=_ID, default="0"),
        Column(name="website", kind=text(255)),
        Column(name="yearStarted", kind=_ID, nullable=True),
        Column(name="fax", kind=text(255)),
        Column(name="billingCity", kind=text(255)),
        Column(name="billingCountry", kind=text(255)),
        Column(name="billingPostalCode", kind=text(50)),
        Column(name="billingState", kind=text(255)),
        Column(name="billingStreetAddress", kind=text(255)),
        Column(name="shippingCity", kind=text(255)),
        Column(name="shippingCountry", kind=text(255)),
        Column(name="shippingPostalCode", kind=text(50)),
        Column(name="shippingState", kind=text(255)),
        Column(name="shippingStreetAddress", kind=text(255)),
    ),
    custom=True,
    where_columns=("ownerID",),
)
