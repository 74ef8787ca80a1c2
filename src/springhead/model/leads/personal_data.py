"""Personal data that only exports show, as nouns; the export of a lead, and the receipt of its erasure."""

import hmac

from springhead.model.kit.columns import Column, Kind, Noun, integer, moment, text
from springhead.model.lists import MEMBERSHIP

_ID = integer(18, "bigint")
_HASH = Kind(type="hash", sql="jsonb", accepts=dict, expected="Expected a hash")
_TIME = moment()


def _columns(**kinds: Kind) -> tuple[Column, ...]:
    return tuple(Column(name=name, kind=kind, writable=False) for name, kind in kinds.items())


TIMESTAMPS = _columns(createTimestamp=_TIME, updateTimestamp=_TIME)
"""Columns that an export shows of every noun, also if the methods that read the noun do not."""

LIST_MEMBER = Noun(
    name="listMember",
    table="list_member",
    about="The membership of a lead in a list, also of a lead that was removed from it.",
    columns=(
        *_columns(id=_ID, listID=_ID),
        *(MEMBERSHIP.by_name[name] for name in ("name", "status")),
        *TIMESTAMPS,
    ),
)

VISITOR = Noun(
    name="visitor",
    table="visitor",
    about="A browser that the lead has used on pages with the page script.",
    columns=_columns(id=_ID, trackingID=text(255), firstSeen=_TIME, lastSeen=_TIME),
)

PAGE_VIEW = Noun(
    name="pageView",
    table="page_view",
    about="A page view that will become an event of the lead.",
    columns=(
        *_columns(id=_ID, eventSource=text(255), eventName=text(255)),
        Column(name="eventData", kind=text(65_535), writable=False, read="l.event_data::text"),
        *_columns(createTimestamp=_TIME),
    ),
)

UPLOAD = Noun(
    name="upload",
    table="upload",
    about="A file that the lead sent with a form.",
    columns=(
        *_columns(id=_ID, formID=_ID, name=text(255), contentType=text(255), size=_ID, createTimestamp=_TIME),
        Column(name="sha256", kind=text(64), writable=False, read="encode(l.sha256, 'hex')"),
        Column(name="base64", kind=text(1), writable=False, read="translate(encode(l.data, 'base64'), E'\\n', '')"),
    ),
)

DELETED_PART = Noun(
    name="deletedPart",
    table="deleted_lead_part",
    about="An object that belonged to a deleted lead and will be restored with it.",
    columns=_columns(kind=text(50), id=_ID, part=_HASH),
)

MERGED_ID = Noun(
    name="mergedID",
    table="merged_lead",
    about="The id of a lead that was merged into this lead.",
    columns=_columns(id=_ID, createTimestamp=_TIME),
)

UNIQUE_VALUE = Noun(
    name="uniqueValue",
    table="unique_value",
    about="The hash of a lead's value in a unique field.",
    columns=(
        *_columns(uniqueID=_ID),
        Column(name="key", kind=text(64), writable=False, read="encode(l.key, 'hex')"),
    ),
)

LEAD_EXPORT = Noun(
    name="leadExport",
    table="lead",
    about="A piece of the data that is stored about a lead: `part` is its kind, `data` is the stored object.",
    columns=_columns(part=text(50), data=_HASH),
)

ERASURE = Noun(
    name="erasure",
    table="erasure",
    about="The receipt of an erasure. It has no data of the erased person.",
    columns=_columns(
        id=_ID,
        leadID=_ID,
        keyID=_ID,
        erased=_HASH,
        kept=_HASH,
        createTimestamp=_TIME,
        doneTimestamp=_TIME,
    ),
)


def address_hash(key: bytes, email_key: str) -> bytes:
    """Returns the hash of an email address for the receipt of its erasure.

    Only somebody who has the company's key can check whether it is the hash of a certain address.
    """
    return hmac.digest(key, b"erasure\0" + email_key.encode(), "sha256")
