"""The pages of settings: my profile, my password, where I am signed in, and the people of the company."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from springhead.model.companies.roles import ROLES, Right
from springhead.model.companies.users import User, hash_token, is_address, is_name
from springhead.pages import catalogue, passwords
from springhead.pages.passwords import Passwords
from springhead.pages.sessions import Sessions
from springhead.pages.visits import Visit, Visits
from springhead.rpc.context import Server
from springhead.store.companies import sign_ins, users
from springhead.store.companies.sign_ins import Purpose

_PROFILE, _PEOPLE, _SESSIONS = "/settings", "/settings/people", "/settings/sessions"
_BROWSERS = ("Edg", "OPR", "Firefox", "Chrome", "Safari")
_SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS X", "CrOS", "Linux")


class Settings:
    """The pages of settings."""

    def __init__(self, server: Server, sessions: Sessions, visits: Visits, hashing: Passwords) -> None:
        self._database, self._public_url = server.database, server.public_url
        self._sessions, self._visits, self._passwords = sessions, visits, hashing

    def routes(self) -> list[Route]:
        """Returns the routes of settings."""
        of = self._visits.of
        return [
            Route(_PROFILE, of(self.profile), methods=["GET"]),
            Route(_PROFILE, of(self.save_profile), methods=["POST"]),
            Route("/settings/password", of(self.set_password), methods=["POST"]),
            Route(_SESSIONS, of(self.sessions), methods=["GET"]),
            Route(_SESSIONS, of(self.end_session), methods=["POST"]),
            Route(_PEOPLE, of(self.people), methods=["GET"]),
            Route(_PEOPLE, of(self.change_people), methods=["POST"]),
        ]

    async def profile(self, visit: Visit) -> Response:
        """Shows what a user can change of the own profile."""
        return self._profile(visit)

    async def save_profile(self, visit: Visit) -> Response:
        """Stores name, language and time zone."""
        name, language, zone = (visit.form.get(key, "").strip() for key in ("name", "language", "zone"))
        if not is_name(name) or language not in catalogue.LANGUAGES or (zone and zone not in _zones()):
            return self._profile(visit, problem=visit.text("settings.bad_name"), name=name)
        async with self._database.company(visit.user.company.id) as tx:
            await users.rename(
                tx, visit.user.company.id, visit.user.id, name=name, time_zone=zone or None, language=language
            )
        self._sessions.forget(visit.signed_in.token)
        return _back(_PROFILE)

    async def set_password(self, visit: Visit) -> Response:
        """Stores a new password, and ends all other sessions of the user."""
        user, new = visit.user, visit.form.get("new", "")
        if user.has_password:
            async with self._database.everyone() as tx:
                known = await sign_ins.credentials(tx, user.email_address)
            mine = [one for one in known if (one.company_id, one.user_id) == (user.company.id, user.id)]
            old_hash = mine[0].password_hash if mine else None
            if not await self._passwords.matches(old_hash, visit.form.get("old", "")[: passwords.LONGEST]):
                return self._profile(visit, problem=visit.text("settings.wrong_password"))
        if problem := passwords.problem(new, address=user.email_address, name=user.display_name):
            return self._profile(visit, problem=passwords.text_of(problem, user.language))
        password_hash = await self._passwords.hash(new)
        async with self._database.company(user.company.id) as tx, tx.atomic():
            await sign_ins.set_password(tx, user, password_hash, keep=hash_token(visit.signed_in.token))
        self._sessions.forget(visit.signed_in.token)
        return _back(_PROFILE)

    def _profile(self, visit: Visit, *, problem: str = "", name: str | None = None) -> Response:
        values = {
            "name": visit.user.display_name if name is None else name,
            "languages": catalogue.LANGUAGES,
            "zones": _zones(),
            "shortest": passwords.SHORTEST,
        }
        return _page(visit, "profile.html", _PROFILE, values, problem=problem)

    async def sessions(self, visit: Visit) -> Response:
        """Shows the browsers in which the user is signed in."""
        async with self._database.everyone() as tx:
            found = await sign_ins.sessions(tx, visit.user)
        values = {"sessions": found, "this_session": visit.signed_in.session.id, "browser_name": _browser_name}
        return _page(visit, "sessions.html", _SESSIONS, values)

    async def end_session(self, visit: Visit) -> Response:
        """Ends one session of the user, in any browser."""
        session_id = visit.form.get("id", "")
        if re.fullmatch(r"[0-9]{1,18}", session_id):
            async with self._database.everyone() as tx:
                await sign_ins.end_session(tx, visit.user, int(session_id))
            self._sessions.forget(visit.signed_in.token)
        return _back(_SESSIONS)

    async def people(self, visit: Visit) -> Response:
        """Shows the users of the company to those who manage them."""
        return await self._people(visit)

    async def change_people(self, visit: Visit) -> Response:
        """Invites a user, changes a role, makes a link for a new password, or disables a user."""
        if not visit.user.may(Right.SETTINGS):
            return visit.nothing()
        match visit.form.get("do"):
            case "invite":
                return await self._invite(visit)
            case "role" | "reset" | "disable" as what:
                return await self._change(visit, what)
            case _:
                return _back(_PEOPLE)

    async def _invite(self, visit: Visit) -> Response:
        address, name = visit.form.get("address", "").strip(), visit.form.get("name", "").strip()
        role = visit.form.get("role", "")
        if not is_address(address):
            return await self._people(visit, problem=visit.text("settings.bad_address"))
        if not is_name(name) or role not in ROLES:
            return await self._people(visit, problem=visit.text("settings.bad_name"))
        async with self._database.company(visit.user.company.id) as tx, tx.atomic():
            created = await users.create(tx, visit.user.company, address=address, name=name, role=role)
            token = await sign_ins.create_link(tx, created, Purpose.INVITE) if created else ""
        if created is None:
            return await self._people(visit, problem=visit.text("settings.taken"))
        return await self._people(visit, link=self._link(visit, token), link_name=created.display_name)

    async def _change(self, visit: Visit, what: str) -> Response:
        company, user_id = visit.user.company, visit.form.get("id", "")
        if not re.fullmatch(r"[0-9]{1,18}", user_id) or int(user_id) == visit.user.id:
            return visit.nothing()
        async with self._database.company(company.id) as tx, tx.atomic():
            other = await users.active(tx, company, int(user_id))
            if other is None:
                return visit.nothing()
            token, is_done = "", True
            if what == "reset":
                token = await sign_ins.create_link(tx, other, Purpose.RESET)
            elif what == "disable":
                is_done = await users.disable(tx, company.id, other.id)
            elif visit.form.get("role", "") in ROLES:
                is_done = await users.set_role(tx, company.id, other.id, visit.form["role"])
        if not is_done:
            return await self._people(visit, problem=visit.text("settings.last_administrator"))
        if token:
            return await self._people(visit, link=self._link(visit, token), link_name=other.display_name)
        return _back(_PEOPLE)

    def _link(self, visit: Visit, token: str) -> str:
        host = f"{visit.request.url.scheme}://{visit.request.headers.get('host', '')}"
        return f"{self._public_url or host}/sign-in/{token}"

    async def _people(self, visit: Visit, *, problem: str = "", link: str = "", link_name: str = "") -> Response:
        if not visit.user.may(Right.SETTINGS):
            return visit.nothing()
        async with self._database.company(visit.user.company.id) as tx:
            people: Sequence[tuple[User, bool]] = await users.all_of(tx, visit.user.company)
        values: Mapping[str, Any] = {
            "people": people,
            "roles": ROLES,
            "rights": [right.value for right in Right],
            "link": link,
            "link_name": link_name,
            "invited": visit.form if problem else {},
        }
        return _page(visit, "people.html", _PEOPLE, values, problem=problem)


@cache
def _zones() -> Sequence[str]:
    """Returns the names of all time zones, which are read from the disk once."""
    return sorted(available_timezones())


def _page(visit: Visit, template: str, section: str, values: Mapping[str, Any], *, problem: str = "") -> Response:
    sections = [(_PROFILE, "settings.profile"), (_SESSIONS, "settings.sessions")]
    if visit.user.may(Right.SETTINGS):
        sections.insert(1, (_PEOPLE, "settings.people"))
    shared = {
        "sections": sections,
        "section": section,
        "problem": problem,
        "saved": "saved" in visit.request.query_params and not problem,
        "current_path": _PROFILE,
    }
    return visit.render(template, {**shared, **values}, status=422 if problem else 200)


def _back(path: str) -> Response:
    return RedirectResponse(f"{path}?saved", 303, {"cache-control": "no-store"})


def _browser_name(user_agent: str) -> str:
    """Returns the browser and the system of a User-Agent in two words, such as `Firefox, Windows`."""
    browser = next((name for name in _BROWSERS if f"{name}/" in user_agent), user_agent.partition("/")[0][:40])
    system = next((name for name in _SYSTEMS if name in user_agent), "")
    return ", ".join(filter(None, (browser or "?", system)))
