"""The methods of forms: what a form can ask for, what is refused, and the addresses of a form."""

from typing import Any

import pytest

from support import Company, sql

EMAIL = {"systemName": "emailAddress"}


def form(**more: Any) -> dict[str, Any]:
    return {"name": "Newsletter", "fields": [{"systemName": "firstName"}, EMAIL], **more}


def read(company: Company, form_id: int) -> dict[str, Any]:
    (row,) = company.call("getForms", where={"id": form_id})
    return row


def refused(company: Company, **more: Any) -> list[str]:
    error = company.refusal("createForms", form(**more))
    assert error is not None
    assert error["code"] == 205
    return [f"{param['param']}: {param['message']}" for param in error["data"]["params"]]


def test_a_form_is_read_as_it_was_made_with_its_addresses(company: Company) -> None:
    (list_id,) = company.make("createList", {"name": "Readers"})
    fields = [{"systemName": "firstName", "label": "Name"}, {**EMAIL, "required": True, "placeholder": "a@b.example"}]

    (form_id,) = company.make("createForms", form(fields=fields, listID=list_id, thankYouText="Thanks!"))

    row = read(company, form_id)
    public = row["publicID"]
    assert len(public) == 22
    assert row["fields"] == fields
    assert (row["listID"], row["thankYouText"], row["isActive"], row["allowPlainPosts"]) == (
        str(list_id), "Thanks!", "1", "1"
    )  # fmt: skip
    assert row["hostedURL"] == row["formAction"] == f"/f/{public}"
    assert row["embedCode"] == f'<script async src="/f/{public}.js"></script>'


def test_public_ids_are_random_and_stay_when_a_form_changes(company: Company) -> None:
    ids = company.make("createForms", *[form()] * 50)
    before = {row["id"]: row["publicID"] for row in company.call("getForms")}

    assert len(set(before.values())) == 50
    assert company.refusal("updateForms", {"id": ids[0], "name": "Other", "publicID": "mine", "hostedURL": "x"}) is None
    assert read(company, ids[0])["publicID"] == before[str(ids[0])]


def test_forms_are_filtered_by_id_and_by_whether_they_are_active(company: Company) -> None:
    first, second = company.make("createForms", form(), form(isActive=0))

    assert [row["id"] for row in company.call("getForms", where={"isActive": 0})] == [str(second)]
    assert [row["id"] for row in company.call("getForms", where={"id": [first]})] == [str(first)]
    assert len(company.call("getForms")) == 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([{"systemName": "firstName"}], "fields: emailAddress is missing: every form needs it"),
        ([EMAIL, EMAIL], "fields: emailAddress: sent twice"),
        *(
            ([EMAIL, {"systemName": name}], f"fields: {name}: forms cannot have this field")
            for name in (
                "nothing", "leadStatus", "trackingID", "ownerID", "accountID", "leadScore", "active", "isUnsubscribed",
                "id", "campaignID", "createTimestamp", "__proto__", "custom", "firstname",
            )
        ),
    ],
)  # fmt: skip
def test_a_field_that_forms_cannot_have_is_refused_by_name(company: Company, fields: list[Any], message: str) -> None:
    assert refused(company, fields=fields) == [message]


@pytest.mark.parametrize(
    "fields",
    [
        [], "x", None, 5, [5], [[]], [None], [{}], [{"systemName": 5}], [{**EMAIL, "x": 1}],
        [{**EMAIL, "label": "a\nb"}], [{**EMAIL, "label": "a\0b"}], [{**EMAIL, "label": "x" * 256}],
        [{**EMAIL, "label": None}], [{**EMAIL, "required": "perhaps"}], [{"systemName": ""}], [EMAIL] * 51,
        [{"systemName": "emailAddress\0"}], [{**EMAIL, "placeholder": {}}],
    ],
)  # fmt: skip
def test_fields_of_another_shape_are_refused(company: Company, fields: Any) -> None:
    (message,) = refused(company, fields=fields)
    assert message.startswith("fields: Expected ")


def test_a_custom_field_can_be_asked_for_when_it_is_available_in_forms_and_active(company: Company) -> None:
    hidden = company.field("Shoe size")
    shown = company.field("Hat size", isAvailableInForms=1)
    passive = company.field("Coat size", isAvailableInForms=1, isActive=0)

    assert company.refusal("createForms", form(fields=[EMAIL, {"systemName": shown}])) is None
    for name in (hidden, passive):
        assert refused(company, fields=[EMAIL, {"systemName": name}]) == [
            f"fields: {name}: forms cannot have this field"
        ]


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)", "JAVASCRIPT:alert(1)", " https://a.example", "//a.example", "/thanks", "https:a.example",
        "data:text/html,x", "https://", "https:///x", "http://a.example\r\nSet-Cookie: a=b", "https://a.example/\t",
        "https://user:secret@a.example", "https://a.example\\@b.example", "ftp://a.example", "https://a b.example",
        "https://a.example/<script>", 'https://a.example/"x', "https://exämple.example", "https://[::1", "x" * 2001,
        "https://good.example@evil.example", "https://a.example:99999999",
    ],
)  # fmt: skip
def test_only_a_web_address_can_be_the_redirect_target(company: Company, address: str) -> None:
    (message,) = refused(company, redirectURL=address)
    assert message.startswith("redirectURL: Expected ")


@pytest.mark.parametrize(
    "address", ["https://www.example.com/thanks?a=b&c=d#e", "http://localhost:8080", "HTTPS://EXAMPLE.COM/", ""]
)
def test_a_web_address_or_none_is_accepted(company: Company, address: str) -> None:
    assert company.refusal("createForms", form(redirectURL=address)) is None


def test_a_list_with_a_filter_and_another_companys_list_are_refused(company: Company, given_company: Any) -> None:
    (ruled,) = company.make("createList", {"name": "Berlin", "filter": {"city": "Berlin"}})
    (foreign,) = given_company().make("createList", {"name": "Theirs"})

    assert refused(company, listID=ruled) == ["listID: This list has a filter, so no form can add leads to it"]
    for column in ("listID", "campaignID", "notifyUserID"):
        assert company.code("createForms", form(**{column: foreign})) == 303


def test_an_update_follows_the_same_rules_and_is_refused_alone(company: Company) -> None:
    first, second = company.make("createForms", form(), form())
    outcomes = company.call(
        "updateForms",
        objects=[
            {"id": first, "redirectURL": "javascript:x"},
            {"id": second, "fields": [EMAIL]},
            {"id": first, "fields": [{"systemName": "city"}]},
            {"id": 1, "name": "x"},
        ],
    )
    assert [outcome["error"] and outcome["error"]["code"] for outcome in outcomes] == [205, None, 205, 302]
    assert read(company, second)["fields"] == [EMAIL]


def test_a_deleted_list_or_campaign_is_removed_from_forms(company: Company) -> None:
    (list_id,) = company.make("createList", {"name": "Readers"})
    (campaign_id,) = company.make("createCampaigns", {"campaignName": "Spring"})
    (form_id,) = company.make("createForms", form(listID=list_id, campaignID=campaign_id))

    assert company.refusal("deleteList", {"id": list_id}) is None
    assert company.refusal("deleteCampaigns", {"id": campaign_id}) is None

    row = read(company, form_id)
    assert (row["listID"], row["campaignID"]) == (None, None)


def test_the_address_of_a_deleted_form_is_gone(company: Company) -> None:
    (form_id,) = company.make("createForms", form())
    public = read(company, form_id)["publicID"]

    assert company.refusal("deleteForms", {"id": form_id}) is None

    assert company.call("getForms") == []
    assert sql(company.dsn, "select from form_address where public_id = $1", public) == []
    assert company.code("deleteForms", {"id": form_id}) == 302


def test_another_companys_forms_are_not_there(company: Company, given_company: Any) -> None:
    other = given_company()
    (theirs,) = other.make("createForms", form())

    assert company.call("getForms", where={"id": theirs}) == []
    assert company.code("updateForms", {"id": theirs, "name": "Mine"}) == 302
    assert company.code("deleteForms", {"id": theirs}) == 302
    assert read(other, theirs)["name"] == "Newsletter"
