"""The views of the table of leads as tabs: all leads, the user's own, and saved ones; and how they are saved."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from springhead.model.companies.roles import Right
from springhead.model.kit.errors import Json
from springhead.pages.leads.address import MINE, PATH, Sort
from springhead.pages.visits import CallRefused, Visit, Visits

_NAME_LENGTH = 100


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A view: what the table shows where its address says nothing else. `id` is "" for all leads."""

    id: str = ""
    name: str = ""
    filter: Mapping[str, Json] | None = None
    sort: Sort | None = None
    columns: Sequence[str] | None = None
    is_shared: bool = False

    @property
    def is_saved(self) -> bool:
        """Whether the view can be saved and deleted."""
        return self.id not in {"", MINE}


async def views_of(visit: Visit) -> Sequence[View]:
    """Returns the views that the user sees, in the order of their tabs."""
    read = await visit.call("getViews", userID=visit.user.id)
    saved = sorted(
        read.page, key=lambda row: (row["tabPosition"] is None, int(row["tabPosition"] or 0), int(row["id"]))
    )
    mine: Mapping[str, Json] = {"ownerID": str(visit.user.id)}
    return [
        View(name=visit.text("leads.all")),
        View(id=MINE, name=visit.text("leads.mine"), filter=mine),
        *(_saved(row) for row in saved),
    ]


def _saved(row: Mapping[str, Any]) -> View:
    missing = set(row["missingFields"])
    return View(
        id=str(row["id"]),
        name=row["name"],
        filter=row["filter"],
        sort=_sort(row["sort"], missing),
        columns=[column["field"] for column in row["columns"] or () if column["field"] not in missing] or None,
        is_shared=row["isShared"] == "1",
    )


def _sort(keys: Any, missing: set[str]) -> Sort | None:
    return [(key["field"], key.get("direction") == "desc") for key in keys or () if key["field"] not in missing] or None


class LeadViews:
    """The requests that save views, change them and delete them."""

    def __init__(self, visits: Visits) -> None:
        self._visits = visits

    def routes(self) -> list[Route]:
        """Returns the routes of views."""
        return [Route(f"{PATH}/views", self._visits.of(self.change), methods=["POST"])]

    async def change(self, visit: Visit) -> Response:
        """Saves what the table shows as a new view or in its view, or deletes the view, and goes to it."""
        form = visit.form
        action, view_id = form.get("do", ""), form.get("view", "")
        try:
            shown = msgspec.json.decode(form.get("shown", "{}"), type=dict[str, Any])
        except msgspec.MsgspecError:
            return visit.nothing()
        values = {name: shown.get(name) for name in ("filter", "sort", "columns")}
        try:
            if action == "delete" and view_id.isdecimal():
                await visit.call("deleteViews", objects=[{"id": view_id}])
                return _to("")
            if action == "save" and view_id.isdecimal():
                await visit.call("updateViews", objects=[{"id": view_id, **values}])
                return _to(view_id)
            is_shared = bool(form.get("shared")) and visit.user.may(Right.TEAM)
            owner: Mapping[str, Any] = {} if is_shared else {"ownerID": visit.user.id}
            name = form.get("name", "").strip()[:_NAME_LENGTH] or visit.text("leads.new_view")
            written = await visit.call("createViews", objects=[{"name": name, **owner, **values}])
        except CallRefused:
            return visit.message("leads.view_refused", "leads.view_refused_text", status=422)
        (outcome,) = written.outcomes
        if not outcome["success"]:
            return visit.message("leads.view_refused", "leads.view_refused_text", status=422)
        return _to(str(outcome["id"]))


def _to(view_id: str) -> Response:
    path = f"{PATH}?view={view_id}" if view_id else PATH
    return RedirectResponse(path, 303, {"cache-control": "no-store"})
