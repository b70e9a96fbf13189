"""``xenflight bench``."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.options import HostOption


@app.command()
def bench(
    host: HostOption = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Measure xenflight's own speed, as ratios taken in one run. Takes about ten minutes.

    Needs a machine that is otherwise idle, and a host that is a testbox. A goal that is not
    reached is said so; it is no error, for machines differ.

    [bold]Examples[/bold]

    [cyan]xenflight bench[/cyan]

    [cyan]xenflight bench --host testbox-trixie --json[/cyan]
    """
    import json
    from dataclasses import asdict

    from harness.bench.run import measure_all
    from harness.cli.output import errors, output

    progress = errors()

    def working(text: str, fraction: float | None = None) -> None:
        del fraction
        progress.print(text, markup=False, style="dim")

    findings = measure_all(host, working)
    if json_:
        output().print_json(json.dumps([{**asdict(f), "reached": f.reached} for f in findings]))
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("what", "found", "goal", "", "made of"):
        table.add_column(column)
    for found in findings:
        table.add_row(
            found.name,
            f"{found.value:.2f} {found.unit}",
            f"{found.better} {found.goal:g}",
            "reached" if found.reached else "not reached",
            found.details,
        )
    output().print(table)
