"""The measured system: a server on a new data folder, a minimal HTTP client, and the bare driver."""

import json
import os
import signal
import socket
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from springhead.postgres.socket_path import running_dsn, superuser_dsn
from springhead.store.database.box import Box
from springhead.store.database.key_file import NAME, KeyFile


class Rig:
    """A running server with an empty first company, and a client for it. With `limits`, it enforces the rate limits."""

    def __init__(self, data: Path, *arguments: str, limits: bool = False) -> None:
        command = [sys.executable, "-m", "springhead", "serve", "--data", str(data), "--port", "0", "--json"]
        with (data.parent / "bench-server.log").open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *([] if limits else ["--no-limits"]), *arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        self.ready: dict[str, str] = json.loads(self.process.stdout.readline())
        dsn = running_dsn(data)
        assert dsn is not None
        self.dsn = dsn
        self.data = data

    @cached_property
    def client(self) -> "Client":
        """A client for the first company. Only the first start on a data folder shows its key."""
        return Client(self.ready["url"], self.ready["accountID"], self.ready["secretKey"])

    @property
    def box(self) -> Box:
        """Encrypts secrets as the server does."""
        return Box(KeyFile(self.data / NAME).keys)

    async def connect(self) -> asyncpg.Connection:
        """Returns a connection of the bare driver as the server's role, set to the company."""
        connection = await asyncpg.connect(self.dsn, command_timeout=3600)
        await connection.execute("set statement_timeout = 0")
        company_id = await connection.fetchval("select id from company where account_id = $1", self.ready["accountID"])
        await connection.execute("select set_config('app.company_id', $1, false)", str(company_id))
        return connection

    async def vacuum(self, table: str) -> None:
        """Vacuums and analyses a table, which the server's role may not do."""
        connection = await asyncpg.connect(superuser_dsn(self.data), command_timeout=3600)
        await connection.execute(f"vacuum analyze {table}")
        await connection.close()

    def resident(self) -> int:
        """Returns the resident memory of the server process in MB, without PostgreSQL."""
        with Path(f"/proc/{self.process.pid}/status").open() as status:
            return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmRSS"))

    def stop(self) -> None:
        """Stops the server and its PostgreSQL."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        if self.process.stdout is not None:
            self.process.stdout.close()


class Client:
    """An HTTP client with one connection and little Python code, so that the server is the slower part."""

    def __init__(self, url: str, account_id: str, secret: str) -> None:
        address = urlsplit(url)
        self._address = (address.hostname or "", address.port or 0)
        self._socket = self._connected()
        self._head = (
            f"POST /pubapi/v1.2/ HTTP/1.1\r\nHost: localhost\r\nX-Account-Id: {account_id}\r\n"
            f"Authorization: Bearer {secret}\r\nContent-Type: application/json\r\nContent-Length: "
        ).encode()

    def _connected(self) -> socket.socket:
        connection = socket.create_connection(self._address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def reconnect(self) -> None:
        """Opens a new connection. The server closes a connection that is idle while leads are added."""
        self._socket.close()
        self._socket = self._connected()

    def post(self, body: bytes) -> bytes:
        """Sends a call, and returns the body of the answer."""
        self._socket.sendall(self._head + str(len(body)).encode() + b"\r\n\r\n" + body)
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._more()
        head = bytes(received[:end]).lower()
        if b"content-length: " not in head:
            return self._chunked(received, end + 4)
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        answer = bytearray(received[end + 4 :])
        while len(answer) < length:
            answer += self._more()
        return bytes(answer)

    def _more(self) -> bytes:
        piece = self._socket.recv(1 << 20)
        if not piece:
            message = "the server closed the connection in the middle of an answer"
            raise ConnectionError(message)
        return piece

    def _chunked(self, received: bytearray, start: int) -> bytes:
        """Reads to the last chunk. Returns only the number of bytes, as text, so that long answers need no memory."""
        size = len(received) - start
        tail = bytes(received[-16:])
        while not tail.endswith(b"0\r\n\r\n"):
            piece = self._more()
            size += len(piece)
            tail = (tail + piece)[-16:]
        return str(size).encode()

    def call(self, method: str, **params: Any) -> Any:
        """Returns the value of the only key in the result of a call."""
        answer = json.loads(self.post(encode(method, **params)))
        if answer["result"] is None:
            raise RuntimeError(answer["error"])
        (value,) = answer["result"].values()
        return value


def encode(method: str, **params: Any) -> bytes:
    """Returns the body of a call."""
    return json.dumps({"method": method, "params": params, "id": "1"}).encode()


def machine() -> str:
    """Returns a line about the machine."""
    return f"{os.cpu_count()} cores, Python {sys.version.split()[0]}"
