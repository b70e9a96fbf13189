"""What `xenflight images build` does. Imported when it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from harness.cli.output import errors
from harness.cli.progress import plain_lines
from harness.errors import LabError, XenflightError
from harness.flight.model import JobSpec
from harness.job.images import Built, LocalImages
from harness.job.pipeline import builds_at_once
from harness.job.wanted import Wanted, in_order
from harness.progress import Progress as Tell
from harness.units import human_seconds, human_size

Build = Callable[[Wanted, Tell], Built]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one image."""

    wanted: Wanted
    built: Built | None = None
    broken: str = ""


def build_all(
    jobs: Sequence[JobSpec], *, build: Build | None = None, stop: threading.Event | None = None
) -> list[Outcome]:
    """Have the images of all *jobs* that are not skipped, as many at once as a flight would.

    *build* is for tests. Ctrl-C ends all builds, and goes on to the caller.
    """
    stopping = stop or threading.Event()
    make = build or LocalImages(stopping).build
    images = in_order(job for job in jobs if not job.skip)
    wanted = [image for image in images if not image.builder.on_host]
    with _bars() as bar, ThreadPoolExecutor(builds_at_once(), "image-build") as pool:

        def one(image: Wanted) -> Outcome:
            return _build(image, make, bar(image.name), stopping)

        try:
            return list(pool.map(one, wanted))
        except BaseException:
            stopping.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _build(image: Wanted, make: Build, tell: Tell, stopping: threading.Event) -> Outcome:
    def progress(text: str, fraction: float | None = None) -> None:
        if stopping.is_set():
            msg = "interrupted"
            raise LabError(msg)
        tell(text, fraction)

    try:
        return Outcome(wanted=image, built=make(image, progress))
    except XenflightError as error:
        return Outcome(wanted=image, broken=str(error))


@contextmanager
def _bars() -> Iterator[Callable[[str], Tell]]:
    """Makes a bar for each image on a terminal, and tells each stage in a line elsewhere."""
    console = errors()
    if not console.is_terminal:
        yield lambda _: plain_lines(console)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:

        def bar(name: str) -> Tell:
            task = bars.add_task(name, total=None)

            def tell(text: str, fraction: float | None = None) -> None:
                total = None if fraction is None else 1.0
                bars.update(task, description=text, total=total, completed=fraction or 0.0)

            return tell

        yield bar


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """A line for each image; what could not be had says why below."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("image", "key", "outcome", "data"):
        table.add_column(column, no_wrap=True)
    for outcome in outcomes:
        image = outcome.built.image if outcome.built else None
        key = image.manifest.key if image else ""
        data = human_size(image.manifest.data_bytes) if image else ""
        table.add_row(outcome.wanted.name, key, _word(outcome), data)
    console.print(table)
    for outcome in outcomes:
        if outcome.broken:
            text = f"\n{outcome.wanted.name}: {outcome.broken}"
            console.print(text, markup=False, soft_wrap=True)
    if not outcomes:
        console.print("no image of it is built on this machine")


def _word(outcome: Outcome) -> Text:
    if not outcome.built or not outcome.built.image:
        return Text("broken", style="bold magenta")
    if outcome.built.reused:
        return Text("was there", style="dim")
    seconds = outcome.built.image.manifest.build_seconds
    return Text(f"built in {human_seconds(seconds)}", style="green")
