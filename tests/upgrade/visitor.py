"""A visitor of the pages of a company."""

import http.client
import json
from typing import NamedTuple
from urllib.parse import urlsplit

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
BOUNDARY = "xYzZy"
URLENCODED = "application/x-www-form-urlencoded"

Part = tuple[str, str | tuple[str, bytes]]
"""An input of a form: its name, and its text or a file's name and bytes."""


class Answer(NamedTuple):
    """Status, `location` and body of an answer."""

    status: int
    location: str | None
    body: bytes


class Visitor:
    """Sends requests without a key. Addresses that begin with the public URL are sent to the server itself."""

    def __init__(self, url: str, site: str, public_url: str) -> None:
        self._site, self._public_url = site, public_url
        address = urlsplit(url)
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)

    def get(self, address: str) -> Answer:
        """The answer to a GET request."""
        return self._ask("GET", address, b"", {})

    def post(self, address: str, body: bytes, *, kind: str = URLENCODED) -> Answer:
        """The answer to a POST request."""
        return self._ask("POST", address, body, {"Content-Type": kind})

    def report(self, visitor: str, url: str, title: str) -> int:
        """Reports a page view as the page script does. Returns the status."""
        seen = {"site": self._site, "visitor": visitor, "url": url, "title": title}
        return self.post("/t", json.dumps(seen).encode(), kind="text/plain").status

    def submit(self, address: str, *parts: Part) -> Answer:
        """Posts a form with files, as a page of another site does."""
        body = b""
        for name, value in parts:
            text, file = (value, None) if isinstance(value, str) else (value[1], value[0])
            named = f'; filename="{file}"\r\nContent-Type: text/plain' if file else ""
            content = text.encode() if isinstance(text, str) else text
            head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
            body += head.encode() + content + b"\r\n"
        end = f"--{BOUNDARY}--\r\n".encode()
        return self.post(address, body + end, kind=f"multipart/form-data; boundary={BOUNDARY}")

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def _ask(self, verb: str, address: str, body: bytes, headers: dict[str, str]) -> Answer:
        path = address.removeprefix(self._public_url)
        self._connection.request(verb, path, body, {"User-Agent": BROWSER, **headers})
        answer = self._connection.getresponse()
        return Answer(answer.status, answer.getheader("location"), answer.read())
