"""``xenflight modes``."""

from __future__ import annotations

import typer

from harness.cli.app import app
from harness.cli.options import NewestArgument


@app.command()
def modes(
    flight: NewestArgument = None,
) -> None:
    """Show what the guests of flight 'modes' saw of their machines, as tables in Markdown.

    Virtualised, paravirtualised, emulated: docs/modes.md explains the words. The page that
    'xenflight report' makes of the flight has the same as a picture.

    [bold]Examples[/bold]

    [cyan]xenflight modes[/cyan]

    [cyan]xenflight modes reports/runs/modes-20261122-090000-1f3a5c[/cyan]
    """
    from harness.errors import UsageError
    from harness.gate.subject import find_flight
    from harness.report.modes import modes_text
    from harness.report.modetable import modes_table
    from harness.results.load import load_results

    results = load_results(find_flight(flight))
    table = modes_table(results.jobs)
    if table is None:
        msg = f"no guest of {results.flight_id} has told what machine it sees"
        raise UsageError(msg, hint="the suite modes asks them: xenflight run modes")
    typer.echo(modes_text(table), nl=False)
