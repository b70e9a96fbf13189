"""``xenflight images``: the guest images that are kept on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.options import FlightArgument, OnlyOption
from harness.status import EXIT_CODES, Status

images = typer.Typer(
    name="images",
    help="The guest images kept on this machine: list, build and remove them.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(images)


@images.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
) -> None:
    """List the images that are there, the one that was used last first.

    [bold]Example[/bold]

    [cyan]xenflight images list[/cyan]
    """
    from datetime import UTC, datetime

    from harness.cli.imagestore import image_cache, list_table, list_text, to_json
    from harness.cli.output import output

    entries, now = image_cache().entries(), datetime.now(UTC)
    if as_json:
        typer.echo(to_json(entries))
        return
    console = output()
    if entries:
        console.print(list_table(entries, now))
    console.print(list_text(entries), markup=False)


@images.command()
def build(
    flight: FlightArgument = "smoke",
    only: OnlyOption = None,
) -> None:
    """Build the images of a flight that are not there yet. Touches no host.

    [bold]Examples[/bold]

    [cyan]xenflight images build matrix[/cyan]

    [cyan]xenflight images build matrix --only '*-trixie-*'[/cyan]
    """
    from harness.cli.imagebuild import build_all, show
    from harness.cli.output import output
    from harness.flight.build import build_plan

    outcomes = build_all(build_plan(flight, only=only or ()).jobs)
    show(outcomes, output())
    if any(outcome.broken for outcome in outcomes):
        raise typer.Exit(EXIT_CODES[Status.BROKEN])


@images.command()
def prune(
    keep: Annotated[
        int, typer.Option(min=0, metavar="N", help="How many to keep: those used last.")
    ] = 20,
    older_than: Annotated[
        float | None,
        typer.Option(min=0, metavar="DAYS", help="Only those that nobody used for so many days."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which would go, and stop.")
    ] = False,
) -> None:
    """Remove images that were not used for long. They are built again when they are needed.

    [bold]Examples[/bold]

    [cyan]xenflight images prune --keep 5 --dry-run[/cyan]

    [cyan]xenflight images prune --keep 0 --older-than 30[/cyan]
    """
    from datetime import timedelta

    from harness.cli.imagestore import image_cache, pruned_text
    from harness.cli.output import output

    cache = image_cache()
    before = {entry.directory.name: entry for entry in cache.entries()}
    age = None if older_than is None else timedelta(days=older_than)
    gone = cache.prune(keep, older_than=age, dry_run=dry_run)
    text = pruned_text([before[key] for key in gone if key in before], dry_run=dry_run)
    output().print(text, markup=False, soft_wrap=True)
