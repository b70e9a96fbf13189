"""``xenflight note``: a remark on a flight, for who looks at it later."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli import complete
from harness.cli.app import app
from harness.cli.options import StoreOption


@app.command()
def note(
    flight: Annotated[
        str,
        typer.Argument(
            metavar="FLIGHT",
            help="A flight's id, the beginning of it, its number, or latest.",
            autocompletion=complete.stored_flights,
        ),
    ],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is to be known.")],
    job: Annotated[
        str | None,
        typer.Option(
            metavar="JOB", help="Only about this job.", autocompletion=complete.stored_jobs
        ),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Write a remark on a flight, or on a job of it, into the store.

    `show` shows it, and a flight that has one is never pruned.

    [bold]Examples[/bold]

    [cyan]xenflight note latest "dom0 was out of memory; see the lab's journal"[/cyan]

    [cyan]xenflight note 42 "bisected to 740c41ca05" --job boot-bookworm-amd64-pvh-direct[/cyan]
    """
    import getpass
    from datetime import UTC, datetime

    from harness.cli.storeview import demand_job
    from harness.cli.storing import chosen_store
    from harness.store.names import find_whereabouts
    from harness.store.remarks import add_note

    with chosen_store(store) as chosen, chosen.writing() as connection:
        found = find_whereabouts(connection, flight).flight_id
        if job is not None:
            demand_job(connection, found, job)
        author, now = getpass.getuser(), datetime.now(UTC)
        add_note(connection, text, author=author, at=now, flight=found, job=job)
