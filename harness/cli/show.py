"""``xenflight show``: one flight, or one job of it, as the store has it."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli import complete
from harness.cli.app import app
from harness.cli.options import JsonOption, StoreOption


@app.command()
def show(
    flight: Annotated[
        str,
        typer.Argument(
            metavar="FLIGHT",
            help="A flight's id, the beginning of it, its number, or latest.",
            autocompletion=complete.stored_flights,
        ),
    ] = "latest",
    job: Annotated[
        str | None,
        typer.Argument(metavar="[JOB]", help="One job of it.", autocompletion=complete.stored_jobs),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one flight, or one job of it with its steps, phases and runvars.

    [bold]Examples[/bold]

    [cyan]xenflight show[/cyan]

    [cyan]xenflight show smoke-20261122-133837-3a7512 boot-bookworm-amd64-pv-direct[/cyan]

    [cyan]xenflight show 42 --json[/cyan]
    """
    import json
    from datetime import UTC, datetime

    from harness.cli.output import output
    from harness.cli.showview import flight_data, flight_view, job_data, job_view, named_job
    from harness.cli.storing import chosen_store
    from harness.store.details import read_details
    from harness.store.names import find_flight

    with chosen_store(store) as chosen, chosen.reading() as connection:
        found = read_details(connection, find_flight(connection, flight), datetime.now(UTC))
    console = output()
    if job is None:
        data, view = flight_data(found), flight_view(found, console.width)
    else:
        one = named_job(found, job)
        data, view = job_data(found, one), job_view(found, one)
    if as_json:
        typer.echo(json.dumps(data, indent=1))
        return
    for part in view:
        console.print(part, soft_wrap=isinstance(part, str), markup=False)
