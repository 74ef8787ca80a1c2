"""Fills a company through the public interfaces, until every table with company data has rows."""

import html
import json
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from support import Company, eventually
from upgrade.visitor import Visitor

DATA_TYPES = {
    "string": "Größe 42, żółć, 漢字, 🦊, e\u0301 (NFD), \u202eright to left",
    "textarea": "one\ntwo\tthree \\ 'quoted' \"twice\" ; -- $1 %s <b>&amp;</b>",
    "hidden": "hidden",
    "picklist": "M",
    "country": "Österreich",
    "state": "NÖ",
    "boolean": "1",
    "checkbox": "red,blue",
    "radio": "no",
    "phone": "+43 (1) 234-567",
    "date": "1999-12-31",
    "datetime": "2049-02-28 23:59:59",
    "url": "https://example.com/ü?a=b&c=%20#top",
    "bit": "0",
    "attachment": "see the letter",
}
"""A value of each data type of custom fields; `upload` fields get theirs from a form. Dates are far from any dump's."""

OPTIONS = {"picklist": ["S", "M", "L"], "checkbox": ["red", "green", "blue"], "radio": ["yes", "no"]}
HALF_LIFE_DAYS = 20
"""Also the age of the logged calls: half of their points is in the middle of what is rounded to two places."""

PUBLIC_URL = "https://crm.example.com"
SPRING = "https://www.example.com/spring;x=1?a=b&c=%20d|e~'(f)#top"


class Filling:
    """Fills a company. `ids` has the created ids by name."""

    def __init__(self, company: Company, *, receiver: str | None, long_text: int) -> None:
        self.company, self.receiver, self.long_text = company, receiver, long_text
        self.ids: dict[str, int] = {}
        self.fields: dict[str, str] = {}
        self.secrets: dict[str, str] = {}
        (settings,) = company.call("getCaptureSettings")
        self.visitor = Visitor(company.url, settings["siteToken"], PUBLIC_URL)
        (user,) = [row for row in company.call("getUserProfiles") if row["emailAddress"].startswith("boss")]
        self.user = int(user["id"])

    def make(self, name: str, method: str, /, **values: Any) -> int:
        """Creates an object. Returns its id, and stores it under the name."""
        (self.ids[name],) = self.company.make(method, values)
        return self.ids[name]

    def write(self, method: str, *objects: dict[str, Any]) -> list[Any]:
        """Writes objects, which must all succeed. Returns the outcomes."""
        outcomes = self.company.call(method, objects=list(objects))
        assert all(outcome["success"] for outcome in outcomes), outcomes
        return outcomes

    def fill(self) -> None:
        """Creates everything, in an order in which all references exist."""
        self.custom_fields()
        self.rules_and_lists()
        self.leads()
        self.neighbours()
        self.members()
        self.public()
        self.changes_of_leads()
        self.score_events()
        if self.receiver:
            self.pushes(self.receiver)
        self.company.call("findDuplicateLeads")  # creates the keys for finding duplicates
        self.visitor.close()

    def custom_fields(self) -> None:
        """A field of each data type of leads, unique ones, and some of accounts and opportunities."""
        for data_type in (*DATA_TYPES, "upload"):
            more = {"options": OPTIONS[data_type]} if data_type in OPTIONS else {}
            self.fields[data_type] = self.company.field(f"A {data_type}", data_type, isAvailableInForms=1, **more)
        self.fields["code"] = self.company.field("Customer code", "string", isUnique=1)
        self.fields["born"] = self.company.field("Born on", "date", isUnique=1)
        for relationship in ("account", "opportunity"):
            name = f"Region of {relationship}"
            new = {"relationship": relationship, "dataType": "picklist", "label": name, "options": ["EU", "US"]}
            (made,) = self.company.make("createFields", new)
            (field,) = self.company.call("getFields", where={"id": made})
            self.fields[relationship] = field["systemName"]
        self.company.field("Switched off", "string", isActive=0)
        gone = self.company.field("Deleted again")
        self.write("deleteFields", {"systemName": gone})

    def rules_and_lists(self) -> None:
        """Score rules of every part, a static list, and a list with a filter."""
        scored = [
            {"name": "Known", "part": "completeness", "points": 10, "fields": ["firstName", "city", "title"]},
            {"name": "Decides", "part": "fit", "points": 20, "filter": {"title": {"contains": "chief"}}},
            {"name": "Called", "part": "engagement", "points": 8, "eventSource": "incomingCall"},
            {"name": "Prices", "part": "pageTracking", "points": 5, "pattern": "/pricing*", "most": 3},
            {"name": "Off", "part": "fit", "points": -7, "filter": {"city": "Bonn"}, "isActive": 0},
        ]
        self.write("createScoreRules", *scored)
        view = {"filter": {"city": "Bonn", "event": "formSubmit"}, "sort": ["city"], "columns": ["city", "lastName"]}
        self.write("createViews", {"name": "Near", **view}, {"name": "Mine", "ownerID": self.user, "tabPosition": 2})
        self.company.call("updateScoring", halfLifeDays=HALF_LIFE_DAYS)
        (self.ids["list"],) = [row["id"] for row in self.company.call("createList", name="Letter", description="Späti")]
        ruled = {"or": [{"city": ["Berlin", "Bonn"]}, {"title": {"contains": "chief"}}]}
        (self.ids["ruled"],) = [row["id"] for row in self.company.call("createList", name="Near", filter=ruled)]
        (self.ids["doomed"],) = [row["id"] for row in self.company.call("createList", name="Doomed")]

    def leads(self) -> None:
        """Leads with odd values."""
        custom = {self.fields[data_type]: value for data_type, value in DATA_TYPES.items()}
        odd = {
            "full": {
                "emailAddress": "Ada.Lovelace@Example.com",
                "firstName": "Ada",
                "lastName": "O'Lovelace-Ünïcødé",
                "title": "Chief engineer",
                "companyName": "Analytical 'Engines' & Söhne",
                "street": "1 Main St\nFloor 2",
                "city": "Berlin",
                "country": "Deutschland",
                "state": "BE",
                "zipcode": "01067",
                "website": "https://example.com/?q=a b",
                "phoneNumber": "+49 30 1234567",
                "officePhoneNumber": "0",
                "phoneNumberExtension": "007",
                "mobilePhoneNumber": "+49 151 000",
                "faxNumber": "-",
                "description": "Erste Zeile\r\nzweite\ttab \\ \\N \\. 'x' \"y\" 🦊",
                "industry": "Maschinenbau",
                "leadStatus": "qualified",
                "persona": "Ω",
                "ownerID": self.user,
                self.fields["code"]: "AL-1815",
                self.fields["born"]: "1815-12-10",
                **custom,
            },
            "composed": {"emailAddress": "nfc@example.com", "firstName": "Zoë", "city": "Zürich"},
            "decomposed": {"emailAddress": "nfd@example.com", "firstName": "Zoe\u0308", "city": "Zu\u0308rich"},
            "empty": {"emailAddress": "empty@example.com", "firstName": "", self.fields["code"]: ""},
            "long": {
                "emailAddress": f"{'l' * 60}@{'d' * 60}.example.com",
                "description": "Länge " * (self.long_text // 6),
                "companyName": "W" * 100,
                self.fields["textarea"]: "x" * self.long_text,
            },
            "foreign": {"emailAddress": "世界@例え.jp", "firstName": "世界", "lastName": "شمس", "city": "Bonn"},
            "inactive": {"emailAddress": "inactive@example.com", "active": 0, "isUnsubscribed": 1},
            "twin": {
                "emailAddress": "a.lovelace@example.org",
                "firstName": "Ada",
                "lastName": "O'Lovelace-Ünïcødé",
                "mobilePhoneNumber": "+49 151 000",
            },
            "merged": {"emailAddress": "merged@example.com", "firstName": "Merged", "faxNumber": "123"},
            "deleted": {"emailAddress": "deleted@example.com", "firstName": "Déleted", self.fields["code"]: "D-1"},
            "restored": {"emailAddress": "restored@example.com", "firstName": "Back"},
            "erased": {"emailAddress": "erased@example.com", "firstName": "Nobody"},
            "erased later": {"emailAddress": "bin@example.com", "firstName": "Nobody"},
        }
        for name, lead in odd.items():
            self.make(name, "createLeads", **lead)
        self.write("updateLeads", {"id": self.ids["composed"], "title": "Chief of nothing", "city": "Basel"})
        self.write("updateLeads", {"id": self.ids["composed"], "title": "", "isUnsubscribed": 1})
        upsert = {self.fields["code"]: "AL-1815", "industry": "Mathematics"}
        self.company.call("upsertLeads", objects=[upsert], key=self.fields["code"])

    def neighbours(self) -> None:
        """Accounts, campaigns, deal stages, opportunities, products, notes, tasks, calls, conversions."""
        full, deleted = self.ids["full"], self.ids["deleted"]
        account = self.make(
            "account",
            "createAccounts",
            accountName="Analytical 'Engines' & Söhne",
            ownerID=self.user,
            annualRevenue=9007199254740993,
            numberOfEmployees=12,
            yearStarted=1837,
            billingStreetAddress="1 Main St\nFloor 2",
            shippingCountry="日本",
            **{self.fields["account"]: "EU"},
        )
        self.make("bare account", "createAccounts", accountName="Z")
        campaign = self.make(
            "campaign",
            "createCampaigns",
            campaignName="Spring 🌱",
            price="99.5",
            goal="0.1",
            otherCosts="123456789.123456",
            qty=0,
            startDate="2001-03-25 02:30:00",
            endDate="2049-10-31 02:30:00",
            ownerID=self.user,
        )
        self.make("bare campaign", "createCampaigns", campaignName="Off", isActive=0)
        stage = self.make("stage", "createDealStages", dealStageName="Offer", defaultProbability="33.3", weight=2)
        self.make("bare stage", "createDealStages", dealStageName="Won", defaultProbability=100, weight=9)
        opportunity = self.make(
            "opportunity",
            "createOpportunities",
            opportunityName="A new roof",
            dealStageID=stage,
            closeDate="2049-01-31 12:00:00",
            amount="12500.005",
            accountID=account,
            campaignID=campaign,
            ownerID=self.user,
            primaryLeadID=full,
            **{self.fields["opportunity"]: "EU"},
        )
        won = {"dealStageID": stage, "closeDate": "2001-01-01", "primaryLeadID": full}
        self.make("won", "createOpportunities", opportunityName="Won", **won)
        self.write("updateOpportunities", {"id": self.ids["won"], "isWon": 1, "dealStageID": self.ids["bare stage"]})
        for lead in ("composed", "deleted"):
            self.make(f"link of {lead}", "createOpportunityLeads", opportunityID=opportunity, leadID=self.ids[lead])
        self.write("updateLeads", {"id": full, "accountID": account, "campaignID": campaign})
        self.make("product", "createProducts", productName="Water", productCode="W-12", price="7.90", cost="0.0001")
        self.make("bare product", "createProducts", productName="Glass", isActive=0)
        about = {"whoType": "lead", "whatID": account, "whatType": "account"}
        for lead in (full, deleted):
            self.make("note", "createNotes", authorID=self.user, title="T", note="Größe\n42", whoID=lead, **about)
        offer = {"whatID": opportunity, "whatType": "opportunity"}
        self.make("bare note", "createNotes", authorID=self.user, note="n", pinned=1, **offer)
        task = {"ownerID": self.user, "priority": "high", "dueDate": "2049-03-20 09:00:00"}
        self.make("task", "createTasks", title="Call back", description="☎", whoID=full, **about, **task)
        self.make("done", "createTasks", title="Done", whoID=deleted, whoType="lead")
        self.write("updateTasks", {"id": self.ids["done"], "status": "completed"})
        convert = {"accountName": "Ångström", "opportunityName": "From a lead", "dealStageID": stage}
        self.write("convertLeads", {"id": self.ids["foreign"], "closeDate": "2049-01-31", **convert})

    def members(self) -> None:
        """Members of the static list, removed ones too, and a list that will be deleted."""
        for lead in ("full", "composed", "empty", "merged", "deleted"):
            self.write("addListMembers", {"listID": self.ids["list"], "memberID": self.ids[lead]})
        self.write("removeListMembers", {"listID": self.ids["list"], "contactID": self.ids["empty"]})
        for lead in ("long", "twin"):
            self.write("addListMembers", {"listID": self.ids["doomed"], "memberID": self.ids[lead]})

    def public(self) -> None:
        """Page views with and without a lead, tracked links that were used, forms with files."""
        visitor, full = self.visitor, self.ids["full"]
        self.company.call("updateCaptureSettings", importantPages=["/contact", "/p*/é"], keepAddresses="truncated")
        known, unknown = "202611|5fb6a1c2e5e4a70b0c4b7d71", "5fb6a1c2e5e4a70b0c4b7d715fb6a1c2"
        for name, page in ((known, "pricing?a=ü"), (known, "contact"), (unknown, "")):
            assert visitor.report(name, f"https://example.com/{page}", "Títle 🦊") == 204
        self.write("updateLeads", {"id": full, "trackingID": known})
        self.write("updateLeads", {"id": self.ids["deleted"], "trackingID": "f" * 32})
        (links,) = self.company.call(
            "getTrackedLinks", leadID=self.ids["decomposed"], campaignID=self.ids["campaign"], urls=[SPRING]
        )
        assert visitor.get(links["links"][SPRING]).status == 302
        assert visitor.get(links["openPixel"]).status == 200
        assert visitor.post(links["unsubscribeURL"], b"List-Unsubscribe=One-Click").status == 200
        names = ["firstName", *(self.fields[name] for name in ("upload", "checkbox"))]
        form = self.make(
            "form",
            "createForms",
            name="Kontakt",
            fields=[{"systemName": "emailAddress", "label": "E-Mail", "required": True, "placeholder": "ü@example.com"}]
            + [{"systemName": name} for name in names],
            listID=self.ids["list"],
            campaignID=self.ids["campaign"],
            thankYouText="Danke & ☺",
            notifyUserID=self.user,
        )
        self.make("bare form", "createForms", name="Off", fields=[{"systemName": "emailAddress"}], isActive=0)
        (row,) = self.company.call("getForms", where={"id": form})
        sent = [("emailAddress", "form@example.com"), ("firstName", "Förm"), ("trackingid__sb", "a" * 32)]
        file = (self.fields["upload"], ("Añexo 🦊.txt", b"\x00\xff file \r\n"))
        assert visitor.submit(row["formAction"], *sent, file).status == 303
        assert visitor.submit(row["formAction"], ("emailAddress", "deleted@example.com"), file).status == 303
        self._submit_hosted_page(row["hostedURL"])

    def _submit_hosted_page(self, address: str) -> None:
        page = self.visitor.get(address).body.decode()
        time.sleep(2.1)  # an earlier submit counts as a bot's
        hidden = dict(re.findall(r'<input[^>]* name="(_[^"]*)"[^>]*? value="([^"]*)"', page))
        values = {name: html.unescape(value) for name, value in hidden.items()}
        body = urlencode({**values, "emailAddress": "hosted@example.com", "firstName": "Hosted"}).encode()
        assert self.visitor.post(address, body).status == 303

    def changes_of_leads(self) -> None:
        """Calls, a merge, leads in the recycle bin, a restored lead, erasures, an idempotent write."""
        long_ago = f"{datetime.now(UTC) - timedelta(days=HALF_LIFE_DAYS):%Y-%m-%d %H:%M:%S}"
        for lead in ("full", "deleted"):
            call = {"userID": self.user, "leadID": self.ids[lead], "direction": "incoming", "callNotes": "Grüße"}
            self.company.envelope("logCalls", {"objects": [{**call, "createTimestamp": long_ago}]})
        self.write("mergeLeads", {"id": self.ids["composed"], "mergeIDs": [self.ids["merged"]]})
        self.write("deleteLeads", *({"id": self.ids[name]} for name in ("deleted", "restored", "erased later")))
        self.write("restoreLeads", {"id": self.ids["restored"]})
        self.write("eraseLeads", {"id": self.ids["erased"]}, {"id": self.ids["erased later"]})
        repeat(self.company)

    def score_events(self) -> None:
        """Waits until the leads of all events are scored: the lead with a call gets twice as many points."""
        eventually(lambda: self.company.lead(self.ids["full"])["leadScore"] == "43", seconds=30)

    def pushes(self, receiver: str) -> None:
        """Subscriptions with working, broken and deleted receivers, a paused subscription, and rotated secrets."""
        for name in ("200", "500", "410"):
            (made,) = self.write("createLeadSubscriptions", {"url": f"{receiver}/{name}/of"})
            self.ids[name], self.secrets[name] = made["id"], made["secret"]
        paused = {"url": "https://receiver.example/paused", "isActive": 0, "kinds": ["merge"], "fields": ["city"]}
        self.write("createLeadSubscriptions", paused)
        self.write("updateLeads", {"id": self.ids["full"], "city": "Bonn"})

        def settled() -> bool:
            rows = self.company.call("getLeadDeliveries", where={}, limit=500)
            tried = {row["subscriptionID"] for row in rows if row["attempts"] != "0"}
            gone = not self.company.call("getLeadSubscriptions", where={"id": self.ids["410"]})
            return gone and tried == {str(self.ids[name]) for name in ("200", "500")}

        eventually(settled, seconds=30)
        (rotated,) = self.write("rotateLeadSubscriptionSecrets", {"id": self.ids["200"]})
        self.secrets["200"] = rotated["secret"]


REPEAT_KEY = "order 1815 of ada@example.com"
REPEAT = json.dumps(
    {
        "method": "createLeads",
        "params": {"objects": [{"emailAddress": "once@example.com", "firstName": "Önce"}]},
        "id": "7",
    }
)


def repeat(company: Company) -> dict[str, Any]:
    """A write with an idempotency key: it is made once, and every repetition gets the same answer."""
    status, answer = company.send(REPEAT.encode(), headers={"Idempotency-Key": REPEAT_KEY})
    assert status == 200, answer
    decoded = json.loads(answer)
    assert decoded["result"] is not None, decoded
    return decoded
