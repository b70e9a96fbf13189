"""Options that several verbs take, spelt once."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli import complete

FlightArgument = Annotated[
    str,
    typer.Argument(
        metavar="FLIGHT",
        help="A flight's name, or the path of its file.",
        autocompletion=complete.flights,
    ),
]
NewestArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="FLIGHT",
        help="A flight's id or directory; the newest directory if none is named.",
        autocompletion=complete.stored_flights,
    ),
]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="GLOB",
        help="Only jobs whose names match. May be given again, or with commas between.",
        autocompletion=complete.jobs,
    ),
]
HostOption = Annotated[
    str | None,
    typer.Option(
        "--host",
        metavar="NAME",
        help="A host from hosts.yaml, instead of the flight's own.",
        autocompletion=complete.hosts,
    ),
]
KnownHostOption = Annotated[
    str | None,
    typer.Option(
        "--host",
        metavar="NAME",
        help="A host of hosts.yaml; the default one if not given.",
        autocompletion=complete.hosts,
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="STORE",
        help="The store: a file, postgresql://USER@HOST/DATABASE, or none. Else what"
        " XENFLIGHT_STORE names, else the user's own file.",
    ),
]
BranchOption = Annotated[
    str | None,
    typer.Option(
        "--branch",
        metavar="NAME",
        help="Only flights of this branch.",
        autocompletion=complete.branches,
    ),
]
OwnBranchOption = Annotated[
    str | None,
    typer.Option(
        "--branch",
        metavar="NAME",
        help="The series of flights it is compared with; the flight's name if not given.",
        autocompletion=complete.branches,
    ),
]
BlessingOption = Annotated[
    str | None,
    typer.Option(
        "--blessing",
        metavar="WORD",
        help="How far it is trusted: real, by which others are judged; adhoc if not given.",
    ),
]
RetryOption = Annotated[
    bool,
    typer.Option("--retry/--no-retry", help="Try jobs once more that were broken by the lab."),
]
LimitOption = Annotated[
    int, typer.Option("-n", "--limit", min=1, max=10_000, help="So many at most, the newest.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON, for machines.")]
HostsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--host",
        metavar="NAME",
        help="A host from hosts.yaml, instead of the flight's own. May be given again, or with"
        " commas between.",
        autocompletion=complete.hosts,
    ),
]
JobsOption = Annotated[
    int | None,
    typer.Option(
        "-n", "--jobs", min=1, metavar="N", help="Jobs at once; as many as hosts have slots."
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Only that part of the flight, such as 2/4; `merge` puts the parts together.",
        autocompletion=complete.shards,
    ),
]
YesOption = Annotated[
    bool, typer.Option("--yes", help="Do it although the flight has very many jobs.")
]
SkipsOption = Annotated[
    bool, typer.Option("--skips/--no-skips", help="List the skipped jobs, too, not just count.")
]
