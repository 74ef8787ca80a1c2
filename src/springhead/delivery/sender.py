"""Sends pushes, and loads the HTTP client only when the first push is sent, because loading takes half a second."""

import asyncio
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from springhead.delivery.receiver_answers import ReceiverAnswer
from springhead.model.feed.receiver_addresses import Networks

if TYPE_CHECKING:
    from springhead.delivery.client import BeforeBody, Client


class Sender:
    """The client of all pushes of a process: `async with Sender(networks) as sender`.

    `name_server` is the address and port of a DNS server to use instead of the system's.
    """

    def __init__(self, networks: Networks, *, name_server: tuple[str, int] | None = None) -> None:
        self._networks, self._name_server = networks, name_server
        self._opening = asyncio.Lock()
        self._client: Client | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes all connections."""
        if self._client:
            await self._client.close()

    async def open(self) -> "Client":
        """Loads the client. Otherwise the first push does so, and takes half a second longer."""
        async with self._opening:
            if self._client is None:
                client, tls = await asyncio.to_thread(_load)
                self._client = client(self._networks, tls, self._name_server)
        return self._client

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], before_body: "BeforeBody | None" = None
    ) -> ReceiverAnswer:
        """Posts a push to a canonical URL (model/feed/receiver_addresses.py). A failure is a ReceiverAnswer, too.

        `before_body` is called on the open connection, right before the body is sent. Raises what it raises.
        """
        client = self._client or await self.open()
        return await client.post(url, body, headers, before_body)


def _load() -> "tuple[type[Client], ssl.SSLContext]":
    """Imports the HTTP client, and reads the certificates of the system's authorities."""
    from springhead.delivery.client import Client  # noqa: PLC0415 - a server without receivers does not need it

    return Client, ssl.create_default_context()
