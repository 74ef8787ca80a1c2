"""The conversion of a lead: its parameters, and the lead's status after it. Our own addition."""

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
    about="The conversion of a lead to a contact or a customer, with an account and an opportunity if you like.",
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


def check_conversion(record: Any) -> InvalidParameters | None:
    """Returns the error (205) of an object whose valid parameters do not go together, or None."""
    given = {name for name in CONVERSION.by_name if getattr(record, name) is not UNSET}
    wrong = [*_lead_problems(record, given), *_account_problems(record, given), *_opportunity_problems(given)]
    return InvalidParameters(*(CONVERSION.by_name[name].problem(message) for name, message in wrong)) if wrong else None


def _lead_problems(record: Any, given: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    if ("id" in given) == ("emailAddress" in given):
        yield "id", "Expected either id or emailAddress"
    for name in _TEXTS & given:
        if not getattr(record, name).strip():
            yield name, "Expected a text that is not empty"


def _account_problems(record: Any, given: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    if {"accountName", "accountID"} <= given:
        yield "accountName", "Expected either accountName or accountID"
    if record.account is False and {"accountName", "accountID"} & given:
        yield "account", "Expected 1 or no value, because accountName or accountID is sent"


def _opportunity_problems(given: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    if "opportunityName" in given:
        for name in ("dealStageID", "closeDate"):
            if name not in given:
                yield name, "Required parameter of an opportunity is missing"
    else:
        for name in _DETAILS:
            if name in given:
                yield name, "Belongs to an opportunity: expected opportunityName, too"


def status_after(status: str, requested: str | None, *, opportunity: bool) -> str:
    """Returns the new status of a converted lead. `opportunity` says whether the conversion opened an opportunity.

    A customer stays a customer. A lead with an open opportunity is a `contactWithOpp`.
    """
    if _SOLD in (status, requested):
        return _SOLD
    return DERIVED_STATUS if opportunity or status == DERIVED_STATUS else "contact"
