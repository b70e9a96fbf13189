"""``xenflight grub``: looks at boot configurations and touches no host."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import complete
from harness.cli.app import app

grub = typer.Typer(
    name="grub",
    help="Boot configurations of Xen hosts: what is wrong with them.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(grub)


@grub.callback()
def _group() -> None:
    """Keep ``lint`` a word of its own: typer makes the only verb of a group the group itself."""


@grub.command()
def lint(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="A grub.cfg or a part of one, a menu.lst, /etc/default/grub and its grub.d; or -.",
        ),
    ],
    root: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where the host's / or /boot is mounted or unpacked: what entries load is looked"
            " for there, and nowhere else.",
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            metavar="FORM",
            help="Read them as grub2, legacy or defaults, whatever they look like.",
            autocompletion=complete.grub_forms,
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with 5 for warnings, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON.")] = False,
) -> None:
    """Say what is wrong with a GRUB configuration for a boot of Xen, with file and line.

    The exit code is 0 when nothing stops a boot, and 5 when an error does. Warnings are about
    boots that are not as they were meant.

    [bold]Examples[/bold]

    [cyan]xenflight grub lint /boot/grub/grub.cfg[/cyan]

    [cyan]xenflight grub lint /etc/default/grub /etc/default/grub.d/xen.cfg[/cyan]

    [cyan]xenflight grub lint --root /mnt /mnt/boot/grub/grub.cfg --json[/cyan]
    """
    from harness.cli.grubview import exit_code, form_named, show, to_json
    from harness.grub.files import HostFiles
    from harness.grub.lint import lint as lint_texts
    from harness.grub.sources import read_all

    wanted = form_named(form)
    host = HostFiles(root) if root else None
    report = lint_texts(read_all(files), form=wanted, files=host)
    if as_json:
        typer.echo(to_json(report))
    else:
        show(report)
    raise typer.Exit(exit_code(report, strict=strict))
