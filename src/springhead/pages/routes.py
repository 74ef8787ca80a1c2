"""The pages of Springhead for people: sign-in, and what each person does with leads."""

from collections.abc import Sequence

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from springhead.pages.assets import Assets
from springhead.pages.lead.actions import LeadPage
from springhead.pages.leads.changes import LeadChanges
from springhead.pages.leads.editor import TableEditor
from springhead.pages.leads.table import LeadsTable
from springhead.pages.leads.views import LeadViews
from springhead.pages.passwords import Passwords
from springhead.pages.rendering import Templates
from springhead.pages.sessions import Sessions
from springhead.pages.settings import Settings
from springhead.pages.sign_in import SignIn
from springhead.pages.visits import Visit, Visits
from springhead.rpc.context import Server

FIRST_PAGE = "/leads"
"""The page to which `/` leads."""


def pages(server: Server, assets: Assets) -> Sequence[Route]:
    """Returns the routes of all pages."""
    sessions, templates = Sessions(server.database), Templates(assets)
    visits, hashing = Visits(server, sessions, templates), Passwords()
    return [
        Route("/", visits.of(_first_page), methods=["GET"]),
        *SignIn(server, sessions, visits, templates, hashing).routes(),
        *LeadsTable(visits).routes(),
        *LeadChanges(visits).routes(),
        *LeadViews(visits).routes(),
        *TableEditor(visits).routes(),
        *LeadPage(visits).routes(),
        *Settings(server, sessions, visits, hashing).routes(),
    ]


async def _first_page(_visit: Visit) -> Response:
    return RedirectResponse(FIRST_PAGE, 303)
