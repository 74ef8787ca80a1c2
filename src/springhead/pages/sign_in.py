"""Signing in and out: by password, and by links that work once."""

from collections.abc import Sequence
from time import monotonic_ns

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from springhead.model.companies.users import User
from springhead.model.kit.rate_limits import KeyedRateLimit
from springhead.pages import passwords
from springhead.pages.passwords import Passwords
from springhead.pages.rendering import THEMES, Templates
from springhead.pages.sessions import Sessions
from springhead.pages.visits import Visit, Visits, language_of, local_path, read_form
from springhead.rpc.context import Server
from springhead.store.companies import companies, sign_ins, users
from springhead.store.companies.sign_ins import Purpose
from springhead.wire.http.peers import client_network

log = structlog.get_logger()

PAIR_PAUSE = 20
"""Seconds between two attempts for one address from one network, after the first five."""

NETWORK_PAUSE = 2
"""Seconds between two attempts from one network, after the first 60: an office has one address for many people."""

_LONGEST_ADDRESS = 320


class SignIn:
    """The pages for people who are not signed in."""

    def __init__(
        self, server: Server, sessions: Sessions, visits: Visits, templates: Templates, hashing: Passwords
    ) -> None:
        self._server, self._sessions, self._visits, self._templates = server, sessions, visits, templates
        self._passwords = hashing
        # By the pair of address and network, so that a stranger elsewhere cannot lock anybody out.
        self._pairs = KeyedRateLimit(per_second=1 / PAIR_PAUSE, burst=5)
        self._networks = KeyedRateLimit(per_second=1 / NETWORK_PAUSE, burst=60)

    def routes(self) -> list[Route]:
        """Returns the routes of signing in and out."""
        open_to_all = self._visits.open_to_all
        return [
            Route("/sign-in", open_to_all(self.page), methods=["GET"]),
            Route("/sign-in", open_to_all(self.sign_in), methods=["POST"]),
            Route("/sign-in/{token}", open_to_all(self.link), methods=["GET"]),
            Route("/sign-in/{token}", open_to_all(self.set_password), methods=["POST"]),
            Route("/sign-out", self._visits.of(self.sign_out), methods=["POST"]),
            Route("/theme", open_to_all(self.theme), methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        """Shows the form, or goes on if somebody is signed in already."""
        next_path = local_path(request.query_params.get("next", "/"))
        if await self._sessions.signed_in(request):
            return _redirect(next_path)
        return self._form(request, address="", next_path=next_path)

    async def sign_in(self, request: Request) -> Response:
        """Signs in by email address and password. A refusal does not say which of the two is wrong."""
        form = await read_form(request)
        address, password = form.get("email", "").strip(), form.get("password", "")
        next_path = local_path(form.get("next", "/"))
        if pause := self._pause(request, address):
            return self._form(request, address=address, next_path=next_path, pause=pause)
        found = await self._users(address, password)
        if not found:
            log.info("sign-in refused", peer=request.client.host if request.client else "")
            return self._form(request, address=address, next_path=next_path, is_wrong=True)
        if len(found) > 1:
            return await self._choice(request, found)
        return await self._start(request, found[0], next_path)

    async def _choice(self, request: Request, found: Sequence[User]) -> Response:
        """Shows the companies that the address and the password fit, with a link to each."""
        async with self._server.database.everyone() as tx:
            links = [(user.company.name, await sign_ins.create_link(tx, user, Purpose.SIGN_IN)) for user in found]
        return self._templates.render(request, "companies.html", {"links": links}, language=language_of(request))

    def _pause(self, request: Request, address: str) -> int:
        """Counts an attempt. Returns the seconds to wait if there were too many."""
        network, now = client_network(request.client.host if request.client else "-"), monotonic_ns()
        if not self._networks.allows(network, now):
            return NETWORK_PAUSE
        return 0 if self._pairs.allows(f"{network} {address.casefold()}", now) else PAIR_PAUSE

    async def _users(self, address: str, password: str) -> list[User]:
        """Returns the users with this address and password, of each company where both are right."""
        found: list[User] = []
        if len(address) > _LONGEST_ADDRESS or len(password) > passwords.LONGEST or "\0" in address:
            address, password = "", ""
        async with self._server.database.everyone() as tx:
            known = await sign_ins.credentials(tx, address)
        if not known:
            await self._passwords.matches(None, password)
        for credential in known:
            if not await self._passwords.matches(credential.password_hash, password):
                continue
            async with self._server.database.company(credential.company_id) as tx:
                company = await companies.by_id(tx, credential.company_id)
                user = await users.active(tx, company, credential.user_id)
            if user:
                found.append(user)
        return found

    async def link(self, request: Request) -> Response:
        """Signs in by a link of a terminal, or shows where the user can choose a password."""
        token = request.path_params["token"]
        found = await sign_ins.find_link(self._server.database, token)
        if found is None:
            return self._used_link(request)
        user, purpose = found
        if purpose is not Purpose.SIGN_IN:
            return self._password_form(request, user, purpose)
        if request.method != "GET" or "prefetch" in request.headers.get("sec-purpose", ""):
            return Response(status_code=204)  # a program that looks at links must not use this one up
        async with self._server.database.everyone() as tx:
            is_unused = await sign_ins.use_link(tx, token)
        return await self._start(request, user, "/") if is_unused else self._used_link(request)

    async def set_password(self, request: Request) -> Response:
        """Stores the password that the user of an invitation or a reset has chosen, and signs the user in."""
        token, password = request.path_params["token"], (await read_form(request)).get("password", "")
        found = await sign_ins.find_link(self._server.database, token)
        if found is None or found[1] is Purpose.SIGN_IN:
            return self._used_link(request)
        user, purpose = found
        if problem := passwords.problem(password, address=user.email_address, name=user.display_name):
            return self._password_form(request, user, purpose, problem=problem)
        password_hash = await self._passwords.hash(password)
        async with self._server.database.company(user.company.id) as tx, tx.atomic():
            if not await sign_ins.use_link(tx, token):
                return self._used_link(request)
            await sign_ins.set_password(tx, user, password_hash)
        return await self._start(request, user, "/")

    async def sign_out(self, visit: Visit) -> Response:
        """Ends the session of this browser."""
        response = _redirect("/sign-in")
        response.headers["clear-site-data"] = '"cache", "storage"'  # drafts of forms are in the storage of the tab
        await self._sessions.end(visit.request, response, visit.signed_in)
        return response

    async def theme(self, request: Request) -> Response:
        """Stores the theme in a cookie, so that a page has it before its first paint."""
        form = await read_form(request)
        theme = form.get("theme", "")
        back = local_path(form.get("next", "/"))
        response = Response(status_code=204) if request.headers.get("hx-request") else _redirect(back)
        if theme in THEMES:
            response.set_cookie("theme", theme, max_age=31_536_000, samesite="lax")
        else:
            response.delete_cookie("theme", samesite="lax")
        return response

    async def _start(self, request: Request, user: User, next_path: str) -> Response:
        response = _redirect(next_path)
        await self._sessions.start(request, response, user)
        log.info("signed in", company=user.company.account_id, user=user.id)
        return response

    def _form(
        self, request: Request, *, address: str, next_path: str, is_wrong: bool = False, pause: int = 0
    ) -> Response:
        values = {"address": address[:_LONGEST_ADDRESS], "next": next_path, "is_wrong": is_wrong, "pause": pause}
        status = 429 if pause else 422 if is_wrong else 200
        response = self._templates.render(request, "sign_in.html", values, language=language_of(request), status=status)
        if pause:
            response.headers["retry-after"] = str(pause)
        return response

    def _password_form(self, request: Request, user: User, purpose: Purpose, *, problem: str = "") -> Response:
        values = {
            "company": user.company.name,
            "address": user.email_address,
            "purpose": purpose.value,
            "problem": problem,
            "shortest": passwords.SHORTEST,
            "longest": passwords.LONGEST,
        }
        return self._templates.render(
            request, "password.html", values, language=language_of(request), status=422 if problem else 200
        )

    def _used_link(self, request: Request) -> Response:
        return self._templates.message(
            request, "link.used", "link.used_text", language=language_of(request), status=404
        )


def _redirect(path: str) -> Response:
    return RedirectResponse(path, 303, {"cache-control": "no-store", "referrer-policy": "no-referrer"})
