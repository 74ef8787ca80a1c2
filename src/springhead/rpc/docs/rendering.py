"""Markdown from the templates in `templates/`. The templates hold the words; this module only formats values."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from jinja2 import Environment, PackageLoader, StrictUndefined

from springhead.model.kit.columns import Column, Noun
from springhead.model.kit.errors import ApiError
from springhead.rpc.docs import samples
from springhead.rpc.key_params import WhereKeys
from springhead.rpc.method import Reads
from springhead.rpc.params import Moment, Names, Objects, OneOf, Where

_TYPES = {
    "reads": Reads,
    "objects": Objects,
    "where": Where,
    "where_keys": WhereKeys,
    "names": Names,
    "moment": Moment,
    "one_of": OneOf,
}
"""The tests for values in templates, as in `{% if method.result is reads %}`."""


def render(template: str, **values: object) -> str:
    """Returns a page, or a part of a page, with one line break at its end.

    Several blank lines become one, so that a template can use them freely.
    """
    text = _ENVIRONMENT.get_template(f"{template}.md.jinja").render(**values)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def file_name(noun: Noun) -> str:
    """Returns the file name of a noun's page: `docs/reference/list-member.md` for `listMember`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", noun.name).lower() + ".md"


def _row(cells: Iterable[object]) -> str:
    """Returns a row of a table; a `|` inside a cell is escaped."""
    return "| " + " | ".join(str(cell).strip().replace("|", "\\|") for cell in cells) + " |"


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _about(error: type[ApiError]) -> str:
    return " ".join((inspect.getdoc(error) or "").split())


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _default_value(column: Column) -> str:
    """Returns the default of a column in creates, as a caller would write it."""
    if column.default_text:
        return column.default_text
    default = column.default or ""
    return _code([{"true": "1", "false": "0"}.get(default, default.strip("'"))])


def _is(declared: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, declared)


_ENVIRONMENT = Environment(  # noqa: S701 - Markdown, made from our own declarations
    loader=PackageLoader("springhead.rpc.docs"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_FILTERS: Mapping[str, Callable[..., str]] = {
    "row": _row,
    "code": _code,
    "about": _about,
    "sentence": _sentence,
    "default_value": _default_value,
    "file_name": file_name,
    "json": samples.shown,
}
cast("dict[str, Any]", _ENVIRONMENT.filters).update(_FILTERS)  # pyright: ignore[reportUnknownMemberType] - untyped
cast("dict[str, Any]", _ENVIRONMENT.tests).update(  # pyright: ignore[reportUnknownMemberType] - untyped in Jinja
    {name: _is(declared) for name, declared in _TYPES.items()}
)
