"""getTrackedLinks. tests/capture/emails/test_links.py follows the links."""

from collections.abc import Callable
from typing import Any

import pytest

from support import Company

SPRING = "https://www.example.com/spring?a=b&c=%20d#top"


def test_a_lead_gets_links_a_pixel_and_an_unsubscribe_link(company: Company) -> None:
    (lead,) = company.create({})
    (row,) = company.call("getTrackedLinks", leadID=lead, urls=[SPRING, "http://example.com"])

    assert list(row) == [
        "leadID", "campaignID", "isUnsubscribed", "links", "openPixel", "unsubscribeURL", "listUnsubscribe",
        "listUnsubscribePost",
    ]  # fmt: skip
    assert (row["leadID"], row["campaignID"], row["isUnsubscribed"]) == (str(lead), None, None)
    assert list(row["links"]) == [SPRING, "http://example.com"]
    assert all(link.startswith("/e/") for link in row["links"].values())
    assert row["openPixel"].startswith("/o/")
    assert row["openPixel"].endswith(".gif")
    assert row["unsubscribeURL"].startswith("/u/")
    assert row["listUnsubscribe"] == f"<{row['unsubscribeURL']}>"
    assert row["listUnsubscribePost"] == "List-Unsubscribe=One-Click"
    texts = [*row["links"].values(), row["openPixel"], row["unsubscribeURL"]]
    assert len(set(texts)) == 4
    assert not any("example.com" in text for text in texts)


def test_the_same_call_gets_the_same_links(company: Company) -> None:
    (lead,) = company.create({})
    question = {"leadID": lead, "urls": [SPRING]}

    assert company.call("getTrackedLinks", **question) == company.call("getTrackedLinks", **question)


def test_many_leads_come_in_the_order_sent_and_each_once(company: Company) -> None:
    ids = company.create(*({} for _ in range(500)))
    wanted = [*reversed(ids[1:]), ids[0]]

    rows = company.call("getTrackedLinks", leadID=wanted)
    assert [row["leadID"] for row in rows] == [str(lead) for lead in wanted]
    assert len({row["openPixel"] for row in rows}) == 500
    assert len(company.call("getTrackedLinks", leadID=[ids[0], str(ids[0])])) == 1


def test_an_unknown_lead_has_no_row(company: Company, given_company: Callable[..., Company]) -> None:
    (other,) = given_company().create({})
    (lead,) = company.create({})

    assert [row["leadID"] for row in company.call("getTrackedLinks", leadID=[other, 1, lead])] == [str(lead)]
    assert company.call("getTrackedLinks", leadID=other) == []
    assert company.call("getTrackedLinks", leadID=[]) == []


def test_a_row_says_whether_the_lead_is_unsubscribed(company: Company) -> None:
    gone, there = company.create({"isUnsubscribed": 1}, {"isUnsubscribed": 0})

    rows = company.call("getTrackedLinks", leadID=[gone, there])
    assert [row["isUnsubscribed"] for row in rows] == ["1", "0"]


def test_a_campaign_must_be_the_companys_own(company: Company, given_company: Callable[..., Company]) -> None:
    (lead,) = company.create({})
    (campaign,) = company.make("createCampaigns", {"campaignName": "Spring"})
    (other,) = given_company().make("createCampaigns", {"campaignName": "Theirs"})

    (row,) = company.call("getTrackedLinks", leadID=lead, campaignID=campaign)
    assert row["campaignID"] == str(campaign)
    for unknown in (other, 1):
        assert company.error("getTrackedLinks", leadID=lead, campaignID=unknown)["code"] == 303


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:alert(1)",
        "data:text/html,x",
        "//example.com/",
        "/path",
        "https://",
        "https:///x",
        "https://user@example.com/",
        "https://example.com\\@evil.example/",
        "https://exa mple.com/",
        "https://example.com/\r\nSet-Cookie: a=b",
        "https://example.com/\t",
        "https://example.com/ü",
        "https://münchen.example/",
        "https://example.com/\0",
        "ftp://example.com/",
        "https://example.com/" + "a" * 2_000,
        5,
        None,
        [SPRING],
    ],
    ids=repr,
)
def test_only_web_addresses_can_be_link_targets(company: Company, url: Any) -> None:
    (lead,) = company.create({})

    assert company.error("getTrackedLinks", leadID=lead, urls=[SPRING, url])["code"] == 205


@pytest.mark.parametrize(
    "wrong",
    [
        {"leadID": "x"},
        {"leadID": [1] * 501},
        {"leadID": 2**63},
        {"leadID": True},
        {"leadID": 1, "urls": "https://example.com/"},
        {"leadID": 1, "urls": {"a": "https://example.com/"}},
        {"leadID": 1, "urls": ["https://example.com/"] * 21},
        {"leadID": 1, "campaignID": "x"},
        {"leadID": 1, "campaignID": -1},
    ],
    ids=str,
)
def test_what_is_wrong_is_205(company: Company, wrong: dict[str, Any]) -> None:
    assert company.error("getTrackedLinks", **wrong)["code"] == 205


def test_a_lead_must_be_named(company: Company) -> None:
    assert company.error("getTrackedLinks")["code"] == 206
    assert company.error("getTrackedLinks", leadID=None)["code"] == 206
    assert company.error("getTrackedLinks", leadID=[[1]])["code"] == 210
    assert company.error("getTrackedLinks", leadID={"a": 1})["code"] == 205
