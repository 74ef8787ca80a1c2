"""Cross-origin requests (CORS): which web pages may call the API from a browser."""

from collections.abc import Collection, Mapping

from springhead.wire.http.messages import HttpRequest

ALLOW = "GET, HEAD, OPTIONS, POST"
"""The methods of the API's addresses, as the header Allow names them."""

PREFLIGHT_SECONDS = 600
"""How long a browser may remember the answer to a preflight."""

_PREFLIGHT: Mapping[str, str] = {
    "access-control-allow-methods": "GET, HEAD, POST",
    "access-control-allow-headers": "authorization, content-type, idempotency-key, x-account-id",
    "access-control-max-age": str(PREFLIGHT_SECONDS),
}


class AllowedOrigins:
    """The origins whose pages may read the API's answers, by exact comparison. Without origins, no header is sent."""

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = frozenset(origin.encode("ascii") for origin in origins)

    def headers(self, request: HttpRequest) -> Mapping[str, str] | None:
        """Returns the CORS headers of an answer, or None.

        Every answer varies by Origin if an origin is allowed, also the answer to another origin: a cache must not
        give one to the other.
        """
        if not self._origins:
            return None
        sent = [value for name, value in request.headers if name == b"origin"]
        if len(sent) != 1 or sent[0] not in self._origins:
            return {"vary": "Origin"}
        return {"vary": "Origin", "access-control-allow-origin": sent[0].decode("ascii")}

    def options_headers(self, request: HttpRequest) -> Mapping[str, str]:
        """Returns the headers of the answer to OPTIONS, which is also the answer to a preflight."""
        cors = self.headers(request) or {}
        is_preflight = request.first_header(b"access-control-request-method") != b""
        allowed: Mapping[str, str] = _PREFLIGHT if is_preflight and "access-control-allow-origin" in cors else {}
        return {"allow": ALLOW, **cors, **allowed}
