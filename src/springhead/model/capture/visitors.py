"""Visitors: the tracking id of a browser, the event of a page view, and the network of an IP address."""

import ipaddress
import re
import secrets
from urllib.parse import urlsplit

from springhead.model.capture.sites import is_important
from springhead.model.kit.errors import Json
from springhead.model.leads.events import NAME_LENGTH

COOKIE = "__ss_tk"
"""The first-party cookie of the vendor's snippets. Its value is the `trackingID` of a lead."""

COOKIE_SECONDS = 395 * 86_400
"""13 months."""

TRACKING_SHORTEST, TRACKING_LONGEST = 16, 255
"""How many characters a tracking id from the public can have. A shorter one could be guessed."""

URL_LENGTH, TITLE_LENGTH = 2_000, 300

PAGE, IMPORTANT_PAGE = "pageVisit", "importantPageVisit"

_TRACKING_ID = re.compile(rf"[!-~]{{{TRACKING_SHORTEST},{TRACKING_LONGEST}}}")
_URL = re.compile(r"(?ai:https?)://(?:[^\s/?#@\\\"'<>]+|\[[0-9A-Fa-f:.]+\])(?:[/?#].*)?", re.DOTALL)
_UNPRINTABLE = re.compile(r"[\0-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff]+")


def new_tracking_id() -> str:
    """Returns a new tracking id: 128 random bits."""
    return secrets.token_hex(16)


def is_tracking_id(text: str) -> bool:
    """Whether the public may use this as a tracking id: 16 to 255 printable ASCII characters."""
    return _TRACKING_ID.fullmatch(text) is not None


def is_url(text: str) -> bool:
    """Whether this is the URL of a page: http or https, with a host and without a password."""
    return _URL.fullmatch(text) is not None


def one_line(text: str, longest: int) -> str:
    """Returns the text in one line, without control characters, and cut to `longest` characters."""
    return text[:longest] if text.isprintable() else _UNPRINTABLE.sub(" ", text).strip()[:longest]


def page_event(
    patterns: tuple[str, ...], url: str, title: str, referrer: str, network: str | None
) -> tuple[str, str, dict[str, Json]]:
    """Returns the source, name and data of a page view's event.

    `patterns` are those of the important pages. A visit to such a page is an importantPageVisit and no pageVisit.
    """
    data: dict[str, Json] = {"url": url}
    if title:
        data["title"] = title
    if referrer:
        data["referrer"] = referrer
    if network:
        data["network"] = network
    try:
        parts = urlsplit(url)
        route = parts.fragment.removeprefix("!").partition("?")[0]
        paths = (parts.path or "/", *([route] if route.startswith("/") else []))
        important = any(is_important(patterns, path) for path in paths)
    except ValueError:  # brackets without an IPv6 address
        important = False
    return IMPORTANT_PAGE if important else PAGE, (title or url)[:NAME_LENGTH], data


def network(address: str) -> str | None:
    """Returns the network of an IP address: /24 of IPv4, /48 of IPv6. Returns None for any other text.

    Nothing else of an IP address is ever stored.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))
