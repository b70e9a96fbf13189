"""``xenflight mail``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.options import NewestArgument, StoreOption


class Format(StrEnum):
    """How it is written."""

    MAIL = "mail"
    MD = "md"


@app.command()
def mail(
    flight: NewestArgument = None,
    send: Annotated[
        bool, typer.Option("--send", help="Send it, by the server that the settings name.")
    ] = False,
    to: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Who gets it, not those whom the settings name."),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="A mail with its headers, or Markdown.")
    ] = Format.MAIL,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it to a file, too.")
    ] = None,
    settings: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The mail server; else what XENFLIGHT_MAIL names, else the user's own file.",
        ),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Write a flight up as osstest did: a subject that says it all, what blocks, what does not.

    The verdict is the gate's, which is asked if it was not before; what it says here is not kept.
    Nothing is sent without --send; what is sent stays beside the flight's results as mail.eml, also
    when the server does not take it, which is exit code 4.

    [bold]Examples[/bold]

    [cyan]xenflight mail[/cyan]

    [cyan]xenflight mail nightly-20261122-090000-1f3a5c --send --to xen@lab.example[/cyan]

    [cyan]xenflight mail --format md --out summary.md[/cyan]
    """
    from datetime import UTC, datetime

    from harness.cli.mailing import Mailing, known_flight, put_text
    from harness.errors import UsageError
    from harness.mail.markdown import markdown

    if send and form is Format.MD:
        msg = "--send sends a mail, not Markdown"
        raise UsageError(msg)
    known = known_flight(flight, store, datetime.now(UTC))
    if form is Format.MD:
        said = markdown(known.result, known.verdict)
        if out:
            put_text(said, out)
        typer.echo(said, nl=False)
        return
    mailing = Mailing.of(known, settings=settings, to=to or [], send=send)
    if out:
        mailing.keep(out)
    if send:
        typer.echo(mailing.send())
        return
    typer.echo(mailing.shown(), nl=False)
