"""Reads the body of a submission: its fields and files, with limits on their number and size."""

import hashlib
import re
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import unquote_to_bytes

import msgspec
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from springhead.capture.json_bodies import InvalidJson, read_pairs
from springhead.capture.text_codings import codec_of, decode
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

_MULTIPART = "multipart/form-data"
JSON = "application/json"
_MEDIA_TYPES = "application/x-www-form-urlencoded", _MULTIPART, JSON

_CHARSET = b"_charset_"
_NOT_A_FORM = f"This is not a form, or it has more than {FIELDS} fields or {FILES} files"


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

    `too_large` has the input names of the files that are larger than FILE_BYTES, `damaged` those of the fields with
    bytes that are no text.
    """

    fields: Sequence[tuple[str, str]]
    files: Sequence[tuple[str, SubmittedFile]] = ()
    too_large: Sequence[str] = ()
    damaged: Sequence[str] = ()


@asynccontextmanager
async def open_body(request: Request, limit: int) -> AsyncGenerator[FormBody]:
    """Reads a request's body of at most `limit` bytes. The files can be loaded inside the block.

    Raises UnreadableBody, or ClientDisconnect if the client closes the connection before the end of the body.
    """
    media_type, codec = _media_type(request)
    try:
        if media_type == _MULTIPART:
            async with _open_multipart(request, limit, codec) as body:
                yield body
            return
        limit = min(limit, TEXT_BYTES)
        raw = await BoundedBody(request.scope, request.receive, limit).read()
    except BodyTooLarge:
        raise UnreadableBody(f"Expected at most {limit:,} bytes", 413) from None
    yield _json_body(raw) if media_type == JSON else _body(_urlencoded(raw), codec)


@asynccontextmanager
async def _open_multipart(request: Request, limit: int, codec: str | None) -> AsyncGenerator[FormBody]:
    try:
        receive = BoundedBody(request.scope, request.receive, limit).receive
        # The parser decodes as Latin-1, which keeps every byte. The charset of the form can stand behind its fields.
        bounded = Request({**request.scope, "headers": _in_latin_1(request.scope["headers"])}, receive)
        form = await bounded.form(max_files=FILES, max_fields=FIELDS, max_part_size=TEXT_BYTES)
    except (HTTPException, MultiPartException):
        raise UnreadableBody(_NOT_A_FORM) from None
    try:
        items = [(name.encode("latin-1"), value) for name, value in form.multi_items()]
        files = [(name, value) for name, value in items if isinstance(value, UploadFile) and value.size]
        fields = [(name, value.encode("latin-1")) for name, value in items if isinstance(value, str)]
        if sum(len(name) + len(value) for name, value in fields) > TEXT_BYTES:
            raise UnreadableBody("Too much text", 413)
        yield _body(fields, codec, files)
    finally:
        await form.close()


def _in_latin_1(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Returns the headers with Latin-1 as the charset of the body."""
    others = [header for header in headers if header[0] != b"content-type"]
    value = next(value for name, value in headers if name == b"content-type")
    boundary = parse_options_header(value)[1].get(b"boundary")
    if boundary is None:
        raise UnreadableBody(_NOT_A_FORM)
    quoted = re.sub(rb'(["\\])', rb"\\\1", boundary)
    return [*others, (b"content-type", b'%s; boundary="%s"; charset=latin-1' % (_MULTIPART.encode(), quoted))]


def _urlencoded(raw: bytes) -> list[tuple[bytes, bytes]]:
    """Returns the names and values of a body in the form of a query string. Raises UnreadableBody for too many."""
    pairs = [pair for pair in raw.split(b"&") if pair]
    if len(pairs) > FIELDS:
        raise UnreadableBody(_NOT_A_FORM)
    parts = [pair.replace(b"+", b" ").partition(b"=") for pair in pairs]
    return [(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in parts]


def _json_body(raw: bytes) -> FormBody:
    try:
        return FormBody(fields=read_pairs(raw, FIELDS))
    except InvalidJson:
        expected = 'Expected a JSON object in UTF-8, such as {"email": "ann@example.com"}'
        raise UnreadableBody(f"{expected}, with at most {FIELDS} values") from None


def _body(
    fields: Sequence[tuple[bytes, bytes]], codec: str | None, files: Sequence[tuple[bytes, UploadFile]] = ()
) -> FormBody:
    """Decodes names and values. The field `_charset_`, which browsers fill in, names the charset if there is one."""
    codec = next((codec_of(value.decode("latin-1")) for name, value in fields if name == _CHARSET), None) or codec
    decoded = [(decode(name, codec)[0], *decode(value, codec)) for name, value in fields]
    named_files = [(decode(name, codec)[0], file) for name, file in files]
    return FormBody(
        fields=[(name, value) for name, value, _ in decoded],
        damaged=[name for name, _, whole in decoded if not whole],
        files=[(name, _submitted_file(file, codec)) for name, file in named_files if (file.size or 0) <= FILE_BYTES],
        too_large=[name for name, file in named_files if (file.size or 0) > FILE_BYTES],
    )


def _media_type(request: Request) -> tuple[str, str | None]:
    """Returns the media type of the body, and the codec of its charset.

    Raises UnreadableBody unless the body is an uncompressed form in a charset that browsers send.
    """
    if request.headers.get("content-encoding", "identity").lower() not in {"", "identity"}:
        raise UnreadableBody("Send the form uncompressed", 415)
    if len(request.headers.getlist("content-type")) > 1:
        raise UnreadableBody("Expected one Content-Type", 415)
    value, options = parse_options_header(request.headers.get("content-type", ""))
    charset = options.get(b"charset", b"").decode("latin-1")
    media_type = value.decode("latin-1").lower()
    codec = codec_of(charset) if charset else None
    if media_type not in _MEDIA_TYPES or (charset and codec is None):
        raise UnreadableBody(f"Expected {' or '.join(_MEDIA_TYPES)}, in UTF-8", 415)
    return media_type, codec


def _submitted_file(upload: UploadFile, codec: str | None) -> SubmittedFile:
    content_type = upload.content_type or ""
    valid = re.fullmatch(r"[\w.+-]{1,60}/[\w.+-]{1,60}", content_type, re.ASCII)
    return SubmittedFile(
        name=plain_name(decode((upload.filename or "").encode("latin-1"), codec)[0]),
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
