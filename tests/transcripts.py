"""Reads transcripts of calls, replays them against a company, and writes them.

Values that differ from run to run have placeholders: `<id:1>` is the first id of the answers, `<name:1>` the first
system name, `<time>` any timestamp, `<why>` a decoder's own words. A request can use those of earlier answers.
"""

import json
import re
from pathlib import Path
from typing import Any

from support import Company

FOLDER = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != "captured")

_ID = re.compile(rb"\b\d{9,16}\b")
_SYSTEM_NAME = re.compile(rb"\b[a-z][a-z0-9_]*_[0-9a-f]{13}\b")
_WHY = re.compile(rb'(?<="param":"body","message":")[^"]*')
"""What is wrong with a body that is no JSON: the decoder's words, which may change."""
_TOKEN = re.compile(rb'(/[feou]/|site=(?:\\")?|"siteToken":"|"publicID":")[\w-]{22}(?:\.[\w-]+)?')
"""What is random or signed in an address that the public gets."""
_KEY_ID = re.compile(rb'("keyID":")\d+')
_SECRET = re.compile(rb'(?<="secret":")whsec_[A-Za-z0-9+/=]+')
_TIME = re.compile(rb"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b")


class Names:
    """The ids and system names of one replay, by their placeholders in the transcript."""

    def __init__(self) -> None:
        self._known: dict[bytes, bytes] = {}

    def fill(self, request: str) -> bytes:
        """A request with real values instead of placeholders."""
        body = request.encode()
        for value, name in self._known.items():
            body = body.replace(name, value)
        assert b"<id:" not in body, body
        return body

    def hide(self, answer: bytes) -> str:
        """An answer with placeholders instead of real values."""
        answer = _SECRET.sub(b"<secret>", _KEY_ID.sub(rb"\1<key>", _TOKEN.sub(rb"\1<token>", answer)))
        for pattern, kind in ((_SYSTEM_NAME, b"name"), (_ID, b"id")):
            answer = pattern.sub(lambda match, kind=kind: self._name(match[0], kind), answer)
        return _WHY.sub(b"<why>", _TIME.sub(b"<time>", answer)).decode()

    def _name(self, value: bytes, kind: bytes) -> bytes:
        if value not in self._known:
            count = sum(name.startswith(b"<" + kind) for name in self._known.values())
            self._known[value] = b"<%b:%d>" % (kind, count + 1)
        return self._known[value]


def read(name: str) -> dict[str, Any]:
    """A transcript: `about`, `version` of the API, `calls` of `about`, `request`, `answer`."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def replay(transcript: dict[str, Any], company: Company) -> list[str]:
    """The answers of the server to the requests of a transcript, one after the other."""
    names = Names()
    answers: list[str] = []
    caller = company.at(transcript["version"])
    for call in transcript["calls"]:
        status, body = caller.send(names.fill(call["request"]))
        assert status == 200, body
        answers.append(names.hide(body))
    caller.close()
    return answers


def write(name: str, transcript: dict[str, Any], answers: list[str]) -> None:
    """Writes the transcript with these answers."""
    calls = [call | {"answer": answer} for call, answer in zip(transcript["calls"], answers, strict=True)]
    text = json.dumps(transcript | {"calls": calls}, indent=2, ensure_ascii=False)
    (FOLDER / f"{name}.json").write_text(text + "\n")
