"""`springhead generate`: writes the files that are generated from the code. For developers of Springhead."""

from pathlib import Path

import click

import springhead


@click.command(hidden=True)  # operators have no checkout to write into
@click.option("--check", is_flag=True, help="Write nothing. Exit with 1 if a file is stale.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Checkout to write into.  [default: the checkout that contains this command]",
)
def generate(*, check: bool, folder: Path | None) -> None:
    """Write openrpc.json and the generated parts of docs/ in a checkout of Springhead."""
    from springhead.cli.failure import Failure  # noqa: PLC0415 - loaded when used
    from springhead.cli.generated import stale, write  # noqa: PLC0415 - imports every method

    top = folder or Path(springhead.__file__).parents[2]
    if not (top / "docs" / "compatibility.md").is_file():
        raise Failure(f"{top} is not a checkout of Springhead. Name a checkout with --folder.")
    if not check:
        for path in write(top):
            click.echo(f"Wrote {path}")
        return
    if paths := stale(top):
        raise Failure(
            f"These generated files do not match the code: {', '.join(paths)}. To write them, run: make generate"
        )
