"""Products (docs/wire/methods.md#products; the vendor's schema is not known)."""

from collections.abc import Mapping
from typing import Annotated

from springhead.methods import reads
from springhead.methods.bulk import writes
from springhead.methods.bulk.writes import FLAT_ERRORS, WRITE_ERRORS
from springhead.methods.examples import CREATED, DONE, NOTHING_CHANGED, row
from springhead.methods.reads import Limit, Offset
from springhead.model.kit.errors import Json, MissingParameters, NothingChanged, UnexpectedArray
from springhead.model.sales.products import PRODUCT
from springhead.rpc.context import Context
from springhead.rpc.method import Example, ReadResult, Reads, WriteResult, Writes, method
from springhead.rpc.params import PAGE, FlatOrObjects, Objects, Where

_NAME = "Spring water, 12 bottles"
_CHOICE = "the columns are our choice, because the vendor's schema is not known"
_GIVEN = (Example({"productName": _NAME, "price": "7.90"}, [CREATED], method="createProduct"),)
_ROW = row(PRODUCT, productName=_NAME, price="7.9")


@method(
    *FLAT_ERRORS,
    MissingParameters,
    result=Writes("creates"),
    section="docs/wire/methods.md#products",
    differs=_CHOICE,
    examples=[
        Example({"productName": _NAME, "productCode": "SW-12", "price": "7.90"}, [CREATED], "One new product."),
    ],
)
async def create_product(
    context: Context, *, objects: Annotated[list[Json], FlatOrObjects(PRODUCT, "The product.", creating=True)]
) -> WriteResult:
    """Creates a product.

    `productName` is required. `price` and `cost` are stored exactly as sent, with up to 14 digits before the decimal
    point and 10 after it.
    """
    return await writes.create(context, PRODUCT, objects)


@method(
    *WRITE_ERRORS,
    result=Writes("creates"),
    section="docs/wire/methods.md#products",
    differs=_CHOICE,
    examples=[
        Example(
            {"objects": [{"productName": _NAME, "price": 7.9}, {"productName": "Glass", "isActive": 0}]},
            [CREATED, CREATED],
            "Two new products; the second is inactive.",
        )
    ],
)
async def create_products(
    context: Context,
    *,
    objects: Annotated[
        list[Json], Objects(PRODUCT, "The products, each a hash of system names and values; at most 500.")
    ],
) -> WriteResult:
    """Creates up to 500 products and returns, for each, whether it was created.

    A refused product does not stop the others.
    """
    return await writes.create(context, PRODUCT, objects)


@method(
    UnexpectedArray,
    result=Reads(PRODUCT),
    section="docs/wire/methods.md#products",
    differs=_CHOICE,
    examples=[
        Example({"where": {"isActive": 1}, "limit": 500, "offset": 0}, [_ROW], "The active products.", given=_GIVEN),
        Example({"where": {"productName": "Glass"}}, [], "A name that no product has.", given=_GIVEN),
    ],
)
async def get_products(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(PRODUCT, "id", "productName", "isActive", required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns a page of the products that match all filters, active or not, in the order of their ids.

    Names are compared in both codings of accents. Their case counts.
    """
    return await reads.listing(context, PRODUCT, where, limit=limit, offset=offset)


@method(
    *FLAT_ERRORS,
    NothingChanged,
    result=Writes("updates"),
    section="docs/wire/methods.md#products",
    differs=_CHOICE,
    examples=[
        Example({"id": "{id}", "price": "8.20"}, [DONE], "A new price.", given=_GIVEN),
        Example(
            {"objects": [{"id": "{id}", "isActive": 0}, {"id": 1}]},
            [DONE, NOTHING_CHANGED],
            "Several products in one call.",
            given=_GIVEN,
        ),
    ],
)
async def update_product(
    context: Context,
    *,
    objects: Annotated[list[Json], FlatOrObjects(PRODUCT, "The product by its id.", creating=False)],
) -> WriteResult:
    """Changes a product, found by its `id`.

    Sent fields overwrite the stored values; other fields stay. null clears the price or the cost. An unknown product
    gets 302, and so does a product that already has all sent values.
    """
    return await writes.update(context, PRODUCT, objects)


@method(
    *FLAT_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    section="docs/wire/methods.md#products",
    examples=[
        Example({"id": "{id}"}, [DONE], "A product.", given=_GIVEN),
        Example(
            {"objects": [{"id": "{id}"}, {"id": 1}]},
            [DONE, NOTHING_CHANGED],
            "Several products in one call.",
            given=_GIVEN,
        ),
    ],
)
async def delete_product(
    context: Context,
    *,
    objects: Annotated[list[Json], FlatOrObjects(PRODUCT, "The product by its id.", creating=False)],
) -> WriteResult:
    """Deletes a product permanently, by its `id`."""
    return await writes.delete(context, PRODUCT, objects)
