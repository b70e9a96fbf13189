"""``xenflight plan`` and ``xenflight check``: they read files and touch no host."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli import complete
from harness.cli.app import app
from harness.cli.options import FlightArgument, HostsOption, OnlyOption, SkipsOption, YesOption
from harness.status import EXIT_USAGE


@app.command()
def plan(
    flight: FlightArgument = "smoke",
    only: OnlyOption = None,
    host: HostsOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The plan as JSON, with every timeout and default.")
    ] = False,
    skips: SkipsOption = False,
    yes: YesOption = False,
) -> None:
    """Show the jobs of a flight, and why some are skipped. Touches no host.

    [bold]Examples[/bold]

    [cyan]xenflight plan[/cyan]

    [cyan]xenflight plan smoke --only '*-pvh-*' --host rack1[/cyan]

    [cyan]xenflight plan matrix --skips[/cyan]

    [cyan]xenflight plan flights/smoke.yaml --json[/cyan]
    """
    from harness.cli.output import output
    from harness.cli.planning import host_lines, print_plan
    from harness.flight.build import build_plan
    from harness.flight.plan import to_json

    found = build_plan(flight, only=only or (), hosts=host or (), huge=yes)
    if as_json:
        typer.echo(to_json(found), nl=False)
        return
    console = output()
    print_plan(console, found, skips=skips)
    console.print(f"\n{host_lines(found)}", markup=False)


@app.command()
def check(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FLIGHT]...",
            help="Flights' names or files; all, and all else, if none is named.",
            autocompletion=complete.flights,
        ),
    ] = None,
) -> None:
    """Check all flights, hosts.yaml, policies and the suites against each other. Touches no host.

    Every flight must parse, every suite must be used by some flight, and every test must be in
    such a suite. Findings are printed as file:line:column, and the exit code is then 2.

    [bold]Examples[/bold]

    [cyan]xenflight check[/cyan]

    [cyan]xenflight check reports/repro/*/*/*.yaml[/cyan]
    """
    from harness.cli.output import output
    from harness.flight.check import check_flights, check_project
    from harness.flight.find import flight_files, flights_dir, resolve_flight, suites_dir
    from harness.gate.names import check_policies

    if files:
        paths = [resolve_flight(text) for text in files]
        findings = check_flights(paths, flights_dir(), suites_dir())
        names = ", ".join(map(str, paths))
    else:
        findings = check_project(flights_dir(), suites_dir()) + check_policies(flights_dir())
        names = ", ".join(flight_files(flights_dir()))
    console = output()
    for finding in findings:
        console.print(str(finding), markup=False, soft_wrap=True)
    if findings:
        raise typer.Exit(EXIT_USAGE)
    console.print(f"all is well: {names}", markup=False, soft_wrap=True)
