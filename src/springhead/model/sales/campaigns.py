"""The campaign: a source of leads (docs/wire/sales.md#campaigns; the vendor's article gives no types)."""

from springhead.model.kit.columns import Column, Noun, day_or_moment, flag, integer, number, text

_ID = integer(18, "bigint")

CAMPAIGN = Noun(
    name="campaign",
    table="campaign",
    about="A source of leads, such as an advertisement, a trade fair or a newsletter.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="campaignName", kind=text(255), required=True),
        Column(name="campaignType", kind=text(255)),
        Column(name="campaignAlias", kind=text(255)),
        Column(name="campaignOrigin", kind=text(255)),
        Column(name="qty", kind=_ID, nullable=True),
        Column(name="price", kind=number(), nullable=True),
        Column(name="goal", kind=number(), nullable=True),
        Column(name="otherCosts", kind=number(), nullable=True),
        Column(name="startDate", kind=day_or_moment(), nullable=True),
        Column(name="endDate", kind=day_or_moment(), nullable=True),
        Column(name="isActive", kind=flag(), default="true"),
        Column(name="ownerID", kind=_ID, nullable=True, references="user_profile"),
    ),
    where_columns=("ownerID",),
)
