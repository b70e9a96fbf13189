"""`xenflight grid`: the results of flights as a table of dists and boot methods."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app

LATEST = Path("reports/runs/latest")


@app.command(epilog="Examples:  xenflight grid  ·  xenflight grid reports/runs/matrix-2026*")
def grid(
    flights: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FLIGHT]...",
            help=f"Directories of flights, or their results.json, in the order they ran: {LATEST} "
            "if none is named. Of a job that ran again the last result is shown.",
        ),
    ] = None,
) -> None:
    """Show the jobs of flights as a grid in Markdown: dist and arch by virt and boot."""
    from harness.report.grid import grid_text
    from harness.results.load import load_results

    results = [load_results(flight) for flight in flights or [LATEST]]
    typer.echo(grid_text(sorted(results, key=lambda result: result.started)), nl=False)
