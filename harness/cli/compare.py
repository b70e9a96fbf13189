"""``xenflight compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app


@app.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A flight's id or directory: the old one.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other flight: the new one.")],
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write it as one HTML page, too, with pictures."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Compare two flights job by job: what broke, what was mended, and what takes longer.

    Times are compared in pairs, with a test that is right for a few pairs, too; where there are too
    few to show anything that is said.

    [bold]Examples[/bold]

    [cyan]xenflight compare nightly-20261121-090000-0f12aa nightly-20261122-090000-1f3a5c[/cyan]

    [cyan]xenflight compare reports/runs/old reports/runs/new --json[/cyan]

    [cyan]xenflight compare old-flight new-flight --html compare.html[/cyan]
    """
    import json
    from dataclasses import asdict
    from datetime import UTC, datetime

    from harness.cli.output import output
    from harness.compare.compare import compare as compare_flights
    from harness.compare.page import write_page
    from harness.compare.text import comparison_text
    from harness.gate.subject import find_flight
    from harness.results.load import load_results

    found = compare_flights(*(load_results(find_flight(text)) for text in (a, b)))
    if html:
        write_page(found, html, datetime.now(UTC))
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2))
    else:
        output().print(comparison_text(found), end="", markup=False, soft_wrap=True)
