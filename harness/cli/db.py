"""``xenflight db``: looking after the store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import complete
from harness.cli.app import app
from harness.cli.options import JsonOption, StoreOption

db = typer.Typer(
    name="db",
    help="Look after the store, where all flights are kept.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(db)


@db.command()
def upgrade(store: StoreOption = None) -> None:
    """Make the tables of a store, or bring them up to date. A file is copied before.

    [bold]Examples[/bold]

    [cyan]xenflight db upgrade[/cyan]

    [cyan]xenflight db upgrade --store postgresql://xenflight@db.example/xenflight[/cyan]
    """
    from harness.cli.output import output
    from harness.cli.progress import shown_progress
    from harness.cli.storing import chosen_store
    from harness.store.upgrade import upgrade

    with shown_progress() as progress, chosen_store(store) as chosen:
        said = upgrade(chosen, progress=progress)
    output().print(said, markup=False, soft_wrap=True)


@db.command()
def stats(
    check: Annotated[
        bool, typer.Option("--check", help="Look through the whole file for damage, too.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what is in the store: flights by branch, rows, size, and what waits to be delivered.

    [bold]Examples[/bold]

    [cyan]xenflight db stats[/cyan]

    [cyan]xenflight db stats --check --json[/cyan]
    """
    import json

    from harness.cli.dbview import stats_view
    from harness.cli.output import output
    from harness.cli.storeview import plain_data
    from harness.cli.storing import chosen_store
    from harness.store.stats import check_whole, read_stats

    with chosen_store(store) as chosen:
        if check:
            check_whole(chosen)
        found = read_stats(chosen)
    if as_json:
        typer.echo(json.dumps(plain_data(found), indent=1))
        return
    console = output()
    for part in stats_view(found):
        console.print(part, soft_wrap=isinstance(part, str), markup=False)


@db.command()
def prune(
    older_than: Annotated[
        str, typer.Option(metavar="TIME", help="Only flights older than that: 365d, 90d, 36h.")
    ],
    keep: Annotated[
        int, typer.Option(min=0, metavar="N", help="The newest N of each branch always stay.")
    ] = 50,
    branch: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only of this branch.", autocompletion=complete.branches),
    ] = None,
    blessing: Annotated[
        str | None, typer.Option(metavar="WORD", help="Only flights trusted like this: adhoc.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it, and not only say what.")] = False,
    store: StoreOption = None,
) -> None:
    """Forget old flights. Without --yes it only says which.

    What stays in any case: the last flight of each branch whose gate opened, since it is the
    baseline; flights with notes; those that fly. Directories of flights are not touched.

    [bold]Examples[/bold]

    [cyan]xenflight db prune --older-than 365d[/cyan]

    [cyan]xenflight db prune --older-than 30d --blessing adhoc --keep 10 --yes[/cyan]
    """
    from datetime import UTC, datetime

    from harness.cli.dbview import age, say_pruning
    from harness.cli.output import output
    from harness.cli.progress import shown_progress
    from harness.cli.storing import chosen_store
    from harness.store.prune import Pruning, prunable, prune

    before = datetime.now(UTC) - age(older_than)
    what = Pruning(before=before, keep=keep, branch=branch, blessing=blessing)
    with chosen_store(store) as chosen:
        with chosen.reading() as connection:
            found = prunable(connection, what)
        if yes and found:
            with shown_progress() as progress:
                prune(chosen, found, progress=progress)
    say_pruning(output(), found, done=yes)


@db.command()
def export(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Such as history.jsonl.gz, which is packed; - is stdout."
        ),
    ],
    branch: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only of this branch.", autocompletion=complete.branches),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Write all flights to a file, one a line, for db import into another store.

    [bold]Examples[/bold]

    [cyan]xenflight db export history.jsonl.gz[/cyan]

    [cyan]xenflight db export --branch nightly - | xz > nightly.jsonl.xz[/cyan]
    """
    from harness.cli.output import errors
    from harness.cli.progress import shown_progress
    from harness.cli.storing import chosen_store
    from harness.store.exporting import export_file

    with shown_progress() as progress, chosen_store(store) as chosen:
        count = export_file(chosen, file, branch=branch, progress=progress)
    errors().print(f"{count} flight{'' if count == 1 else 's'} written to {file}", markup=False)


@db.command(name="import")
def import_(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH]...",
            help="Flights' directories, results.json, JUnit XML, exports; or folders of them."
            " With none: what was kept when the store could not be reached.",
        ),
    ] = None,
    branch: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The branch they belong to; of our own results else the flight's name.",
            autocompletion=complete.branches,
        ),
    ] = None,
    blessing: Annotated[
        str | None, typer.Option(metavar="WORD", help="How far they are trusted: real, adhoc.")
    ] = None,
    revision: Annotated[
        list[str] | None,
        typer.Option(metavar="TREE=REVISION", help="What was under test. May be given again."),
    ] = None,
    flight: Annotated[
        str | None, typer.Option(metavar="ID", help="Of JUnit: the flight's id.")
    ] = None,
    time: Annotated[
        str | None, typer.Option(metavar="TIME", help="Of JUnit: when it began, in UTC.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of JUnit: the host it ran on.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Where a flight is there otherwise, take these.")
    ] = False,
    store: StoreOption = None,
) -> None:
    """Take flights into the store: our own results, or JUnit of any tool. Twice is once.

    [bold]Examples[/bold]

    [cyan]xenflight db import reports/runs[/cyan]

    [cyan]xenflight db import junit/*.xml --branch xen-unstable --blessing real[/cyan]

    [cyan]xenflight db import r.xml --flight ci-8812 --branch staging --revision xen=4.20.1[/cyan]

    [cyan]xenflight db import[/cyan]
    """
    from harness.cli.dbview import import_said, revisions_given, say_imported
    from harness.cli.output import errors, output
    from harness.cli.progress import shown_progress
    from harness.cli.storing import chosen_store
    from harness.status import EXIT_USAGE
    from harness.store.about import parse_time
    from harness.store.importing import deliver_all, import_files
    from harness.store.put import Given

    revisions = revisions_given(revision or ())
    given = Given(branch=branch, blessing=blessing, revisions=revisions, replace=replace)
    said = import_said(given, flight, parse_time(time) if time else None, host)
    with shown_progress() as progress, chosen_store(store) as chosen:
        if paths:
            done = import_files(chosen, paths, said, given, progress=progress)
        else:
            done = deliver_all(chosen, progress=progress)
    say_imported(output(), errors(), done)
    if done.refused:
        raise typer.Exit(EXIT_USAGE)
