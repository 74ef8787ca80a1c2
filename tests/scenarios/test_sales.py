"""A sale from the campaign to the customer, over HTTP as a client does it. All data are read back."""

import json
from typing import Any

from support import Company, Server, new_company

PAST = "2026-03-13 17:30:00"


def only_row(company: Company, method: str, **params: Any) -> dict[str, Any]:
    """The only row of a read."""
    (row,) = company.call(method, **params)
    return row


def done(company: Company, method: str, *objects: Any) -> None:
    """Writes objects, which must all succeed."""
    outcomes = company.call(method, objects=list(objects))
    assert [outcome["error"] for outcome in outcomes] == [None] * len(objects)


def counts(company: Company) -> dict[str, tuple[str, str]]:
    """The counts of each list: members and removed members. Checks that reading the members gives the same."""
    by_name: dict[str, tuple[str, str]] = {}
    for row in company.call("getActiveLists"):
        members = company.call("getListMembers", where={"id": row["id"]})
        removed = company.call("getRemovedListMembers", where={"id": row["id"], "flag": "removed"})
        assert (row["memberCount"], row["removedCount"]) == (str(len(members)), str(len(removed))), row["name"]
        by_name[row["name"]] = (row["memberCount"], row["removedCount"])
    return by_name


def members(company: Company, list_id: int) -> set[str]:
    return {row["emailAddress"] for row in company.call("getListMembers", where={"id": list_id})}


def sources(company: Company, lead: int) -> list[str]:
    """The events of a lead, in order."""
    return [row["eventSource"] for row in company.call("getLeadTimeline", where={"whoID": lead})]


def test_a_sale_from_the_campaign_to_the_customer(server: Server) -> None:
    company = new_company(server, time_zone="Europe/Rome")
    user = only_row(company, "getUserProfiles")["id"]

    # The setting: campaigns, deal stages, an account.
    (campaign,) = company.make("createCampaigns", {"campaignName": "Spring fair", "ownerID": user})
    offer, agreed = company.make(
        "createDealStages",
        {"dealStageName": "Offer", "defaultProbability": 40},
        {"dealStageName": "Agreed", "defaultProbability": 90},
    )
    (dinner,) = [row["id"] for row in company.call("createList", name="Dinner")]
    (customers,) = [
        row["id"] for row in company.call("createList", name="Customers", filter={"leadStatus": "customer"})
    ]
    (fair,) = [row["id"] for row in company.call("createList", name="Fair", filter={"campaignID": campaign})]

    # Three leads. One of them exists already and is not from the fair.
    (old,) = company.create({"emailAddress": "alan@machines.test", "companyName": "Machines"})
    ada, grace = company.create(
        {"emailAddress": "ada@engines.test", "firstName": "Ada", "campaignID": campaign, "ownerID": user},
        {"emailAddress": "grace@compilers.test", "companyName": "Compilers", "campaignID": campaign},
    )
    assert members(company, fair) == {"ada@engines.test", "grace@compilers.test"}
    assert company.lead(ada)["campaignID"] == only_row(company, "getCampaign", id=campaign)["id"]

    # Added to a list by id and by address, removed again, and refused by a list with a filter.
    company.call("addListMember", listID=dinner, memberID=ada)
    company.call("addListMemberEmailAddress", listID=dinner, emailAddress="GRACE@compilers.test")
    done(company, "addListMembers", {"listID": dinner, "memberID": old})
    company.call("removeListMember", listID=dinner, contactID=old)
    assert company.error("addListMember", listID=customers, memberID=ada)["code"] == 205
    assert counts(company) == {"Dinner": ("2", "1"), "Customers": ("0", "0"), "Fair": ("2", "0")}

    # A call, a note, a task.
    call = {"userID": user, "leadID": ada, "direction": "incoming", "createTimestamp": PAST, "callResult": "connected"}
    company.envelope("logCalls", {"objects": [call]})
    (note,) = company.make(
        "createNotes", {"authorID": user, "note": "Wants an engine.", "whoID": ada, "whoType": "lead"}
    )
    (task,) = company.make("createTasks", {"title": "Offer", "ownerID": user, "whoID": ada, "whoType": "lead"})

    # An opportunity: the lead's status follows. Notes and tasks can be about both.
    (sale,) = company.make(
        "createOpportunities",
        {
            "opportunityName": "Engine",
            "dealStageID": offer,
            "closeDate": "2030-06-30",
            "amount": "12500.50",
            "primaryLeadID": ada,
            "campaignID": campaign,
        },
    )
    lead = company.lead(ada)
    assert (lead["leadStatus"], lead["isContact"], lead["isCustomer"]) == ("contactWithOpp", "1", "0")
    assert company.code("updateLeads", {"id": ada, "leadStatus": "qualified"}) == 302, (
        "the status follows from the opportunity"
    )
    link = company.envelope("getOpportunityLeads", {"where": {"leadID": ada}})["result"]["getWhereopportunityLeads"]
    assert [row["opportunityID"] for row in link] == [str(sale)]
    done(company, "updateNotes", {"id": note, "whatID": sale, "whatType": "opportunity", "pinned": 1})
    done(company, "updateTasks", {"id": task, "status": "completed"})
    done(company, "updateOpportunities", {"id": sale, "dealStageID": agreed})

    # Another lead is converted in one call, with an account and an opportunity of its own.
    done(
        company,
        "convertLeads",
        {
            "id": grace,
            "account": 1,
            "opportunityName": "Compiler",
            "dealStageID": offer,
            "closeDate": "2030-09-30",
            "amount": 8000,
        },
    )
    account = only_row(company, "getAccounts")
    assert account["accountName"] == "Compilers"
    second = only_row(company, "getOpportunities", where={"accountID": account["id"]})
    assert (second["opportunityName"], second["primaryLeadID"]) == ("Compiler", str(grace))
    lead = company.lead(grace)
    assert (lead["accountID"], lead["leadStatus"]) == (account["id"], "contactWithOpp")

    # One is won and one lost: a customer, and a contact again.
    done(company, "updateOpportunities", {"id": sale, "isWon": 1}, {"id": second["id"], "isClosed": 1})
    lead = company.lead(ada)
    assert (lead["leadStatus"], lead["isContact"], lead["isCustomer"]) == ("customer", "0", "1")
    assert company.lead(grace)["leadStatus"] == "contact"
    assert members(company, customers) == {"ada@engines.test"}
    assert counts(company) == {"Dinner": ("2", "1"), "Customers": ("1", "0"), "Fair": ("2", "0")}

    # All data are read back, at both versions of the API.
    won = only_row(company, "getOpportunity", id=sale)
    assert (won["dealStageID"], won["probability"], won["amount"]) == (str(agreed), "40", "12500.5")
    assert (won["isClosed"], won["isWon"], won["closeDate"]) == ("1", "1", "2030-06-30 00:00:00")
    assert only_row(company.at("v1.2"), "getOpportunity", id=sale)["closeDate"] == "2030-06-30 00:00:00"
    for object_type, an_id in (("Contact", ada), ("Opportunity", sale)):
        assert only_row(company, f"get{object_type}Notes", id=an_id)["id"] == str(note)
    assert only_row(company, "getTasks", where={"ownerID": user, "status": "completed"})["id"] == str(task)
    assert [row["listID"] for row in company.call("getContactListMemberships", where={"contactID": ada})] == [
        str(dinner),
        str(customers),
        str(fair),
    ]
    happened = sources(company, ada)
    assert [source for source in happened if source not in {"changeLead", "listAdd"}][:2] == [
        "incomingCall",
        "leadCreation",
    ]
    for source in ("oppCreate", "dealStageChange", "oppWon", "changeLeadStatus"):
        assert source in happened
    call_event = only_row(company, "getLeadTimeline", where={"whoID": ada, "eventSource": "incomingCall"})
    assert (call_event["createTimestamp"], json.loads(call_event["eventData"])["callResult"]) == (PAST, "connected")
    assert {"oppCreate", "oppLost"} <= set(sources(company, grace))
    related = company.call("getRelatedLeadsByEmail", where={"emailAddress": "charles@engines.test"})
    assert [row["id"] for row in related] == [str(ada)]

    # Deletes also delete what is only about the deleted object: no reference is left dangling.
    done(company, "deleteOpportunities", sale)
    assert only_row(company, "getContactNotes", id=ada)["whatID"] is None
    assert company.lead(ada)["leadStatus"] == "customer"
    done(company, "deleteLeads", ada)
    assert company.call("getContactsNotes") == []
    assert only_row(company, "getTasks")["whoID"] is None
    assert counts(company) == {"Dinner": ("1", "1"), "Customers": ("0", "0"), "Fair": ("1", "0")}
    done(company, "deleteAccounts", account["id"])
    assert company.lead(grace)["accountID"] is None
    done(company, "deleteCampaigns", campaign)
    assert company.lead(grace)["campaignID"] is None
    assert counts(company)["Fair"] == ("0", "0")
    assert len(company.call("getLeads", where={})) == 2
    company.close()
