"""Opportunities, rule by rule (docs/wire/sales.md#opportunities). The status of leads: test_lead_status.py."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from support import Company, sql

NOTHING = {"code": 302, "message": "No table rows affected", "data": []}
EVER = {"startDate": "2000-01-01", "endDate": "2999-12-31"}


def stage(company: Company, **more: Any) -> int:
    (made,) = company.make("createDealStages", {"dealStageName": "Offer", "defaultProbability": 40, **more})
    return made


def new(stage_id: int, **more: Any) -> dict[str, Any]:
    return {"opportunityName": "A roof", "dealStageID": stage_id, "closeDate": "2030-01-31", **more}


def row(company: Company, opportunity: int) -> dict[str, str | None]:
    (deal,) = company.call("getOpportunity", id=opportunity)
    return deal


def linked(company: Company) -> set[tuple[int, int]]:
    rows = sql(company.dsn, "select opportunity_id, lead_id from opportunity_lead", company_id=company.id)
    return {(link["opportunity_id"], link["lead_id"]) for link in rows}


def events(company: Company, lead_id: int) -> list[tuple[str, str]]:
    rows = sql(
        company.dsn,
        """
        select event_source, event_name from event
        where lead_id = $1 and event_source <> 'leadCreation' order by create_timestamp, id
        """,
        lead_id,
        company_id=company.id,
    )
    return [(event["event_source"], event["event_name"]) for event in rows]


# Columns


def test_an_opportunity_has_the_vendors_columns_as_strings_in_its_order(company: Company) -> None:
    stage_id = stage(company)
    (made,) = company.make("createOpportunities", new(stage_id))

    answer = company.envelope("getOpportunity", {"id": made})

    assert answer["error"] is None
    assert list(answer["result"]["opportunity"][0].items()) == [
        ("id", str(made)),
        ("ownerID", None),
        ("dealStageID", str(stage_id)),
        ("accountID", None),
        ("campaignID", None),
        ("opportunityName", "A roof"),
        ("probability", "40"),
        ("amount", "0"),
        ("isClosed", "0"),
        ("isWon", "0"),
        ("isActive", "1"),
        ("closeDate", "2030-01-31 00:00:00"),
        ("originatingLeadID", None),
        ("primaryLeadID", None),
    ]


@pytest.mark.parametrize("absent", ["opportunityName", "dealStageID", "closeDate"])
def test_name_stage_and_close_date_are_required(company: Company, absent: str) -> None:
    values = new(stage(company))
    del values[absent]

    refused = company.refusal("createOpportunities", values)

    assert refused is not None
    assert (refused["code"], refused["data"]["params"][0]["param"]) == (205, absent)


def test_the_probability_is_the_stages_unless_it_is_given(company: Company) -> None:
    plain, sure = stage(company, defaultProbability="12.5"), stage(company, defaultProbability=90)
    first, second, third = company.make(
        "createOpportunities", new(plain), new(sure, probability="0"), new(sure, probability=33.5)
    )

    assert [row(company, deal)["probability"] for deal in (first, second, third)] == ["12.5", "0", "33.5"]

    company.call("updateOpportunities", objects=[{"id": first, "dealStageID": sure}])
    assert row(company, first)["probability"] == "12.5", "missing values stay"


def test_the_close_date_is_a_time_in_the_zone_of_the_call(given_company: Callable[..., Company]) -> None:
    company = given_company(time_zone="America/New_York")
    (made,) = company.make("createOpportunities", new(stage(company), closeDate="2030-07-04 09:30:00"))
    (day,) = company.make("createOpportunities", new(stage(company), closeDate="2030-07-04"))
    utc = company.at("v1.2")

    assert row(company, made)["closeDate"] == "2030-07-04 09:30:00"
    assert row(utc, made)["closeDate"] == "2030-07-04 13:30:00"
    assert row(utc, day)["closeDate"] == "2030-07-04 00:00:00", "a day has no zone"

    assert utc.code("updateOpportunities", {"id": made, "closeDate": "2030-07-04 13:30:00"}) == 302
    assert company.code("updateOpportunities", {"id": made, "closeDate": "2030-07-05 09:30:00"}) is None
    assert row(utc, made)["closeDate"] == "2030-07-05 13:30:00"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("closeDate", "soon"),
        ("closeDate", "2030-02-30"),
        ("closeDate", ""),
        ("closeDate", None),
        ("closeDate", 5),
        ("closeDate", "infinity"),
        ("amount", "12,5"),
        ("amount", "1e500"),
        ("amount", "Infinity"),
        ("amount", None),
        ("probability", True),
        ("probability", "1" * 15),
        ("isWon", "yes"),
        ("isClosed", None),
        ("isActive", 2),
        ("opportunityName", ""),
        ("opportunityName", "x" * 256),
        ("opportunityName", "a\0"),
        ("dealStageID", "x"),
        ("dealStageID", None),
        ("primaryLeadID", "lead.one@example.com"),
        ("colour", "red"),
    ],
)
def test_a_wrong_value_is_205_on_create_and_update_and_changes_nothing(
    company: Company, column: str, value: Any
) -> None:
    stage_id = stage(company)
    (made,) = company.make("createOpportunities", new(stage_id))
    before = row(company, made)

    for method, values in (
        ("createOpportunities", new(stage_id) | {column: value}),
        ("updateOpportunities", {"id": made, column: value}),
    ):
        refused = company.refusal(method, values)
        assert refused is not None
        assert (refused["code"], refused["data"]["params"][0]["param"]) == (205, column)
    assert company.call("getOpportunities") == [before]


def test_a_list_for_a_value_is_210(company: Company) -> None:
    assert company.code("createOpportunities", new(stage(company), amount=[1])) == 210
    assert company.code("createOpportunities", new(stage(company), primaryLeadID={"id": 1})) == 210


def test_custom_fields_of_opportunities_are_written_and_read(company: Company) -> None:
    stage_id = stage(company)
    field = company.field("Roof colour", "picklist", relationship="opportunity", options=["red", "black"])
    leads_own = company.field("Shoe size")
    red, plain = company.make("createOpportunities", new(stage_id, **{field: "red"}), new(stage_id))

    assert (row(company, red)[field], row(company, plain)[field]) == ("red", "")
    assert leads_own not in row(company, red)
    assert company.code("createOpportunities", new(stage_id, **{field: "blue"})) == 205
    assert company.code("createOpportunities", new(stage_id, **{leads_own: "44"})) == 205
    assert company.code("updateOpportunities", {"id": plain, field: "black"}) is None
    assert company.code("updateOpportunities", {"id": plain, field: "black"}) == 302
    (ranged, _) = company.call("getOpportunitiesDateRange", timestamp="create", **EVER)
    assert ranged[field] == "red"


# Won and closed


def test_won_implies_closed_and_opening_unsets_won(company: Company) -> None:
    stage_id = stage(company)
    (made,) = company.make("createOpportunities", new(stage_id, isWon=1))

    def flags() -> tuple[Any, Any]:
        deal = row(company, made)
        return deal["isWon"], deal["isClosed"]

    assert flags() == ("1", "1")
    assert company.code("updateOpportunities", {"id": made, "isClosed": 0}) is None
    assert flags() == ("0", "0")
    assert company.code("updateOpportunities", {"id": made, "isWon": "1", "isClosed": "1"}) is None
    assert flags() == ("1", "1")
    assert company.code("updateOpportunities", {"id": made, "isWon": 0}) is None
    assert flags() == ("0", "1")


def test_won_and_open_at_once_is_205(company: Company) -> None:
    stage_id = stage(company)
    (made,) = company.make("createOpportunities", new(stage_id))

    for method, values in (
        ("createOpportunities", new(stage_id, isWon=1, isClosed="0")),
        ("updateOpportunities", {"id": made, "isWon": True, "isClosed": 0}),
    ):
        refused = company.refusal(method, values)
        assert refused is not None
        assert (refused["code"], refused["data"]["params"][0]["param"]) == (205, "isClosed")
    assert row(company, made)["isClosed"] == "0"


# References


@pytest.mark.parametrize(
    "column", ["ownerID", "dealStageID", "accountID", "campaignID", "primaryLeadID", "originatingLeadID"]
)
def test_a_reference_to_an_unknown_object_is_303(
    company: Company, given_company: Callable[..., Company], column: str
) -> None:
    other = given_company()
    (lead,) = other.create({})
    theirs = {
        "ownerID": other.call("getUserProfiles")[0]["id"],
        "dealStageID": stage(other),
        "accountID": other.make("createAccounts", {"accountName": "Theirs"})[0],
        "campaignID": other.make("createCampaigns", {"campaignName": "Theirs"})[0],
        "primaryLeadID": lead,
        "originatingLeadID": lead,
    }
    stage_id = stage(company)
    (made,) = company.make("createOpportunities", new(stage_id))

    for value in (1, theirs[column]):
        for method, values in (
            ("createOpportunities", new(stage_id) | {column: value}),
            ("updateOpportunities", {"id": made, column: value}),
        ):
            refused = company.refusal(method, values)
            assert refused is not None
            assert (refused["code"], refused["data"]["params"][0]["param"]) == (303, column)
    assert len(company.call("getOpportunities")) == 1
    assert linked(company) == set()
    assert other.lead(lead)["leadStatus"] == "unqualified"


def test_references_can_be_set_and_set_to_null(company: Company) -> None:
    stage_id = stage(company)
    (lead,) = company.create({})
    (account,) = company.make("createAccounts", {"accountName": "Acme"})
    (campaign,) = company.make("createCampaigns", {"campaignName": "Fair"})
    owner = company.call("getUserProfiles")[0]["id"]
    references = {"ownerID": owner, "accountID": account, "campaignID": campaign, "primaryLeadID": lead}
    (made,) = company.make("createOpportunities", new(stage_id, **references))

    assert {name: row(company, made)[name] for name in references} == {n: str(v) for n, v in references.items()}

    assert company.code("updateOpportunities", {"id": made, **dict.fromkeys(references)}) is None
    assert {row(company, made)[name] for name in references} == {None}
    assert linked(company) == {(made, lead)}, "no longer referred to, but still linked"


# Reads


def test_opportunities_are_filtered_by_their_references(company: Company) -> None:
    first, second = stage(company), stage(company)
    (account,) = company.make("createAccounts", {"accountName": "Acme"})
    (campaign,) = company.make("createCampaigns", {"campaignName": "Fair"})
    owner = company.call("getUserProfiles")[0]["id"]
    ids = company.make(
        "createOpportunities",
        new(first),
        new(first, accountID=account, isClosed=1),
        new(second, campaignID=campaign, ownerID=owner),
        new(second, isActive=0, ownerID=owner),
    )

    def positions(where: Any, **page: int) -> list[int]:
        return [ids.index(int(each["id"])) for each in company.call("getOpportunities", where=where, **page)]

    assert positions({}) == positions([]) == positions(None) == [0, 1, 2, 3]
    assert positions({"dealStageID": second}) == [2, 3]
    assert positions({"accountID": str(account)}) == [1]
    assert positions({"campaignID": campaign}) == [2]
    assert positions({"ownerID": owner, "dealStageID": [first, second]}) == [2, 3]
    assert positions({"id": [ids[3], ids[0]]}) == [0, 3]
    assert positions({"ownerID": owner}, limit=1, offset=1) == [3]
    assert company.error("getOpportunities", where={"isWon": 1})["code"] == 205
    company.call("updateOpportunities", objects=[{"id": ids[0], "ownerID": owner}])
    assert positions({"ownerID": owner}, limit=1, offset=1) == [2]


def test_another_companys_opportunity_is_unknown(company: Company, given_company: Callable[..., Company]) -> None:
    other = given_company()
    (made,) = other.make("createOpportunities", new(stage(other)))

    assert company.call("getOpportunity", id=made) == []
    assert company.call("getOpportunities", where={"id": made}) == []
    assert company.refusal("updateOpportunities", {"id": made, "isWon": 1}) == NOTHING
    assert company.refusal("deleteOpportunities", made) == NOTHING
    assert row(other, made)["isWon"] == "0"


# Links


def test_the_leads_that_an_opportunity_names_are_linked_to_it(company: Company) -> None:
    stage_id = stage(company)
    first, second, third = company.create({}, {}, {})
    both, same = company.make(
        "createOpportunities",
        new(stage_id, primaryLeadID=first, originatingLeadID=str(second)),
        new(stage_id, primaryLeadID=first, originatingLeadID=first),
    )
    assert linked(company) == {(both, first), (both, second), (same, first)}

    assert company.code("updateOpportunities", {"id": both, "primaryLeadID": third}) is None

    assert linked(company) == {(both, first), (both, second), (both, third), (same, first)}
    assert company.code("updateOpportunities", {"id": both, "primaryLeadID": third}) == 302
    assert company.lead(third)["leadStatus"] == "contactWithOpp"


def test_a_deleted_lead_is_removed_from_references_and_links(company: Company) -> None:
    stage_id = stage(company)
    first, second = company.create({}, {})
    (made,) = company.make("createOpportunities", new(stage_id, primaryLeadID=first, originatingLeadID=second))

    company.call("deleteLeads", objects=[first])

    assert (row(company, made)["primaryLeadID"], row(company, made)["originatingLeadID"]) == (None, str(second))
    assert linked(company) == {(made, second)}


def test_a_deleted_opportunity_deletes_its_links_and_not_its_leads(company: Company) -> None:
    stage_id = stage(company)
    (lead,) = company.create({})
    gone, kept = company.make("createOpportunities", *[new(stage_id, primaryLeadID=lead)] * 2)

    outcomes = company.call("deleteOpportunities", objects=[{"id": gone}, 1, {"id": gone}])

    assert [outcome["error"] and outcome["error"]["code"] for outcome in outcomes] == [None, 302, 302]
    assert linked(company) == {(kept, lead)}
    assert company.lead(lead)["leadStatus"] == "contactWithOpp"


# Events


def test_the_events_of_an_opportunity_are_on_the_timelines_of_its_leads(company: Company) -> None:
    offer, talks = stage(company), stage(company, dealStageName="Talks")
    lead, other = company.create({}, {})
    (made,) = company.make("createOpportunities", new(offer, primaryLeadID=lead, amount="10.50"))

    company.call("updateOpportunities", objects=[{"id": made, "dealStageID": talks, "amount": 11}])
    company.call("updateOpportunities", objects=[{"id": made, "isClosed": 1}])
    company.call("updateOpportunities", objects=[{"id": made, "isClosed": 0, "originatingLeadID": other}])
    company.call("updateOpportunities", objects=[{"id": made, "isWon": 1}])
    company.call("updateOpportunities", objects=[{"id": made, "amount": 12}])

    assert events(company, lead) == [
        ("oppCreate", "Opportunity created: A roof"),
        ("changeLeadStatus", "Lead status changed"),
        ("dealStageChange", "Deal stage changed to Talks: A roof"),
        ("oppLost", "Opportunity lost: A roof"),
        ("changeLeadStatus", "Lead status changed"),
        ("changeLeadStatus", "Lead status changed"),
        ("oppWon", "Opportunity won: A roof"),
        ("changeLeadStatus", "Lead status changed"),
    ]
    assert [source for source, _ in events(company, other)] == [
        "oppLink",
        "changeLeadStatus",
        "oppWon",
        "changeLeadStatus",
    ]
    (first,) = sql(
        company.dsn,
        "select what_type, what_id, event_data::text as data from event where event_source = 'oppCreate'",
        company_id=company.id,
    )
    assert (first["what_type"], first["what_id"]) == ("opportunity", made)
    assert json.loads(first["data"]) == {"opportunityName": "A roof", "amount": "10.5", "dealStage": "Offer"}


def test_an_opportunity_that_is_created_won_or_lost_has_that_event_at_once(company: Company) -> None:
    stage_id = stage(company)
    won, lost = company.create({}, {})

    company.make(
        "createOpportunities", new(stage_id, primaryLeadID=won, isWon=1), new(stage_id, primaryLeadID=lost, isClosed=1)
    )

    assert [source for source, _ in events(company, won)] == ["oppCreate", "oppWon", "changeLeadStatus"]
    assert [source for source, _ in events(company, lost)] == ["oppCreate", "oppLost"]


def test_a_refused_opportunity_leaves_no_event_and_no_link(company: Company) -> None:
    (lead,) = company.create({})

    assert company.code("createOpportunities", new(1, primaryLeadID=lead)) == 303

    assert (events(company, lead), linked(company)) == ([], set())


def test_a_long_name_is_cut_in_the_name_of_the_event(company: Company) -> None:
    (lead,) = company.create({})

    company.make("createOpportunities", new(stage(company), opportunityName="ü" * 255, primaryLeadID=lead))

    (_, name), _ = events(company, lead)
    assert len(name) == 255
    assert name.endswith("ü…")


# Many


def test_objects_of_one_opportunity_are_applied_in_the_order_sent(company: Company) -> None:
    stage_id = stage(company)
    (lead,) = company.create({})
    (made,) = company.make("createOpportunities", new(stage_id, primaryLeadID=lead))

    outcomes = company.call(
        "updateOpportunities",
        objects=[{"id": made, "isClosed": 1}, {"id": made, "isClosed": 1}, {"id": made, "isClosed": 0, "amount": 5}],
    )

    assert [outcome["error"] and outcome["error"]["code"] for outcome in outcomes] == [None, 302, None]
    assert (row(company, made)["isClosed"], row(company, made)["amount"]) == ("0", "5")
    assert company.lead(lead)["leadStatus"] == "contactWithOpp"
    assert [source for source, _ in events(company, lead)] == ["oppCreate", "changeLeadStatus"]


def test_500_opportunities_with_a_lead_each_are_written_in_four_calls(company: Company) -> None:
    stage_id, next_stage = stage(company), stage(company)
    leads = company.create(*[{}] * 500)
    ids = company.make("createOpportunities", *(new(stage_id, primaryLeadID=lead) for lead in leads))
    assert linked(company) == set(zip(ids, leads, strict=True))

    for change in ({"dealStageID": next_stage}, {"isWon": 1}):
        outcomes = company.call("updateOpportunities", objects=[{"id": deal_id, **change} for deal_id in ids])
        assert all(outcome["success"] for outcome in outcomes)

    assert {lead["leadStatus"] for lead in company.call("getLeads", where={})} == {"customer"}
    (count,) = sql(
        company.dsn, "select count(*) as n from event where event_source <> 'leadCreation'", company_id=company.id
    )
    assert count["n"] == 500 * 5
    assert all(outcome["success"] for outcome in company.call("deleteOpportunities", objects=ids))
    assert company.error("createOpportunities", objects=[new(stage_id)] * 501)["code"] == 209
