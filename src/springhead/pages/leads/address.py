"""The address of the table of leads, which holds its whole state: words, filter, sort order, columns and view."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote, urlencode

import msgspec
from msgspec import UNSET, UnsetType

from springhead.model.kit.errors import Json
from springhead.model.leads.search import SORTS_MAX

PATH = "/leads"

MINE = "mine"
"""The name of the view with the user's own leads. Saved views have their id."""

TEXT_LENGTH, FILTER_LENGTH, CURSOR_LENGTH, NAME_LENGTH = 500, 8_000, 8_000, 255
"""The most characters of the parts of an address."""

COLUMNS_MAX = 60
"""The most columns of the table."""

NAME = "name"
"""The first column: the first and the last name of a lead. It stands for both fields when leads are sorted."""

Sort = Sequence[tuple[str, bool]]
"""Names of fields, each with whether its largest values come first."""

_VIEW = re.compile(r"mine|[0-9]{1,18}")


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """The state in an address. What is None is as in the view. `problems` are keys of texts about wrong parts."""

    text: str = ""
    filter: Mapping[str, Json] | None = None
    sort: Sort | None = None
    columns: Sequence[str] | None = None
    view: str = ""
    cursor: str = ""
    peek: str = ""
    problems: Sequence[str] = ()

    def path(
        self,
        *,
        text: str | UnsetType = UNSET,
        filter: Mapping[str, Json] | UnsetType | None = UNSET,
        sort: Sort | UnsetType | None = UNSET,
        columns: Sequence[str] | UnsetType | None = UNSET,
        cursor: str = "",
    ) -> str:
        """Returns the path of the table with some parts changed. It starts with the first row, or at `cursor`."""
        chosen = msgspec.structs.replace(
            self,
            text=self.text if text is UNSET else text,
            filter=self.filter if filter is UNSET else filter,
            sort=self.sort if sort is UNSET else sort,
            columns=self.columns if columns is UNSET else columns,
            cursor=cursor,
        )
        query = urlencode(chosen.parameters, quote_via=quote, safe=",:{}[]-")
        return f"{PATH}?{query}" if query else PATH

    @property
    def parameters(self) -> Mapping[str, str]:
        """The parameters of the address, without those that have their default."""
        parameters = {
            "view": self.view,
            "q": self.text,
            "f": msgspec.json.encode(self.filter).decode() if self.filter or (self.view and self.filter == {}) else "",
            "sort": None if self.sort is None else sort_text(self.sort),
            "cols": None if self.columns is None else ",".join(self.columns),
            "cursor": self.cursor,
        }
        return {name: value for name, value in parameters.items() if value or (value == "" and name == "sort")}


def read(query: Mapping[str, str]) -> Address:
    """Returns the state in the parameters of an address. A part that cannot be read is left out, and is a problem."""
    problems: list[str] = []
    text = query.get("q", "").strip()
    if len(text) > TEXT_LENGTH:
        problems.append("leads.bad_text")
        text = ""
    view = query.get("view", "")
    if view and not _VIEW.fullmatch(view):
        problems.append("leads.bad_view")
        view = ""
    cursor = query.get("cursor", "")
    return Address(
        text=text,
        filter=_filter(query.get("f"), problems),
        sort=_sort(query.get("sort"), problems),
        columns=_columns(query.get("cols"), problems),
        view=view,
        cursor=cursor if len(cursor) <= CURSOR_LENGTH else "",
        peek=query.get("at", "") if query.get("at", "").isdecimal() else "",
        problems=problems,
    )


def sort_text(sort: Sort) -> str:
    """Returns a sort order as in an address: `-leadScore,city`."""
    return ",".join(f"{'-' if descending else ''}{name}" for name, descending in sort)


def _filter(sent: str | None, problems: list[str]) -> Mapping[str, Json] | None:
    if not sent:
        return None
    try:
        document: Any = msgspec.json.decode(sent) if len(sent) <= FILTER_LENGTH else None
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        document = None
    if not isinstance(document, dict):
        problems.append("leads.bad_filter")
        return None
    return cast("Mapping[str, Json]", document)


def _sort(sent: str | None, problems: list[str]) -> Sort | None:
    if sent is None:
        return None
    names = [name for name in sent.split(",") if name]
    if len(names) > SORTS_MAX or any(len(name) > NAME_LENGTH for name in names):
        problems.append("leads.bad_sort")
        return None
    return [(name.removeprefix("-"), name.startswith("-")) for name in names]


def _columns(sent: str | None, problems: list[str]) -> Sequence[str] | None:
    if not sent:
        return None
    names = list(dict.fromkeys(name for name in sent.split(",") if name))
    if len(names) > COLUMNS_MAX or any(len(name) > NAME_LENGTH for name in names):
        problems.append("leads.bad_columns")
        return None
    return names
