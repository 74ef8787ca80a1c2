"""Settings as flags of a command, read off their declaration."""

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, NoReturn, TypeVar, cast

import click

from springhead.settings import Loaded, Setting, SettingsError, declared, load

Function = TypeVar("Function", bound=Callable[..., Any])

WHERE = ("data", "database_url")
"""The settings that say which database a command works on."""


class Mistakes(click.ClickException):
    """Wrong settings; every mistake is shown."""

    exit_code = 2

    def __init__(self, error: SettingsError) -> None:
        super().__init__(str(error))

    def show(self, file: IO[Any] | None = None) -> None:  # noqa: ARG002 - as click declares it
        """A line for each mistake, on standard error."""
        for line in self.message.splitlines():
            click.echo(f"Error: {line}", err=True)


def flags(names: Iterable[str] | None = None) -> Callable[[Function], Function]:
    """Give a command the flags of these settings, of all when None; it gets them as `config` and `given`."""
    wanted = [setting for setting in declared() if names is None or setting.name in set(names)]

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def collected(*arguments: Any, config: Path | None, **options: Any) -> Any:
            given = {setting.name: options.pop(setting.name) for setting in wanted}
            return function(*arguments, config=config, given=given, **options)

        decorated: Any = collected
        for setting in reversed(wanted):
            decorated = _option(setting)(decorated)
        return click.option(
            "--config",
            type=click.Path(path_type=Path),
            help="Settings file.  [default: springhead.toml, if there]",
        )(decorated)

    return decorate


def with_settings(names: Iterable[str] | None = WHERE) -> Callable[[Function], Function]:
    """Give a command the flags of these settings; it gets all settings, read and right, as `loaded`."""

    def decorate(function: Function) -> Function:
        @flags(names)
        @functools.wraps(function)
        def loading(*arguments: Any, config: Path | None, given: dict[str, Any], **options: Any) -> Any:
            return function(*arguments, loaded=loaded_or_exit(config, given), **options)

        return cast("Function", loading)

    return decorate


def loaded_or_exit(config: Path | None, given: dict[str, Any]) -> Loaded:
    """The settings; every mistake is shown, and the command ends with 2."""
    try:
        return load(given, config=config)
    except SettingsError as error:
        _refuse(error)


def _refuse(error: SettingsError) -> NoReturn:
    raise Mistakes(error) from None


def _option(setting: Setting) -> Callable[[Any], Any]:
    flag = setting.flag
    shown = setting.shown(setting.default)
    about = f"{setting.about}." + ("" if shown == "-" else f"  [default: {shown}]")
    if isinstance(setting.default, bool):
        return click.option(f"{flag}/--no-{flag[2:]}", setting.name, default=None, help=about)
    kind = "NUMBER" if isinstance(setting.default, int) else "SECONDS" if isinstance(setting.default, float) else "TEXT"
    return click.option(flag, setting.name, default=None, metavar=kind, help=about)
