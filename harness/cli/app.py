"""The command itself: what every verb is registered on.

A verb is a function in a module of this package, decorated with ``@app.command()``. Such a
module imports what it needs inside the function, so that ``--help`` and shell completion stay
fast. A verb ends by returning, by raising `XenflightError`, or with ``raise typer.Exit(code)``.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
import typer.core

from harness import __version__
from harness.status import EXIT_USAGE

EPILOG = (
    "[bold]Start here:[/bold]  [cyan]xenflight run smoke[/cyan]  makes a Xen host in QEMU, builds "
    "a Debian guest, boots it, proves it and removes it."
    "\n\n"
    "[bold]Exit codes:[/bold]  0 all passed, 1 a bug in xenflight, 2 wrong usage, 3 nothing ran, "
    "4 broken: the lab failed, 5 fail: a guest did, 6 starved: no host in time, 130 aborted. "
    "Where a verb has others, its help says so."
)


class Verbs(typer.core.TyperGroup):
    """All verbs. `typer.Abort` when one was interrupted and had nothing to say of that: of a
    `KeyboardInterrupt` typer makes exit code 130, and not a word."""

    def invoke(self, ctx: Any) -> object:  # noqa: ANN401  # typer keeps its type to itself
        """Run the verb that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            raise typer.Abort from stop


app = typer.Typer(
    name="xenflight",
    cls=Verbs,
    help="Test Xen guest images: build, boot, prove and remove them, on real Xen hosts.",
    epilog=EPILOG,
    invoke_without_command=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"xenflight {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001  # its callback does the work
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Say which xenflight."),
    ] = False,
) -> None:
    """Take the options that stand before the verb; without a verb, say which there are."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(EXIT_USAGE)
