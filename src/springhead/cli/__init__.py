"""The command `springhead`: a file per command, none of them imported before it is asked for."""

from importlib import import_module
from typing import Any, ClassVar

import click

from springhead.cli.failure import sentence


class _Commands(click.Group):
    """Imports a command when it is called or described: a server that starts has no time for the others."""

    known: ClassVar = ("serve", "company", "key", "seed", "doctor", "settings", "db", "generate")

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click declares it
        """In the order in which they are met."""
        return list(self.known)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of the module with its name."""
        if cmd_name not in self.known:
            return None
        command: click.Command = getattr(import_module(f"springhead.cli.commands.{cmd_name}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what an operator can mend is told in a sentence instead of a traceback."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as cause:
            if told := sentence(cause):
                raise click.ClickException(told) from cause
            raise


def _version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from springhead import __version__  # noqa: PLC0415 - looked up only when asked for

        click.echo(f"springhead {__version__}")
        ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def springhead() -> None:
    """A self-hosted lead-management CRM server that speaks the Lead Gen & CRM (SharpSpring) Open API."""


def main() -> None:
    """Run the command line."""
    springhead(prog_name="springhead")
