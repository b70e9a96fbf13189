"""``xenflight run``."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.options import FlightArgument, HostOption, OnlyOption, YesOption
from harness.flight.axes import Keep


@app.command()
def run(
    flight: FlightArgument = "smoke",
    only: OnlyOption = None,
    host: HostOption = None,
    keep: Annotated[
        Keep, typer.Option(help="When to leave guests and volumes behind, to look at them.")
    ] = Keep.NEVER,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and stop.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            "-n", "--jobs", min=1, metavar="N", help="Jobs at once; as many as the host has slots."
        ),
    ] = None,
    timeout_factor: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=100,
            metavar="F",
            help="Stretch timeouts by this, not the host's factor.",
        ),
    ] = None,
    yes: YesOption = False,
) -> None:
    """Run a flight: build its guests, boot, prove and remove them.

    [bold]Examples[/bold]

    [cyan]xenflight run smoke[/cyan]

    [cyan]xenflight run smoke --only '*-pv-*' --keep on-failure[/cyan]

    [cyan]xenflight run smoke --host rack1 -n 4[/cyan]
    """
    from harness.cli.output import output
    from harness.cli.planning import host_line, print_plan, pytest_line, workers_for
    from harness.flight.build import build_plan, refuse_many

    plan = build_plan(
        flight,
        only=only or (),
        host=host,
        keep=keep,
        timeout_factor=timeout_factor,
        huge=yes,
    )
    workers = workers_for(plan, jobs)
    if dry_run:
        console = output()
        print_plan(console, plan)
        console.print(f"\nhost: {host_line(plan)}", markup=False)
        line = shlex.join(pytest_line(plan, workers, only or ()))
        console.print(line, markup=False, soft_wrap=True)
        return
    if not yes:
        refuse_many(plan)
    from harness.plugin.launch import run_flight

    raise typer.Exit(run_flight(plan, workers=workers))
