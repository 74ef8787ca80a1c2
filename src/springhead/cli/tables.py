"""Tables of answers: laid out for a person on a terminal, plain when piped, or JSON for a program."""

import json
import re
import textwrap
from collections.abc import Mapping, Sequence

import click

MANY_WORDS = 5
LEAST_TEXT = 30


def show(
    rows: Sequence[Mapping[str, object]],
    *,
    as_json: bool,
    empty: str = "",
    styles: Mapping[str, str] | None = None,
) -> None:
    """Print rows that all have the same keys, which head the columns; `empty` when there are none."""
    if as_json:
        click.echo(json.dumps(rows, indent=2, default=str, ensure_ascii=False))
        return
    if not rows:
        click.echo(empty, err=True)
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, and JSON needs none of it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False)
    if not console.is_terminal:
        for row in [list(rows[0]), *(row.values() for row in rows)]:
            click.echo("\t".join(printable(value) for value in row))
        return
    widths = {name: _width([printable(row[name]) for row in rows], _headed(name)) for name in rows[0]}
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold underline")
    for name, width in widths.items():
        numeric = all(isinstance(row[name], int) and not isinstance(row[name], bool) for row in rows)
        head = textwrap.fill(_headed(name), width)  # rich would rather cut off the last column than wrap a head
        table.add_column(head, justify="right" if numeric else "left", overflow="fold", min_width=width)
    for row in rows:
        table.add_row(*(Text(printable(value), style=(styles or {}).get(str(value), "")) for value in row.values()))
    console.print()
    if sum(widths.values()) + 2 * len(widths) <= console.width:
        console.print(table)
    else:  # an accountID is copied, so it stays in one piece: a row becomes a block
        width = max(len(_headed(name)) for name in rows[0])
        for row in rows:
            lines = [f"{_headed(name):{width}}  {printable(value)}\n" for name, value in row.items()]
            console.print(Text("".join(lines)), soft_wrap=True)
    console.print()


def _headed(name: str) -> str:
    return name if name == "accountID" else re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _width(values: Sequence[str], head: str) -> int:
    """What a column needs when only heads and texts of many words are wrapped."""
    widest = max(len(value) if len(value.split()) < MANY_WORDS else LEAST_TEXT for value in values)
    return max(widest, *map(len, head.split()))


def printable(value: object) -> str:
    """A value for a reader, without what a terminal would obey."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = "-" if value is None else str(value)
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
