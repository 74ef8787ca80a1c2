"""Campaigns: their own rules (docs/wire/sales.md#campaigns); the rules of every noun are in test_every_noun*.py."""

from collections.abc import Callable

from support import Company

COLUMNS = [
    "id", "campaignName", "campaignType", "campaignAlias", "campaignOrigin", "qty", "price", "goal", "otherCosts",
    "startDate", "endDate", "isActive", "ownerID",
]  # fmt: skip


def test_a_campaign_has_the_vendors_columns_and_its_owner_last(company: Company) -> None:
    (campaign_id,) = company.make("createCampaigns", {"campaignName": "Spring fair"})

    answer = company.envelope("getCampaign", {"id": campaign_id})

    assert list(answer["result"]) == ["campaign"]
    (campaign,) = answer["result"]["campaign"]
    assert list(campaign) == COLUMNS
    assert (campaign["campaignName"], campaign["isActive"]) == ("Spring fair", "1")
    assert {campaign[name] for name in COLUMNS[2:] if name != "isActive"} == {None}


def test_inactive_campaigns_are_read_as_well(company: Company) -> None:
    first, other = company.make("createCampaigns", {"campaignName": "A", "isActive": 0}, {"campaignName": "B"})

    assert [row["id"] for row in company.call("getCampaigns", where={})] == [str(first), str(other)]


def test_campaigns_are_found_by_owner_and_in_a_range_of_time(company: Company) -> None:
    (user,) = company.call("getUserProfiles")
    owned, _ = company.make("createCampaigns", {"campaignName": "A", "ownerID": user["id"]}, {"campaignName": "B"})
    ever = {"startDate": "2000-01-01", "endDate": "2999-12-31"}

    assert [row["id"] for row in company.call("getCampaigns", where={"ownerID": user["id"]})] == [str(owned)]
    assert len(company.call("getCampaignsDateRange", timestamp="create", **ever)) == 2


def test_costs_are_kept_to_the_last_digit(company: Company) -> None:
    costs = {"price": "0.1", "goal": "99999999999999.0000000001", "otherCosts": 1e3, "qty": "12"}

    (campaign_id,) = company.make("createCampaigns", {"campaignName": "A", **costs})

    (campaign,) = company.call("getCampaign", id=campaign_id)
    assert [campaign[name] for name in costs] == ["0.1", "99999999999999.0000000001", "1000", "12"]
    assert company.code("updateCampaigns", {"id": campaign_id, "price": "0.10"}) == 302
    assert company.code("updateCampaigns", {"id": campaign_id, "price": "0.12345678901"}) == 205
    assert company.code("updateCampaigns", {"id": campaign_id, "qty": "1.5"}) == 205
    assert company.code("updateCampaigns", {"id": campaign_id, "price": None}) is None


def test_a_campaign_starts_and_ends_in_the_zone_of_the_call(given_company: Callable[..., Company]) -> None:
    company = given_company(time_zone="America/New_York")
    utc = company.at("v1.2")
    new = {"campaignName": "A", "startDate": "2026-04-01 09:00:00", "endDate": "2026-12-01"}

    (campaign_id,) = company.make("createCampaigns", new)

    (local,) = company.call("getCampaign", id=campaign_id)
    (universal,) = utc.call("getCampaign", id=campaign_id)
    assert (local["startDate"], local["endDate"]) == ("2026-04-01 09:00:00", "2026-12-01 00:00:00")
    assert (universal["startDate"], universal["endDate"]) == ("2026-04-01 13:00:00", "2026-12-01 00:00:00")


def test_a_campaign_is_changed_and_deleted(company: Company) -> None:
    (campaign_id,) = company.make("createCampaigns", {"campaignName": "A"})

    assert company.code("updateCampaigns", {"id": campaign_id, "isActive": False}) is None
    (campaign,) = company.call("getCampaign", id=campaign_id)
    assert campaign["isActive"] == "0"
    assert [company.code("deleteCampaigns", {"id": campaign_id}) for _ in range(2)] == [None, 302]
    assert company.call("getCampaign", id=campaign_id) == []
