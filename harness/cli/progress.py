"""Long work on the user's screen: a bar on a terminal, a line for each stage elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from harness.cli.output import errors
from harness.progress import Progress as Tell


@contextmanager
def shown_progress(console: Console | None = None) -> Iterator[Tell]:
    """A `harness.progress.Progress` that shows itself on standard error, then goes away."""
    console = console or errors()
    if not console.is_terminal:
        yield plain_lines(console)
        return
    words = TextColumn("{task.description}", markup=False)
    columns = (SpinnerColumn(), words, BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def tell(text: str, fraction: float | None = None) -> None:
            # A bar without an end for what nobody knows the length of.
            bar.update(
                task,
                description=text,
                total=None if fraction is None else 1.0,
                completed=fraction or 0.0,
            )

        yield tell


def plain_lines(console: Console) -> Tell:
    """Says each new stage once, on a line of its own; what follows a colon is no stage."""
    last = ""

    def tell(text: str, fraction: float | None = None) -> None:
        nonlocal last
        del fraction
        stage = text.partition(": ")[0]
        if stage != last:
            last = stage
            console.print(text, markup=False, soft_wrap=True)

    return tell
