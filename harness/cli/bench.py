"""``xenflight bench``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import app
from harness.cli.options import HostOption

if TYPE_CHECKING:
    from harness.bench.model import Finding
    from harness.bench.trend import Trends
    from harness.progress import Progress

bench = typer.Typer(
    name="bench",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(bench)

RecordOption = Annotated[
    Path | None,
    typer.Option(
        "--record",
        metavar="FILE",
        help="Where runs are kept, for 'bench trend'; else in the user's data directory.",
    ),
]
NoRecordOption = Annotated[bool, typer.Option("--no-record", help="Keep this run nowhere.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")]


@bench.callback()
def measure(
    context: typer.Context,
    host: HostOption = None,
    json_: JsonOption = False,
    record: RecordOption = None,
    no_record: NoRecordOption = False,
) -> None:
    """Measure xenflight's own speed, as ratios taken in one run. Takes about ten minutes.

    Needs a machine that is otherwise idle, and a host that is a testbox. A goal that is not
    reached is said so; it is no error, for machines differ.

    [bold]Examples[/bold]

    [cyan]xenflight bench[/cyan]

    [cyan]xenflight bench --host testbox-trixie --json[/cyan]

    [cyan]xenflight bench judge[/cyan]

    [cyan]xenflight bench report[/cyan]

    [cyan]xenflight bench trend[/cyan]

    [cyan]xenflight bench schedule[/cyan]

    [cyan]xenflight bench scale[/cyan]

    [cyan]xenflight bench reliability --kills 20[/cyan]
    """
    if context.invoked_subcommand is not None:
        return
    from harness.bench.judge import measure_judge
    from harness.bench.report import measure_report
    from harness.bench.run import measure_all
    from harness.bench.schedule import measure_schedule
    from harness.bench.store import measure_store

    def all_of_it(progress: Progress) -> list[Finding]:
        found = [*measure_judge(progress), *measure_report(progress), *measure_store(progress)]
        return [*found, *measure_schedule(progress), *measure_all(host, progress)]

    _measured(all_of_it, record, as_json=json_, no_record=no_record)


@bench.command()
def judge(
    json_: JsonOption = False, record: RecordOption = None, no_record: NoRecordOption = False
) -> None:
    """Only the verdict on a flight, against generated history. Needs no testbox; takes seconds.

    [bold]Examples[/bold]

    [cyan]xenflight bench judge --json[/cyan]
    """
    from harness.bench.judge import measure_judge

    _measured(measure_judge, record, as_json=json_, no_record=no_record)


@bench.command()
def store(
    json_: JsonOption = False, record: RecordOption = None, no_record: NoRecordOption = False
) -> None:
    """Only the store: history taken in, judged by and looked up. Needs no testbox; takes a minute.

    [bold]Examples[/bold]

    [cyan]xenflight bench store --json[/cyan]
    """
    from harness.bench.store import measure_store

    _measured(measure_store, record, as_json=json_, no_record=no_record)


@bench.command()
def report(
    json_: JsonOption = False, record: RecordOption = None, no_record: NoRecordOption = False
) -> None:
    """Only the pages of flights, out of generated ones. Needs no testbox; takes half a minute.

    [bold]Examples[/bold]

    [cyan]xenflight bench report --json[/cyan]
    """
    from harness.bench.report import measure_report

    _measured(measure_report, record, as_json=json_, no_record=no_record)


@bench.command()
def trend(json_: JsonOption = False, record: RecordOption = None) -> None:
    """Earlier runs on machines of this kind and others: how each figure went.

    Runs are compared only where processor, memory, Python and KVM are the same.

    [bold]Examples[/bold]

    [cyan]xenflight bench trend[/cyan]

    [cyan]xenflight bench trend --record ci-bench.jsonl --json[/cyan]
    """
    import json

    from harness.bench.record import kept, usual_file
    from harness.bench.trend import trends_of
    from harness.cli.output import errors, output

    path = record or usual_file()
    runs, wrong = kept(path)
    for words in wrong:
        errors().print(f"left out: {words}", markup=False)
    if json_:
        output().print_json(json.dumps([run.model_dump(mode="json") for run in runs]))
        return
    if not runs:
        output().print(f"no run is kept in {path}: xenflight bench makes one", markup=False)
    for one in trends_of(runs):
        _show_trends(one)


def _show_trends(found: Trends) -> None:
    from rich.table import Table

    from harness.cli.output import output

    runs = f"{found.runs} run{'s' if found.runs != 1 else ''}"
    output().print(f"{found.machine}: {runs}", markup=False, highlight=False, style="bold")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("what", "last", "median", "least", "most", "goal", "", "oldest to newest"):
        table.add_column(column)
    for one in found.trends:
        last = one.last
        values = (last.value, one.median, min(one.values), max(one.values))
        table.add_row(
            last.name,
            *(f"{value:.2f} {last.unit}" for value in values[:1]),
            *(f"{value:.2f}" for value in values[1:]),
            f"{last.better} {last.goal:g}",
            "reached" if last.reached else "not reached",
            one.picture,
        )
    output().print(table)


def _measured(
    measure: Callable[[Progress], list[Finding]],
    record: Path | None,
    *,
    as_json: bool,
    no_record: bool,
) -> None:
    """Measure, show what was found, and add it to what is known, unless nobody wants that."""
    import harness
    from harness.bench.machine import this_machine
    from harness.bench.record import keep, usual_file
    from harness.remote.local import LocalRunner
    from harness.results.provenance import describe_revision

    # As it is before it has something to do.
    machine = this_machine()
    found = measure(working)
    show(found, as_json=as_json)
    if no_record:
        return
    revision = describe_revision(LocalRunner(), Path(harness.__file__).parents[1])
    keep(found, machine, record or usual_file(), revision or "")


@bench.command()
def schedule(
    json_: JsonOption = False, record: RecordOption = None, no_record: NoRecordOption = False
) -> None:
    """Only the scheduler, by a counted clock, against xdist's own. Needs no testbox; half a minute.

    [bold]Examples[/bold]

    [cyan]xenflight bench schedule --json[/cyan]
    """
    from harness.bench.schedule import measure_schedule

    _measured(measure_schedule, record, as_json=json_, no_record=no_record)


@bench.command()
def scale(
    hosts: Annotated[
        int, typer.Option(min=1, max=5000, metavar="N", help="Hosts, each with one slot.")
    ] = 50,
    jobs: Annotated[int, typer.Option(min=1, max=100_000, metavar="M", help="Jobs.")] = 500,
    losses: Annotated[
        int, typer.Option(min=0, metavar="K", help="Hosts that lose their power in the middle.")
    ] = 2,
    json_: JsonOption = False,
    record: RecordOption = None,
    no_record: NoRecordOption = False,
) -> None:
    """One flight on very many simulated hosts, by a counted clock: what one controller can take.

    Scheduler, leases, guests, leak checks, store and report are the real ones. Needs no testbox;
    takes a minute or two, and the second example an hour.

    [bold]Examples[/bold]

    [cyan]xenflight bench scale[/cyan]

    [cyan]xenflight bench scale --hosts 1000 --jobs 20000 --losses 20[/cyan]
    """
    from functools import partial

    from harness.bench.fleet import Size
    from harness.bench.scale import measure_scale

    size = Size(hosts=hosts, jobs=jobs, losses=losses)
    _measured(partial(measure_scale, size), record, as_json=json_, no_record=no_record)


def working(text: str, fraction: float | None = None) -> None:
    """What is measured now; has the shape of `harness.progress`."""
    from harness.cli.output import errors

    del fraction
    errors().print(text, markup=False, style="dim")


def show(findings: Sequence[Finding], *, as_json: bool) -> None:
    """The findings as a table, or as JSON."""
    import json
    from dataclasses import asdict

    from harness.cli.output import output

    if as_json:
        output().print_json(json.dumps([{**asdict(f), "reached": f.reached} for f in findings]))
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("what", "found", "goal", "", "made of"):
        table.add_column(column)
    for found in findings:
        table.add_row(
            found.name,
            f"{found.value:.2f} {found.unit}",
            f"{found.better} {found.goal:g}",
            "reached" if found.reached else "not reached",
            found.details,
        )
    output().print(table)
