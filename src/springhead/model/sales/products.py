"""The product. The vendor's schema is not known; the columns are our choice."""

from springhead.model.kit.columns import Column, Noun, flag, integer, number, text

_ID = integer(18, "bigint")

PRODUCT = Noun(
    name="product",
    table="product",
    about="Something that your company sells.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="productName", kind=text(255), required=True),
        Column(name="productCode", kind=text(255)),
        Column(name="description", kind=text(65_535, type="text")),
        Column(name="price", kind=number(), nullable=True),
        Column(name="cost", kind=number(), nullable=True),
        Column(name="isActive", kind=flag(), default="true"),
    ),
    where_columns=("isActive",),
)
