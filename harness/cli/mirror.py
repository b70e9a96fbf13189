"""``xenflight mirror``: what guests are built from."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.complete import flights
from harness.cli.options import OnlyOption
from harness.status import EXIT_CODES, Status

mirror = typer.Typer(
    name="mirror",
    help="The Debian mirrors that guests are built from.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(mirror)


@mirror.command()
def check(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FLIGHT | DIST...]",
            help="A flight's name or file, or names of dists; smoke when left out.",
            autocompletion=flights,
            show_default=False,
        ),
    ] = None,
    only: OnlyOption = None,
    arch: Annotated[
        list[str] | None,
        typer.Option(metavar="ARCH", help="For dists: an architecture; amd64 when left out."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
) -> None:
    """Look at every pocket of a flight's mirrors: reachable, signed, fresh, consistent?

    The exit code is 0 when every job can be built as the flight says, and else 4.

    [bold]Examples[/bold]

    [cyan]xenflight mirror check matrix[/cyan]

    [cyan]xenflight mirror check bookworm sid --arch i386[/cyan]
    """
    from harness.cli.mirrors import show, to_json, what_to_ask
    from harness.cli.output import output
    from harness.cli.progress import shown_progress
    from harness.mirror.check import ask

    questions = what_to_ask(targets or ["smoke"], only=only or (), arches=arch)
    with shown_progress() as progress:
        progress("looking at the mirrors")
        answers = ask(questions)
    if as_json:
        typer.echo(to_json(answers))
    else:
        show(answers, output())
    if not all(answer.good for answer in answers):
        raise typer.Exit(EXIT_CODES[Status.BROKEN])
