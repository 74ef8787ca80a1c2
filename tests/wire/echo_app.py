"""A small ASGI app behind the real server, for test_http.py: it echoes requests, and misbehaves on request."""

import asyncio
import json
import os
import signal
import sys
from typing import Any

import uvloop

from springhead.settings import Settings
from springhead.wire.http.server import serve

released = asyncio.Event()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Echoes. /early answers without reading, /late reads late, /slow answers late, /big sends 5 MB.

    /hold sends half of its answer, and the other half after SIGUSR1.
    """
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    path = scope["path"]
    if path in WITHOUT_READING:
        await WITHOUT_READING[path](send)
        return
    if path == "/late":
        await asyncio.sleep(0.5)
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    if path == "/slow":
        await asyncio.sleep(float(scope["query_string"] or b"0.5"))
    if path == "/counters":
        counters = scope["state"]["connections"]
        await answer(
            send,
            {
                "open": len(counters.open),
                "cap": counters.cap,
                "evicted": counters.evicted,
                "refused": counters.refused,
                "bad_requests": counters.bad_requests,
                **counters.deadlines,
            },
        )
        return
    await answer(
        send,
        {
            "method": scope["method"],
            "path": path,
            "query": scope["query_string"].decode("latin-1"),
            "size": size,
            "headers": len(scope["headers"]),
            "host": dict(scope["headers"]).get(b"host", b"").decode("latin-1"),
        },
    )


async def early(send: Any) -> None:
    """Answers at once."""
    await answer(send, {"early": True})


async def big(send: Any) -> None:
    """Answers with 5 MB."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5242880")]})
    for left in range(79, -1, -1):
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": left > 0})


async def hold(send: Any) -> None:
    """Sends half of an answer, and the other half after SIGUSR1."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8")]})
    await send({"type": "http.response.body", "body": b"held", "more_body": True})
    await released.wait()
    await send({"type": "http.response.body", "body": b"over"})


WITHOUT_READING = {"/early": early, "/big": big, "/hold": hold}


async def lifespan(receive: Any, send: Any) -> None:
    """Handles start and stop, and prints both on standard output."""
    await receive()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, released.set)
    if seconds := float(os.environ.get("STARTUP_SECONDS", "0")):
        print("starting", flush=True)
        await asyncio.sleep(seconds)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    print("lifespan over", flush=True)
    await send({"type": "lifespan.shutdown.complete"})


async def answer(send: Any, body: object) -> None:
    """Sends an answer in JSON."""
    content = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def signal_before_loop() -> None:
    """Lets SIGTERM arrive right before the event loop is made, with a handler of the caller that raises SystemExit."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    make = uvloop.new_event_loop

    def interrupted() -> uvloop.Loop:
        signal.raise_signal(signal.SIGTERM)
        return make()

    uvloop.new_event_loop = interrupted


if __name__ == "__main__":
    if "SIGNAL_BEFORE_LOOP" in os.environ:
        signal_before_loop()
    given = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    short = {"port": 0, "header_timeout": 1.0, "body_timeout": 1.0, "write_timeout": 1.0, "keep_alive": 1.5}
    settings = Settings(**{**short, "shutdown_timeout": 5.0, **given})
    serve(app, settings, on_ready=lambda url: print(url, flush=True))
    print("returned", flush=True)
