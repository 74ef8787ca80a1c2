"""Flags of commands for settings, created from the declarations of the settings."""

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, TypeVar, cast

import click

from springhead.settings import Loaded, Setting, SettingsError, declared, load

Function = TypeVar("Function", bound=Callable[..., Any])

DATABASE_SETTINGS = ("data", "postgres_bin", "database_url")
"""The settings that say which database a command works on."""


class WrongSettings(click.ClickException):
    """Ends a command with exit code 2, and shows every wrong setting."""

    exit_code = 2

    def __init__(self, error: SettingsError) -> None:
        super().__init__(str(error))

    def show(self, file: IO[Any] | None = None) -> None:  # noqa: ARG002 - as click declares it
        """Prints a line for each mistake to standard error."""
        for line in self.message.splitlines():
            click.echo(f"Error: {line}", err=True)


def flags(names: Iterable[str] | None = None) -> Callable[[Function], Function]:
    """Adds flags for these settings to a command, or for all settings if None.

    The command receives the settings file as `config` and the values of the flags as `given`.
    """
    settings = [setting for setting in declared() if names is None or setting.name in set(names)]

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def with_given(*arguments: Any, config: Path | None, **options: Any) -> Any:
            given = {setting.name: options.pop(setting.name) for setting in settings}
            return function(*arguments, config=config, given=given, **options)

        decorated: Any = with_given
        for setting in reversed(settings):
            decorated = _option(setting)(decorated)
        return click.option(
            "--config",
            type=click.Path(path_type=Path),
            help="Settings file.  [default: springhead.toml, if it exists]",
        )(decorated)

    return decorate


def with_settings(names: Iterable[str] | None = DATABASE_SETTINGS) -> Callable[[Function], Function]:
    """Adds flags for these settings to a command. The command receives all settings, checked, as `loaded`."""

    def decorate(function: Function) -> Function:
        @flags(names)
        @functools.wraps(function)
        def with_loaded(*arguments: Any, config: Path | None, given: dict[str, Any], **options: Any) -> Any:
            return function(*arguments, loaded=loaded_or_exit(config, given), **options)

        return cast("Function", with_loaded)

    return decorate


def loaded_or_exit(config: Path | None, given: dict[str, Any]) -> Loaded:
    """Returns the settings. If any is wrong, shows all mistakes and ends the command with exit code 2."""
    try:
        return load(given, config=config)
    except SettingsError as error:
        raise WrongSettings(error) from None


def _option(setting: Setting) -> Callable[[Any], Any]:
    flag = setting.flag
    default = setting.shown(setting.default)
    help_text = f"{setting.about}." + ("" if default == "-" else f"  [default: {default}]")
    if isinstance(setting.default, bool):
        return click.option(f"{flag}/--no-{flag[2:]}", setting.name, default=None, help=help_text)
    kind = "NUMBER" if isinstance(setting.default, int) else "SECONDS" if isinstance(setting.default, float) else "TEXT"
    return click.option(flag, setting.name, default=None, metavar=kind, help=help_text)
