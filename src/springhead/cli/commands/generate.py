"""`springhead generate`: the files that are read off the code, for those who work on Springhead itself."""

from pathlib import Path

import click

import springhead


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; end with 1 when a file is stale.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The checkout to write into. [default: the one that this command comes from]",
)
def generate(*, check: bool, folder: Path | None) -> None:
    """Write openrpc.json and the generated parts of docs/ anew, in a checkout of Springhead."""
    from springhead.cli.failure import Failure  # noqa: PLC0415 - beside its one use
    from springhead.cli.generated import stale, write  # noqa: PLC0415 - imports every method

    top = folder or Path(springhead.__file__).parents[2]
    if not (top / "docs" / "compatibility.md").is_file():
        raise Failure(f"{top} is no checkout of Springhead. Name one with --folder.")
    if not check:
        for path in write(top):
            click.echo(f"Wrote {path}")
        return
    if old := stale(top):
        raise Failure(f"Not as the code has it: {', '.join(old)}. Run: make generate")
