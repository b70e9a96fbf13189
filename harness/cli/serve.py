"""``xenflight serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.options import StoreOption


@app.command()
def serve(
    runs: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Serve the flights in this directory, not the store's."),
    ] = None,
    store: StoreOption = None,
    listen: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="The address to listen on. There is no password: whoever reaches it can read.",
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="0: any.")] = 8642,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name by which browsers may come here, beside localhost and addresses.",
        ),
    ] = None,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="Show what hosts told of failures, too.")
    ] = False,
) -> None:
    """Serve the pages of all flights, those that run too, until Ctrl-C.

    The same pages as those of [cyan]report[/cyan], made when they are looked at; that of a flight
    that runs says how far it is, and renews itself.

    [bold]Examples[/bold]

    [cyan]xenflight serve[/cyan]

    [cyan]xenflight serve --listen 0.0.0.0 --port 80 --allow-host ci.example[/cyan]
    """
    import ipaddress
    from contextlib import ExitStack, suppress

    from harness.cli.output import errors, output
    from harness.errors import UsageError
    from harness.gate.subject import RUNS
    from harness.serve.looks import look_at_directories, look_at_store
    from harness.serve.run import listen as listen_on
    from harness.serve.run import server, url_of
    from harness.store.store import present_store

    if runs and not runs.is_dir():
        msg = f"--runs: there is no directory {runs}"
        raise UsageError(msg)
    with ExitStack() as until_done:
        history = present_store(store) if runs is None else None
        if history:
            until_done.enter_context(history)
            # One that cannot be used is better told of now than on each page.
            history.schema()
        place = history.url.shown if history else runs or RUNS
        look = look_at_store(history, RUNS) if history else look_at_directories(runs or RUNS)
        found = until_done.enter_context(listen_on(listen, port))
        said = f"flights in {place} at {url_of(found)}"
        output().print(f"{said} until Ctrl-C", markup=False, soft_wrap=True)
        if not ipaddress.ip_address(listen).is_loopback:
            text = f"note: whoever reaches {listen} can read all of it"
            errors().print(text, markup=False, soft_wrap=True)
        with suppress(KeyboardInterrupt):
            server(look, names=tuple(allow_host or ()), evidence=evidence).run(sockets=[found])
