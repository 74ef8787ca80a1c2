"""The features that gifts get from their declaration alone. tests/contract/test_new_noun.py runs these tests."""

import json
from urllib.request import urlopen

from support import Company, Server


def test_a_lead_is_exported_with_its_gifts(company: Company) -> None:
    lead, other = company.create({}, {})
    company.make("createGifts", {"leadID": lead, "giftName": "Umbrella"}, {"leadID": other, "giftName": "Pen"})

    parts = company.call("exportLead", id=lead)

    assert [part["data"]["giftName"] for part in parts if part["part"] == "gift"] == ["Umbrella"]


def test_an_erased_lead_leaves_no_gift_and_its_receipt_counts_them(company: Company) -> None:
    lead, other = company.create({}, {})
    company.make("createGifts", *({"leadID": lead, "giftName": "Umbrella"} for _ in range(3)))
    company.make("createGifts", {"leadID": other, "giftName": "Pen"})

    (outcome,) = company.call("eraseLeads", objects=[{"id": lead}])

    assert outcome["success"]
    assert [gift["giftName"] for gift in company.call("getGifts")] == ["Pen"]
    (receipt,) = company.call("getErasures", leadID=[lead])
    assert "'gift': '3'" in str(receipt["erased"])


def test_a_gift_of_a_merged_lead_can_still_be_given(company: Company) -> None:
    stays, goes = company.create({}, {})
    company.call("mergeLeads", objects=[{"id": stays, "mergeIDs": [goes]}])

    (gift,) = company.make("createGifts", {"leadID": goes, "giftName": "Umbrella"})

    (row,) = company.call("getGift", id=gift)
    assert row["leadID"] == str(stays)


def test_the_description_of_the_api_has_its_methods(server: Server) -> None:
    with urlopen(f"{server.url}/openrpc.json") as answer:
        described = json.load(answer)

    names = {method["name"] for method in described["methods"]}
    assert {"createGifts", "updateGifts", "deleteGifts", "getGift", "getGifts", "getGiftsDateRange"} <= names
