"""``xenflight reap``: remove from a host what dead flights left, or what a flight kept."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.options import KnownHostOption


@app.command()
def reap(
    host: KnownHostOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be removed, and stop.")
    ] = False,
    kept: Annotated[
        str | None,
        typer.Option(
            "--kept", metavar="FLIGHT_ID", help="Remove the guests that this flight kept, too."
        ),
    ] = None,
) -> None:
    """Remove what flights left on a host whose own process died. Running flights are left alone.

    Guests that were kept for a time (--keep-for) go, too, once it is over.

    Every flight does this by itself before it begins.

    [bold]Examples[/bold]

    [cyan]xenflight reap --dry-run[/cyan]

    [cyan]xenflight reap --host rack1[/cyan]

    [cyan]xenflight reap --kept smoke-20261122-114412-a1b2c3[/cyan]
    """
    from harness.cli.leftovers import remove_dead, remove_kept, show
    from harness.cli.output import output
    from harness.cli.reaching import connected

    console = output()
    with connected(host, console) as found:
        if found is None:
            return
        if dry_run:
            show(found, console, kept=kept)
            return
        if kept:
            remove_kept(found, kept, console)
        remove_dead(found, console)
