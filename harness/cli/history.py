"""``xenflight history``: how a job, or one step of it, fared."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli import complete
from harness.cli.app import app
from harness.cli.options import BranchOption, JsonOption, LimitOption, StoreOption


@app.command()
def history(
    job: Annotated[
        str, typer.Argument(metavar="JOB", help="A job.", autocompletion=complete.stored_jobs)
    ],
    step: Annotated[
        str | None,
        typer.Argument(
            metavar="[STEP]", help="A step of it.", autocompletion=complete.stored_steps
        ),
    ] = None,
    branch: BranchOption = None,
    host: Annotated[
        str | None,
        typer.Option(
            "--host",
            metavar="NAME",
            help="Only runs on this host.",
            autocompletion=complete.hosts,
        ),
    ] = None,
    limit: LimitOption = 20,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how a job, or one step of it, fared in the newest flights.

    [bold]Examples[/bold]

    [cyan]xenflight history boot-bookworm-amd64-pvh-direct[/cyan]

    [cyan]xenflight history boot-bookworm-amd64-pvh-direct guest-boot --branch nightly -n 100[/cyan]
    """
    import json

    from harness.cli.output import output
    from harness.cli.storeview import demand_known, history_table, history_words, plain_data
    from harness.cli.storing import chosen_store
    from harness.store.look import job_lines

    with chosen_store(store) as chosen, chosen.reading() as connection:
        lines = job_lines(connection, job, testid=step, branch=branch, host=host, limit=limit)
        if not lines:
            demand_known(connection, job, step)
    if as_json:
        typer.echo(json.dumps([plain_data(line) for line in lines], indent=1))
        return
    console = output()
    console.print(history_words(lines), markup=False, soft_wrap=True)
    if lines:
        console.print(history_table(lines, console.width))
