"""The lead: its columns in the wire's order, its statuses, and the comparison of email addresses."""

from contextlib import suppress

import idna

from springhead.model.kit.columns import Column, Kind, Noun, WriteEvents, choice, flag, integer, moment, text
from springhead.model.kit.texts import clean_address, clean_phone, composed, without_joiners
from springhead.model.leads.opt_outs import OPTED_IN, OPTED_OUT

STATUSES = ("open", "unqualified", "qualified", "contact", "contactWithOpp", "customer")
"""The values of leadStatus (docs/wire/leads.md#leadstatus). Only opportunities set `contactWithOpp`."""

DERIVED_STATUS = "contactWithOpp"
DEFAULT_STATUS = "unqualified"

_REFERENCE = integer(20, "bigint")


def email_key(address: str) -> str:
    """Returns the key of an email address. Two addresses with the same key are the same lead's.

    The key has no invisible characters and no white space around it, is NFC-normalised and in lower case. Its domain
    has no final dot, and letters instead of Punycode (`xn--…`). Dots, tags and quotes of the local part stay, because
    mail servers differ about them. The two small sigmas are one letter.
    """
    plain = clean_address(address).lower()
    if plain.isascii() and not plain.endswith(".") and "xn--" not in plain:
        return plain
    plain = _folded(composed(clean_address(address)).lower())
    local, separator, domain = plain.rpartition("@")
    return f"{local}{separator}{_domain(domain)}" if separator else plain


def _folded(lower: str) -> str:
    return without_joiners(composed(lower)).replace("\u03c2", "\u03c3")


def _domain(domain: str) -> str:
    domain = domain.removesuffix(".")
    if "xn--" in domain:
        # Invalid Punycode stays as it is.
        with suppress(idna.IDNAError):
            domain = _folded(idna.decode(domain))
    return domain


LAST_EVENT = "lastEventTimestamp"
"""The column by which leads are sorted by their last events (store/leads/search.py)."""

LAST_EVENT_COLUMNS = (LAST_EVENT, "lastEventSource", "lastEventName")
"""Columns of our own, which the vendor's getFields does not list."""


def _of_last_event(name: str, kind: Kind, column: str) -> Column:
    """Returns a column of the last event of a lead. It is our own, and read from the event itself (decision 39)."""
    last = f"""(
                select e.{column} from event e where e.company_id = $1 and e.lead_id = l.id
                order by e.create_timestamp desc, e.id desc limit 1
            )"""
    return Column(name=name, kind=kind, writable=False, on_request=True, read=last)


LEAD = Noun(
    name="lead",
    table="lead",
    about="A person who may become a customer.",
    columns=(
        Column(name="id", kind=_REFERENCE, writable=False),
        Column(name="accountID", kind=_REFERENCE, nullable=True, references="account"),
        Column(name="ownerID", kind=_REFERENCE, nullable=True, references="user_profile"),
        Column(name="companyName", kind=text(100)),
        Column(name="title", kind=text(255)),
        Column(name="firstName", kind=text(50)),
        Column(name="lastName", kind=text(50)),
        Column(name="street", kind=text(255)),
        Column(name="city", kind=text(255)),
        Column(name="country", kind=text(255)),
        Column(name="state", kind=text(50)),
        Column(name="zipcode", kind=text(50)),
        Column(
            name="emailAddress",
            kind=text(150, clean=clean_address),
            required=True,
            key_sql="email_key",
            make_key=email_key,
        ),
        Column(name="website", kind=text(255)),
        Column(name="phoneNumber", kind=text(255, clean=clean_phone)),
        Column(name="officePhoneNumber", kind=text(255, clean=clean_phone)),
        Column(name="phoneNumberExtension", kind=text(255)),
        Column(name="mobilePhoneNumber", kind=text(255, clean=clean_phone)),
        Column(name="faxNumber", kind=text(255, clean=clean_phone)),
        Column(name="description", kind=text(65_535, type="text")),
        Column(name="campaignID", kind=_REFERENCE, nullable=True, references="campaign"),
        Column(name="leadScore", kind=integer(6, "smallint", low=-(2**15)), default="0"),
        Column(name="industry", kind=text(255)),
        Column(name="active", kind=flag(), nullable=True, default="true"),
        Column(name="isUnsubscribed", kind=flag(), nullable=True),
        Column(name="updateTimestamp", kind=moment(), writable=False),
        Column(name="leadScoreWeighted", kind=integer(6, "smallint", low=-(2**15)), default="0"),
        Column(name="leadStatus", kind=choice(STATUSES), default=f"'{DEFAULT_STATUS}'", reserved=DERIVED_STATUS),
        Column(name="createTimestamp", kind=moment(), writable=False),
        Column(name="isQualified", kind=flag(), writable=False, read="(l.lead_status = 'qualified')"),
        Column(
            name="isContact",
            kind=flag(),
            writable=False,
            read="(l.lead_status in ('contact', 'contactWithOpp'))",
        ),
        Column(name="isCustomer", kind=flag(), writable=False, read="(l.lead_status = 'customer')"),
        Column(name="status", kind=text(50), writable=False, read="l.lead_status"),
        Column(name="persona", kind=text(128, type="string")),
        Column(name="trackingID", kind=text(255)),
        Column(name="crmID", kind=text(255), writable=False, on_request=True, read="null::text"),
        Column(name="numBounces", kind=_REFERENCE, writable=False, on_request=True),
        Column(name="hardBounced", kind=flag(), writable=False, on_request=True),
        Column(
            name="hasOpportunity",
            kind=flag(),
            writable=False,
            on_request=True,
            read="""(exists (
                select from opportunity_lead o where o.company_id = $1 and o.lead_id = l.id
            ))""",
        ),
        _of_last_event(LAST_EVENT, moment(), "create_timestamp"),
        _of_last_event("lastEventSource", text(255), "event_source"),
        _of_last_event("lastEventName", text(255), "event_name"),
    ),
    custom=True,
    unique=("emailAddress",),
    active_flag="active",
    where_columns=("active",),
    recycled=True,
    opt_out_flag="isUnsubscribed",
    takes_expected=True,
    events=WriteEvents(
        created=("leadCreation", "Lead created"),
        changed=("leadUpdate", "Lead changed"),
        deleted=("leadDeletion", "Lead deleted"),
        special={
            "leadStatus": ("changeLeadStatus", "Lead status changed"),
            "ownerID": ("leadOwnerChange", "Lead owner changed"),
            "isUnsubscribed": (OPTED_OUT, "Unsubscribed"),
        },
        opted_in=(OPTED_IN, "Subscribed again"),
    ),
)
