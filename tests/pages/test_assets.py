"""The server answers the built assets, each under its hashed name, and no other path."""

import gzip
import http.client
import json
from pathlib import Path

import pytest

from springhead.cli.failure import message_of
from springhead.pages.assets import BUILT, SOURCES, Assets, StaleAssets
from support import Company

FILES = {name: file["name"] for name, file in json.loads((BUILT / "manifest.json").read_text())["files"].items()}
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}


def ask(company: Company, path: str, verb: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(company.address.netloc, timeout=20)
    connection.putrequest(verb, path, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    result = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return result


@pytest.mark.parametrize("logical_name", FILES)
def test_each_asset_can_be_kept_for_a_year_and_has_its_type(company: Company, logical_name: str) -> None:
    name = FILES[logical_name]
    content = (BUILT / name).read_bytes()
    status, headers, answered = ask(company, f"/static/{name}")
    assert (status, answered) == (200, content)
    headers.pop("date")
    assert headers == {
        "content-type": TYPES[Path(name).suffix],
        "content-length": str(len(content)),
        "cache-control": "public, max-age=31536000, immutable",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "vary": "accept-encoding",
        "x-content-type-options": "nosniff",
    }
    head = ask(company, f"/static/{name}", "HEAD")
    assert (head[0], head[1]["content-length"], head[2]) == (200, str(len(content)), b"")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("br", "br"),
        ("BR;q=0.5, gzip;q=1.0", "br"),
        ("gzip", "gzip"),
        ("deflate,gzip;q=0.001", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br;q=0.000, gzip;q=0", None),
        ("brotli, x-gzip, identity", None),
        ("", None),
    ],
)
def test_the_smallest_accepted_copy_is_answered(company: Company, accepted: str, coding: str | None) -> None:
    name = FILES["app.css"]
    suffix = {"br": ".br", "gzip": ".gz", None: ""}[coding]
    status, headers, answered = ask(company, f"/static/{name}", Accept_Encoding=accepted)
    assert (status, headers.get("content-encoding")) == (200, coding)
    assert answered == (BUILT / f"{name}{suffix}").read_bytes()
    assert coding != "gzip" or gzip.decompress(answered) == (BUILT / name).read_bytes()


def test_a_font_has_no_compressed_copy(company: Company) -> None:
    path = f"/static/{FILES['inter-latin-wght-normal.woff2']}"
    assert "content-encoding" not in ask(company, path, Accept_Encoding="br, gzip")[1]


@pytest.mark.parametrize(
    "path",
    [
        "/static", "/static/", "/static/app.css", "/static/manifest.json", "/static//manifest.json", "/static/BUILT.br",
        "/static/BUILT/", "//static/BUILT", "/static/x/../BUILT", "/static/../assets", "/static/%2e%2e/assets",
        "/static/app%2ecss", "/STATIC/BUILT",
    ],
)  # fmt: skip
def test_a_path_outside_the_manifest_is_not_found(company: Company, path: str) -> None:
    assert ask(company, path.replace("BUILT", FILES["app.css"]))[0] == 404


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_an_asset_can_only_be_read(company: Company, verb: str) -> None:
    status, headers, _ = ask(company, f"/static/{FILES['app.js']}", verb)
    assert (status, headers["allow"]) == (405, "GET, HEAD")


def test_pages_name_assets_and_icons_by_their_hashed_addresses() -> None:
    assets = Assets.read()
    assert assets.address("app.css") == f"/static/{FILES['app.css']}"
    assert assets.icon("search") == f"/static/{FILES['icons.svg']}#search"
    assert assets.integrity("app.js").startswith("sha384-")
    for wrong in (lambda: assets.address("nothing.css"), lambda: assets.icon("nothing")):
        with pytest.raises(KeyError):
            wrong()


def test_a_server_with_stale_or_missing_assets_says_what_to_do(tmp_path: Path) -> None:
    changed = tmp_path / "pages"
    (changed / "src").mkdir(parents=True)
    for path in (path for path in [*SOURCES.glob("*"), *(SOURCES / "src").rglob("*")] if path.is_file()):
        copy = changed / path.relative_to(SOURCES)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    assert Assets.read(sources=changed)
    (changed / "src" / "styles" / "app.css").write_text("")
    with pytest.raises(StaleAssets, match=r"older than their sources\. To build them, run: make assets") as stale:
        Assets.read(sources=changed)
    assert message_of(stale.value) == str(stale.value)
    with pytest.raises(StaleAssets, match=r"missing\. To build them, run: make assets"):
        Assets.read(built=tmp_path)
