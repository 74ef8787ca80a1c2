"""The settings of the server: declared in one class, read from flags, environment variables and a file."""

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

from springhead.model.kit.encryption_keys import EncryptionKey

PREFIX = "SPRINGHEAD_"
"""The prefix of environment variables: the variable of `port` is SPRINGHEAD_PORT."""

CONFIG = Path("springhead.toml")
"""The settings file that is read if it exists, unless another file is named."""

_OTHER_VARIABLES = re.compile(
    # For a service named springhead, Kubernetes sets the first two kinds of variables, and SPRINGHEAD_PORT=tcp://….
    # Our tests and benchmarks read the others.
    r"SPRINGHEAD_(?:SERVICE_.*|PORT_\d+_.*|TEST_.*|BENCH_.*)"
)

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_ORIGIN_HOST = re.compile(r"(?P<name>[^\s:/?#@*%\\\[\]]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")

_DAY = 86_400
_Seconds = Annotated[float, Meta(ge=0.1, le=_DAY)]


def _about(description: str, *, expects: str = "", secret: bool = False) -> Meta:
    return Meta(description=description, extra={"expects": expects, "secret": secret})


class Network(str):
    """A network such as `10.0.0.0/8` or a single address, as the standard library writes it."""

    __slots__ = ()


class Origin(str):
    """The origin of a web page such as `https://app.example.com`, as browsers write it in the header Origin."""

    __slots__ = ()


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings. Times are in seconds, sizes in bytes."""

    data: Annotated[Path, _about("Folder of the embedded PostgreSQL", expects="a path")] = Path(".springhead")
    postgres_bin: Annotated[
        Path | None,
        _about(
            "Folder of the programs of an installed PostgreSQL, 15 or later, to run instead of the included one",
            expects="a path such as /usr/lib/postgresql/15/bin",
        ),
    ] = None
    database_url: Annotated[
        Annotated[str, Meta(pattern=r"^postgres(?:ql)?://")] | None,
        _about(
            "Address of a PostgreSQL, 15 or later, to use instead of the embedded one; never pass a password as a flag",
            expects="an address such as postgresql://springhead:password@host:5432/springhead",
            secret=True,
        ),
    ] = None
    migrate_url: Annotated[
        Annotated[str, Meta(pattern=r"^postgres(?:ql)?://")] | None,
        _about(
            "Address of database_url for the role that owns the tables and migrates; never pass a password as a flag",
            expects="an address such as postgresql://springhead_owner:password@host:5432/springhead",
            secret=True,
        ),
    ] = None
    encryption_key: Annotated[
        tuple[EncryptionKey, ...],
        _about(
            "Keys that encrypt secrets in the database, the newest first; by default those of the file encryption.key "
            "in the data folder; never pass one as a flag",
            expects="one or more texts, each 32 random bytes in base64",
            secret=True,
        ),
    ] = ()
    host: Annotated[str, Meta(min_length=1), _about("Address to listen on; 0.0.0.0 or :: means all addresses")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=0, le=65_535), _about("Port to listen on; 0 takes any free port")] = 8025
    metrics_listen: Annotated[
        Annotated[str, Meta(pattern=r"^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$")] | None,
        _about(
            "Address that serves /metrics and /readyz, which the other address then does not serve",
            expects="an address and another port, such as 127.0.0.1:9025",
        ),
    ] = None
    limits: Annotated[bool, _about("Enforce the rate limits of companies, per second and per day")] = True
    body_limit: Annotated[int, Meta(ge=1_024, le=1_073_741_824), _about("Largest request body, in bytes")] = 10_485_760
    header_timeout: Annotated[_Seconds, _about("Seconds within which the headers of a request must arrive")] = 30.0
    body_timeout: Annotated[_Seconds, _about("Seconds within which the body of a request must arrive")] = 30.0
    write_timeout: Annotated[_Seconds, _about("Seconds within which a client must take the next part of an answer")] = (
        30.0
    )
    keep_alive: Annotated[_Seconds, _about("Seconds after which an idle connection is closed")] = 75.0
    connections: Annotated[int, Meta(ge=1, le=1_000_000), _about("Maximum number of open connections")] = 2_000
    allowed_hosts: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        _about("Host names that requests may use; an empty list allows all", expects="names such as crm.example.com"),
    ] = ()
    allowed_origins: Annotated[
        tuple[Origin, ...],
        _about(
            "Origins whose web pages may call the API from a browser; by default none",
            expects="origins without a path, such as https://app.example.com",
        ),
    ] = ()
    public_url: Annotated[
        Annotated[str, Meta(pattern=r"^https?://[A-Za-z0-9.:\[\]-]+$")] | None,
        _about(
            "Public address of this server; forms, scripts and links start with it",
            expects="an address without a path, such as https://crm.example.com",
        ),
    ] = None
    trusted_proxies: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[0-9A-Fa-f.:]+(?:/[0-9]{1,3})?$")], ...],
        _about(
            "Proxies whose headers X-Forwarded-For and X-Forwarded-Proto are trusted",
            expects="addresses or networks such as 127.0.0.1, 10.0.0.0/8",
        ),
    ] = ()
    push_networks: Annotated[
        tuple[Network, ...],
        _about(
            "Private networks that pushes may reach, besides the public internet",
            expects="addresses or networks such as 127.0.0.1, 10.0.0.0/8",
        ),
    ] = ()
    push_http: Annotated[bool, _about("Allow pushes to http:// addresses too, without TLS")] = False
    pool_size: Annotated[int, Meta(ge=1, le=1_000), _about("Maximum number of connections to the database")] = 16
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _about("Lowest level that is logged")] = "info"
    log_format: Annotated[
        Literal["auto", "json", "text"],
        _about("Format of the log; auto means text on a terminal and JSON elsewhere"),
    ] = "auto"
    shutdown_timeout: Annotated[_Seconds, _about("Seconds that running calls have to finish when the server stops")] = (
        30.0
    )

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """The host and port of `metrics_listen`."""
        if self.metrics_listen is None:
            return None
        host, _, port = self.metrics_listen.rpartition(":")
        return host.strip("[]"), int(port)


NO_PUBLIC_URL = "the addresses of forms, the page script and links in emails are paths without a host"
"""What it means for the public that `public_url` is not set."""

_LOCAL_HOSTS = ("127.", "::1", "localhost")


def lacks_public_url(settings: Settings) -> bool:
    """Returns whether `public_url` is not set although other machines can reach the server, perhaps by a proxy."""
    is_local = settings.host.startswith(_LOCAL_HOSTS) and not settings.allowed_hosts and not settings.trusted_proxies
    return settings.public_url is None and not is_local


class Setting(msgspec.Struct, frozen=True):
    """A setting, read from its declaration in `Settings`."""

    name: str
    type: Any
    about: str
    expects: str
    default: Any
    secret: bool

    @property
    def variable(self) -> str:
        """The environment variable, such as SPRINGHEAD_PORT."""
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        """The flag on the command line, such as --port."""
        return "--" + self.name.replace("_", "-")

    def read(self, value: object) -> object:
        """Returns the value in the setting's type. Raises ValueError with the expected kind of value."""
        if isinstance(value, str) and not isinstance(self.default, str) and _is_list(self.type):
            value = [part.strip() for part in value.split(",") if part.strip()]
        try:
            read: object = msgspec.convert(value, self.type, strict=not isinstance(value, str), dec_hook=_custom)
        except msgspec.ValidationError:
            raise ValueError(self.expects) from None
        if isinstance(read, float) and read != read:  # noqa: PLR0124 - only NaN differs from itself
            raise ValueError(self.expects)
        return read

    def hides(self, value: object) -> bool:
        """Returns whether people must not see the value: an encryption key, or an address with a password."""
        return self.secret and bool(value) and (_is_list(self.type) or password_of(str(value)) is not None)

    def shown(self, value: object) -> str:
        """Returns the value as text for people, with `***` for a password or a key."""
        if value is None or value == ():
            return "-"
        if self.hides(value) and isinstance(value, tuple):
            return "***"
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, tuple):
            return ", ".join(str(part) for part in cast("tuple[object, ...]", value))
        if isinstance(value, float):
            return f"{value:g}"
        return without_password(str(value)) if self.secret else str(value)


class SettingsError(Exception):
    """Raised for wrong settings, with one sentence for each mistake."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)


class Loaded(msgspec.Struct, frozen=True):
    """The settings, and the origin of each: `--port`, `SPRINGHEAD_PORT`, the name of a file, or `default`."""

    settings: Settings
    origins: Mapping[str, str]

    def visible_passwords(self) -> list[Setting]:
        """The settings whose passwords or keys every user of the machine can see, because they are flags."""
        given = (setting for setting in declared() if self.origins[setting.name] == setting.flag)
        return [setting for setting in given if setting.hides(getattr(self.settings, setting.name))]


def _custom(type_: type, value: object) -> Path | Network | Origin | EncryptionKey:
    """Converts text to a type that msgspec does not know. Raises ValueError for invalid text."""
    if type_ is Path and isinstance(value, str) and value.strip() and "\0" not in value:
        return Path(value).expanduser()
    if type_ is Network and isinstance(value, str):
        return Network(ip_network(value, strict=False))
    if type_ is Origin and isinstance(value, str):
        return _origin(value)
    if type_ is EncryptionKey and isinstance(value, str):
        return EncryptionKey.of_text(value)
    raise ValueError


def _origin(text: str) -> Origin:
    """Returns the origin as browsers write it: host in lower case and in ASCII, without the scheme's own port."""
    scheme, mark, rest = text.removesuffix("/").lower().partition("://")
    host = _ORIGIN_HOST.fullmatch(rest)
    if not mark or not _SCHEME.fullmatch(scheme) or host is None or int(host["port"] or 1) not in range(1, 65_536):
        raise ValueError
    name = host["name"] if host["name"].startswith("[") else host["name"].encode("idna").decode("ascii")
    port = "" if host["port"] in {None, {"http": "80", "https": "443"}.get(scheme)} else f":{int(host['port'])}"
    return Origin(f"{scheme}://{name}{port}")


def _is_list(type_: object) -> bool:
    return isinstance(_inner(type_), inspect.VarTupleType)


def _inner(type_: object) -> inspect.Type:
    """Returns the type without the constraints around it."""
    info = inspect.type_info(type_)
    while isinstance(info, inspect.Metadata):
        info = info.type
    return info


def _declared(field: msgspec.structs.FieldInfo) -> Setting:
    metas = [meta for meta in field.type.__metadata__ if isinstance(meta, Meta)]
    about = next(meta.description for meta in metas if meta.description)
    extra = next(meta.extra for meta in metas if meta.extra)
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
    """Returns all settings, in the order of the class."""
    return tuple(_declared(field) for field in msgspec.structs.fields(Settings))


def load(flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ, *, config: Path | None = None) -> Loaded:
    """Returns all settings. Flags take precedence over variables, variables over the file, the file over defaults.

    A flag that is None or a variable that is empty counts as not given. The file is `config`, or the file that
    SPRINGHEAD_CONFIG names, or springhead.toml if it exists. Raises SettingsError with all mistakes.
    """
    by_name = {setting.name: setting for setting in declared()}
    mistakes: list[str] = []
    named_file = config or (Path(environ[PREFIX + "CONFIG"]) if environ.get(PREFIX + "CONFIG") else None)
    file = named_file or CONFIG
    given = [
        *((by_name[name], str(file), value) for name, value in _from_file(file, by_name, mistakes, named_file).items()),
        *((setting, setting.variable, value) for setting, value in _from_environment(environ, by_name, mistakes)),
        *((by_name[name], by_name[name].flag, value) for name, value in flags.items() if value is not None),
    ]
    values: dict[str, Any] = {}
    origins = dict.fromkeys(by_name, "default")
    for setting, origin, value in given:  # later values take precedence
        try:
            values[setting.name], origins[setting.name] = setting.read(value), origin
        except ValueError as expected:
            place = f"{setting.name} in {file}" if origin == str(file) else origin
            wrong_value = "" if setting.secret else f", not {value!r}"
            mistakes.append(f"{place} must be {expected}{wrong_value}.")
    if values.get("migrate_url") and not values.get("database_url"):
        mistakes.append(f"{origins['migrate_url']} needs database_url: the embedded PostgreSQL migrates by itself.")
    if mistakes:
        raise SettingsError(mistakes)
    return Loaded(Settings(**values), origins)


def _from_environment(
    environ: Mapping[str, str], by_name: Mapping[str, Setting], mistakes: list[str]
) -> list[tuple[Setting, str]]:
    values: list[tuple[Setting, str]] = []
    for variable, value in environ.items():
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or name == "config" or not value or _OTHER_VARIABLES.fullmatch(variable):
            continue
        if name not in by_name:
            similar = _similar(name, by_name)
            hint = f"; did you mean {similar.variable}?" if similar else "."
            mistakes.append(f"{variable} in the environment is not a setting{hint}")
        elif not (name == "port" and value.startswith("tcp://")):
            values.append((by_name[name], value))
    return values


def _from_file(
    file: Path, by_name: Mapping[str, Setting], mistakes: list[str], named_file: Path | None
) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            values = tomllib.load(opened)
            mode = os.fstat(opened.fileno()).st_mode
    except FileNotFoundError:
        if named_file:
            mistakes.append(f"The settings file {file} does not exist.")
        return {}
    except (OSError, ValueError) as cause:  # not TOML, or not UTF-8
        mistakes.append(f"The settings file {file} cannot be read: {cause}.")
        return {}
    for name in sorted(values.keys() - by_name.keys()):
        similar = _similar(name, by_name)
        hint = f"; did you mean {similar.name}?" if similar else "."
        mistakes.append(f"{name} in {file} is not a setting{hint}")
    hidden = [name for name, setting in by_name.items() if setting.hides(values.get(name))]
    if hidden and mode & 0o006:
        what = "an encryption key" if hidden == ["encryption_key"] else "a password"
        mistakes.append(f"{file} contains {what}, and every user can read it; run: chmod 600 {file}")
    return {name: value for name, value in values.items() if name in by_name}


def _similar(name: str, by_name: Mapping[str, Setting]) -> Setting | None:
    from difflib import get_close_matches  # noqa: PLC0415 - slow to import, needed for mistakes only

    names = get_close_matches(name.lower().replace("-", "_"), by_name, n=1, cutoff=0.6)
    return by_name[names[0]] if names else None


def password_of(url: str) -> str | None:
    """Returns the password in the URL of a database, from its user part or its query, or None."""
    try:
        password = urlsplit(url).password
    except ValueError:
        password = None
    in_query = re.search(r"[?&]password=([^&]+)", url)
    return password or (in_query[1] if in_query else None)


def without_password(url: str) -> str:
    """Returns the URL of a database with *** instead of its password."""
    url = re.sub(r"(?<=://)([^/?#@]*?:)(.*)(?=@)", r"\1***", url)
    return re.sub(r"([?&](?:password|sslpassword|passfile)=)[^&]*", r"\1***", url)
