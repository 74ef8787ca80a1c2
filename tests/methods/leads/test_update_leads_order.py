"""updateLeads: several objects for one lead, and addresses that move, in one call (docs/wire/leads.md#updateleads)."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support import Company, new_email
from updates import UNKNOWN, outcomes


def test_objects_of_one_lead_are_applied_in_the_order_sent(company: Company) -> None:
    (lead_id,) = company.create({"emailAddress": "a@example.com"})

    codes = outcomes(
        company,
        {"id": lead_id, "title": "1"},
        {"emailAddress": "a@example.com", "title": "2"},
        {"id": lead_id, "title": "2"},
        {"emailAddress": "A@example.com", "title": "3", "city": "x"},
    )

    assert codes == [None, None, 302, None]
    assert (company.lead(lead_id)["title"], company.lead(lead_id)["city"]) == ("3", "x")


def test_a_moved_address_selects_the_lead_that_has_it_now(company: Company) -> None:
    first, second = company.create({"emailAddress": "a@example.com"}, {"emailAddress": "b@example.com"})

    codes = outcomes(
        company,
        {"id": first, "emailAddress": "new@example.com"},
        {"emailAddress": "a@example.com", "title": "nobody"},
        {"emailAddress": "new@example.com", "title": "one"},
        {"id": second, "emailAddress": "a@example.com"},
        {"emailAddress": "a@example.com", "title": "two"},
    )

    assert codes == [None] * 5
    assert (company.lead(first)["title"], company.lead(second)["title"]) == ("one", "two")


def test_two_leads_can_swap_their_addresses_over_a_third_one(company: Company) -> None:
    first, second = company.create({"emailAddress": "a@example.com"}, {"emailAddress": "b@example.com"})

    codes = outcomes(
        company,
        {"id": first, "emailAddress": "spare@example.com"},
        {"id": second, "emailAddress": "a@example.com"},
        {"id": first, "emailAddress": "b@example.com"},
    )

    assert codes == [None, None, None]
    assert (company.lead(first)["emailAddress"], company.lead(second)["emailAddress"]) == (
        "b@example.com",
        "a@example.com",
    )


def test_a_direct_swap_of_addresses_is_refused_since_each_is_taken_at_its_turn(company: Company) -> None:
    first, second = company.create({"emailAddress": "a@example.com"}, {"emailAddress": "b@example.com"})

    assert outcomes(
        company, {"id": first, "emailAddress": "b@example.com"}, {"id": second, "emailAddress": "a@example.com"}
    ) == [301, 301]


LETTERS = "abcd"
ONE_OF_THREE = st.sampled_from([0, 1, 2, 3])  # 3 is an unknown lead
ADDRESS = st.sampled_from([*LETTERS, "A"])
TITLE = st.sampled_from(["x", "y"])
BY_ID = st.fixed_dictionaries({"id": ONE_OF_THREE}, optional={"emailAddress": ADDRESS, "title": TITLE})
BY_EITHER = st.one_of(
    st.fixed_dictionaries({}, optional={"id": ONE_OF_THREE, "title": TITLE}),
    st.fixed_dictionaries({}, optional={"emailAddress": ADDRESS, "title": TITLE}),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.one_of(st.lists(BY_ID, max_size=8), st.lists(BY_EITHER, max_size=8)))
def test_a_call_does_what_its_objects_would_do_one_by_one(company: Company, changes: list[dict[str, Any]]) -> None:
    domain = f"@{new_email()}"
    ids = [*company.create(*({"emailAddress": letter + domain} for letter in LETTERS[:3])), UNKNOWN]
    model: list[dict[str, str | None]] = [{"emailAddress": letter, "title": None} for letter in LETTERS[:3]]
    expected: list[int | None] = []
    for change in changes:
        holder = {str(lead["emailAddress"]).lower(): index for index, lead in enumerate(model)}
        address = change.get("emailAddress")
        target = change.get("id", holder.get(address.lower()) if address else None)
        if target is None or target == 3:
            expected.append(None)
        elif address and holder.get(address.lower(), target) != target:
            expected.append(301)
        else:
            key = "id" if "id" in change else "emailAddress"  # it finds the lead, and is not written
            after = model[target] | {name: value for name, value in change.items() if name not in {"id", key}}
            expected.append(None if after != model[target] else 302)
            model[target] = after

    sent = [
        change
        | ({"id": ids[change["id"]]} if "id" in change else {})
        | ({"emailAddress": change["emailAddress"] + domain} if "emailAddress" in change else {})
        for change in changes
    ]
    actual = outcomes(company, *sent)

    assert actual == expected
    for lead_id, wanted in zip(ids, model, strict=False):
        lead = company.lead(lead_id)
        assert (lead["emailAddress"], lead["title"]) == (f"{wanted['emailAddress']}{domain}", wanted["title"])
