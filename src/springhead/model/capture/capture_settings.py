"""The settings of page tracking, and the snippets and links for pages and messages. These nouns are our own."""

from html import escape
from typing import Annotated

from msgspec import Meta

from springhead.model.capture import email_links
from springhead.model.capture.email_links import CLICK, OPEN, UNSUBSCRIBE, SignedLink
from springhead.model.capture.sites import PATTERN_LENGTH, PATTERNS_MAX, Site
from springhead.model.kit.columns import Column, Kind, Noun, choice, flag, integer, text

FILE_LINK_DAYS = 10_000
"""The most days that the address of an uploaded file can work."""

_ID = integer(18, "bigint")
_PATTERNS = Kind(
    type="list",
    sql="jsonb",
    accepts=Annotated[
        list[Annotated[str, Meta(max_length=PATTERN_LENGTH, pattern=r"^[/*][^\x00-\x1f\x7f]*\Z")]],
        Meta(max_length=PATTERNS_MAX),
    ],
    expected=(
        f"Expected a list of at most {PATTERNS_MAX} paths of at most {PATTERN_LENGTH} characters that begin with / or *"
    ),
)
_DAYS = Kind(
    type="smallint",
    sql="smallint",
    accepts=Annotated[int, Meta(ge=0, le=FILE_LINK_DAYS)],
    expected=f"Expected 0 to {FILE_LINK_DAYS:,} days",
)
_LINKS = Kind(type="hash", sql="jsonb", accepts=dict[str, str], expected="Expected an object")

CAPTURE_SETTINGS = Noun(
    name="captureSettings",
    table="site",
    about="The settings of page tracking, and the snippets for your pages.",
    columns=(
        Column(name="keepAddresses", kind=choice(("none", "truncated"))),
        Column(name="respectSignals", kind=flag()),
        Column(name="importantPages", kind=_PATTERNS),
        Column(name="fileLinkDays", kind=_DAYS),
        Column(name="siteToken", kind=text(22), writable=False),
        Column(name="scriptSnippet", kind=text(2_000), writable=False),
        Column(name="pixelSnippet", kind=text(2_000), writable=False),
    ),
)

TRACKED_LINK = Noun(
    name="trackedLink",
    table="lead",
    about="The links for a message to a lead, so that its opening and its clicks become events of the lead.",
    columns=(
        Column(name="leadID", kind=_ID, writable=False),
        Column(name="campaignID", kind=_ID, writable=False, references="campaign"),
        Column(name="isUnsubscribed", kind=flag(), writable=False),
        Column(name="links", kind=_LINKS, writable=False),
        Column(name="openPixel", kind=text(2_000), writable=False),
        Column(name="unsubscribeURL", kind=text(2_000), writable=False),
        Column(name="listUnsubscribe", kind=text(2_000), writable=False),
        Column(name="listUnsubscribePost", kind=text(255), writable=False),
    ),
)

ONE_CLICK = "List-Unsubscribe=One-Click"
"""The value of the header List-Unsubscribe-Post (RFC 8058)."""


def script_snippet(site: Site, public_url: str) -> str:
    """Returns the line of HTML that loads the page script."""
    signals = "" if site.respects_signals else ' data-signals="ignore"'
    return f'<script async src="{escape(public_url)}/t.js" data-site="{site.token}"{signals}></script>'


def pixel_snippet(site: Site, public_url: str) -> str:
    """Returns the line of HTML for browsers without JavaScript. It asks the browser to send the page's URL."""
    source = f"{escape(public_url)}/t.gif?site={site.token}"
    return f'<noscript><img src="{source}" alt="" referrerpolicy="no-referrer-when-downgrade"></noscript>'


def click_url(site: Site, public_url: str, link: SignedLink) -> str:
    """Returns the URL that records a click and redirects to `link.url`."""
    return f"{public_url}/e/{email_links.token(site, CLICK, link)}"


def pixel_url(site: Site, public_url: str, link: SignedLink) -> str:
    """Returns the URL of the image that records the opening of a message."""
    return f"{public_url}/o/{email_links.token(site, OPEN, link)}.gif"


def unsubscribe_url(site: Site, public_url: str, link: SignedLink) -> str:
    """Returns the URL of the page where the reader unsubscribes."""
    return f"{public_url}/u/{email_links.token(site, UNSUBSCRIBE, link)}"
