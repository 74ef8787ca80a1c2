"""The command `springhead`. Each subcommand is a file in `commands/`, imported when it is used."""

from importlib import import_module
from typing import Any, ClassVar

import click

from springhead.cli.failure import message_of
from springhead.cli.groups import Group


class _Commands(Group):
    """Imports a command when it is called or described, so that `serve` starts without the other commands."""

    names: ClassVar = ("serve", "company", "key", "user", "seed", "doctor", "settings", "db", "generate")

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click declares it
        """Returns the names of the commands, in the order in which `--help` lists them."""
        return list(self.names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Returns the command from the module of the same name."""
        if cmd_name not in self.names:
            return None
        command: click.Command = getattr(import_module(f"springhead.cli.commands.{cmd_name}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command. Shows errors that an operator can fix as a sentence, without a traceback."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            message = "Ctrl-C stopped the command before it finished. What it had done until then stays done."
            raise click.ClickException(message) from None
        except Exception as cause:
            if message := message_of(cause):
                raise click.ClickException(message) from cause
            raise


def _version(ctx: click.Context, _parameter: click.Parameter, requested: bool) -> None:
    if requested:
        from springhead import __version__  # noqa: PLC0415 - slow to read

        click.echo(f"springhead {__version__}")
        ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def springhead() -> None:
    """A self-hosted lead-management CRM server that speaks the Lead Gen & CRM (SharpSpring) Open API."""


def main() -> None:
    """Runs the command line."""
    springhead(prog_name="springhead")
