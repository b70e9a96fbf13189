"""``xenflight upgrade``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import complete
from harness.cli.app import app
from harness.cli.options import (
    BlessingOption,
    JobsOption,
    OnlyOption,
    OwnBranchOption,
    RetryOption,
    StoreOption,
    YesOption,
)


@app.command()
def upgrade(
    before: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="HOST|FLIGHT",
            help="What you have: a host of hosts.yaml, or the id or directory of a flight that"
            " has run there.",
            autocompletion=complete.hosts,
        ),
    ],
    after: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="HOST|FLIGHT",
            help="What you would have: likewise.",
            autocompletion=complete.hosts,
        ),
    ],
    flight: Annotated[
        str | None,
        typer.Argument(
            metavar="FLIGHT",
            help="The flight that runs on both: its name, or its file. `upgrade` if not given;"
            " after `--from` an earlier flight, that one.",
            autocompletion=complete.flights,
        ),
    ] = None,
    only: OnlyOption = None,
    times: Annotated[
        int,
        typer.Option(
            min=1, max=1000, metavar="N", help="Run it so often on each side, taking turns."
        ),
    ] = 1,
    rounds: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="How often steps of many rounds do their thing; 10 by default."
        ),
    ] = None,
    jobs: JobsOption = None,
    retry: RetryOption = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would run on both, and stop.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write it as one HTML page, too, with pictures."),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the answer as JSON; what runs is shown on stderr."),
    ] = False,
    branch: OwnBranchOption = None,
    blessing: BlessingOption = None,
    store: StoreOption = None,
    yes: YesOption = False,
) -> None:
    """Ask whether an upgrade is safe for your guests: run the same jobs on two hosts, and compare.

    The answer is "safe" if every job that passed before passes after, "not safe" if one of them
    fails, and "can't tell" where the lab was at fault or something did not run. The exit code is 0,
    5, or as for a flight: 4 broken, 6 starved, 3 nothing to compare, 130 interrupted.

    [bold]Examples[/bold]

    [cyan]xenflight upgrade --from rack1 --to rack2[/cyan]

    [cyan]xenflight upgrade --from rack1 --to rack2 nightly --only '*-pvh-*' --times 3[/cyan]

    [cyan]xenflight upgrade --from nightly-20261122-090000-1f3a5c --to rack2[/cyan]

    [cyan]xenflight upgrade --from old-flight --to new-flight --html upgrade.html[/cyan]
    """
    from harness.cli.upgrading import Asked, answer

    asked = Asked(
        before=before,
        after=after,
        flight=flight,
        only=tuple(only or ()),
        times=times,
        rounds=rounds,
        jobs=jobs,
        retry=retry,
        dry_run=dry_run,
        html=html,
        as_json=as_json,
        branch=branch,
        blessing=blessing,
        store=store,
        yes=yes,
    )
    raise typer.Exit(answer(asked))
