"""Renders the templates of the pages. Every value is escaped, and every page has its own nonce."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from springhead import __version__
from springhead.pages import catalogue, security
from springhead.pages.assets import Assets

THEMES = ("light", "dark")
"""The themes that a person can choose. Without a choice, the theme is that of the system."""


class Templates:
    """The templates in the folder `templates`."""

    def __init__(self, assets: Assets) -> None:
        self._environment = Environment(
            loader=PackageLoader("springhead.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._shared = {"asset": assets.address, "icon_address": assets.icon, "version": __version__}

    def render(
        self, request: Request, template: str, values: Mapping[str, Any], *, language: str, status: int = 200
    ) -> Response:
        """Returns a page, or a part of one, with the headers that protect it."""
        nonce = security.new_nonce()
        theme = request.cookies.get("theme", "")
        text = self._environment.get_template(template).render(
            nonce=nonce,
            language=language,
            theme=theme if theme in THEMES else "",
            t=partial(catalogue.text, language),
            host=request.headers.get("host", "")[:100],
            **self._shared,
            **values,
        )
        return Response(text, status, security.headers(nonce), media_type="text/html")

    def message(self, request: Request, title: str, text: str, *, language: str, status: int) -> Response:
        """Returns a page with a short text. `title` and `text` are keys of the catalogue."""
        values = {"title": title, "text": text}
        return self.render(request, "message.html", values, language=language, status=status)
