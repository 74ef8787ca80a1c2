"""What a form sends: read piece by piece, bounded in every direction before anything is made of it."""

import hashlib
import re
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import msgspec
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from springhead.wire.http.messages import BodyTooLarge, BoundedBody

TEXT_BYTES = 256 * 1024
"""The most that all fields but files may take."""

PARTS = 200
FILES = 5
FILE_BYTES = 5 * 1024 * 1024
FILE_NAME = 100

_NAMED = "application/x-www-form-urlencoded", "multipart/form-data"


class Unreadable(Exception):
    """The body cannot be taken; the text says why, `status` is HTTP's."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was sent: its name without any path; `token` is a new random name for the public.

    It waits on the disk, and `data` is empty, until it is `loaded`.
    """

    name: str
    content_type: str
    token: str
    source: UploadFile
    data: bytes = b""

    async def loaded(self) -> "File":
        """The file with its bytes in memory."""
        return msgspec.structs.replace(self, data=await self.source.read())

    @property
    def sha256(self) -> bytes:
        """The hash of its bytes."""
        return hashlib.sha256(self.data).digest()


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """The fields in the order sent, and the files; `too_large` are the names of those that were over FILE_BYTES."""

    fields: Sequence[tuple[str, str]]
    files: Sequence[tuple[str, File]]
    too_large: Sequence[str]


@asynccontextmanager
async def opened(request: Request, limit: int) -> AsyncGenerator[Body]:
    """The fields and files of a form, whose files are there until the end; `limit` bounds the whole body in bytes.

    Raises Unreadable, and ClientDisconnect when nobody is there to be answered.
    """
    kind = _kind(request)
    limit = limit if kind == "multipart/form-data" else min(limit, TEXT_BYTES)
    try:
        body = BoundedBody(request.scope, request.receive, limit)
        form = await Request(request.scope, body.receive).form(
            max_files=FILES, max_fields=PARTS, max_part_size=TEXT_BYTES
        )
    except BodyTooLarge:
        raise Unreadable(f"Expected at most {limit:,} bytes", 413) from None
    except (HTTPException, MultiPartException):
        raise Unreadable(f"This is no form, or one with more than {PARTS} fields or {FILES} files") from None
    try:
        items = form.multi_items()
        fields = [(name, value) for name, value in items if isinstance(value, str)]
        if sum(len(name) + len(value) for name, value in fields) > TEXT_BYTES:
            raise Unreadable("Too much text", 413)
        sent = [(name, value) for name, value in items if isinstance(value, UploadFile) and value.size]
        yield Body(
            fields=fields,
            files=[(name, _file(value)) for name, value in sent if (value.size or 0) <= FILE_BYTES],
            too_large=[name for name, value in sent if (value.size or 0) > FILE_BYTES],
        )
    finally:
        await form.close()


def _kind(request: Request) -> str:
    """The type of the body, when it is one of a form in the letters that we read."""
    if request.headers.get("content-encoding", "identity").lower() not in {"", "identity"}:
        raise Unreadable("Send the form uncompressed", 415)
    if len(request.headers.getlist("content-type")) > 1:
        raise Unreadable("Expected one Content-Type", 415)
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    charset = options.get(b"charset", b"utf-8").lower()
    named = kind.decode("latin-1").lower()
    # Any codec of Python's would be taken else, the slow ones too.
    if named not in _NAMED or charset not in {b"utf-8", b"utf8", b"us-ascii", b""}:
        raise Unreadable(f"Expected {' or '.join(_NAMED)}, in UTF-8", 415)
    return named


def _file(sent: UploadFile) -> File:
    kind = sent.content_type or ""
    return File(
        name=plain_name(sent.filename or ""),
        content_type=kind
        if re.fullmatch(r"[\w.+-]{1,60}/[\w.+-]{1,60}", kind, re.ASCII)
        else "application/octet-stream",
        token=secrets.token_urlsafe(16),
        source=sent,
    )


def plain_name(name: str) -> str:
    """The name of a file without folders, control characters and leading dots, and not too long."""
    last = re.split(r"[/\\]", name)[-1]
    clean = re.sub(r'[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069:*?"<>|]', "", last).strip().lstrip(".").strip()
    stem, dot, ending = clean.rpartition(".")
    if len(clean) > FILE_NAME:
        clean = f"{stem[: FILE_NAME - 20]}{dot}{ending[:19]}" if dot else clean[:FILE_NAME]
    return clean.encode("utf-8", "replace").decode() or "file"
