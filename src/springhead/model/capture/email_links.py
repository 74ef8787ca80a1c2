"""What readers do with a message that somebody sent: links that are signed for one lead, and their events."""

import re

import msgspec

from springhead.model.capture import signing
from springhead.model.capture.sites import Site, is_token

CLICK, OPEN, UNSUBSCRIBE = "click", "open", "unsubscribe"
"""What a link is signed for."""

OPENED, CLICKED, VISITED = "emailOpened", "emailClick", "emailVisit"
"""The sources of events; that of an unsubscription follows from the change of the lead (model/leads/leads.py)."""

LINK_LENGTH = 2_000

_LINK = re.compile(r"(?i)https?://(?:[^\x00-\x20\x7f-\U0010ffff/?#@\\\"'<>]+|\[[0-9a-f:.]+\])(?:[/?#][!-~]*)?")


class SignedLink(msgspec.Struct, frozen=True, kw_only=True):
    """What a signed link says: for which lead and campaign it was made, and where it leads, if anywhere."""

    lead_id: int
    campaign_id: int | None = None
    url: str = ""


def is_link(text: str) -> bool:
    """Whether a link may lead there: http or https, a host, no password, all in printable ASCII, 2,000 characters."""
    return len(text) <= LINK_LENGTH and _LINK.fullmatch(text) is not None


def token(site: Site, purpose: str, link: SignedLink) -> str:
    """What stands in the address: the site's token, and what the site has signed."""
    return f"{site.token}.{signing.sign(site.signing_key, purpose, link.lead_id, link.campaign_id, link.url)}"


def site_token(text: str) -> str:
    """The token of the site that is said to have signed; empty when the text names none."""
    named = text.partition(".")[0]
    return named if is_token(named) else ""


def read(site: Site, purpose: str, text: str) -> SignedLink | None:
    """What a link says, when this site has signed it for this purpose."""
    match signing.verify(site.signing_key, purpose, text.partition(".")[2]):
        case (int(lead_id), int() | None as campaign_id, str(url)) if not url or is_link(url):
            return SignedLink(lead_id=lead_id, campaign_id=campaign_id, url=url)
        case _:
            return None
