"""The HTTP surface: the API, what the public reaches, the description, health and figures, and nothing else."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import asyncpg
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from springhead import methods
from springhead.capture import Capture
from springhead.delivery.worker import Worker
from springhead.jobs.background_jobs import BackgroundJobs
from springhead.jobs.numbering import Numbering
from springhead.jobs.runner import Job, Runner
from springhead.jobs.scoring import Scorer
from springhead.jobs.steps import STEPS
from springhead.model.feed.receiver_addresses import Networks
from springhead.rpc.context import Server
from springhead.rpc.docs.openrpc import openrpc
from springhead.settings import Settings
from springhead.store.database.pool import Database
from springhead.store.feed.changes import Feed
from springhead.store.fields.fields import FieldCache
from springhead.store.nouns.paging import PageStarts
from springhead.wire import metrics
from springhead.wire.api.auth import Keys
from springhead.wire.api.pubapi import PubApi
from springhead.wire.api.rate_limits import CallLimits
from springhead.wire.http.messages import SAFE_HEADERS, Answer
from springhead.wire.metrics import Metrics

VERSIONS = {"v1": False, "v1.2": True}
"""The versions of the API, and whether each speaks UTC (docs/wire/times.md)."""

assert methods.leads  # noqa: S101 - importing the package is what registers the methods


def create_app(
    settings: Settings,
    connect: Callable[[], Awaitable[str]],
    *,
    jobs: Sequence[Job] = (),
    wait: bool = True,
) -> ASGIApp:
    """The server as an ASGI app.

    `connect` gives the DSN of a migrated database. With `wait` the app starts only when it has it; without,
    it starts at once, answers Unavailable, and is ready when `connect` returns. `jobs` run besides the app's own.
    """
    database = Database(pool_size=settings.pool_size)
    alone = settings.database_url is None
    fields = FieldCache()
    pushes = Worker(database, fields, Networks.of(settings.push_networks, http=settings.push_http), alone=alone)
    background_jobs = BackgroundJobs(database, STEPS)
    server = Server(database, fields, PageStarts(), background_jobs, Feed(database), settings.public_url or "", pushes)
    keys = Keys(database)
    limits = CallLimits(database, alone=alone, enabled=settings.limits)
    capture = Capture(server, settings)
    opening = [] if wait else [Job(name="open_database", turn=lambda: _open_when_there(database, connect))]
    runner = Runner([*jobs, *opening, *_jobs(database, capture, background_jobs, pushes)])
    figures = Metrics(
        database,
        page_views=capture.figures,
        pushes=pushes.counts,
        refusals=server.refusals,
        jobs=runner.states,
        failures=background_jobs.failures,
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[dict[str, Any]]:
        if wait:
            await database.open(await connect())
        runner.start()
        try:
            yield {"on_stop": [server.feed.close]}
        except asyncio.CancelledError:  # a second signal: nothing is waited for
            capture.intake.give_up()
            raise
        async with AsyncExitStack() as closing:  # the last one first, and each whatever becomes of the others
            closing.push_async_callback(database.close)
            closing.push_async_callback(limits.close)
            closing.push_async_callback(runner.stop)

    others = _others(database, figures, capture.routes, lifespan)
    addresses: dict[str, ASGIApp] = {
        path: PubApi(server, keys, limits, figures, settings, utc=utc)
        for version, utc in VERSIONS.items()
        for path in (f"/pubapi/{version}", f"/pubapi/{version}/")
    }
    addresses |= capture.addresses

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # The API's own addresses, and those of page views, skip the layers that pages need: a fifth of a getLead.
        api = addresses.get(scope["path"]) if scope["type"] == "http" else None
        if scope["type"] == "http" and b"%" in scope["raw_path"]:  # an address has one spelling, for proxies' rules too
            api = Answer(b"Not Found", status=404, content_type="text/plain; charset=utf-8")
        await (api or others)(scope, receive, send)

    if settings.trusted_proxies:
        return cast("ASGIApp", ProxyHeadersMiddleware(cast("Any", app), list(settings.trusted_proxies)))
    return app


def _jobs(database: Database, capture: Capture, background_jobs: BackgroundJobs, pushes: Worker) -> Sequence[Job]:
    """The app's own work beside the calls, closed in this order at shutdown.

    Old data is swept by these jobs too: the recycle bin by a background job, old visitors with the page views, and old
    deliveries with the pushes.
    """
    intake, numbering, scorer = capture.intake, Numbering(database), Scorer(database)
    return [
        Job(name="page_views", turn=intake.turn, woken=intake.woken, close=intake.close),
        Job(name="background_jobs", turn=background_jobs.turn, woken=background_jobs.woken),
        Job(name="numbering", turn=numbering.turn, woken=numbering.woken),
        Job(name="scoring", turn=scorer.turn),
        Job(name="pushes", turn=pushes.turn, woken=pushes.woken, close=pushes.close),
        Job(name="warm_up", turn=capture.warm_up),
    ]


async def _open_when_there(database: Database, connect: Callable[[], Awaitable[str]]) -> None:
    """Open the pool, again and again should the database go away between the two."""
    dsn = await connect()
    while True:
        try:
            await database.open(dsn)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await asyncio.sleep(1)
        else:
            return


async def _nothing_here(_request: Request, error: Exception) -> Response:
    """404 or 405 in a few words."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is what the handler is registered for
    headers = {**(error.headers or {}), **SAFE_HEADERS}
    return Response(error.detail, error.status_code, media_type="text/plain", headers=headers)


def _others(database: Database, figures: Metrics, routes: Sequence[Route], lifespan: Lifespan[Starlette]) -> Starlette:
    """Everything but the API's own addresses."""

    async def health(_request: Request) -> Response:
        return Response("ok\n", media_type="text/plain", headers=SAFE_HEADERS)

    async def ready(_request: Request) -> Response:
        alive = await database.alive()
        text = "ready\n" if alive else "The database does not answer.\n"
        return Response(text, 200 if alive else 503, media_type="text/plain", headers=SAFE_HEADERS)

    async def figures_text(request: Request) -> Response:
        text = figures.text(getattr(request.state, "connections", None))
        return Response(text, media_type=metrics.CONTENT_TYPE, headers=SAFE_HEADERS)

    async def description(_request: Request) -> Response:
        return Response(openrpc(), media_type="application/json", headers=SAFE_HEADERS)

    others = Starlette(
        routes=[
            Route("/openrpc.json", description, methods=["GET"]),
            Route("/healthz", health, methods=["GET"]),
            Route("/readyz", ready, methods=["GET"]),
            Route("/metrics", figures_text, methods=["GET"]),
            *routes,
        ],
        exception_handlers={HTTPException: _nothing_here},
        lifespan=lifespan,
    )
    others.router.redirect_slashes = False
    return others
