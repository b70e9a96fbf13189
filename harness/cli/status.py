"""``xenflight status``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import complete
from harness.cli.app import app
from harness.cli.options import JsonOption

if TYPE_CHECKING:
    from harness.report.running import Look

INTERVAL = 2.0
"""Seconds between two looks with --watch."""


@app.command()
def status(
    flight: Annotated[
        str | None,
        typer.Argument(
            metavar="[FLIGHT]",
            help="A flight's id or directory; all that run here, if none is named.",
            autocompletion=complete.stored_flights,
        ),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on until it has ended.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show how far flights are that run in another terminal.

    Looks at what flights write below reports/runs in this directory. A run tells the same of
    itself when it is sent SIGUSR1.

    [bold]Examples[/bold]

    [cyan]xenflight status[/cyan]

    [cyan]xenflight status --watch[/cyan]

    [cyan]kill -USR1 PID[/cyan]
    """
    import json

    from harness.cli.output import output
    from harness.gate.subject import RUNS
    from harness.wait import SYSTEM_CLOCK

    looks = _looks(flight)
    if as_json:
        typer.echo(json.dumps([one.data for one in looks if one.running or flight], indent=1))
        return
    console = output()
    if not looks:
        console.print(f"no flight has run here: there is none in {RUNS}", markup=False)
    said: list[str] = []
    while looks:
        lines = [line for one in _worth_showing(looks) for line in one.lines]
        # In a log a line is worth its place only when it says something new.
        fresh = lines if console.is_terminal else [line for line in lines if line not in said]
        if console.is_terminal and said:
            console.clear()
        for line in fresh:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        said = lines
        if not (watch and any(one.running for one in looks)):
            return
        SYSTEM_CLOCK.sleep(INTERVAL)
        looks = _looks(flight)


def _looks(flight: str | None) -> list[Look]:
    from harness.gate.subject import RUNS, find_flight
    from harness.judge.runs import flight_directories
    from harness.report.running import look_at
    from harness.results.heard import read_result

    if flight is None:
        return look_at(flight_directories(RUNS))
    # Said, where it cannot be read.
    path = find_flight(flight)
    read_result(path)
    return look_at([path])


def _worth_showing(looks: list[Look]) -> list[Look]:
    """Those that run; the newest if none does."""
    return [one for one in looks if one.running] or looks[:1]
