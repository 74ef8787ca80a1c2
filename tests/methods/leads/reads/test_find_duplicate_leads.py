"""findDuplicateLeads: leads that are probably one person, with a score (our own)."""

from typing import Any

import pytest

from support import Company, eventually, new_email, sql


def result_of(company: Company, **params: Any) -> dict[str, Any]:
    answer = company.envelope("findDuplicateLeads", params)
    assert answer["error"] is None, answer
    return answer["result"]


def duplicates(company: Company, **params: Any) -> list[dict[str, Any]]:
    return company.call("findDuplicateLeads", **params)


def pairs(company: Company, **params: Any) -> set[tuple[int, int]]:
    return {(int(row["leadID"]), int(row["otherID"])) for row in duplicates(company, **params)}


PEOPLE: list[tuple[dict[str, Any], dict[str, Any], list[str] | None]] = [
    # the same mailbox
    ({"emailAddress": "ann.berg@example.com"}, {"emailAddress": "ann.berg+fair@example.com"}, ["email"]),
    ({"emailAddress": "ann.berg@gmail.com"}, {"emailAddress": "annberg@googlemail.com"}, ["email"]),
    ({"emailAddress": "ann.berg@example.com"}, {"emailAddress": "annberg@example.com"}, ["email"]),
    ({"emailAddress": "ann@example.com"}, {"emailAddress": "ann@example.org"}, None),
    ({"emailAddress": "+@example.com"}, {"emailAddress": "+x@example.com"}, None),
    # the same number
    ({"mobilePhoneNumber": "+49 170 1234567"}, {"mobilePhoneNumber": "0170/123 45 67"}, ["mobilePhone"]),
    ({"mobilePhoneNumber": "0049 (0)170 1234567"}, {"mobilePhoneNumber": "+491701234567"}, ["mobilePhone"]),
    ({"mobilePhoneNumber": "(212) 555-0123"}, {"mobilePhoneNumber": "+1 212 555 0123"}, ["mobilePhone"]),
    ({"mobilePhoneNumber": "+47 912 34 567"}, {"mobilePhoneNumber": "912 34 567"}, ["mobilePhone"]),
    ({"mobilePhoneNumber": "+49 170 1234567"}, {"mobilePhoneNumber": "+43 170 1234567"}, None),
    ({"mobilePhoneNumber": "+1 212 555 0123"}, {"mobilePhoneNumber": "555 0123"}, None),
    ({"mobilePhoneNumber": "0170 1234567"}, {"mobilePhoneNumber": "0171 1234567"}, None),
    ({"mobilePhoneNumber": "555-012"}, {"mobilePhoneNumber": "555-012"}, None),
    ({"mobilePhoneNumber": "0000000000"}, {"mobilePhoneNumber": "0000000000"}, None),
    ({"phoneNumber": "030 1234567"}, {"phoneNumber": "030 1234567"}, None),  # an office has many people
    ({"phoneNumber": "030 1234567"}, {"officePhoneNumber": "030 1234567"}, None),
    # similar names at similar companies
    (
        {"firstName": "Zoë", "lastName": "Ångström", "companyName": "Acme GmbH"},
        {"firstName": "zoe", "lastName": "angstrom", "companyName": "ACME"},
        ["name"],
    ),
    (
        {"firstName": "Katherine", "lastName": "Smithson", "companyName": "Acme"},
        {"firstName": "Smithson", "lastName": "Kathrine", "companyName": "Acme, Inc."},
        ["name"],
    ),
    (
        {"firstName": "Ann", "lastName": "Berg", "companyName": "Acme"},
        {"firstName": "Ann", "lastName": "Berg", "companyName": "Kowalski & Sons"},
        None,
    ),
    ({"firstName": "Ann", "lastName": "Berg"}, {"firstName": "Ann", "lastName": "Berg", "companyName": "Acme"}, None),
    (
        {"firstName": "Ann", "lastName": "Berg", "emailAddress": "ann@acme.example"},
        {"firstName": "Ann", "lastName": "Berg", "emailAddress": "berg@acme.example"},
        ["name"],
    ),
    (
        {"firstName": "Ann", "lastName": "Berg", "emailAddress": "ann@gmail.com"},
        {"firstName": "Ann", "lastName": "Berg", "emailAddress": "berg@gmail.com"},
        None,
    ),
    # a family with one telephone
    (
        {"firstName": "Ann", "lastName": "Berg", "mobilePhoneNumber": "+49 170 1234567"},
        {"firstName": "Otto", "lastName": "Kurz", "mobilePhoneNumber": "+49 170 1234567"},
        None,
    ),
]


@pytest.mark.parametrize(("first", "other", "reasons"), PEOPLE, ids=[f"{a} {b}" for a, b, _ in PEOPLE])
def test_two_leads_are_reported_as_one_person_or_not(
    company: Company, first: dict[str, Any], other: dict[str, Any], reasons: list[str] | None
) -> None:
    ids = company.create(
        {"emailAddress": f"{company.id}@one.example", **first}, {"emailAddress": f"{company.id}@two.example", **other}
    )

    rows = duplicates(company)

    assert [row["reasons"] for row in rows] == ([reasons] if reasons else [])
    assert [(row["leadID"], row["otherID"]) for row in rows] == ([(str(ids[0]), str(ids[1]))] if reasons else [])
    assert all(0.5 <= float(row["score"]) <= 1 for row in rows)
    assert duplicates(company, id=ids[0]) == rows


def test_the_pairs_with_the_highest_scores_come_first_and_reasons_add_up(company: Company) -> None:
    company.create(
        {"emailAddress": "a@example.com", "mobilePhoneNumber": "+491701234567"},
        {"emailAddress": "a+b@example.com", "mobilePhoneNumber": "01701234567"},
        {"emailAddress": "x.y@example.com"},
        {"emailAddress": "xy@example.com"},
        {"emailAddress": "p@example.com", "mobilePhoneNumber": "+4917099999"},
        {"emailAddress": "q@example.com", "mobilePhoneNumber": "+4917099999"},
    )

    assert [(row["score"], row["reasons"]) for row in duplicates(company)] == [
        ("0.98", ["email", "mobilePhone"]),
        ("0.80", ["email"]),
        ("0.70", ["mobilePhone"]),
    ]


def test_a_requested_lead_is_the_first_of_its_pairs(company: Company) -> None:
    first, second, third, _ = company.create(
        *({"emailAddress": address} for address in ("a@x.example", "a+1@x.example", "a+2@x.example", "b@x.example"))
    )

    assert pairs(company, id=second) == {(second, first), (second, third)}
    assert pairs(company, id=[first, third]) == {(first, second), (first, third), (third, second)}
    assert duplicates(company, id=1) == []


def test_changes_count_at_once(company: Company) -> None:
    first, other = company.create({"emailAddress": "a@x.example"}, {"emailAddress": "b@x.example"})
    assert duplicates(company) == []

    company.call("updateLeads", objects=[{"id": other, "emailAddress": "a+b@x.example"}])
    assert pairs(company) == {(first, other)}
    company.call("updateLeads", objects=[{"id": first, "active": 0}])
    assert duplicates(company) == duplicates(company, id=other) == []
    company.call("updateLeads", objects=[{"id": first, "active": 1}])
    assert pairs(company) == {(first, other)}
    company.call("deleteLeads", objects=[first])
    assert duplicates(company) == duplicates(company, id=other) == []
    (third,) = company.create({"emailAddress": "a+c@x.example"})
    assert pairs(company) == {(other, third)}


def test_a_value_that_many_leads_share_is_no_reason_and_hides_no_other(company: Company) -> None:
    crowd = company.create(
        *({"emailAddress": f"info+{number}@x.example", "mobilePhoneNumber": "x"} for number in range(21))
    )
    assert duplicates(company) == []

    company.call(
        "updateLeads", objects=[{"id": lead, "mobilePhoneNumber": "0170 7654321"} for lead in (crowd[3], crowd[5])]
    )

    assert pairs(company) == {(crowd[3], crowd[5])}
    assert pairs(company, id=crowd[5]) == {(crowd[5], crowd[3])}


def test_every_pair_comes_once_page_by_page(company: Company) -> None:
    both = {"mobilePhoneNumber": "0170 7654321", "firstName": "Ann", "lastName": "Berg", "companyName": "Acme"}
    company.create({"emailAddress": "same@x.example", **both}, {"emailAddress": "same+1@x.example", **both})
    for number in range(40):
        company.create({"emailAddress": f"a{number}@x.example"}, {"emailAddress": f"a{number}+b@x.example"})

    seen: list[tuple[str, str]] = []
    cursor, answers = "", 0
    while cursor is not None:
        result = result_of(company, limit=7, cursor=cursor)
        seen += [(row["leadID"], row["otherID"]) for row in result["duplicate"]]
        cursor, answers = result["cursor"], answers + 1
        assert len(result["duplicate"]) <= 7

    assert len(seen) == len(set(seen)) == 41
    assert answers >= 6


def test_many_leads_are_indexed_by_a_background_job_and_the_answer_says_so(company: Company) -> None:
    sql(
        company.dsn,
        """
        insert into lead (company_id, email_key, email_address, lead_score, lead_score_weighted, active, lead_status,
            create_timestamp, update_timestamp)
        select $1, 'p' || n / 2 || '+' || n || '@x.example', 'x', 0, 0, true, 'open', now(), now()
        from generate_series(0, 39999) n
        """,
        company.id,
        company_id=company.id,
    )

    eventually(lambda: result_of(company)["isComplete"], seconds=30)

    total, cursor = 0, ""
    while cursor is not None:
        result = result_of(company, limit=500, cursor=cursor)
        total, cursor = total + len(result["duplicate"]), result["cursor"]
    assert total == 20_000


@pytest.mark.parametrize("cursor", ["x", "1", "1.", "1.x", "0.5", "1.99999999999999999999", "1.9223372036854775808"])
def test_a_cursor_that_no_answer_gave_is_refused(company: Company, cursor: str) -> None:
    assert company.error("findDuplicateLeads", cursor=cursor)["code"] == 205
    assert new_email()
