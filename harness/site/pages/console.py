"""The console of one attempt of a job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from harness.results.model import AttemptResult, JobResult
from harness.site import paths
from harness.site.archive import Head
from harness.site.console.blocks import Block, Blocks, block_html, block_script
from harness.site.console.marks import marks_of
from harness.site.console.recording import Recording
from harness.site.files import JobFiles
from harness.site.pages.kit import Kit, Output

LOG, CAST = "console.log", "console.cast"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A block as the page has it: its HTML, or where its script is."""

    number: int
    first: int
    lines: int
    start: float | None
    marks: str
    html: Markup
    script: str


def console_pages(
    kit: Kit, head: Head, job: JobResult, attempt: int, recording: Recording
) -> Iterator[Output]:
    """The files as they are, the scripts with what is too long for the page, and last the page."""
    one: JobResult | AttemptResult = job.attempts[attempt - 1] if attempt else job
    places = paths.JobPaths(head.flight, job.name, attempt)
    if recording.log:
        yield Output(places.file(LOG), recording.log)
    if recording.cast:
        yield Output(places.file(CAST), recording.cast)
    marks = marks_of(one.steps, recording.began) if recording.began is not None else []
    blocks = Blocks(recording.items(), marks)
    parts = []
    for block in blocks:
        if not block.in_page:
            yield Output(places.block(block.number), block_script(block).encode("ascii"))
        parts.append(_part(block, places))
    began = datetime.fromtimestamp(recording.began, UTC) if recording.began else None
    yield kit.page(
        "console.html",
        places.console,
        head=head,
        job=job,
        places=places,
        attempt=attempt,
        one=one,
        marks=marks,
        parts=parts,
        blocks=blocks,
        began=began,
        recording=recording,
        log=places.file(LOG) if recording.log else "",
        cast=places.file(CAST) if recording.cast else "",
    )


def _part(block: Block, places: paths.JobPaths) -> Part:
    return Part(
        number=block.number,
        first=block.first,
        lines=block.lines,
        start=block.start,
        marks=block.marks,
        html=block_html(block) if block.in_page else Markup(""),
        script="" if block.in_page else places.block(block.number),
    )


def evidence_files(places: paths.JobPaths, files: JobFiles) -> Sequence[Output]:
    """The files of evidence that belong into the site."""
    return [Output(places.file(f"evidence/{name}"), path) for name, path in files.shown.items()]
