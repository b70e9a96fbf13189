"""``xenflight worker``: runs jobs of the lab's queue on this controller."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli import complete
from harness.cli.app import app
from harness.cli.options import StoreOption


@app.command()
def worker(
    hosts: Annotated[
        list[str] | None,
        typer.Option(
            "--hosts",
            metavar="NAME",
            help="Only jobs for these hosts, with commas between; all of hosts.yaml if not given.",
            autocompletion=complete.hosts,
        ),
    ] = None,
    concurrency: Annotated[
        int,
        typer.Option(
            "-c", "--concurrency", min=1, max=500, metavar="N", help="So many jobs at once."
        ),
    ] = 1,
    once: Annotated[bool, typer.Option("--once", help="Take one job, and end.")] = False,
    until_empty: Annotated[
        bool,
        typer.Option("--until-empty", help="End when no job is left that could be for it."),
    ] = False,
    stalled_after: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="A worker that is not heard of for so long is dead, and others do its jobs. The"
            " same for all workers.",
        ),
    ] = "30s",
    store: StoreOption = None,
) -> None:
    """Take jobs from the lab's queue and run them, each as a run of its own, until told to end.

    SIGTERM: takes no more jobs, and ends when those that run are over. Ctrl-C, or SIGTERM again:
    they end in good order, and wait again for other workers; once more: without their clean-up,
    which the next run on that host does.

    [bold]Examples[/bold]

    [cyan]xenflight worker[/cyan]

    [cyan]xenflight worker --hosts rack1,rack2 --concurrency 4[/cyan]

    [cyan]xenflight worker --until-empty --store postgresql://xenflight@db.example/lab[/cyan]
    """
    from harness.cli.labwork import worker_terms
    from harness.cli.output import errors
    from harness.flight.find import HOSTS_FILE, flights_dir
    from harness.flight.inventory import load_hosts
    from harness.lab.lab import open_lab
    from harness.lab.worker import Worker

    inventory = load_hosts(flights_dir() / HOSTS_FILE)
    terms = worker_terms(
        inventory, hosts or (), concurrency, once=once, until_empty=until_empty, text=stalled_after
    )
    console = errors()

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    with open_lab(store) as lab:
        say(f"taking jobs for {', '.join(terms.hosts)} from {lab.store.url.shown}")
        Worker(lab, inventory, terms, say).run()
