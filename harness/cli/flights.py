"""``xenflight flights``: which flights there were."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.options import BranchOption, JsonOption, LimitOption, StoreOption


@app.command()
def flights(
    branch: BranchOption = None,
    blessing: Annotated[
        str | None, typer.Option(metavar="WORD", help="Only flights trusted like this: real.")
    ] = None,
    limit: LimitOption = 20,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the newest flights in the store, those that still fly included.

    [bold]Examples[/bold]

    [cyan]xenflight flights[/cyan]

    [cyan]xenflight flights --branch nightly --blessing real -n 50[/cyan]

    [cyan]xenflight flights --json | jq -r '.[] | select(.status == "fail") | .flight_id'[/cyan]
    """
    import json
    from datetime import UTC, datetime

    from harness.cli.output import output
    from harness.cli.storeview import flights_table, plain_data
    from harness.cli.storing import chosen_store
    from harness.store.look import list_flights

    with chosen_store(store) as chosen, chosen.reading() as connection:
        lines = list_flights(
            connection, now=datetime.now(UTC), branch=branch, blessing=blessing, limit=limit
        )
    if as_json:
        typer.echo(json.dumps([plain_data(line) for line in lines], indent=1))
        return
    console = output()
    if lines:
        console.print(flights_table(lines, console.width))
    else:
        console.print("no such flight is in the store")
