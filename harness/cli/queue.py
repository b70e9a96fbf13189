"""``xenflight queue``: the lab's queue, looked at and changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from harness.cli import complete
from harness.cli.app import app
from harness.cli.options import JsonOption, StoreOption
from harness.errors import UsageError
from harness.flight.hints import did_you_mean


class ListByDefault(TyperGroup):
    """``queue`` and ``queue FLIGHT`` list."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401  # Typer's own
        """See Typer."""
        known = (*self.commands, *ctx.help_option_names)
        if args and args[0] in known:
            return super().parse_args(ctx, args)
        # One word more than `list` takes: the first was to be a command.
        if len([word for word in args if not word.startswith("-")]) > 1 and "--store" not in args:
            hint = did_you_mean(args[0], self.commands)
            msg = f"there is no command {args[0]!r} of the queue{hint}"
            raise UsageError(msg)
        return super().parse_args(ctx, ["list", *args])


queue = typer.Typer(
    name="queue",
    cls=ListByDefault,
    help="The lab's queue: what waits and runs, on which host, by whom; cancelled, tried again."
    " Without a command it is listed.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(queue)

QueuedArgument = Annotated[
    str,
    typer.Argument(
        metavar="FLIGHT",
        help="The id of a flight, the beginning of it, or latest.",
        autocompletion=complete.queued_flights,
    ),
]
QueuedJobArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[JOB]", help="Only this job of it.", autocompletion=complete.stored_jobs
    ),
]


@queue.command()
def init(store: StoreOption = None) -> None:
    """Make the queue in a PostgreSQL, with the store if there is none, or bring it up to date.

    [bold]Example[/bold]

    [cyan]xenflight queue init --store postgresql://xenflight@db.example/lab[/cyan]
    """
    from harness.cli.output import output
    from harness.lab.lab import lab_url
    from harness.lab.schema import init
    from harness.store.store import Store

    with Store(lab_url(store)) as found:
        said = init(found)
    output().print(said, markup=False, soft_wrap=True)


@queue.command(name="list")
def list_(
    flight: Annotated[
        str | None,
        typer.Argument(
            metavar="[FLIGHT]",
            help="A flight's id, the beginning of it, or latest: all of its jobs.",
            autocompletion=complete.queued_flights,
        ),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List flights, what waits and runs, and the workers; or the jobs of a flight.

    What stands still is seen to as well, as a worker does: jobs that waited too long are starved.

    [bold]Examples[/bold]

    [cyan]xenflight queue[/cyan]

    [cyan]xenflight queue nightly-20261122-090000-1f3a5c --json[/cyan]
    """
    from harness.cli.output import output
    from harness.cli.queueview import queue_data, queue_tables
    from harness.lab.lab import open_lab
    from harness.lab.tend import starve

    with open_lab(store) as lab:
        starve(lab)
        data = queue_data(lab, flight)
    if as_json:
        import json

        from harness.cli.storeview import plain_data

        typer.echo(json.dumps({name: plain_data(part) for name, part in data.items()}, indent=1))
        return
    console = output()
    for part in queue_tables(data, console.width):
        console.print(part, markup=False)


@queue.command()
def cancel(
    flight: QueuedArgument, job: QueuedJobArgument = None, store: StoreOption = None
) -> None:
    """Cancel a flight, or one job of it. Jobs that run are ended in good order by their workers.

    [bold]Examples[/bold]

    [cyan]xenflight queue cancel nightly-20261122-090000-1f3a5c[/cyan]

    [cyan]xenflight queue cancel latest boot-bookworm-amd64-pvh-direct[/cyan]
    """
    from harness.cli.labwork import owner
    from harness.cli.output import output
    from harness.lab.lab import open_lab
    from harness.lab.operate import cancel

    with open_lab(store) as lab:
        done = cancel(lab, flight, job, owner())
    console = output()
    for text, names in (("cancelled", done.ended), ("told to end", done.ending)):
        for name in names:
            console.print(f"{text}: {name}", markup=False, soft_wrap=True)


@queue.command()
def retry(flight: QueuedArgument, job: QueuedJobArgument = None, store: StoreOption = None) -> None:
    """Try jobs again that ended broken, starved, blocked or aborted. A guest's failure stays one.

    [bold]Examples[/bold]

    [cyan]xenflight queue retry latest[/cyan]

    [cyan]xenflight queue retry latest boot-bookworm-amd64-pvh-direct[/cyan]
    """
    from harness.cli.output import output
    from harness.lab.lab import open_lab
    from harness.lab.operate import retry

    with open_lab(store) as lab:
        for name in retry(lab, flight, job):
            output().print(f"waits again: {name}", markup=False, soft_wrap=True)


@queue.command()
def fetch(
    flight: QueuedArgument = "latest",
    reports: Annotated[
        Path, typer.Option(metavar="DIR", help="Below it, in runs/, the directory is made.")
    ] = Path("reports"),
    store: StoreOption = None,
) -> None:
    """Write the directory of a flight that is over, as if it had run here: results and consoles.

    [bold]Example[/bold]

    [cyan]xenflight queue fetch nightly-20261122-090000-1f3a5c[/cyan]
    """
    from harness.cli.labwork import fetch_flight
    from harness.lab.lab import open_lab

    with open_lab(store) as lab:
        raise typer.Exit(fetch_flight(lab, flight, reports))
