"""getCaptureSettings and updateCaptureSettings."""

from collections.abc import Callable
from typing import Any

import pytest

from support import Company


def settings(company: Company) -> dict[str, Any]:
    (row,) = company.call("getCaptureSettings")
    return row


def change(company: Company, **values: Any) -> None:
    assert company.call("updateCaptureSettings", **values) == [{"success": True, "error": None}]


def test_a_company_has_settings_from_the_start(company: Company) -> None:
    row = settings(company)

    assert (row["keepAddresses"], row["respectSignals"], row["importantPages"]) == ("none", "1", [])
    assert len(row["siteToken"]) == 22
    assert row["scriptSnippet"] == f'<script async src="/t.js" data-site="{row["siteToken"]}"></script>'
    assert f"/t.gif?site={row['siteToken']}" in row["pixelSnippet"]


def test_given_settings_change_and_the_others_stay(company: Company) -> None:
    before = settings(company)
    change(company, importantPages=["/pricing*", "*/contact"])
    change(company, keepAddresses="truncated")
    change(company, objects=[{"respectSignals": "0"}])

    after = settings(company)
    assert (after["keepAddresses"], after["respectSignals"]) == ("truncated", "0")
    assert after["importantPages"] == ["/pricing*", "*/contact"]
    assert after["siteToken"] == before["siteToken"]
    assert ' data-signals="ignore"' in after["scriptSnippet"]
    change(company, importantPages=[])
    assert settings(company)["importantPages"] == []


def test_nothing_to_change_is_302(company: Company) -> None:
    assert company.error("updateCaptureSettings", keepAddresses="none")["code"] == 302
    assert company.error("updateCaptureSettings")["code"] == 302
    assert company.code("updateCaptureSettings", {"importantPages": []}) == 302


@pytest.mark.parametrize(
    "wrong",
    [
        {"keepAddresses": "all"},
        {"keepAddresses": ""},
        {"keepAddresses": None},
        {"respectSignals": "yes"},
        {"respectSignals": None},
        {"importantPages": "/pricing"},
        {"importantPages": None},
        {"importantPages": [5]},
        {"importantPages": ["pricing"]},
        {"importantPages": ["https://example.com/pricing"]},
        {"importantPages": ["/a\nb"]},
        {"importantPages": ["/a\0b"]},
        {"importantPages": ["/" + "a" * 255]},
        {"importantPages": ["/a"] * 101},
        {"importantPages": {"a": "/a"}},
        {"signingKey": "x"},
    ],
    ids=str,
)
def test_a_wrong_setting_is_refused_and_changes_nothing(company: Company, wrong: dict[str, Any]) -> None:
    before = settings(company)

    assert company.code("updateCaptureSettings", wrong) in {205, 210}
    assert settings(company) == before


def test_the_token_cannot_be_set(company: Company) -> None:
    before = settings(company)
    assert company.code("updateCaptureSettings", {"siteToken": "A" * 22, "keepAddresses": "truncated"}) is None

    assert settings(company)["siteToken"] == before["siteToken"]


def test_no_company_changes_or_learns_anothers_settings(
    company: Company, given_company: Callable[..., Company]
) -> None:
    other = given_company()
    before = settings(other)
    change(company, importantPages=["/mine"], keepAddresses="truncated")

    assert settings(other) == before
    assert settings(company)["siteToken"] != before["siteToken"]
    assert "signing" not in str(before).lower()
