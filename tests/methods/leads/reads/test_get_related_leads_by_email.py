"""getRelatedLeadsByEmail, rule by rule (docs/wire/leads.md#other-methods); which leads are related is our choice."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from springhead.model.leads.email_domains import PUBLIC
from support import Company, sql, superuser


def account(company: Company) -> int:
    return company.make("createAccounts", {"accountName": "Acme"})[0]


def related(company: Company, address: str, **more: Any) -> list[int]:
    rows = company.call("getRelatedLeadsByEmail", where={"emailAddress": address}, **more)
    return [int(row["id"]) for row in rows]


def people(company: Company, *addresses: str, **more: Any) -> list[int]:
    return company.create(*({"emailAddress": address, **more} for address in addresses))


def test_the_lead_comes_first_then_its_account_then_its_domain_each_by_id(company: Company) -> None:
    acme = account(company)
    domain_first, far, me, domain_last = people(company, "a@acme.test", "b@far.test", "c@acme.test", "d@acme.test")
    colleague_first, colleague_last = people(company, "e@acme.test", "f@home.test", accountID=acme)
    company.call("updateLeads", objects=[{"id": me, "accountID": acme}, {"id": far, "accountID": account(company)}])

    assert related(company, "c@acme.test") == [me, colleague_first, colleague_last, domain_first, domain_last]
    assert related(company, "f@home.test") == [colleague_last, me, colleague_first]
    assert related(company, "b@far.test") == [far]


def test_rows_are_leads_with_their_custom_fields_as_getlead_gives_them(company: Company) -> None:
    size = company.field("Shoe size")
    (me,) = company.create({"emailAddress": "me@acme.test", size: "44"})

    answer = company.envelope("getRelatedLeadsByEmail", {"where": {"emailAddress": "me@acme.test"}})

    assert answer["error"] is None
    assert answer["result"] == {"lead": [company.lead(me)]}
    assert answer["result"]["lead"][0][size] == "44"


@pytest.mark.parametrize(
    "address", ["ME@acme.test", " me@ACME.TEST ", "me@acme.test.", "stranger@acme.test", '"odd@one"@acme.test']
)
def test_case_does_not_matter_and_the_address_can_be_unknown(address: str, company: Company) -> None:
    (me,) = people(company, "Me@Acme.test")

    assert related(company, address) == [me]


def test_a_domain_of_letters_is_the_same_in_punycode(company: Company) -> None:
    (me,) = people(company, "me@bücher.example")

    assert related(company, "you@xn--bcher-kva.example") == [me]


@pytest.mark.parametrize("domain", ["gmail.com", "outlook.com", "yahoo.co.uk", "gmx.de", "163.com"])
def test_the_domain_of_a_public_mail_provider_relates_no_leads(domain: str, company: Company) -> None:
    me, _, colleague = people(company, f"me@{domain}", f"you@{domain}", "they@acme.test")
    assert related(company, f"ME@{domain.upper()}") == [me]

    company.call("updateLeads", objects=[{"id": lead_id, "accountID": account(company)} for lead_id in (me,)])
    (row,) = company.call("getLead", id=me)
    company.call("updateLeads", objects=[{"id": colleague, "accountID": row["accountID"]}])
    assert related(company, f"me@{domain}") == [me, colleague]


def test_only_the_whole_domain_counts(company: Company) -> None:
    people(company, "a@acme.test.example", "b@sub.acme.test", "c@notacme.test", "acme.test", "d@acme.tes")

    assert related(company, "x@acme.test") == []
    assert related(company, "@") == related(company, "") == related(company, "acme.tes") == []
    (bare,) = people(company, "no address")
    people(company, "no address at all")
    assert related(company, "No Address") == [bare]


def test_inactive_leads_are_not_returned_but_their_account_counts(company: Company) -> None:
    acme = account(company)
    (me,) = people(company, "me@acme.test", active=0, accountID=acme)
    (colleague,) = people(company, "they@home.test", accountID=acme)
    people(company, "gone@home.test", active=0, accountID=acme)
    people(company, "left@acme.test", active=0)
    (neighbour,) = people(company, "here@acme.test")

    assert related(company, "me@acme.test") == [colleague, neighbour]
    company.call("updateLeads", objects=[{"id": me, "active": 1}])
    assert related(company, "me@acme.test") == [me, colleague, neighbour]


def test_limit_keeps_the_most_closely_related_leads(company: Company) -> None:
    acme = account(company)
    neighbours = people(company, "1@acme.test", "2@acme.test", "3@acme.test")
    (me,) = people(company, "me@acme.test", accountID=acme)
    colleagues = people(company, "4@acme.test", "5@acme.test", accountID=acme)
    order = [me, *colleagues, *neighbours]

    for limit in range(8):
        assert related(company, "me@acme.test", limit=limit) == order[:limit]
    assert related(company, "me@acme.test", limit="") == order
    assert company.error("getRelatedLeadsByEmail", where={"emailAddress": "x"}, limit=-1)["code"] == 205


def test_500_leads_at_most_and_by_default(company: Company) -> None:
    for batch in (0, 1):
        people(company, *(f"{batch}-{number}@acme.test" for number in range(300)))

    assert len(related(company, "x@acme.test")) == len(related(company, "x@acme.test", limit=10_000)) == 500


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, 206),
        ({"where": {}}, 206),
        ({"where": []}, 206),
        ({"emailAddress": "me@acme.test"}, 206),
        ({"where": {"emailAddress": None}}, 205),
        ({"where": {"emailAddress": True}}, 205),
        ({"where": {"emailAddress": "a\0b"}}, 205),
        ({"where": {"emailAddress": "x" * 151}}, 205),
        ({"where": {"emailAddress": ["me@acme.test"]}}, 210),
        ({"where": {"emailAddress": {}}}, 210),
        ({"where": {"emailAddress": "me@acme.test", "id": 1}}, 205),
        ({"where": {"id": 1}}, 205),
        ({"where": "me@acme.test"}, 205),
        ({"where": {"emailAddress": "me@acme.test"}, "limit": []}, 210),
    ],
)
def test_anything_but_one_address_refuses_the_call(params: dict[str, Any], code: int, company: Company) -> None:
    assert company.error("getRelatedLeadsByEmail", **params)["code"] == code


@pytest.mark.parametrize(
    "address", ["' or 1=1 --@acme.test", "%@acme.test", "_e@acme.test", "\\@acme.test", "\u202e@x"]
)
def test_an_address_must_be_a_text(address: str, company: Company) -> None:
    people(company, "me@gmail.com", "you@home.test")

    assert related(company, address) == []


def test_no_company_sees_anothers_leads(company: Company, given_company: Callable[..., Company]) -> None:
    people(given_company(), "me@acme.test", "you@acme.test")

    assert related(company, "me@acme.test") == []


def test_the_cost_is_that_of_the_answer_however_many_leads_there_are(company: Company) -> None:
    """Each group of related leads is read from an index, in its order."""
    acme = account(company)
    sql(
        company.dsn,
        """
        insert into lead (
            company_id, email_address, email_key, account_id, create_timestamp, update_timestamp,
            lead_score, lead_score_weighted, lead_status, active
        )
        select $1, address, address, case when n % 100 = 0 then $2::bigint end, now(), now(), 0, 0, 'open', true
        from (select n, 'l' || n || '@d' || n / 10 || '.test' as address from generate_series(1, 20000) n) as made
        """,
        company.id,
        acme,
        company_id=company.id,
    )
    sql(superuser(company.dsn), "analyze lead")
    for column, value, index in (
        ("l.account_id", "(select 5::bigint)", "lead_account"),
        ("l.email_domain", "'d7.test'", "lead_domain"),
    ):
        rows = sql(
            company.dsn,
            "explain (format json) select l.id from lead l where l.company_id = $1 and l.active"
            f" and {column} between {value} and {value} order by {column}, l.id limit 500",
            company.id,
            company_id=company.id,
        )
        plan = json.dumps(json.loads(rows[0][0]))
        assert f'"Index Name": "{index}"' in plan, plan
        assert '"Sort"' not in plan, plan

    assert len(related(company, "l100@d10.test")) == 1 + 199 + 9


def test_the_public_providers_are_written_as_addresses_are_compared() -> None:
    assert all(domain == domain.strip().lower() and "." in domain and "@" not in domain for domain in PUBLIC)
