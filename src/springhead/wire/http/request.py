"""A request as the API needs it: verb, headers, query and a bounded body, without the layers that pages need."""

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from springhead.model.kit.errors import InvalidFormat


class Request:
    """One HTTP request."""

    __slots__ = ("_receive", "_scope", "headers", "verb")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope, self._receive = scope, receive
        self.verb: str = scope["method"]
        self.headers: list[tuple[bytes, bytes]] = scope["headers"]

    @property
    def query(self) -> bytes:
        """The query string, undecoded."""
        return self._scope["query_string"]

    @property
    def peer(self) -> str:
        """The address of the other end."""
        client = self._scope.get("client")
        return client[0] if client else "-"

    def header(self, name: bytes) -> list[str]:
        """Every value of a header; names are lower-case."""
        return [value.decode("latin-1") for key, value in self.headers if key == name]

    async def body(self, limit: int) -> bytes:
        """The request's body; refused as soon as it is known to be too large, before it is read whole.

        Raises ClientDisconnect when the client goes before it has sent everything.
        """
        if self.verb == "GET":
            raise _refused("Send the call as the body of a POST request")
        if any(value.lower() not in {"", "identity"} for value in self.header(b"content-encoding")):
            raise _refused("Send the body uncompressed")
        if any(value.isdecimal() and int(value) > limit for value in self.header(b"content-length")):
            raise _refused(f"Expected at most {limit} bytes")
        pieces: list[bytes] = []
        size, more = 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            piece: bytes = message.get("body", b"")
            size += len(piece)
            if size > limit:
                raise _refused(f"Expected at most {limit} bytes")
            pieces.append(piece)
            more = message.get("more_body", False)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _refused(message: str) -> InvalidFormat:
    return InvalidFormat({"params": [{"param": "body", "message": message}]})
