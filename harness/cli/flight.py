"""``xenflight plan`` and ``xenflight check``: they read files and touch no host."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli import complete
from harness.cli.app import app
from harness.cli.options import (
    FlightArgument,
    HostsOption,
    JobsOption,
    OnlyOption,
    ShardOption,
    SkipsOption,
    StoreOption,
    YesOption,
)
from harness.errors import UsageError
from harness.status import EXIT_USAGE


class PlanFormat(StrEnum):
    """What a plan can be written as."""

    TABLE = "table"
    JSON = "json"
    GITLAB = "gitlab"


@app.command()
def plan(
    flight: FlightArgument = "smoke",
    only: OnlyOption = None,
    host: HostsOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The plan as JSON, with every timeout and default.")
    ] = False,
    format_: Annotated[
        PlanFormat,
        typer.Option(
            "--format",
            help="As what: a table, JSON, or a child pipeline for GitLab's CI.",
            autocompletion=complete.formats,
        ),
    ] = PlanFormat.TABLE,
    shards: Annotated[
        int | None,
        typer.Option(
            "--shards",
            min=1,
            max=1000,
            metavar="N",
            help="Of a pipeline: so many jobs, each with its part of the flight's.",
        ),
    ] = None,
    shard: ShardOption = None,
    skips: SkipsOption = False,
    jobs: JobsOption = None,
    gantt: Annotated[
        Path | None,
        typer.Option(
            "--gantt", metavar="FILE", help="Draw which job runs when and where: one HTML file."
        ),
    ] = None,
    branch: Annotated[
        str | None,
        typer.Option(
            "--branch",
            metavar="NAME",
            help="The branch whose flights tell how long; the flight's name if not given.",
            autocompletion=complete.branches,
        ),
    ] = None,
    store: StoreOption = None,
    yes: YesOption = False,
) -> None:
    """Show the jobs of a flight, how long it takes, and why some are skipped. Touches no host.

    How long is by what jobs took before (docs/scheduling.md).

    [bold]Examples[/bold]

    [cyan]xenflight plan[/cyan]

    [cyan]xenflight plan smoke --only '*-pvh-*' --host rack1[/cyan]

    [cyan]xenflight plan matrix --skips[/cyan]

    [cyan]xenflight plan flights/smoke.yaml --json[/cyan]

    [cyan]xenflight plan nightly --format gitlab --shards 4 > child.yml[/cyan]

    [cyan]xenflight plan nightly --host rack1,rack2 --gantt nightly.html[/cyan]
    """
    import secrets

    from harness.cli.outlookview import outlook_lines
    from harness.cli.output import output
    from harness.cli.planning import host_lines, keeping_words, print_plan, workers_for
    from harness.flight.build import build_plan
    from harness.flight.plan import to_json
    from harness.schedule.outlook import outlook
    from harness.schedule.past import expecting
    from harness.schedule.shard import take_shard

    if shards is not None and format_ is not PlanFormat.GITLAB:
        msg = "--shards says of how many jobs a pipeline is"
        raise UsageError(msg, hint="add --format gitlab")
    if gantt and (as_json or format_ is not PlanFormat.TABLE):
        msg = "--gantt goes with the table only"
        raise UsageError(msg, hint="leave out --json and --format")
    found = build_plan(flight, only=only or (), hosts=host or (), huge=yes)
    if branch or store:
        keeping_words(branch, None, store)
    found = expecting(found, branch=branch, store=store)
    if shard:
        found = take_shard(found, shard, token=secrets.token_hex(3))
    if format_ is PlanFormat.GITLAB:
        from harness.report.gitlab import pipeline_text

        typer.echo(pipeline_text(found, shards), nl=False)
        return
    if as_json or format_ is PlanFormat.JSON:
        typer.echo(to_json(found), nl=False)
        return
    console = output()
    print_plan(console, found, skips=skips)
    workers = workers_for(found, jobs)
    expected = outlook(found, workers)
    console.print(f"\n{host_lines(found)}", markup=False)
    for line in outlook_lines(expected, workers):
        console.print(line, markup=False, soft_wrap=True)
    if gantt:
        from harness.site.gantt import write_plan_gantt

        write_plan_gantt(found, expected, gantt)
        console.print(f"drawn in {gantt}", markup=False, soft_wrap=True)


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
