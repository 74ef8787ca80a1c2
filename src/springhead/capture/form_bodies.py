"""Reads the body of a submission: its fields and files, with limits on their number and size."""

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
"""The most bytes of all fields together, without files."""

FIELDS = 200
"""The most fields of a body."""

FILES = 5
"""The most files of a body."""

FILE_BYTES = 5 * 1024 * 1024
"""The most bytes of a file."""

FILE_NAME = 100
"""The most characters of a file's name."""

_MEDIA_TYPES = "application/x-www-form-urlencoded", "multipart/form-data"


class UnreadableBody(Exception):
    """A body that is refused. The text gives the reason, `status` is the HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class SubmittedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a submission. `name` has no folders, `token` is a new random part of its public address.

    `data` is empty until `load` reads the temporary file of the request.
    """

    name: str
    content_type: str
    token: str
    source: UploadFile
    data: bytes = b""

    async def load(self) -> "SubmittedFile":
        """Returns the file with its bytes in memory."""
        return msgspec.structs.replace(self, data=await self.source.read())

    @property
    def sha256(self) -> bytes:
        """The SHA-256 of `data`."""
        return hashlib.sha256(self.data).digest()


class FormBody(msgspec.Struct, frozen=True, kw_only=True):
    """Fields and files by input name, in the order of the body.

    `too_large` has the input names of the files that are larger than FILE_BYTES.
    """

    fields: Sequence[tuple[str, str]]
    files: Sequence[tuple[str, SubmittedFile]]
    too_large: Sequence[str]


@asynccontextmanager
async def open_body(request: Request, limit: int) -> AsyncGenerator[FormBody]:
    """Reads a request's body of at most `limit` bytes. The files can be loaded inside the block.

    Raises UnreadableBody, or ClientDisconnect if the client closes the connection before the end of the body.
    """
    media_type = _media_type(request)
    limit = limit if media_type == "multipart/form-data" else min(limit, TEXT_BYTES)
    try:
        body = BoundedBody(request.scope, request.receive, limit)
        bounded = Request(request.scope, body.receive)
        form = await bounded.form(max_files=FILES, max_fields=FIELDS, max_part_size=TEXT_BYTES)
    except BodyTooLarge:
        raise UnreadableBody(f"Expected at most {limit:,} bytes", 413) from None
    except (HTTPException, MultiPartException):
        raise UnreadableBody(f"This is not a form, or it has more than {FIELDS} fields or {FILES} files") from None
    try:
        items = form.multi_items()
        fields = [(name, value) for name, value in items if isinstance(value, str)]
        if sum(len(name) + len(value) for name, value in fields) > TEXT_BYTES:
            raise UnreadableBody("Too much text", 413)
        files = [(name, value) for name, value in items if isinstance(value, UploadFile) and value.size]
        yield FormBody(
            fields=fields,
            files=[(name, _submitted_file(file)) for name, file in files if (file.size or 0) <= FILE_BYTES],
            too_large=[name for name, file in files if (file.size or 0) > FILE_BYTES],
        )
    finally:
        await form.close()


def _media_type(request: Request) -> str:
    """Returns the media type of the body. Raises UnreadableBody unless it is an uncompressed form in UTF-8."""
    if request.headers.get("content-encoding", "identity").lower() not in {"", "identity"}:
        raise UnreadableBody("Send the form uncompressed", 415)
    if len(request.headers.getlist("content-type")) > 1:
        raise UnreadableBody("Expected one Content-Type", 415)
    value, options = parse_options_header(request.headers.get("content-type", ""))
    charset = options.get(b"charset", b"utf-8").lower()
    media_type = value.decode("latin-1").lower()
    # The parser accepts every codec of Python, including slow ones.
    if media_type not in _MEDIA_TYPES or charset not in {b"utf-8", b"utf8", b"us-ascii", b""}:
        raise UnreadableBody(f"Expected {' or '.join(_MEDIA_TYPES)}, in UTF-8", 415)
    return media_type


def _submitted_file(upload: UploadFile) -> SubmittedFile:
    content_type = upload.content_type or ""
    valid = re.fullmatch(r"[\w.+-]{1,60}/[\w.+-]{1,60}", content_type, re.ASCII)
    return SubmittedFile(
        name=plain_name(upload.filename or ""),
        content_type=content_type if valid else "application/octet-stream",
        token=secrets.token_urlsafe(16),
        source=upload,
    )


def plain_name(name: str) -> str:
    """Returns the name of a file without folders, control characters and leading dots, shortened to FILE_NAME."""
    base = re.split(r"[/\\]", name)[-1]
    clean = re.sub(r'[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069:*?"<>|]', "", base).strip().lstrip(".").strip()
    stem, dot, ending = clean.rpartition(".")
    if len(clean) > FILE_NAME:
        clean = f"{stem[: FILE_NAME - 20]}{dot}{ending[:19]}" if dot else clean[:FILE_NAME]
    return clean.encode("utf-8", "replace").decode() or "file"
