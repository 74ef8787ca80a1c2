"""Tables of answers: laid out for a person on a terminal, plain when piped, or JSON for a program."""

import json
from collections.abc import Mapping, Sequence

import click


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
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - slow to import, and JSON needs none of it
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False)
    if not console.is_terminal:
        for row in [list(rows[0]), *(row.values() for row in rows)]:
            click.echo("\t".join(printable(value) for value in row))
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in rows[0]:
        numeric = all(isinstance(row[name], int) and not isinstance(row[name], bool) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(value), style=(styles or {}).get(str(value), "")) for value in row.values()))
    console.print(table)


def printable(value: object) -> str:
    """A value for a reader, without what a terminal would obey."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = "-" if value is None else str(value)
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
