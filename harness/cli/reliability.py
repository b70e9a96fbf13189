"""``xenflight bench reliability``: is anything left, or touched, when a flight is killed?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.bench import bench
from harness.cli.options import FlightArgument, HostOption


@bench.command()
def reliability(
    flight: FlightArgument = "smoke",
    host: HostOption = None,
    kills: Annotated[
        int, typer.Option(min=0, metavar="N", help="How many flights are killed.")
    ] = 100,
    good: Annotated[
        int, typer.Option(min=0, metavar="N", help="How many are left alone, and must pass.")
    ] = 1,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Of the moments at which they are killed.")
    ] = 1,
    resume: Annotated[
        bool, typer.Option(help="Save a testbox and resume it before each of these.")
    ] = True,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Add each outcome to this file, a line of JSON each."),
    ] = None,
) -> None:
    """Kill flights with SIGKILL at random moments, and look at what is on the host afterwards.

    Things of others that look like ours are laid out on the host before. After each kill comes a
    reap, or the next flight: then nothing of ours may be left, and nothing of others changed.

    With 100 kills of the smoke flight it takes one to two hours in an emulated testbox.

    Exit codes: 0 nothing was wrong; 5 something was; 4 it could not be done.

    [bold]Examples[/bold]

    [cyan]xenflight bench reliability --kills 10[/cyan]

    [cyan]xenflight bench reliability --kills 0 --good 50[/cyan]

    [cyan]xenflight bench reliability smoke --host rack1 --seed 7 --out kills.jsonl[/cyan]
    """
    from harness.cli.output import output
    from harness.cli.progress import shown_progress
    from harness.flight.find import hosts_file, resolve_flight
    from harness.flight.inventory import load_hosts
    from harness.reliability.experiment import Setup, run_experiment, verdict, write_down
    from harness.reliability.victim import place
    from harness.status import EXIT_CODES, Status

    file = resolve_flight(flight)
    hosts = hosts_file(file)
    setup = Setup(
        spec=load_hosts(hosts).get(host),
        flight=str(file.resolve()),
        kills=kills,
        goods=good,
        seed=seed,
        again=resume,
    )
    console = output()
    outcomes = []
    with place(hosts.parent) as folder, shown_progress() as progress:
        for outcome in run_experiment(setup, folder, progress):
            outcomes.append(outcome)
            if out:
                write_down(outcome, out)
            text = f"{outcome}: {outcome.wrong or 'well'}"
            console.print(text, markup=False, soft_wrap=True)
    found = verdict(outcomes)
    for name, count in found.items():
        console.print(f"{count:6d} {name}")
    if any(outcome.wrong for outcome in outcomes):
        raise typer.Exit(EXIT_CODES[Status.FAIL])
