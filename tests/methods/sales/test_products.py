"""Products: their own rules (docs/wire/methods.md#products); the rules of every noun are in test_every_noun*.py."""

from typing import Any

import pytest

from support import Company

CREATED = {"success": True, "error": None}


def product(company: Company, **params: Any) -> int:
    """Creates a product from flat params. Returns its id."""
    (made,) = company.call("createProduct", **params)
    return made["id"]


def test_a_product_can_be_created_from_flat_params(company: Company) -> None:
    answer = company.envelope("createProduct", {"productName": "Water", "price": "7.90", "isActive": 0})

    (made,) = answer["result"]["creates"]
    assert answer["error"] == []
    assert company.call("getProducts", where={"id": made["id"]}) == [
        {
            "id": str(made["id"]), "productName": "Water", "productCode": None, "description": None, "price": "7.9",
            "cost": None, "isActive": "0",
        }
    ]  # fmt: skip


def test_parameters_that_are_no_column_are_ignored_in_a_flat_call(company: Company) -> None:
    product_id = product(company, productName="Water", limit="", offset="", nothing=[], id=5)

    assert product_id > 5
    assert company.call("updateProduct", id=product_id, productName="Wine", limit="")[0]["success"]


@pytest.mark.parametrize("objects", [None, ""])
def test_an_empty_list_of_objects_is_ignored_in_a_flat_call(company: Company, objects: Any) -> None:
    assert product(company, productName="Water", objects=objects)


def test_a_wrong_flat_product_refuses_the_call(company: Company) -> None:
    product_id = product(company, productName="Water")

    absent = company.error("createProduct", price=1)
    assert (absent["code"], absent["data"]["params"][0]["param"]) == (206, "productName")
    assert company.error("createProduct", productName=" ")["code"] == 205
    assert company.error("createProduct", productName="x" * 256)["code"] == 205
    assert company.error("createProduct", productName=["Water"])["code"] == 210
    assert company.error("updateProduct", id=product_id, price="NaN")["code"] == 205
    assert company.error("updateProduct", id=product_id, productName="Water")["code"] == 302
    assert company.error("updateProduct", id=1, productName="Water") == {
        "code": 302, "message": "No table rows affected", "data": []
    }  # fmt: skip
    assert company.error("updateProduct", id=[product_id])["code"] == 210
    assert company.error("deleteProduct", id=1)["code"] == 302
    assert company.error("deleteProduct", id="x")["code"] == 205


def test_a_list_of_products_is_answered_one_by_one(company: Company) -> None:
    answer = company.envelope("createProduct", {"objects": [{"productName": "Water"}, {"price": 1}]})

    good, bad = answer["result"]["creates"]
    assert good["success"]
    assert bad["error"]["code"] == 205
    assert answer["error"] == [bad["error"]]
    deletes = company.call("deleteProduct", objects=[{"id": good["id"]}, good["id"]])
    assert [outcome["error"] and outcome["error"]["code"] for outcome in deletes] == [None, 302]


def test_several_products_are_created_at_once(company: Company) -> None:
    ids = company.make("createProducts", {"productName": "Water"}, {"productName": "Wine", "cost": 3.5})

    assert ids[1] - ids[0] == 1024
    assert company.error("createProducts", productName="Water")["code"] == 207


def test_products_are_filtered_by_name_and_by_is_active(company: Company) -> None:
    water = product(company, productName="Water")
    wine = product(company, productName="Wine", isActive=0)

    def ids(**where: Any) -> list[str]:
        return [row["id"] for row in company.call("getProducts", where=where)]

    assert ids(productName="Water") == [str(water)]
    assert ids(productName="water") == []
    assert ids(productName=["Water", "Wine", "x"]) == [str(water), str(wine)]
    assert (ids(isActive=1), ids(isActive="0")) == ([str(water)], [str(wine)])
    assert ids(productName="Wine", isActive=1) == []
    assert company.call("getProducts", limit=1, offset=1)[0]["id"] == str(wine)


def test_a_flat_change_and_a_flat_delete_are_answered_like_bulk_ones(company: Company) -> None:
    product_id = product(company, productName="Water", price=1)

    changed = company.envelope("updateProduct", {"id": str(product_id), "price": None, "cost": "0.5"})
    deleted = company.envelope("deleteProduct", {"id": product_id})

    assert (changed["result"], changed["error"]) == ({"updates": [CREATED]}, [])
    assert (deleted["result"], deleted["error"]) == ({"deletes": [CREATED]}, [])
    assert company.call("getProducts") == []
