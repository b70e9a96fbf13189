"""`xenflight grid`: a flight's results as a table of dists and boot methods."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app

LATEST = Path("reports/runs/latest")


@app.command(
    epilog="Examples:  xenflight grid  ·  xenflight grid reports/runs/matrix-20261122-114412-a1b2c3"
)
def grid(
    flight: Annotated[
        Path, typer.Argument(metavar="[FLIGHT]", help="A flight's directory or results.json.")
    ] = LATEST,
) -> None:
    """Show a flight's jobs as a grid in Markdown: dist and arch by virt and boot."""
    from harness.report.grid import grid_text
    from harness.results.load import load_results

    typer.echo(grid_text(load_results(flight)), nl=False)
