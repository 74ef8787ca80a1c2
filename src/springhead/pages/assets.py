"""The assets of the pages: scripts, styles, icons and fonts, as the build made them (decision 37).

Each file has a hash of its content in its name, so browsers keep it for ever. The server reads all files at its start,
about half a megabyte, and never opens a file because of a request.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from springhead.pages.asset_sources import digest
from springhead.wire.http.messages import Answer, HttpRequest

PREFIX = "/static/"

BUILT = Path(__file__).parent / "static"
SOURCES = Path(__file__).parents[3] / "pages"
"""The folder of the sources. It exists only beside an editable install."""

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
_CODINGS = (("br", ".br"), ("gzip", ".gz"))
"""The codings of the compressed copies, the smallest first, and their suffixes."""

_ADVICE = "To build them, run: make assets"

_HEADERS = {
    "cache-control": "public, max-age=31536000, immutable",
    "cross-origin-resource-policy": "same-origin",
    "vary": "accept-encoding",
}


class StaleAssets(Exception):
    """Raised if the assets are missing, or older than their sources. The message says what to do."""


class _File(msgspec.Struct, frozen=True):
    """A file of the manifest."""

    name: str
    size: int
    integrity: str


class _Manifest(msgspec.Struct, frozen=True):
    """The manifest: the digest of the sources, the names of the icons, and the files by logical name."""

    sources: str
    icons: frozenset[str]
    files: Mapping[str, _File]


class Assets:
    """All assets. `addresses` has an ASGI app for the path of each, and no other paths."""

    def __init__(self, manifest: _Manifest, folder: Path) -> None:
        self._files, self._icons = manifest.files, manifest.icons
        self.addresses: Mapping[str, ASGIApp] = {
            f"{PREFIX}{file.name}": _asset(folder / file.name) for file in self._files.values()
        }

    @classmethod
    def read(cls, built: Path = BUILT, sources: Path = SOURCES) -> Self:
        """Returns the assets in the folder `built`.

        Raises StaleAssets if there are none, or if `sources` exists and has changed since the build.
        """
        try:
            manifest = msgspec.json.decode((built / "manifest.json").read_bytes(), type=_Manifest)
        except FileNotFoundError:
            raise StaleAssets(f"The scripts and styles of the pages are missing. {_ADVICE}") from None
        if (sources / "package-lock.json").exists() and digest(sources) != manifest.sources:
            raise StaleAssets(f"The scripts and styles of the pages are older than their sources. {_ADVICE}")
        return cls(manifest, built)

    def address(self, name: str) -> str:
        """Returns the path of an asset: `/static/app.3F2A91C0.css` for `app.css`. Raises KeyError for other names."""
        return f"{PREFIX}{self._files[name].name}"

    def integrity(self, name: str) -> str:
        """Returns the hash of an asset for the attribute `integrity`. Raises KeyError for other names."""
        return self._files[name].integrity

    def icon(self, name: str) -> str:
        """Returns the address of an icon, for `<use href>`. Raises KeyError if pages/src/icons.txt does not name it."""
        if name not in self._icons:
            raise KeyError(name)
        return f"{self.address('icons.svg')}#{name}"


def _asset(path: Path) -> ASGIApp:
    """Returns the ASGI app that answers a file, compressed if the client accepts it."""
    content_type = _TYPES[path.suffix]
    compressed = {
        coding: Answer(copy.read_bytes(), content_type=content_type, headers={**_HEADERS, "content-encoding": coding})
        for coding, suffix in _CODINGS
        if (copy := path.with_name(path.name + suffix)).exists()
    }
    plain = Answer(path.read_bytes(), content_type=content_type, headers=_HEADERS)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = HttpRequest(scope, receive)
        if request.verb not in {"GET", "HEAD"}:
            answer = Answer(b"", status=405, content_type="", headers={"allow": "GET, HEAD"})
        else:
            accepted = _accepted(request)
            answer = next((compressed[coding] for coding in compressed if coding in accepted), plain)
        await answer(scope, receive, send)

    return app


def _accepted(request: HttpRequest) -> set[str]:
    """Returns the codings that a request names and does not refuse with `q=0`."""
    accepted: set[str] = set()
    for header in request.header(b"accept-encoding"):
        for part in header.lower().split(","):
            coding, _, weight = part.partition(";")
            if weight.strip().removeprefix("q=").strip("0.") or not weight:
                accepted.add(coding.strip())
    return accepted
