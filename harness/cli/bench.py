"""``xenflight bench``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import app
from harness.cli.options import HostOption

if TYPE_CHECKING:
    from harness.bench.model import Finding

bench = typer.Typer(
    name="bench",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(bench)

JsonOption = Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")]


@bench.callback()
def measure(context: typer.Context, host: HostOption = None, json_: JsonOption = False) -> None:
    """Measure xenflight's own speed, as ratios taken in one run. Takes about ten minutes.

    Needs a machine that is otherwise idle, and a host that is a testbox. A goal that is not
    reached is said so; it is no error, for machines differ.

    [bold]Examples[/bold]

    [cyan]xenflight bench[/cyan]

    [cyan]xenflight bench --host testbox-trixie --json[/cyan]

    [cyan]xenflight bench judge[/cyan]

    [cyan]xenflight bench report[/cyan]

    [cyan]xenflight bench schedule[/cyan]

    [cyan]xenflight bench reliability --kills 20[/cyan]
    """
    if context.invoked_subcommand is not None:
        return
    from harness.bench.judge import measure_judge
    from harness.bench.report import measure_report
    from harness.bench.run import measure_all
    from harness.bench.schedule import measure_schedule
    from harness.bench.store import measure_store

    found = [*measure_judge(working), *measure_report(working), *measure_store(working)]
    found += measure_schedule(working)
    show([*found, *measure_all(host, working)], as_json=json_)


@bench.command()
def judge(json_: JsonOption = False) -> None:
    """Only the verdict on a flight, against generated history. Needs no testbox; takes seconds.

    [bold]Examples[/bold]

    [cyan]xenflight bench judge --json[/cyan]
    """
    from harness.bench.judge import measure_judge

    show(measure_judge(working), as_json=json_)


@bench.command()
def store(json_: JsonOption = False) -> None:
    """Only the store: history taken in, judged by and looked up. Needs no testbox; takes a minute.

    [bold]Examples[/bold]

    [cyan]xenflight bench store --json[/cyan]
    """
    from harness.bench.store import measure_store

    show(measure_store(working), as_json=json_)


@bench.command()
def report(json_: JsonOption = False) -> None:
    """Only the pages of flights, out of generated ones. Needs no testbox; takes half a minute.

    [bold]Examples[/bold]

    [cyan]xenflight bench report --json[/cyan]
    """
    from harness.bench.report import measure_report

    show(measure_report(working), as_json=json_)


@bench.command()
def schedule(json_: JsonOption = False) -> None:
    """Only the scheduler, by a counted clock, against xdist's own. Needs no testbox; half a minute.

    [bold]Examples[/bold]

    [cyan]xenflight bench schedule --json[/cyan]
    """
    from harness.bench.schedule import measure_schedule

    show(measure_schedule(working), as_json=json_)


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
