"""``xenflight repro``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import complete
from harness.cli.app import app
from harness.cli.options import StoreOption

BUNDLES = Path("reports/repro")


@app.command()
def repro(
    flight: Annotated[
        str,
        typer.Argument(
            metavar="FLIGHT",
            help="A flight's id or directory, or latest.",
            autocompletion=complete.stored_flights,
        ),
    ],
    job: Annotated[
        str,
        typer.Argument(metavar="JOB", help="One job of it.", autocompletion=complete.stored_jobs),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to write it, not reports/repro/FLIGHT/JOB."),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Write a bundle with which somebody else can run one job of a flight.

    In it: a flight file with this job only, its xl.cfg, how its image is made and that image's key,
    what the host was, what became of each step, and the one command that runs it. The flight's own
    directory is used if it is on this machine, else what the store knows.

    [bold]Examples[/bold]

    [cyan]xenflight repro latest boot-bookworm-amd64-pv-direct[/cyan]

    [cyan]xenflight repro latest boot-bookworm-amd64-pvh-direct --out bug[/cyan]
    """
    from contextlib import ExitStack

    from harness.cli.output import output
    from harness.repro.bundle import write_bundle
    from harness.repro.hosts import host_to_name
    from harness.repro.origin import find_origin
    from harness.site.paths import part
    from harness.store.store import present_store

    with ExitStack() as until_done:
        found = present_store(store)
        if found:
            until_done.enter_context(found)
        origin = find_origin(flight, job, found)
    where = out or BUNDLES / part(origin.result.flight_id) / origin.job.name
    bundle = write_bundle(origin, where, host=host_to_name(origin))
    console = output()
    for text in bundle.lacks:
        console.print(text, markup=False, soft_wrap=True, style="dim")
    console.print(f"{bundle.path}: run it with", markup=False, soft_wrap=True)
    console.print(f"  {bundle.command}", markup=False, soft_wrap=True)
