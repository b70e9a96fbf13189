"""`xenflight grid`: the results of flights as a table of dists and boot methods."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli import complete
from harness.cli.app import app


@app.command()
def grid(
    flights: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FLIGHT]...",
            help="Flights' ids or directories; the newest if none is named.",
            autocompletion=complete.stored_flights,
        ),
    ] = None,
) -> None:
    """Show the jobs of flights as a grid in Markdown: dist and arch by virt and boot.

    Of a job that ran in several of them the last result is shown.

    [bold]Examples[/bold]

    [cyan]xenflight grid[/cyan]

    [cyan]xenflight grid reports/runs/matrix-2026*[/cyan]
    """
    from harness.gate.subject import find_flight
    from harness.report.grid import grid_text
    from harness.results.load import load_results

    paths = [find_flight(text) for text in flights or ()] or [find_flight(None)]
    results = [load_results(path) for path in paths]
    typer.echo(grid_text(sorted(results, key=lambda result: result.started)), nl=False)
