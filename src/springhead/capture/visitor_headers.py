"""Reads the headers of a visitor's browser: the tracking id in the cookie, and the wish not to be tracked."""

from collections.abc import Iterable
from urllib.parse import unquote

from starlette.requests import cookie_parser

from springhead.model.capture.visitors import COOKIE, is_tracking_id

Headers = Iterable[tuple[bytes, bytes]]


def objects_to_tracking(headers: Headers) -> bool:
    """Returns whether the browser sends Do Not Track or Global Privacy Control."""
    return any(name in {b"dnt", b"sec-gpc"} and value.strip() == b"1" for name, value in headers)


def tracking_id_of_cookie(headers: Headers) -> str | None:
    """Returns the tracking id in the visitor's cookie, or None."""
    cookies = next((value for name, value in headers if name == b"cookie"), b"").decode("latin-1")
    value = unquote(cookie_parser(cookies).get(COOKIE, "")) if COOKIE in cookies else ""
    return value if is_tracking_id(value) else None
