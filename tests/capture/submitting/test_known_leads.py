"""Anybody can type the address of a lead: without a confirmation, a submit overwrites no value and joins no visits."""

from capture.forms import FormOf, custom
from capture.public import ANN, BEN, Public

ADDRESS = ("emailAddress", "Ann@Example.com")


def test_a_submit_fills_empty_fields_of_a_known_lead_and_overwrites_none(public: Public) -> None:
    company = public.company
    size = custom(company, "Size", "string")
    colours = custom(company, "Colours", "checkbox", options=["Red", "Green"])
    known = {"emailAddress": "ann@example.com", "firstName": "Ann", "city": "Rome", size: "44"}
    (lead_id,) = company.create(known)
    form = FormOf(public, "firstName", "lastName", "city", size, colours)

    sent = form.post(
        ADDRESS, ("firstName", "Eve"), ("lastName", "Evil"), ("city", "Rome"), (size, "1"), (colours, "Red")
    )

    assert sent.status == 303
    lead = company.lead(lead_id)
    assert {name: lead[name] for name in known} == known
    assert (lead["lastName"], lead[colours]) == ("Evil", "Red")
    data = form.submits()[0]["data"]
    assert data["values"]["firstName"] == "Eve"
    assert data["notWritten"] == ["firstName", size]


def test_a_form_that_updates_known_leads_overwrites_their_values(public: Public) -> None:
    company = public.company
    (lead_id,) = company.create({"emailAddress": "ann@example.com", "firstName": "Ann"})
    form = FormOf(public, "firstName", updatesKnownLeads=1)
    assert form.post(ADDRESS, ("firstName", "Anna"), ("trackingid__sb", ANN)).status == 303
    assert company.lead(lead_id)["firstName"] == "Anna"
    assert company.lead(lead_id)["trackingID"] == ANN
    assert "notWritten" not in form.submits()[0]["data"]


def test_the_visits_of_a_stranger_do_not_join_the_timeline_of_a_known_lead(public: Public) -> None:
    company = public.company
    (lead_id,) = company.create({"emailAddress": "ann@example.com", "trackingID": BEN})
    (bare_id,) = company.create({"emailAddress": "bare@example.com"})
    public.report("pricing", visitor=ANN)
    form = FormOf(public)

    assert form.post(ADDRESS, ("trackingid__sb", ANN)).status == 303
    assert form.post(("emailAddress", "bare@example.com"), ("trackingid__sb", ANN)).status == 303

    assert company.lead(lead_id)["trackingID"] == BEN
    assert not company.lead(bare_id)["trackingID"]
    assert public.events(lead_id, "pageVisit") == public.events(bare_id, "pageVisit") == []
    linked = public.rows("select lead_id from visitor where company_id = $1 and tracking_id = $2", ANN)
    assert [row["lead_id"] for row in linked] in ([], [None])


def test_the_visits_of_a_new_lead_stay_its_own_after_its_second_submit(public: Public) -> None:
    form = FormOf(public, "firstName")
    for name in ("Ann", "Anna"):
        assert form.post(ADDRESS, ("firstName", name), ("trackingid__sb", ANN)).status == 303
    lead = form.lead()
    assert (lead["firstName"], lead["trackingID"]) == ("Ann", ANN)
    (visitor,) = public.rows("select lead_id from visitor where company_id = $1 and tracking_id = $2", ANN)
    assert str(visitor["lead_id"]) == lead["id"]


def test_a_submit_that_changes_nothing_of_a_known_lead_is_on_its_timeline_and_list(public: Public) -> None:
    company = public.company
    (list_id,) = company.make("createList", {"name": "Readers"})
    (lead_id,) = company.create({"emailAddress": "ann@example.com", "firstName": "Ann"})
    form = FormOf(public, "firstName", listID=list_id)
    assert form.post(ADDRESS, ("firstName", "Eve")).status == 303
    assert [event["lead_id"] for event in form.submits()] == [lead_id]
    assert [member["leadID"] for member in company.call("getListMembers", where={"id": list_id})] == [str(lead_id)]


def test_the_file_of_a_known_lead_stays_in_its_field(public: Public) -> None:
    cv = custom(public.company, "CV", "upload")
    form = FormOf(public, cv)
    assert form.files(ADDRESS, (cv, ("first.txt", b"1"))).status == 303
    first = form.lead()[cv]
    assert form.files(ADDRESS, (cv, ("second.txt", b"2"))).status == 303
    assert form.lead()[cv] == first
    second = form.submits()[1]["data"]
    assert second["notWritten"] == [cv]
    assert public.ask(second["values"][cv]).body == b"2"
