"""The links in messages to leads: each is signed for one lead, and its use becomes an event of the lead."""

import re

import msgspec

from springhead.model.capture import signing
from springhead.model.capture.sites import Site, is_token

CLICK, OPEN, UNSUBSCRIBE = "click", "open", "unsubscribe"
"""The purposes of signed links."""

OPENED, CLICKED, VISITED = "emailOpened", "emailClick", "emailVisit"
"""The event sources. The event of an unsubscription has the source of the lead's change (model/leads/leads.py)."""

LINK_LENGTH = 2_000

_LINK = re.compile(r"(?ai)https?://(?:[^\x00-\x20\x7f-\U0010ffff/?#@\\\"'<>]+|\[[0-9a-f:.]+\])(?:[/?#][!-~]*)?")

_HASH = re.compile("[0-9a-f]{64}")


class SignedLink(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a signed link: its lead, its campaign, and the URL that it leads to, if any.

    A link to unsubscribe also has the hash of the address that gets the email. So it works when the lead is erased. Old
    links have no hash.
    """

    lead_id: int
    campaign_id: int | None = None
    url: str = ""
    address_hash: bytes = b""


def is_link(text: str) -> bool:
    """Whether a link may lead to this URL.

    It must be http or https, with a host and without a password, in printable ASCII, of at most 2,000 characters.
    """
    return len(text) <= LINK_LENGTH and _LINK.fullmatch(text) is not None


def token(site: Site, purpose: str, link: SignedLink) -> str:
    """Returns the token of a link for its URL: the site's token, and the content that the site has signed."""
    more = (link.address_hash.hex(),) if link.address_hash else ()
    return f"{site.token}.{signing.sign(site.signing_key, purpose, link.lead_id, link.campaign_id, link.url, *more)}"


def site_token(text: str) -> str:
    """Returns the token of the site in a link's token, not yet verified, or "" if there is none."""
    candidate = text.partition(".")[0]
    return candidate if is_token(candidate) else ""


def read(site: Site, purpose: str, text: str) -> SignedLink | None:
    """Returns the content of a link, or None unless this site has signed it for this purpose."""
    match signing.verify(site.signing_key, purpose, text.partition(".")[2]):
        case (int(lead_id), int() | None as campaign_id, str(url)) if not url or is_link(url):
            return SignedLink(lead_id=lead_id, campaign_id=campaign_id, url=url)
        case (int(lead_id), int() | None as campaign_id, "", str(digits)) if purpose == UNSUBSCRIBE and _HASH.fullmatch(
            digits
        ):
            return SignedLink(lead_id=lead_id, campaign_id=campaign_id, address_hash=bytes.fromhex(digits))
        case _:
            return None
