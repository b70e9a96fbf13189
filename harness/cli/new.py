"""``xenflight new``."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.app import app

new = typer.Typer(
    name="new",
    help="Begin something new: a suite.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(new)


@new.command()
def suite(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called: disk-cache.")],
) -> None:
    """Write a small suite that runs, its README and a flight of it, to go on from.

    They come into suites/ and flights/ of the current directory. Nothing is overwritten.
    docs/writing-a-suite.md says what a guest can be made to do.

    [bold]Examples[/bold]

    [cyan]xenflight new suite disk-cache[/cyan]

    [cyan]xenflight run disk-cache[/cyan]
    """
    from pathlib import Path

    from harness.cli.output import output
    from harness.flight.newsuite import new_suite, write

    folder = Path()
    alone = not (folder / "suites").is_dir()
    files = new_suite(name, folder)
    write(files)
    said = output()
    for one in files:
        said.print(f"written: {one.path}", highlight=False)
    if alone:
        said.print("from this folder only suites and flights that are in it are seen now")
    said.print(f"next: xenflight check; xenflight run {name}", highlight=False)
