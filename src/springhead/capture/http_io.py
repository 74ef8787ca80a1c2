"""What a request of the public says, and how it is answered: the few things that every address here needs."""

from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, cookie_parser
from starlette.types import Receive, Scope, Send

from springhead.model.capture.visitors import COOKIE, is_tracking_id

BODY_BYTES = 65_536
"""Largest body of a page view, or of a click on "unsubscribe"."""

Headers = Iterable[tuple[bytes, bytes]]

SAFE_HEADERS: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}


class TooLarge(Exception):
    """The body is longer than anything that belongs here."""


async def body(scope: Scope, receive: Receive) -> bytes:
    """The body, BODY_BYTES at most.

    Raises TooLarge as soon as that is known, and ClientDisconnect when the client goes before it has sent all.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and (not value.isdigit() or len(value) > 9 or int(value) > BODY_BYTES):
            raise TooLarge
    found = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        found += message.get("body", b"")
        if len(found) > BODY_BYTES:
            raise TooLarge
        more = message.get("more_body", False)
    return found


async def answer(
    send: Send, status: int, content: bytes = b"", *, content_type: str = "", headers: Mapping[str, str] | None = None
) -> None:
    """Send a whole answer; without content it says why in no words."""
    named = {**SAFE_HEADERS, **(headers or {})}
    if status != 204:  # which has no body, and so no length
        named["content-length"] = str(len(content))
    if content_type:
        named["content-type"] = content_type
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": content})


def objects(headers: Headers) -> bool:
    """Whether the visitor asks not to be tracked: Do Not Track or Global Privacy Control."""
    return any(name in {b"dnt", b"sec-gpc"} and value.strip() == b"1" for name, value in headers)


def header(headers: Headers, name: bytes) -> bytes:
    """The first value of a header, or nothing."""
    return next((value for key, value in headers if key == name), b"")


def visitor(headers: Headers) -> str | None:
    """The tracking id in the visitor's cookie, when there is one."""
    found = header(headers, b"cookie").decode("latin-1")
    value = unquote(cookie_parser(found).get(COOKIE, "")) if COOKIE in found else ""
    return value if is_tracking_id(value) else None
