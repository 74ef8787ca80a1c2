"""The public addresses that need no API key: page script, page views, links in emails, forms. The API is not here."""

import asyncio
from collections.abc import Mapping

from starlette.routing import Route
from starlette.types import ASGIApp

from springhead.capture.bots import is_bot
from springhead.capture.forms import Forms
from springhead.capture.intake import Intake
from springhead.capture.links import Links
from springhead.capture.views import PageScript, PageViews
from springhead.rpc.context import Server
from springhead.settings import Settings
from springhead.store.capture.sites import Sites


class Capture:
    """All public addresses of the server.

    `addresses` has the ASGI apps of the paths with many requests. `routes` has all other paths.
    """

    def __init__(self, server: Server, settings: Settings) -> None:
        self.sites = Sites(server.database)
        self.intake = Intake(server.database)
        self.views = PageViews(self.sites, self.intake, public_url=server.public_url)
        self.addresses: Mapping[str, ASGIApp] = {
            "/t": self.views.report,
            "/t.gif": self.views.pixel,
            "/t.js": PageScript(),
        }
        self.routes: list[Route] = [*Links(server, self.sites).routes(), *Forms(server, settings).routes()]

    def figures(self) -> Mapping[str, int]:
        """Returns the number of page views by outcome, for /metrics."""
        intake = self.intake
        return {**self.views.counts, "written": intake.written, "erased": intake.erased, "lost": intake.lost}

    async def warm_up(self) -> None:
        """Loads the list of bots, so that the first page view does not wait for it."""
        await asyncio.to_thread(is_bot, b"-")
