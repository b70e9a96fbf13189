"""What a bundle says of itself, to who gets it without a word beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.job.wanted import wanted_by
from harness.report.evidence import last_lines, one_line
from harness.repro.origin import Origin
from harness.results.revisions import IMAGE, revisions_of
from harness.results.rules import first_bad

_LINES = 15
_FILES = {
    "image.json": "how its image is made, and the key of the one it had",
    "job.json": "what became of each step, with phases, times and runvars",
    "host.json": "the host it ran on: Xen, dom0, what it can do",
    "xl.cfg": "the domain's configuration as it was given to xl",
    "packages.json": "the packages in its image, and their versions",
}


def readme(origin: Origin, command: str, files: Sequence[str], lacks: Sequence[str]) -> str:
    """The text; *files* are those beside it, *lacks* what could not be put in."""
    return "\n".join(_lines(origin, command, files, lacks)) + "\n"


def _lines(
    origin: Origin, command: str, files: Sequence[str], lacks: Sequence[str]
) -> Iterator[str]:
    result, job = origin.result, origin.job
    yield f"{job.name} of the flight {result.flight_id}: {job.status}"
    bad = first_bad(job.steps)
    if bad:
        where = f", phase {one_line(bad.phase)}" if bad.phase else ""
        kind = f", class {one_line(bad.failure_class)}" if bad.failure_class else ""
        yield f"{one_line(bad.testid)}: {bad.status}{where}{kind}"
        yield one_line(bad.reason or "nobody said why")
        yield from (f"  | {line}" for line in last_lines(bad.evidence, _LINES))
    yield ""
    yield "Run just this again, from a checkout of xenflight:"
    yield f"  {command}"
    yield ""
    yield "What was under test:"
    for name, value in revisions_of(result, job).items():
        yield f"  {name}: {one_line(value)}"
    yield f"  xenflight: {one_line(result.revision or result.harness_version)}"
    yield ""
    yield "Beside this file:"
    yield from (f"  {name}: {_FILES.get(name, 'a flight with this job only')}" for name in files)
    yield ""
    if job.runvars.get(IMAGE):
        yield f"Its image was {one_line(job.runvars[IMAGE])}. The one that is built for it now, "
        yield f"{wanted_by(origin.spec).name}, has that key, too, while the mirror, the recipe and"
        yield "the tools that build it are the same; packages.json tells what was in it then."
    yield from lacks
