"""``xenflight hosts``: who uses which host, is it well, and keeping jobs off one for a while."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli import complete
from harness.cli.app import app

hosts = typer.Typer(
    name="hosts",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(hosts)

HostArgument = Annotated[
    str,
    typer.Argument(metavar="HOST", help="A host of hosts.yaml.", autocompletion=complete.hosts),
]


@hosts.callback()
def show(
    context: typer.Context,
    host: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only this one.", autocompletion=complete.hosts),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="As JSON, with all that is known.")
    ] = False,
) -> None:
    """Show the hosts of hosts.yaml: which can be reached, who holds their slots, are they well.

    Nothing is started for that: a testbox that is down is shown as such.

    [bold]Examples[/bold]

    [cyan]xenflight hosts[/cyan]

    [cyan]xenflight hosts --host rack1 --json[/cyan]

    [cyan]xenflight hosts drain rack1 --reason 'new firmware'[/cyan]
    """
    if context.invoked_subcommand is not None:
        return
    import json

    from harness.cli.hostview import look_at, remarks, status_table
    from harness.cli.output import output
    from harness.cli.reaching import inventory

    known = inventory()
    statuses = look_at([known.get(host)] if host else known.hosts.values())
    if as_json:
        typer.echo(json.dumps([status.to_dict() for status in statuses], indent=1))
        return
    console = output()
    console.print(status_table(statuses))
    for text in remarks(statuses):
        console.print(text, markup=False, soft_wrap=True)


@hosts.command()
def drain(
    host: HostArgument,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why: it is shown to whoever wants to run there.")
    ],
) -> None:
    """Let no job begin on a host any more, on any controller. Jobs that run are left to end.

    It is written on the host, and stays over a boot of it.

    [bold]Example[/bold]

    [cyan]xenflight hosts drain rack1 --reason 'new firmware, until Friday'[/cyan]
    """
    from harness.cli.hostview import drain_host
    from harness.cli.output import output
    from harness.cli.reaching import inventory

    drain_host(inventory().get(host), reason, output())


@hosts.command()
def undrain(host: HostArgument) -> None:
    """Let jobs begin on a drained host again.

    [bold]Example[/bold]

    [cyan]xenflight hosts undrain rack1[/cyan]
    """
    from harness.cli.hostview import undrain_host
    from harness.cli.output import output
    from harness.cli.reaching import inventory

    undrain_host(inventory().get(host), output())


@hosts.command()
def check(
    host: Annotated[
        str | None,
        typer.Argument(
            metavar="HOST",
            help="A host of hosts.yaml; without it, the default one.",
            autocompletion=complete.hosts,
        ),
    ] = None,
) -> None:
    """Run a canary on a host: the guest that passed there last is made, booted, proved, removed.

    It takes a slot like any job, also on a drained host. Exit codes: 0, the host is well; 4, it is
    not; 3, nobody can tell, because nothing has passed there yet or no slot is free.

    [bold]Example[/bold]

    [cyan]xenflight hosts check rack1[/cyan]
    """
    from harness.cli.hostcheck import check_host, way_to
    from harness.cli.output import output
    from harness.cli.reaching import inventory

    spec = inventory().get(host)
    raise typer.Exit(check_host(spec, way_to(spec), output()))
