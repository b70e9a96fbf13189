"""``xenflight image``: looks at one image file and touches no host."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app

image = typer.Typer(
    name="image",
    help="Disk images made elsewhere: what is in them, and what they will do on Xen.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(image)


@image.callback()
def _group() -> None:
    """Keep ``inspect`` a word of its own: typer makes the only verb of a group the group itself."""


@image.command()
def inspect(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A raw, qcow2, vmdk, vdi or vhd image; packed by gzip, xz, zstd or bzip2, or not.",
        ),
    ],
    disk: Annotated[
        str | None,
        typer.Option("--disk", metavar="SIZE", help="The disk it has to fit on, such as 4G."),
    ] = None,
    kernel_args: Annotated[
        str,
        typer.Option(
            "--kernel-args", metavar="ARGS", help="As in a flight: added to its kernel's line."
        ),
    ] = "",
    why: Annotated[
        bool, typer.Option("--why", help="Show every finding, with the source of its rule.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="All that was found and predicted, as JSON.")
    ] = False,
) -> None:
    """Show what is in an image, and how it will boot on Xen. Writes nothing, needs no root.

    For each way to boot it: will (reach a login prompt), will not, or unknown, with the reason.

    [bold]Examples[/bold]

    [cyan]xenflight image inspect appliance.qcow2[/cyan]

    [cyan]xenflight image inspect appliance.img.xz --disk 4G --json[/cyan]
    """
    from harness.cli.imageview import show, to_json
    from harness.cli.progress import shown_progress
    from harness.preflight.inspect import inspect_image
    from harness.preflight.predict import predict_all
    from harness.remote.local import LocalRunner

    limit = _size(disk) if disk else None
    with shown_progress() as progress:
        progress(f"reading {file}", None)
        report = inspect_image(file, LocalRunner(), limit=limit)
    predictions = predict_all(report, kernel_args=kernel_args)
    if as_json:
        typer.echo(to_json(report, predictions))
        return
    show(report, predictions, why=why)


def _size(text: str) -> int:
    """A size as people write it; `UsageError` when it is none."""
    from harness.errors import UsageError
    from harness.units import Size

    try:
        return Size.parse(text)
    except ValueError as error:
        msg = f"--disk: {error}"
        raise UsageError(msg) from error
