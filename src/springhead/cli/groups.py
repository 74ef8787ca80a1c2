"""Groups of commands: their help shows whole sentences, and an unknown command gets a suggestion."""

import sys
from difflib import get_close_matches

import click

WHOLE_SENTENCE = sys.maxsize
"""The length after which click cuts the sentence of a command in the help of its group."""


class Group(click.Group):
    """A group whose help wraps the first sentence of each command instead of cutting it."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands that are not hidden, each with its first sentence."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, command.get_short_help_str(WHOLE_SENTENCE)) for name, command in self._visible(ctx).items()]
            )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Returns the command that the arguments name. Suggests the nearest name for a command that does not exist."""
        name = args[0]
        unknown = self.get_command(ctx, name) is None and not name.startswith("-")
        if unknown and not ctx.resilient_parsing:
            near = get_close_matches(name, self._visible(ctx), n=1)
            suggestion = f"Did you mean {near[0]!r}?" if near else f"To see all, run: {ctx.command_path} --help"
            ctx.fail(f"No such command {name!r}. {suggestion}")
        return super().resolve_command(ctx, args)

    def _visible(self, ctx: click.Context) -> dict[str, click.Command]:
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        return {name: command for name, command in commands.items() if command and not command.hidden}
