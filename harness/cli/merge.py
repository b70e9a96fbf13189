"""``xenflight merge``: one flight out of its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import complete
from harness.cli.app import app
from harness.cli.options import StoreOption

REPORTS = Path("reports")


@app.command()
def merge(
    flights: Annotated[
        list[Path],
        typer.Argument(
            metavar="FLIGHT...", help="The parts' directories, or folders of such directories."
        ),
    ],
    expect: Annotated[
        str | None,
        typer.Option(
            "--expect",
            metavar="FLIGHT",
            help="The flight that they are parts of, a name or a file: a job of it that is in none"
            " makes the whole broken.",
            autocompletion=complete.flights,
        ),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Put the parts of a flight together: shards, or jobs of a CI pipeline.

    The whole is a flight like any other, in reports/runs and in the store; `gate`, `report` and
    `show` take it. The exit code is that of the flight. Of shards all must be there.

    [bold]Examples[/bold]

    [cyan]xenflight merge reports/runs/nightly-20261123-*[/cyan]

    [cyan]xenflight merge artifacts --expect nightly --store none[/cyan]
    """
    import secrets
    from datetime import UTC, datetime

    from harness.cli.merging import import_whole, part_directories, require_all_shards
    from harness.cli.output import output
    from harness.flight.build import build_plan
    from harness.plugin.header import command_line
    from harness.report.merge import merge_flights, read_part
    from harness.report.summary import summary_text
    from harness.status import EXIT_CODES

    paths = part_directories(flights)
    require_all_shards(paths)
    parts = [read_part(path) for path in paths]
    plan = build_plan(expect, huge=True) if expect else None
    wanted = [job.name for job in plan.jobs if not job.skip] if plan else []
    flight_id = f"{parts[0].header.flight}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    result = merge_flights(parts, REPORTS, flight_id, wanted=wanted, command=command_line())
    directory = REPORTS / "runs" / flight_id
    import_whole(directory, store)
    console = output()
    console.print(
        summary_text(result, directory, width=console.width), markup=False, soft_wrap=True
    )
    raise typer.Exit(EXIT_CODES[result.status])
