"""Generated calls (hypothesis): junk for every method, and valid leads."""

import json
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostile.ask import answer, call, examples
from springhead.model.kit.texts import clean_address
from springhead.model.leads.leads import LEAD, email_key
from springhead.rpc.docs.samples import nouns
from springhead.rpc.method import REGISTRY
from support import Company, Server, new_company, new_email

METHODS = sorted(REGISTRY)
PARAMS = sorted({given.name for method in REGISTRY.values() for given in method.params})
NAMES = sorted({column.name for noun in nouns().values() for column in noun.columns} | {"options", "filter"})
TIMES = ["2020-01-01", "2020-01-01 00:00:00", "2999-12-31 23:59:59", "0001-01-01", "9999-12-31"]
WORDS = [
    "lead",
    "string",
    "radio",
    "checkbox",
    "date",
    "create",
    "update",
    "open",
    "sharpspring",
    "a@example.com",
    *TIMES,
]
TEXTS = [column for column in LEAD.writable_columns if column.kind.sql == "text" and not column.kind.options]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    [*WORDS, "", "0", "1", "-1", "\0"]
)
numbers = st.integers(-3, 3) | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
names = st.sampled_from([*PARAMS, *NAMES]) | texts
junk = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=5),
    max_leaves=15,
)
objects = st.lists(st.dictionaries(st.sampled_from(NAMES), junk, max_size=6) | junk, max_size=4)


@pytest.fixture(scope="module")
def company(server: Server) -> Generator[Company]:
    """One company for all calls: what a call has stored is junk for the next one."""
    made = new_company(server)
    made.create({}, {}, {})
    made.field("Any", "radio", options=["a", "b"])
    yield made
    made.close()


@examples(150)
@given(st.sampled_from(METHODS), st.dictionaries(st.sampled_from(PARAMS), junk, max_size=5), objects)
def test_junk_for_any_method_is_answered_with_an_envelope(
    company: Company, method: str, params: dict[str, Any], objects: list[Any]
) -> None:
    answer(company, call(method, params))
    answer(company, call(method, {**params, "objects": objects}))


@examples(120)
@given(
    st.dictionaries(st.sampled_from(["method", "params", "id", "header"]) | texts, junk | st.sampled_from(METHODS))
    | junk
)
def test_a_junk_envelope_is_answered_with_an_envelope(company: Company, envelope: Any) -> None:
    answer(company, json.dumps(envelope).encode())


@examples(150)
@given(st.sampled_from(METHODS), objects, st.data())
def test_a_damaged_body_is_answered_with_an_envelope(
    company: Company, method: str, objects: Any, data: st.DataObject
) -> None:
    body = bytearray(call(method, {"objects": objects, "where": {}, "id": 1}))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(body)))
        body[start : start + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    answer(company, bytes(body))


@examples(60)
@given(st.binary(max_size=200))
def test_any_bytes_are_answered_with_an_envelope(company: Company, body: bytes) -> None:
    answer(company, body)


right = {
    **{
        column.name: st.text(
            st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=column.kind.length
        )
        for column in TEXTS
        if column.name != "emailAddress"
    },
    "leadScore": st.integers(-(2**15), 2**15 - 1),
    "leadScoreWeighted": st.integers(-(2**15), 2**15 - 1).map(str),
    "leadStatus": st.sampled_from(["open", "unqualified", "qualified", "contact", "customer"]),
    "active": st.sampled_from([0, 1, "0", "1", True, False]),
    "isUnsubscribed": st.sampled_from([0, 1, "0", "1", None]),
}
leads = st.lists(st.fixed_dictionaries({}, optional=right), min_size=1, max_size=5)


@examples(40)
@given(leads, leads)
def test_valid_leads_are_stored_changed_and_returned_equal(
    company: Company, new: list[dict[str, Any]], changes: list[dict[str, Any]]
) -> None:
    ids = company.create(*new)
    for lead_id, lead in zip(ids, new, strict=True):
        assert_holds(company.lead(lead_id), lead)
    pairs = list(zip(ids, changes, strict=False))
    before = [company.lead(lead_id) for lead_id, _ in pairs]
    outcomes = company.call("updateLeads", objects=[{"id": lead_id, **change} for lead_id, change in pairs])
    for (lead_id, change), old, outcome in zip(pairs, before, outcomes, strict=True):
        now = company.lead(lead_id)
        assert_holds(now, change)
        assert outcome["success"] == (now != old)
        assert {name: value for name, value in now.items() if name not in change and name not in FOLLOW} == {
            name: value for name, value in old.items() if name not in change and name not in FOLLOW
        }


FOLLOW = {"updateTimestamp", "status", "isQualified", "isContact", "isCustomer"}


def assert_holds(row: dict[str, str | None], sent: dict[str, Any]) -> None:
    """Checks that a lead has the values that were sent, as answers show them."""
    for name, value in sent.items():
        wanted = value if value is None or isinstance(value, str) else str(int(value))
        assert row[name] == wanted, name


addresses = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=150)


@examples(40)
@given(st.lists(addresses.filter(lambda text: bool(text.strip())), min_size=1, max_size=8))
def test_any_text_is_an_address_of_at_most_one_lead(company: Company, addresses: list[str]) -> None:
    tail = new_email()
    sent = [f"{address[: 150 - len(tail)]}{tail}" for address in addresses]
    outcomes = company.call("createLeads", objects=[{"emailAddress": address} for address in sent])
    assert sum(outcome["success"] for outcome in outcomes) == len({email_key(address) for address in sent})
    for address in sent:
        (row,) = company.call("getLeads", where={"emailAddress": address})
        assert row["emailAddress"] in {clean_address(address) for address in sent}
