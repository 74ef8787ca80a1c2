"""The conversion of a lead: what a caller asks for, and what becomes of the lead's status. Our own addition."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from msgspec import UNSET

from springhead.model.kit.columns import Column, Noun, choice, flag, integer, text
from springhead.model.kit.errors import InvalidParameters
from springhead.model.leads.leads import DERIVED_STATUS, LEAD
from springhead.model.sales.opportunities import OPPORTUNITY

_ID = integer(18, "bigint")
_SOLD = "customer"

CONVERSION = Noun(
    name="conversion",
    table="lead",
    about="That a lead becomes a contact or a customer, and at will gets an account and an opportunity.",
    columns=(
        Column(name="id", kind=LEAD.by_name["id"].kind),
        Column(name="emailAddress", kind=LEAD.by_name["emailAddress"].kind),
        Column(name="leadStatus", kind=choice(("contact", _SOLD))),
        Column(name="account", kind=flag()),
        Column(name="accountName", kind=text(255)),
        Column(name="accountID", kind=_ID, references="account"),
        *(
            Column(name=name, kind=OPPORTUNITY.by_name[name].kind, references=OPPORTUNITY.by_name[name].references)
            for name in (
                "opportunityName",
                "dealStageID",
                "closeDate",
                "amount",
                "probability",
                "ownerID",
                "campaignID",
            )
        ),
    ),
)

_TEXTS = {"emailAddress", "accountName", "opportunityName"}
_DETAILS = ("dealStageID", "closeDate", "amount", "probability", "ownerID", "campaignID")


def check_conversion(one: Any) -> InvalidParameters | None:
    """205 for an object whose parameters, each right by itself, do not go together."""
    given = {name for name in CONVERSION.by_name if getattr(one, name) is not UNSET}
    wrong = [*_of_lead(one, given), *_of_account(one, given), *_of_opportunity(given)]
    return InvalidParameters(*(CONVERSION.by_name[name].problem(message) for name, message in wrong)) if wrong else None


def _of_lead(one: Any, given: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    if ("id" in given) == ("emailAddress" in given):
        yield "id", "Expected either id or emailAddress"
    for name in _TEXTS & given:
        if not getattr(one, name).strip():
            yield name, "Expected a text that is not empty"


def _of_account(one: Any, given: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    if {"accountName", "accountID"} <= given:
        yield "accountName", "Expected either accountName or accountID"
    if one.account is False and {"accountName", "accountID"} & given:
        yield "account", "Expected 1, or nothing, beside accountName or accountID"


def _of_opportunity(given: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    if "opportunityName" in given:
        for name in ("dealStageID", "closeDate"):
            if name not in given:
                yield name, "Required parameter of an opportunity is missing"
    else:
        for name in _DETAILS:
            if name in given:
                yield name, "Of an opportunity: expected opportunityName too"


def status_after(before: str, asked: str | None, *, opportunity: bool) -> str:
    """The status of a lead that was converted, with a new open opportunity or without one.

    A customer stays one, and somebody with an open opportunity is a contact with one.
    """
    if _SOLD in (before, asked):
        return _SOLD
    return DERIVED_STATUS if opportunity or before == DERIVED_STATUS else "contact"
