"""What a request's head may look like: how long, for which host, and where its target points."""

from collections.abc import Callable
from http import HTTPStatus

HEADERS = 100
"""Most header lines in one request (431)."""
HEADER_BYTES = 32 * 1024
"""Most bytes in all header names and values of one request (431)."""
URI_BYTES = 16 * 1024
"""Longest request target (414)."""
LONGEST_HOST = 261
"""A DNS name, a colon and a port."""


class Refused(Exception):
    """A request that ends here, with the HTTP status and the reason that the client gets."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def check_head(
    url: bytes, headers: list[tuple[bytes, bytes]], version: str, serves: Callable[[bytes], bool], maybe_large: bool
) -> tuple[bytes, bytes, list[tuple[bytes, bytes]]]:
    """Path, query and headers of a request, the Host header being the host that was asked for.

    Without `maybe_large` the headers are known to be fewer than HEADER_BYTES, and are not counted again.
    Raises Refused: too long, no Host or several (HTTP/1.0 may do without), a host that `serves` does not know, or a
    target that is neither a path nor a http address (clients that think of us as a proxy send the latter).
    """
    if len(url) > URI_BYTES or len(headers) > HEADERS or (maybe_large and _size(headers) > HEADER_BYTES):
        raise too_large(url)
    host = None
    for name, value in headers:
        if name == b"host":
            if host is not None:
                raise Refused(HTTPStatus.BAD_REQUEST, "more than one Host header")
            host = value
    if host is None and version != "1.0":
        raise Refused(HTTPStatus.BAD_REQUEST, "a Host header is needed")
    if url[:1] != b"/":
        url, host = _split_absolute(url)
        headers = [(name, host if name == b"host" else value) for name, value in headers]
    if host is not None and not (len(host) <= LONGEST_HOST and serves(host)):
        raise Refused(HTTPStatus.BAD_REQUEST, "this host is not served here")
    if url.find(b"#") >= 0:
        url = url.partition(b"#")[0]
    path, _, query = url.partition(b"?")
    return path, query, headers


def too_large(url: bytes) -> Refused:
    """The answer to a head that is too long: 414 when it is the target's fault, else 431."""
    if len(url) > URI_BYTES:
        return Refused(HTTPStatus.REQUEST_URI_TOO_LONG, "the request target is too long")
    return Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too many or too long header lines")


def _size(headers: list[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) for name, value in headers)


def _split_absolute(url: bytes) -> tuple[bytes, bytes]:
    """Path with query, and host, of a target like `http://host/path?query` (RFC 9112, 3.2.2)."""
    scheme, mark, rest = url.partition(b"://")
    if not mark or scheme.lower() not in {b"http", b"https"}:
        raise Refused(HTTPStatus.BAD_REQUEST, "this request target is not served here")
    end = min((at for at in map(rest.find, (b"/", b"?", b"#")) if at >= 0), default=len(rest))
    path = rest[end:]
    return (path if path[:1] == b"/" else b"/" + path), rest[:end]
