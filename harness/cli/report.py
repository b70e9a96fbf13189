"""``xenflight report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.options import StoreOption

SITE = Path("reports/site")


@app.command()
def report(
    flights: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FLIGHT]...",
            help="Flights' ids or directories; the newest if none is named.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where to write the site; one there is replaced.")
    ] = SITE,
    runs: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Take history from the flights in this directory, not the store."
        ),
    ] = None,
    store: StoreOption = None,
    every: Annotated[
        bool, typer.Option("--all", help="Pages for every flight, not only in histories.")
    ] = False,
    junit: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write JUnit XML of one flight instead of pages."),
    ] = None,
    allure: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write Allure's results of one flight instead of pages."),
    ] = None,
    evidence: Annotated[
        bool,
        typer.Option(
            "--evidence",
            help="Put in what hosts told of failures, too. It tells of everything on a host, and"
            " whoever gets the site can read it.",
        ),
    ] = False,
) -> None:
    """Write what flights gave as pages: a static site that needs no server and no network.

    A flight's first page says what failed, where, since when and how to reproduce it. Beside it:
    each job with its steps on a line of time and its whole console, the history of each job, and
    each host. History is taken from the store, or without one from all flights in reports/runs;
    pages of their own get those that are named. --junit and --allure write what a flight left
    for CI anew: of one whose controller was killed, say.

    [bold]Examples[/bold]

    [cyan]xenflight report[/cyan]

    [cyan]xenflight report nightly-20261122-090000-1f3a5c --out /tmp/site --evidence[/cyan]

    [cyan]xenflight report --all --out public[/cyan]

    [cyan]xenflight report latest --junit junit.xml --allure allure-results[/cyan]
    """
    if junit or allure:
        from harness.cli.reporting import write_for_others

        write_for_others(flights or [], junit=junit, allure=allure, store=store, evidence=evidence)
        return
    from contextlib import ExitStack
    from datetime import UTC, datetime

    from harness.cli.output import errors, output
    from harness.site import paths
    from harness.site.choose import choose
    from harness.site.site import Site
    from harness.site.write import write_site
    from harness.store.store import present_store
    from harness.units import human_size

    with ExitStack() as until_written:
        found = present_store(store) if runs is None else None
        if found:
            until_written.enter_context(found)
        chosen = choose(flights or [], runs=runs, store=found, every=every)
        for text in chosen.unread:
            errors().print(f"left out: {text}", markup=False, soft_wrap=True, style="dim")
        site = Site(
            chosen.archive,
            chosen.flights,
            made=datetime.now(UTC),
            evidence=evidence,
            unread=chosen.unread,
        )
        written = write_site(site, out)
    first = out / paths.flight(chosen.flights[0]) if len(chosen.flights) == 1 else written.index
    said = f"{written.files} files, {human_size(written.size)}: open {first}"
    output().print(said, markup=False, soft_wrap=True)
