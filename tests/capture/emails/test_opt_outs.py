"""A click on an unsubscribe link holds for the address, whatever has become of its lead, and forms look there too."""

from typing import Any

import pytest

from capture.forms import FormOf
from capture.public import Public
from springhead.model.capture import signing
from springhead.model.capture.email_links import UNSUBSCRIBE
from springhead.model.leads.opt_outs import address_hash
from springhead.store.database.pool import Database
from support import Company, eventually, sql, with_database

ANN = "ann@example.com"


class Mail:
    """An email to a lead, with its unsubscribe link."""

    def __init__(self, public: Public, address: str = ANN, *, old: bool = False) -> None:
        self.public, self.company = public, public.company
        (self.lead,) = self.company.create({"emailAddress": address})
        (row,) = self.company.call("getTrackedLinks", leadID=self.lead)
        self.path: str = row["unsubscribeURL"]
        if old:  # from before links had the address
            key = public.signing_key
            self.path = f"/u/{public.token}.{signing.sign(key, UNSUBSCRIBE, self.lead, None, '')}"

    def click(self) -> str:
        answer = self.public.ask(self.path, verb="POST")
        assert answer.status == 200
        return answer.body.decode()


def delete(company: Company, lead: int) -> None:
    company.call("deleteLeads", objects=[lead])


def purge(company: Company, lead: int) -> None:
    """Deletes the lead, and empties the recycle bin."""
    delete(company, lead)
    sql(company.dsn, "delete from deleted_lead where company_id = $1", company.id, company_id=company.id)


def erase(company: Company, lead: int) -> None:
    company.call("eraseLeads", objects=[{"id": lead}])


def merge(company: Company, lead: int) -> None:
    (survivor,) = company.create({})
    company.make("mergeLeads", {"id": survivor, "mergeIDs": [lead]})


def move(company: Company, lead: int) -> None:
    """Changes the address of the lead."""
    company.call("updateLeads", objects=[{"id": lead, "emailAddress": "ann.new@example.com"}])


ENDS = (delete, purge, erase, merge, move)


def flag(company: Company, lead: int) -> str | None:
    return company.lead(lead)["isUnsubscribed"]


def recorded(company: Company) -> list[Any]:
    rows = sql(
        company.dsn,
        "select active, source from opt_out where company_id = $1 and address_hash = $2",
        company.id,
        address_hash(company.id, ANN),
        company_id=company.id,
    )
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("end", ENDS)
def test_a_click_holds_when_the_address_comes_back(public: Public, end: Any) -> None:
    mail = Mail(public)
    end(public.company, mail.lead)

    assert "You will get no more emails" in mail.click()
    assert recorded(public.company) == [(True, "unsubscribeLink")]
    (again,) = public.company.create({"emailAddress": ANN, "isUnsubscribed": 0})
    assert flag(public.company, again) == "1"


@pytest.mark.parametrize("end", ENDS)
def test_a_click_unsubscribes_the_lead_that_has_the_address_now(public: Public, end: Any) -> None:
    mail = Mail(public)
    end(public.company, mail.lead)
    company = public.company
    (made,) = company.call("createList", name="Out", filter={"isUnsubscribed": "1"})
    (again,) = company.create({"emailAddress": ANN})

    mail.click()

    assert flag(company, again) == "1"
    (event,) = public.events(again, "emailUnsubscribe")
    assert (event["event_source"], event["data"]) == (
        "emailUnsubscribe",
        {"isUnsubscribed": [None, "1"], "source": [None, "unsubscribeLink"]},
    )
    members = [row["leadID"] for row in company.call("getListMembers", where={"id": made["id"]})]
    assert str(again) in members
    assert company.call("getLeadChanges", cursor="0")[-1]["changed"]["isUnsubscribed"] == [None, "1"]


def test_a_lead_whose_creation_had_not_seen_the_click_is_unsubscribed_by_the_last_job(public: Public) -> None:
    mail, company = Mail(public), public.company
    purge(company, mail.lead)

    async def create_during_the_click(database: Database) -> int:
        async with database.company(company.id) as tx, tx.atomic():
            lead = await tx.value(
                """
                insert into lead (company_id, email_key, email_address, lead_score, lead_score_weighted, active,
                    lead_status, create_timestamp, update_timestamp)
                values ($1, $2, $2, 0, 0, true, 'open', now(), now())
                returning id
                """,
                company.id,
                ANN,
            )
            mail.click()
            return lead

    lead = with_database(company.dsn, create_during_the_click)
    sql(company.dsn, "update pass set due_at = now() where company_id = $1 and kind = 'opt_out'", company.id)

    eventually(lambda: flag(company, lead) == "1")


@pytest.mark.parametrize("old", [False, True])
def test_a_lead_that_was_deleted_when_its_link_was_clicked_is_unsubscribed_when_it_is_restored(
    public: Public, old: bool
) -> None:
    mail = Mail(public, old=old)
    delete(public.company, mail.lead)
    mail.click()
    public.company.call("restoreLeads", objects=[{"id": mail.lead}])

    assert flag(public.company, mail.lead) == "1"


def test_a_click_on_the_link_of_a_merged_lead_unsubscribes_both_addresses(public: Public) -> None:
    mail = Mail(public, old=True)
    merge(public.company, mail.lead)
    mail.click()
    (survivor,) = public.company.call("getLeads", where={"id": mail.lead})

    assert survivor["isUnsubscribed"] == "1"
    public.company.call("restoreLeads", objects=[{"id": mail.lead}])
    assert flag(public.company, mail.lead) == "1"


def test_a_click_whose_address_is_not_known_any_more_promises_nothing(public: Public) -> None:
    mail = Mail(public, old=True)
    erase(public.company, mail.lead)

    page = mail.click()
    assert "You will get no more emails" not in page
    assert "We no longer have your address" in page


def test_a_click_after_an_opt_in_opts_out_again(public: Public) -> None:
    mail = Mail(public)
    mail.click()
    public.company.call("updateLeads", objects=[{"id": mail.lead, "isUnsubscribed": 0}])
    assert recorded(public.company) == [(False, "updateLeads")]

    mail.click()
    assert flag(public.company, mail.lead) == "1"
    assert recorded(public.company) == [(True, "unsubscribeLink")]


def test_the_page_that_asks_does_not_say_that_it_has_happened(public: Public) -> None:
    mail = Mail(public)
    page = public.ask(mail.path).body.decode()

    assert "Do you want no more emails from" in page
    assert "Nothing changes until you press the button" in page
    assert "You will get no more" not in page
    assert flag(public.company, mail.lead) is None
    assert recorded(public.company) == []


def test_a_link_carries_no_address(public: Public) -> None:
    mail = Mail(public)
    payload = mail.path.rpartition(".")[2]
    assert "ann" not in mail.path.removeprefix(f"/u/{public.token}")
    site_key = public.signing_key
    parts = signing.verify(site_key, UNSUBSCRIBE, payload)
    assert parts == (mail.lead, None, "", address_hash(public.company.id, ANN).hex())


@pytest.mark.parametrize("end", [delete, erase, merge, move])
def test_a_form_does_not_subscribe_an_opted_out_address(public: Public, end: Any) -> None:
    mail = Mail(public)
    mail.click()
    end(public.company, mail.lead)
    form = FormOf(public, "firstName")
    assert form.post(emailAddress="Ann@Example.com", firstName="Ann").status == 303

    (lead,) = public.company.call("getLeads", where={"emailAddress": ANN})
    assert (lead["firstName"], lead["isUnsubscribed"]) == ("Ann", "1")


@pytest.mark.parametrize("end", [None, delete, erase])
def test_a_ticked_consent_box_opts_in_again(public: Public, end: Any) -> None:
    mail = Mail(public)
    mail.click()
    if end:
        end(public.company, mail.lead)
    form = FormOf(public, consentText="Send me news")
    assert form.post(emailAddress=ANN, consent="1").status == 303

    (lead,) = public.company.call("getLeads", where={"emailAddress": ANN})
    assert lead["isUnsubscribed"] == "0"
    assert recorded(public.company) == [(False, "form")]
    *_, event = public.events(int(lead["id"]), "emailResubscribe")
    assert event["data"] == {"isUnsubscribed": ["1", "0"], "source": [None, "form"]}
