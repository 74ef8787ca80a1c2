"""What protects the pages in a browser: the security policy, the tokens of forms, and the check of origins."""

import base64
import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.requests import Request

TOKEN_FIELD = "_token"  # noqa: S105 - the name of an input
"""The name of the input with the token of a form."""

TOKEN_HEADER = "x-token"  # noqa: S105 - the name of a header
"""The header with the token of a request by a script."""

_TOKEN_BYTES = 20


def new_nonce() -> str:
    """Returns a nonce for the scripts and styles of one response."""
    return secrets.token_urlsafe(16)


def headers(nonce: str) -> Mapping[str, str]:
    """Returns the headers of a page: nothing is loaded from elsewhere, and no other site can show it in a frame.

    A page is not stored by proxies, and a browser asks again before it shows a stored one.
    """
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    return {
        "content-security-policy": policy,
        "x-frame-options": "DENY",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cache-control": "private, no-cache",
        "vary": "cookie, accept-language, hx-request",
    }


def form_token(session_token: str) -> str:
    """Returns the token of a form, masked anew each time: the same text in each answer could be guessed (BREACH)."""
    expected = _expected(session_token)
    mask = secrets.token_bytes(_TOKEN_BYTES)
    return base64.urlsafe_b64encode(mask + _xor(mask, expected)).decode()


def is_form_token(session_token: str, token: str) -> bool:
    """Returns whether the token was made for this session."""
    try:
        sent = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except ValueError:
        return False
    if len(sent) != 2 * _TOKEN_BYTES:
        return False
    return hmac.compare_digest(_xor(sent[:_TOKEN_BYTES], sent[_TOKEN_BYTES:]), _expected(session_token))


def is_same_origin(request: Request, public_url: str) -> bool:
    """Returns whether a browser says that a page of this server sent the request, or says nothing.

    A browser always sends the header Origin with a form. `public_url` counts too, for proxies that change the host.
    """
    if request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    hosts = {request.headers.get("host", ""), urlsplit(public_url).netloc} - {""}
    return urlsplit(origin).netloc in hosts


def _expected(session_token: str) -> bytes:
    return hmac.digest(session_token.encode(), b"form token", "sha256")[:_TOKEN_BYTES]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(left, right, strict=True))
