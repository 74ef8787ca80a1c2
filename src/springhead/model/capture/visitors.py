"""Visitors: the name that a browser keeps, how a page view becomes an event, and what is kept of an address."""

import ipaddress
import re
import secrets
from urllib.parse import urlsplit

from springhead.model.capture.sites import is_important
from springhead.model.kit.errors import Json
from springhead.model.leads.events import NAME_LENGTH

COOKIE = "__ss_tk"
"""The first-party cookie that existing snippets know; its value is the `trackingID` of a lead."""

COOKIE_SECONDS = 395 * 86_400
"""13 months."""

TRACKING_SHORTEST, TRACKING_LONGEST = 16, 255
"""Characters of a tracking id that comes from the public: a shorter one could be guessed."""

URL_LENGTH, TITLE_LENGTH = 2_000, 300

PAGE, IMPORTANT_PAGE = "pageVisit", "importantPageVisit"

_TRACKING_ID = re.compile(rf"[!-~]{{{TRACKING_SHORTEST},{TRACKING_LONGEST}}}")
_URL = re.compile(r"(?i)https?://(?:[^\s/?#@\\\"'<>]+|\[[0-9a-f:.]+\])(?:[/?#].*)?", re.DOTALL)
_UNPRINTABLE = re.compile(r"[\0-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff]+")


def new_tracking_id() -> str:
    """A fresh tracking id: 128 random bits."""
    return secrets.token_hex(16)


def is_tracking_id(text: str) -> bool:
    """Whether the public may name a visitor so: 16 to 255 printable ASCII characters."""
    return _TRACKING_ID.fullmatch(text) is not None


def is_url(text: str) -> bool:
    """Whether this is an address of a page: http or https, with a host and without a password."""
    return _URL.fullmatch(text) is not None


def one_line(text: str, longest: int) -> str:
    """The text in one line, without control characters, cut."""
    return text[:longest] if text.isprintable() else _UNPRINTABLE.sub(" ", text).strip()[:longest]


def page_event(
    patterns: tuple[str, ...], url: str, title: str, referrer: str, network: str | None
) -> tuple[str, str, dict[str, Json]]:
    """The source, name and data of a page view's event. An important page makes an importantPageVisit and no other."""
    data: dict[str, Json] = {"url": url}
    if title:
        data["title"] = title
    if referrer:
        data["referrer"] = referrer
    if network:
        data["network"] = network
    try:
        important = is_important(patterns, urlsplit(url).path or "/")
    except ValueError:  # a host in brackets that is none
        important = False
    return IMPORTANT_PAGE if important else PAGE, (title or url)[:NAME_LENGTH], data


def network(address: str) -> str | None:
    """The network of an address, all that is ever kept of one: /24 of IPv4, /48 of IPv6; None for anything else."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))
