"""The log: one line per event on standard error, in UTC. Masks secrets, and escapes characters that forge lines."""

import io
import json
import logging
import re
import sys
import textwrap
from contextlib import suppress
from functools import lru_cache
from typing import Any, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

MASK = "***"
LONGEST = 4_000
"""The most characters of a value. Longer values are cut, so that no client can make the log large."""

LONGEST_NAME = 100
"""The most characters of a name that is remembered as a secret's or not."""

TRACEBACK_LINES = 200
"""The most lines of a traceback; the last lines stay."""

_SECRET_NAME = re.compile(
    r"(?ai)(?:.*_)?(?:secret|secret_?key|(?:proxy_)?authorization|password|passwd|token|api_?key|cookie|set_cookie)"
)
_SECRET = re.compile(
    r"5EAD[0-9A-F]{48}"  # our own secretKeys (model/companies/companies.py)
    r"|whsec_[A-Za-z0-9+/]{20,}=*"  # secrets that sign pushes
    r"|(?<=secretkey=)[^&\s\"']+"  # in a query string
    r"|(?<=bearer )[^\s\"',]+"
    r"|(?<=://)[^\s/?#@:]*:\S*(?=@)",  # the password in the address of a database
    re.ASCII | re.IGNORECASE,
)
# Control characters (terminals obey them, CR and LF forge lines), line separators, direction marks, surrogates.
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_HARMLESS = re.compile(r"[\w. -]{0,47}", re.ASCII)
_PLAIN = {type(None), bool, int, float}
_ROUTED = ("uvicorn", "uvicorn.error", "asyncio", "asyncpg", "py.warnings")


class _Unfailing(io.TextIOBase):
    """Writes to a file as long as it can: a full disk or a closed pipe loses lines of the log, but no call."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str, /) -> int:
        """Writes the text, if the file takes it."""
        with suppress(OSError, ValueError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        """Sends what was written, if the file takes it."""
        with suppress(OSError, ValueError):
            self._file.flush()


def configure(level: str, form: str) -> None:
    """Sets up all logging of the process. `level` and `form` are the settings log_level and log_format."""
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    last: list[Processor] = (
        [_indented, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), sort_keys=False)]
        if as_text
        else [_as_json]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            safe,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _safe_traceback,
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Unfailing(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    logging.root.handlers = [_ToStructlog()]
    logging.root.setLevel(logging.WARNING)
    for name in _ROUTED:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def safe(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Masks secrets, and escapes characters that could control a terminal or forge a line of the log."""
    return {name: MASK if _names_a_secret(name) else _safe(value) for name, value in event.items()}


@lru_cache(maxsize=1_000)
def _known_name_of_a_secret(name: str) -> bool:
    return _SECRET_NAME.fullmatch(name) is not None


def _names_a_secret(name: str) -> bool:
    # Long names are texts of callers. They are not remembered, so that the cache stays small.
    return _known_name_of_a_secret(name) if len(name) <= LONGEST_NAME else _SECRET_NAME.fullmatch(name) is not None


def _safe(value: Any, depth: int = 0) -> Any:
    kind = cast("type[Any]", type(value))
    if kind is str:
        return _text(value)
    if kind in _PLAIN or isinstance(value, BaseException):  # _safe_traceback handles exceptions
        return value
    if isinstance(value, dict) and depth < 5:
        entries = cast("dict[Any, Any]", value).items()
        return {
            _text(str(name)): MASK if _names_a_secret(str(name)) else _safe(item, depth + 1) for name, item in entries
        }
    if isinstance(value, (list, tuple, set, frozenset)) and depth < 5:
        return [_safe(item, depth + 1) for item in cast("list[Any]", value)]
    return _text(value if isinstance(value, str) else repr(cast("object", value)))


def _text(text: str) -> str:
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}… ({len(text)} characters)"
    # A plain word, which is the most frequent value, needs only one fast match.
    return text if _HARMLESS.fullmatch(text) else _HARMFUL.sub(_escaped, _SECRET.sub(_masked, text))


def _masked(match: re.Match[str]) -> str:
    user, colon, _ = match[0].partition(":")
    return f"{user}:{MASK}" if colon else MASK


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def _safe_traceback(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if trace := event.get("exception"):
        lines = str(trace).splitlines()[-TRACEBACK_LINES:]
        event["exception"] = "\n".join(map(_text, lines))
    return event


def _indented(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if trace := event.get("exception"):
        event["exception"] = textwrap.indent(trace, "    ")  # so that no line of it looks like a log line
    return event


def _as_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    line = {
        "timestamp": event.pop("timestamp"),
        "level": event.pop("level"),
        "event": event.pop("event"),
        **event,
    }
    try:
        return msgspec.json.encode(line).decode()
    except (TypeError, ValueError, OverflowError):  # such as an integer beyond 64 bits
        return json.dumps(line, default=repr)


class _ToStructlog(logging.Handler):
    """Logs the records of libraries, which use the standard logging."""

    def emit(self, record: logging.LogRecord) -> None:
        """Logs the record under its library's name."""
        structlog.get_logger().log(
            record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info or None
        )
