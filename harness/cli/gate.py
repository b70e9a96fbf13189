"""``xenflight gate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.options import NewestArgument, StoreOption


@app.command()
def gate(
    flight: NewestArgument = None,
    policy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A policy of flights/policy, or its file, instead of the one for the branch.",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="FLIGHT",
            help="The flight to compare with, instead of the last one whose gate opened.",
        ),
    ] = None,
    branch: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Its branch, and that of earlier ones with its name of which that is not known.",
        ),
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Judge by the directories of earlier flights in DIR, not the store."
        ),
    ] = None,
    blessing: Annotated[
        str | None,
        typer.Option(
            metavar="WORD",
            help="How far it is trusted, and earlier ones of which that is not known.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the verdict here, and neither beside the results nor into the store,"
            " where later flights would take it for their baseline's.",
        ),
    ] = None,
    store: StoreOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Ask whether a flight may ship: judge it against history, by a policy.

    History is read from the store; where there is none yet, from the directories beside the
    flight's. The verdict goes into verdict.json beside the results, and into the store. The exit
    code is 0 when the gate opens, 5 for a regression, 4 when our lab was broken, 3 when what is
    demanded did not run, 6 for want of a host, 130 when the flight did not end; of several the
    worst, as in a flight.

    [bold]Examples[/bold]

    [cyan]xenflight gate[/cyan]

    [cyan]xenflight gate nightly-20261122-090000-1f3a5c --policy release --json[/cyan]

    [cyan]xenflight gate --baseline nightly-20261101-090000-77aa01 --output what-if.json[/cyan]

    [cyan]xenflight gate reports/runs/latest --history reports/runs[/cyan]
    """
    from datetime import UTC, datetime

    from harness.cli.gating import Asked, ask_gate
    from harness.cli.output import errors
    from harness.cli.output import output as shown
    from harness.gate.text import verdict_text
    from harness.results.recorder import to_json

    asked = Asked(flight, policy, baseline, branch, blessing, history, store, output)
    verdict, remarks = ask_gate(asked, datetime.now(UTC))
    for text in remarks:
        errors().print(text, markup=False, soft_wrap=True, style="dim")
    if as_json:
        typer.echo(to_json(verdict, indent=2))
    else:
        shown().print(verdict_text(verdict), end="", markup=False, soft_wrap=True)
    raise typer.Exit(verdict.exit_code)
