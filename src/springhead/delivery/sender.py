"""Sends pushes, and is there at once: what is slow to load waits for the first one."""

import asyncio
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from springhead.delivery.receiver_answers import Answer
from springhead.model.feed.receiver_addresses import Networks

if TYPE_CHECKING:
    from springhead.delivery.client import Client


class Sender:
    """The client of all pushes of a process: `async with Sender(networks) as sender`.

    `name_server` is another one than the system's, by address and port.
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
        """Close all connections."""
        if self._client:
            await self._client.close()

    async def open(self) -> "Client":
        """Get ready to send. The first push does so too, but takes half a second longer for it."""
        async with self._opening:
            if self._client is None:
                client, tls = await asyncio.to_thread(_load)
                self._client = client(self._networks, tls, self._name_server)
        return self._client

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a push to a URL as `model.addresses.canonical` gave it; whatever the receiver does is an Answer."""
        client = self._client or await self.open()
        return await client.post(url, body, headers)


def _load() -> "tuple[type[Client], ssl.SSLContext]":
    """What takes its time: the HTTP client's modules, and the certificates of the system's authorities."""
    from springhead.delivery.client import Client  # noqa: PLC0415 - a server without receivers is spared it

    return Client, ssl.create_default_context()
