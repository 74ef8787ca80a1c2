"""Settings: one frozen class, read in one place from flags, environment and a file, and handed down."""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, inspect

PREFIX = "SPRINGHEAD_"
"""`port` is SPRINGHEAD_PORT in the environment."""

CONFIG = Path("springhead.toml")
"""The file that is read when it is there and no other is named."""

_NOT_OURS = re.compile(
    # Kubernetes describes a service named springhead in such variables, SPRINGHEAD_PORT=tcp://… among them;
    # the others steer our own tests and measurements.
    r"SPRINGHEAD_(?:SERVICE_.*|PORT_\d+_.*|TEST_.*|BENCH_.*)"
)

_DAY = 86_400
_Seconds = Annotated[float, Meta(ge=0.1, le=_DAY)]


def _about(description: str, *, expects: str = "", secret: bool = False) -> Meta:
    return Meta(description=description, extra={"expects": expects, "secret": secret})


class Network(str):
    """A network such as `10.0.0.0/8`, or a single address; in the spelling of the standard library."""

    __slots__ = ()


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an operator can set. Times are seconds, sizes bytes."""

    data: Annotated[Path, _about("Folder of the embedded PostgreSQL", expects="a path")] = Path(".springhead")
    database_url: Annotated[
        Annotated[str, Meta(pattern=r"^postgres(?:ql)?://")] | None,
        _about(
            "Another PostgreSQL, 15 or later, instead of the embedded one; keep a password out of flags",
            expects="an address such as postgresql://springhead:password@host:5432/springhead",
            secret=True,
        ),
    ] = None
    host: Annotated[str, Meta(min_length=1), _about("Address to listen on; 0.0.0.0 or :: means every one")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=0, le=65_535), _about("Port to listen on; 0 takes any free one")] = 8025
    limits: Annotated[bool, _about("Hold companies to their calls per second and per day")] = True
    body_limit: Annotated[int, Meta(ge=1_024, le=1_073_741_824), _about("Largest request body, in bytes")] = 10_485_760
    header_timeout: Annotated[_Seconds, _about("Seconds for the headers of a request to arrive")] = 30.0
    body_timeout: Annotated[_Seconds, _about("Seconds for the body of a request to arrive")] = 30.0
    write_timeout: Annotated[_Seconds, _about("Seconds for a client to take the next piece of its answer")] = 30.0
    keep_alive: Annotated[_Seconds, _about("Seconds that an idle connection is kept")] = 75.0
    connections: Annotated[int, Meta(ge=1, le=1_000_000), _about("Most connections at a time")] = 2_000
    allowed_hosts: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        _about("Host names that requests may name; none means any", expects="names such as crm.example.com"),
    ] = ()
    public_url: Annotated[
        Annotated[str, Meta(pattern=r"^https?://[A-Za-z0-9.:\[\]-]+$")] | None,
        _about(
            "Where the public reaches this server: forms, scripts and links begin with it",
            expects="an address without a path, such as https://crm.example.com",
        ),
    ] = None
    trusted_proxies: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[0-9A-Fa-f.:]+(?:/[0-9]{1,3})?$")], ...],
        _about(
            "Proxies in front, whose X-Forwarded-For and X-Forwarded-Proto are believed",
            expects="addresses or networks such as 127.0.0.1, 10.0.0.0/8",
        ),
    ] = ()
    push_networks: Annotated[
        tuple[Network, ...],
        _about(
            "Networks of your own that pushes may reach besides the public internet",
            expects="addresses or networks such as 127.0.0.1, 10.0.0.0/8",
        ),
    ] = ()
    push_http: Annotated[bool, _about("Let receivers of pushes be plain http:// too")] = False
    pool_size: Annotated[int, Meta(ge=1, le=1_000), _about("Most connections to the database")] = 16
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _about("Least important lines that the log shows")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "json", "text"],
        _about("Form of the log: auto is text on a terminal and JSON elsewhere"),
    ] = "auto"
    shutdown_timeout: Annotated[_Seconds, _about("Seconds that calls in flight get to finish when stopping")] = 30.0


class Setting(msgspec.Struct, frozen=True):
    """What there is to know of one setting, read off its declaration."""

    name: str
    type: Any
    about: str
    expects: str
    default: Any
    secret: bool

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        """Its name on the command line."""
        return "--" + self.name.replace("_", "-")

    def read(self, value: object) -> object:
        """The value as the setting's type; ValueError with what was expected."""
        if isinstance(value, str) and not isinstance(self.default, str) and _is_list(self.type):
            value = [part.strip() for part in value.split(",") if part.strip()]
        try:
            read: object = msgspec.convert(value, self.type, strict=not isinstance(value, str), dec_hook=_custom)
        except msgspec.ValidationError:
            raise ValueError(self.expects) from None
        if isinstance(read, float) and read != read:  # noqa: PLR0124 - only NaN differs from itself
            raise ValueError(self.expects)
        return read

    def shown(self, value: object) -> str:
        """The value for a reader: without a password, and with nothing that needs quotes."""
        if value is None or value == ():
            return "-"
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, tuple):
            return ", ".join(str(part) for part in cast("tuple[object, ...]", value))
        if isinstance(value, float):
            return f"{value:g}"
        return without_password(str(value)) if self.secret else str(value)


class SettingsError(Exception):
    """Wrong settings: a sentence for each mistake, all of them at once."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)


class Loaded(msgspec.Struct, frozen=True):
    """The settings, and where each came from: `--port`, `SPRINGHEAD_PORT`, a file's name, or `default`."""

    settings: Settings
    origins: Mapping[str, str]


def _custom(type_: type, value: object) -> Path | Network:
    """What msgspec does not read by itself: a path, or a network (ValueError when it is none)."""
    if type_ is Path and isinstance(value, str) and value.strip() and "\0" not in value:
        return Path(value).expanduser()
    if type_ is Network and isinstance(value, str):
        return Network(ip_network(value, strict=False))
    raise ValueError


def _is_list(type_: object) -> bool:
    return isinstance(_inner(type_), inspect.VarTupleType)


def _inner(type_: object) -> inspect.Type:
    found = inspect.type_info(type_)
    while isinstance(found, inspect.Metadata):
        found = found.type
    return found


def _declared(field: msgspec.structs.FieldInfo) -> Setting:
    marks = [mark for mark in field.type.__metadata__ if isinstance(mark, Meta)]
    about = next(mark.description for mark in marks if mark.description)
    extra = next(mark.extra for mark in marks if mark.extra)
    expects = extra["expects"] or _expected(_inner(field.type))
    return Setting(field.name, field.type, about, expects, field.default, extra["secret"])


def _expected(kind: inspect.Type) -> str:
    match kind:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType(ge=low, le=high):
            return f"a whole number from {low:,} to {high:,}"
        case inspect.FloatType(ge=low, le=high):
            return f"a number of seconds from {low:g} to {high:,.0f}"
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(str(value) for value in values)}"
        case _:
            return "a text that is not empty"


def declared() -> tuple[Setting, ...]:
    """Every setting, in the order of the class."""
    return tuple(_declared(field) for field in msgspec.structs.fields(Settings))


def load(flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ, *, config: Path | None = None) -> Loaded:
    """Settings out of flags, else environment, else the file, else defaults.

    A flag of None and an empty variable count as not given. The file is `config`, else the one that
    SPRINGHEAD_CONFIG names, else springhead.toml when it is there. Raises SettingsError with every mistake.
    """
    known = {setting.name: setting for setting in declared()}
    mistakes: list[str] = []
    named = config or (Path(environ[PREFIX + "CONFIG"]) if environ.get(PREFIX + "CONFIG") else None)
    file = named or CONFIG
    given = [
        *((known[name], str(file), value) for name, value in _from_file(file, known, mistakes, named).items()),
        *((s, s.variable, value) for s, value in _from_environment(environ, known, mistakes)),
        *((known[name], known[name].flag, value) for name, value in flags.items() if value is not None),
    ]
    values: dict[str, Any] = {}
    origins = dict.fromkeys(known, "default")
    for setting, origin, value in given:  # a later one wins
        try:
            values[setting.name], origins[setting.name] = setting.read(value), origin
        except ValueError as expected:
            where = f"{setting.name} in {file}" if origin == str(file) else origin
            got = "" if setting.secret else f", not {value!r}"
            mistakes.append(f"{where} must be {expected}{got}.")
    if mistakes:
        raise SettingsError(mistakes)
    return Loaded(Settings(**values), origins)


def _from_environment(
    environ: Mapping[str, str], known: Mapping[str, Setting], mistakes: list[str]
) -> list[tuple[Setting, str]]:
    found: list[tuple[Setting, str]] = []
    for variable, value in environ.items():
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or name == "config" or not value or _NOT_OURS.fullmatch(variable):
            continue
        if name not in known:
            near = _nearest(name, known)
            hint = f"; did you mean {near.variable}?" if near else "."
            mistakes.append(f"{variable} in the environment is no setting{hint}")
        elif not (name == "port" and value.startswith("tcp://")):
            found.append((known[name], value))
    return found


def _from_file(file: Path, known: Mapping[str, Setting], mistakes: list[str], named: Path | None) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            found = tomllib.load(opened)
            mode = os.fstat(opened.fileno()).st_mode
    except FileNotFoundError:
        if named:
            mistakes.append(f"The settings file {file} does not exist.")
        return {}
    except (OSError, ValueError) as cause:  # no TOML, or no UTF-8
        mistakes.append(f"The settings file {file} cannot be read: {cause}.")
        return {}
    for name in sorted(found.keys() - known.keys()):
        near = _nearest(name, known)
        hint = f"; did you mean {near.name}?" if near else "."
        mistakes.append(f"{name} in {file} is no setting{hint}")
    if password_of(str(found.get("database_url", ""))) and mode & 0o006:
        mistakes.append(f"{file} holds a password and every user can read it; run: chmod 600 {file}")
    return {name: value for name, value in found.items() if name in known}


def _nearest(name: str, known: Mapping[str, Setting]) -> Setting | None:
    from difflib import get_close_matches  # noqa: PLC0415 - slow to import, and for mistakes only

    near = get_close_matches(name.lower().replace("-", "_"), known, n=1, cutoff=0.6)
    return known[near[0]] if near else None


def password_of(url: str) -> str | None:
    """The password in a database's address, wherever it stands in it; None when there is none."""
    try:
        inside = urlsplit(url).password
    except ValueError:
        inside = None
    found = re.search(r"[?&]password=([^&]+)", url)
    return inside or (found[1] if found else None)


def without_password(url: str) -> str:
    """A database's address with *** for its password."""
    url = re.sub(r"(?<=://)([^/?#@]*?:)(.*)(?=@)", r"\1***", url)
    return re.sub(r"([?&](?:password|sslpassword|passfile)=)[^&]*", r"\1***", url)
