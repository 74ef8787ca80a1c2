"""Puts the server together: the API, the public addresses, the API description, health checks, metrics and jobs."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
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
from springhead.methods.actions import runs
from springhead.model.feed.receiver_addresses import Networks
from springhead.pages.assets import Assets
from springhead.pages.routes import pages
from springhead.rpc.context import Server
from springhead.rpc.docs.openrpc import openrpc
from springhead.settings import Settings
from springhead.store.database.box import Box
from springhead.store.database.pool import Database
from springhead.store.feed.changes import Feed
from springhead.store.fields.fields import FieldCache
from springhead.store.nouns.paging import PageStarts
from springhead.wire import metrics
from springhead.wire.api.auth import Keys
from springhead.wire.api.body_limits import BodyLimits
from springhead.wire.api.pubapi import PubApi
from springhead.wire.api.rate_limits import CallLimits
from springhead.wire.http.messages import SAFE_HEADERS, Answer, InChunks
from springhead.wire.metrics import Metrics

VERSIONS = {"v1": False, "v1.2": True}
"""The versions of the API, and whether the times of each are in UTC (docs/wire/times.md)."""

assert methods.leads  # noqa: S101 - importing the package registers the methods


def create_app(
    settings: Settings,
    connect: Callable[[], Awaitable[str]],
    *,
    box: Box,
    jobs: Sequence[Job] = (),
    wait: bool = True,
) -> ASGIApp:
    """Returns the server as an ASGI app.

    `connect` returns the DSN of a migrated database; `box` encrypts its secrets. With `wait`, the app starts only when
    `connect` has returned. Without it, it answers Unavailable until then. `jobs` run in addition to the app's own jobs.
    """
    database = Database(pool_size=settings.pool_size, box=box)
    alone = settings.database_url is None
    fields = FieldCache()
    pushes = Worker(database, fields, Networks.of(settings.push_networks, http=settings.push_http), alone=alone)
    background_jobs = BackgroundJobs(database, {**STEPS, **runs.steps(lambda: server)})
    server = Server(database, fields, PageStarts(), background_jobs, Feed(database), settings.public_url or "", pushes)
    keys = Keys(database)
    limits = CallLimits(database, alone=alone, enabled=settings.limits)
    bodies = BodyLimits(settings.body_limit, enabled=settings.limits)
    capture = Capture(server, settings)
    opening = [] if wait else [Job(name="open_database", turn=lambda: _open_database(database, connect))]
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
        except asyncio.CancelledError:  # a second signal: end at once
            capture.intake.give_up()
            raise
        async with AsyncExitStack() as closing:  # runs the callbacks in reverse order, each also after an error
            closing.push_async_callback(database.close)
            closing.push_async_callback(limits.close)
            closing.push_async_callback(runner.stop)

    assets = Assets.read()
    other_routes = _other_routes(database, figures, [*capture.routes, *pages(server, assets)], lifespan)
    addresses = {
        path: PubApi(server, keys, limits, figures, settings, bodies=bodies, utc=utc)
        for version, utc in VERSIONS.items()
        for slash in ("/", "//")  # an address with a slash at its end, joined with /pubapi
        for path in (f"{slash}pubapi/{version}", f"{slash}pubapi/{version}/")
    }
    direct = {**addresses, **capture.addresses, **assets.addresses}
    app = _apart(_by_address(direct, InChunks(other_routes)), settings.metrics_address)
    return _behind(settings.trusted_proxies, app)


def _behind(proxies: Sequence[str], app: ASGIApp) -> ASGIApp:
    """Returns the app that takes the addresses of its clients from the headers of these proxies."""
    return cast("ASGIApp", ProxyHeadersMiddleware(cast("Any", app), list(proxies))) if proxies else app


def _by_address(addresses: Mapping[str, ASGIApp], others: ASGIApp) -> ASGIApp:
    """Returns the app that answers these addresses directly, and passes all other requests on to `others`.

    The API and the page views do not need Starlette's layers, which take a fifth of the time of a getLead.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        direct = addresses.get(scope["path"]) if scope["type"] == "http" else None
        if (
            scope["type"] == "http" and b"%" in scope["raw_path"]
        ):  # paths have one spelling, so that a proxy's rules match
            direct = _NOT_FOUND
        await (direct or others)(scope, receive, send)

    return app


METRICS_PATHS = frozenset({"/metrics", "/readyz"})
"""The paths that `metrics_listen` serves, and the other address then does not. Both serve /healthz."""


def _apart(app: ASGIApp, address: tuple[str, int] | None) -> ASGIApp:
    """Returns the app that serves METRICS_PATHS on the port of this address only, and nothing else there."""
    if address is None:
        return app
    port = address[1]

    async def apart(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] != "/healthz":
            is_port = (scope["server"] or ("", 0))[1] == port
            if is_port != (scope["path"] in METRICS_PATHS):
                await _NOT_FOUND(scope, receive, send)
                return
        await app(scope, receive, send)

    return apart


_NOT_FOUND = Answer(b"Not Found", status=404, content_type="text/plain; charset=utf-8")


def _jobs(database: Database, capture: Capture, background_jobs: BackgroundJobs, pushes: Worker) -> Sequence[Job]:
    """Returns the app's own jobs, in the order in which they are closed at shutdown.

    These jobs also delete old data: a background job empties the recycle bin, the job of page views deletes old
    visitors, and the job of pushes deletes old deliveries.
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


async def _open_database(database: Database, connect: Callable[[], Awaitable[str]]) -> None:
    """Opens the pool when `connect` has returned. Retries if the database has gone away in between."""
    dsn = await connect()
    while True:
        try:
            await database.open(dsn)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await asyncio.sleep(1)
        else:
            return


async def _http_error(_request: Request, error: Exception) -> Response:
    """Answers 404 or 405 as plain text."""
    assert isinstance(error, HTTPException)  # noqa: S101 - the handler is registered for it
    headers = {**(error.headers or {}), **SAFE_HEADERS}
    return Response(error.detail, error.status_code, media_type="text/plain", headers=headers)


def _other_routes(
    database: Database, figures: Metrics, routes: Sequence[Route], lifespan: Lifespan[Starlette]
) -> Starlette:
    """Returns the app for all addresses that are not in `addresses` of `create_app`."""

    async def health(_request: Request) -> Response:
        return Response("ok\n", media_type="text/plain", headers=SAFE_HEADERS)

    async def ready(_request: Request) -> Response:
        alive = await database.alive()
        text = "ready\n" if alive else "The database does not answer.\n"
        return Response(text, 200 if alive else 503, media_type="text/plain", headers=SAFE_HEADERS)

    async def metrics_text(request: Request) -> Response:
        text = figures.text(getattr(request.state, "connections", None))
        return Response(text, media_type=metrics.CONTENT_TYPE, headers=SAFE_HEADERS)

    async def description(_request: Request) -> Response:
        return Response(openrpc(), media_type="application/json", headers=SAFE_HEADERS)

    other_routes = Starlette(
        routes=[
            Route("/openrpc.json", description, methods=["GET"]),
            Route("/healthz", health, methods=["GET"]),
            Route("/readyz", ready, methods=["GET"]),
            Route("/metrics", metrics_text, methods=["GET"]),
            *routes,
        ],
        exception_handlers={HTTPException: _http_error},
        lifespan=lifespan,
    )
    other_routes.router.redirect_slashes = False
    return other_routes
