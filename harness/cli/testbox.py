"""``xenflight testbox``: real Xen hosts in QEMU, by hand."""

from __future__ import annotations

from typing import Annotated

import typer
from typer.core import TyperCommand

from harness.cli.app import app
from harness.cli.complete import hosts

testbox = typer.Typer(
    name="testbox",
    help="Real Xen hosts in QEMU: start, enter, stop and rebuild them.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(testbox)

COMMAND = "xenflight.command"
NameArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]",
        help="A testbox of hosts.yaml; the default host when left out.",
        autocompletion=hosts,
        show_default=False,
    ),
]


@testbox.command()
def up(name: NameArgument = None) -> None:
    """Have a testbox running: as it is, resumed, or booted. What is missing is built first.

    [bold]Examples[/bold]

    [cyan]xenflight testbox up[/cyan]

    [cyan]xenflight testbox up testbox-trixie[/cyan]
    """
    from harness.cli.boxes import find_testbox, tell_started
    from harness.cli.progress import shown_progress

    box = find_testbox(name)
    with shown_progress() as progress:
        started = box.up(progress)
    tell_started(box, started)


@testbox.command()
def down(
    name: NameArgument = None,
    discard: Annotated[
        bool, typer.Option("--discard", help="Keep nothing: its guests and volumes are lost.")
    ] = False,
    every: Annotated[
        bool,
        typer.Option("--all", help="Every testbox of this user, and the package cache, too."),
    ] = False,
) -> None:
    """Stop a testbox. Its state is saved: the next start goes on where it was.

    [bold]Examples[/bold]

    [cyan]xenflight testbox down[/cyan]

    [cyan]xenflight testbox down --all --discard[/cyan]
    """
    from harness.cli.boxes import all_testboxes, find_testbox, stop, stop_package_cache
    from harness.errors import UsageError

    if name and every:
        msg = "give a name or --all, not both"
        raise UsageError(msg)
    for box in all_testboxes() if every else [find_testbox(name)]:
        stop(box, discard=discard)
    if every:
        stop_package_cache()


@testbox.command()
def status(
    as_json: Annotated[
        bool, typer.Option("--json", help="As JSON, with all that is known.")
    ] = False,
) -> None:
    """Show all testboxes: what runs, how it would start, and what it takes on the disk.

    [bold]Example[/bold]

    [cyan]xenflight testbox status[/cyan]
    """
    import json
    from dataclasses import asdict

    from harness.cli.boxes import all_status, status_table
    from harness.cli.output import output

    found = all_status()
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=1))
        return
    output().print(status_table(found))


class _WithCommand(TyperCommand):
    """A verb that may be followed by ``--`` and somebody else's command line."""

    def parse_args(  # type: ignore[override]  # typer keeps the type it wants to itself
        self, ctx: typer.Context, args: list[str]
    ) -> list[str]:
        if "--" in args:
            border = args.index("--")
            ctx.meta[COMMAND] = args[border + 1 :]
            args = args[:border]
        return super().parse_args(ctx, args)


@testbox.command(cls=_WithCommand, options_metavar="[OPTIONS] [NAME] [-- COMMAND...]")
def ssh(context: typer.Context, name: NameArgument = None) -> None:
    """Log in to dom0 as root, or run a command there. Ends with the command's exit status.

    [bold]Examples[/bold]

    [cyan]xenflight testbox ssh[/cyan]

    [cyan]xenflight testbox ssh testbox -- xl list[/cyan]

    [cyan]xenflight testbox ssh -- 'lvs | grep gold'[/cyan]
    """
    from harness.cli.boxes import find_testbox, ssh_command
    from harness.remote.local import become

    become(ssh_command(find_testbox(name), context.meta.get(COMMAND, [])))


@testbox.command()
def console(
    name: NameArgument = None,
    log: Annotated[
        bool, typer.Option("--log", help="Print what it has said since its start, and end.")
    ] = False,
) -> None:
    """Attach this terminal to dom0's serial console. Ctrl-] leaves it.

    [bold]Examples[/bold]

    [cyan]xenflight testbox console[/cyan]

    [cyan]xenflight testbox console --log | less[/cyan]
    """
    from harness.cli.boxes import attach_console, find_testbox, print_console_log

    box = find_testbox(name)
    if log:
        print_console_log(box)
    else:
        attach_console(box)


@testbox.command()
def rebuild(
    name: NameArgument = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Make a new dom0 of today's packages and start from it. Kept guests are lost.

    [bold]Example[/bold]

    [cyan]xenflight testbox rebuild testbox --yes[/cyan]
    """
    from harness.cli.boxes import confirm_loss, find_testbox, tell_started
    from harness.cli.progress import shown_progress

    box = find_testbox(name)
    if not yes:
        confirm_loss(box)
    with shown_progress() as progress:
        started = box.rebuild(progress)
    tell_started(box, started)


@testbox.command()
def mend() -> None:
    """Build a QEMU whose emulation runs PVH, HVM and UEFI guests as well as PV ones.

    Without KVM, Debian's QEMU has faults that kill such guests now and then.
    It is built out of Debian's source, in about ten minutes on two cores;
    testboxes that start from then on use it.

    [bold]Example[/bold]

    [cyan]xenflight testbox mend[/cyan]
    """
    from harness.cli.output import output
    from harness.cli.progress import shown_progress
    from harness.remote.local import LocalRunner
    from harness.testbox.mending import build_mended

    with shown_progress() as progress:
        program = build_mended(LocalRunner(), progress)
    output().print(f"testboxes that emulate now start with {program}", markup=False, soft_wrap=True)
