"""``xenflight submit``: a flight into the lab's queue."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.options import (
    BlessingOption,
    FlightArgument,
    HostsOption,
    OnlyOption,
    OwnBranchOption,
    RetryOption,
    StoreOption,
    YesOption,
)


@app.command()
def submit(
    flight: FlightArgument = "smoke",
    only: OnlyOption = None,
    host: HostsOption = None,
    priority: Annotated[
        int, typer.Option(metavar="N", help="Higher ones first, from -1000 to 1000.")
    ] = 0,
    branch: OwnBranchOption = None,
    blessing: BlessingOption = None,
    patience: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="A job is starved when no worker has a host for it for so long."
        ),
    ] = "1h",
    longest: Annotated[
        str, typer.Option(metavar="TIME", help="Or when it waited for so long in all.")
    ] = "24h",
    retry: RetryOption = True,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Stay until it is over, fetch it, and end with its exit code."),
    ] = False,
    store: StoreOption = None,
    yes: YesOption = False,
) -> None:
    """Queue a flight in the lab's PostgreSQL: workers run its jobs, on whatever machine they are.

    All that can be wrong with it is told now; then all of its jobs are queued, or none. Its id is
    printed, for queue, show, gate and report.

    [bold]Examples[/bold]

    [cyan]xenflight submit nightly --host rack1,rack2 --blessing real[/cyan]

    [cyan]xenflight submit smoke --priority 10 --wait[/cyan]

    [cyan]xenflight submit matrix --only '*-pvh-*' --patience 15m[/cyan]
    """
    from harness.cli.labwork import Wanted, submit_flight, wait_for_flight
    from harness.cli.output import errors, output
    from harness.lab.lab import open_lab

    wanted = Wanted(
        flight=flight,
        only=tuple(only or ()),
        hosts=tuple(host or ()),
        priority=priority,
        branch=branch,
        blessing=blessing,
        patience=patience,
        longest=longest,
        retry=retry,
        huge=yes,
    )
    with open_lab(store) as lab:
        flight_id, waiting = submit_flight(lab, wanted)
        output().print(flight_id, markup=False, soft_wrap=True)
        said = f"{waiting} job{'' if waiting == 1 else 's'} queued; xenflight queue {flight_id}"
        errors().print(said, markup=False, soft_wrap=True)
        if wait:
            raise typer.Exit(wait_for_flight(lab, flight_id))
