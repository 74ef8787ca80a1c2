"""Prints tables: aligned on a terminal, tab-separated in a pipe, or as JSON."""

import json
import re
import textwrap
from collections.abc import Mapping, Sequence

import click

WRAPPED_WORDS = 5
"""A text with this many words may be wrapped."""

WRAPPED_WIDTH = 30
"""The least width of a column with wrapped text, in characters."""


def show(
    rows: Sequence[Mapping[str, object]],
    *,
    as_json: bool,
    empty: str = "",
    styles: Mapping[str, str] | None = None,
) -> None:
    """Prints rows that all have the same keys. The keys become the column heads.

    If there are no rows, prints `empty` to standard error. `styles` maps values to styles of rich.
    """
    if as_json:
        click.echo(json.dumps(rows, indent=2, default=str, ensure_ascii=False))
        return
    if not rows:
        click.echo(empty, err=True)
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, and not needed for JSON
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False)
    if not console.is_terminal:
        for row in [list(rows[0]), *(row.values() for row in rows)]:
            click.echo("\t".join(printable(value) for value in row))
        return
    widths = {name: _width([printable(row[name]) for row in rows], _head(name)) for name in rows[0]}
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold underline")
    for name, width in widths.items():
        numeric = all(isinstance(row[name], int) and not isinstance(row[name], bool) for row in rows)
        head = textwrap.fill(_head(name), width)  # wrapped here: rich would cut off the last column instead
        table.add_column(head, justify="right" if numeric else "left", overflow="fold", min_width=width)
    for row in rows:
        table.add_row(*(Text(printable(value), style=(styles or {}).get(str(value), "")) for value in row.values()))
    console.print()
    if sum(widths.values()) + 2 * len(widths) <= console.width:
        console.print(table)
    else:  # a wrapped accountID could not be copied, so each row becomes a block of lines
        width = max(len(_head(name)) for name in rows[0])
        for row in rows:
            lines = [f"{_head(name):{width}}  {printable(value)}\n" for name, value in row.items()]
            console.print(Text("".join(lines)), soft_wrap=True)
    console.print()


def _head(name: str) -> str:
    return name if name == "accountID" else re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _width(values: Sequence[str], head: str) -> int:
    """Returns the width of a column whose heads and long texts are wrapped."""
    widest = max(len(value) if len(value.split()) < WRAPPED_WORDS else WRAPPED_WIDTH for value in values)
    return max(widest, *map(len, head.split()))


def printable(value: object) -> str:
    """Returns the value as text, with control characters escaped."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = "-" if value is None else str(value)
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
