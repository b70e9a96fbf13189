"""What `xenflight mirror check` asks and how it shows the answers. Imported when it runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.dists.kernels import DEFAULT_KERNEL
from harness.dists.table import TABLE, find_dist
from harness.errors import UsageError
from harness.flight.axes import Builder
from harness.flight.build import build_plan
from harness.flight.model import JobSpec
from harness.guest.kernels import choose_kernel
from harness.job.wanted import in_order
from harness.mirror.check import OK, Answer, Question

_STYLES = {True: "green", False: "bold magenta"}


def what_to_ask(
    targets: Sequence[str], *, only: Sequence[str] = (), arches: Sequence[str] | None = None
) -> list[Question]:
    """The questions for one flight, or for dists; `UsageError` when it is neither."""
    if all(target in TABLE for target in targets):
        return [of_dist(name, arch) for name in targets for arch in arches or ("amd64",)]
    if len(targets) > 1 or arches:
        known = ", ".join(TABLE)
        msg = f"{' '.join(targets)}: give one flight, or dists only; dists are: {known}"
        raise UsageError(msg)
    return of_jobs(build_plan(targets[0], only=only).jobs)


def of_dist(name: str, arch: str) -> Question:
    """Whether *name* can be built for *arch* from this machine's own mirror."""
    kernel = choose_kernel(find_dist(name), arch, DEFAULT_KERNEL)
    arches = tuple(dict.fromkeys([arch, kernel.flavour.arch]))
    return Question(url=None, suite=name, arch=arch, arches=arches)


def of_jobs(jobs: Sequence[JobSpec]) -> list[Question]:
    """What is needed for all *jobs* that are not skipped. Imported images need no mirror."""
    wanted = in_order(job for job in jobs if not job.skip and job.builder is not Builder.IMPORT)
    return list(
        dict.fromkeys(
            Question(
                url=image.mirror.url,
                suite=image.dist,
                arch=image.arch,
                arches=image.arches(),
                accept_expired=image.mirror.accept_expired,
                omit=tuple(pocket.value for pocket in image.mirror.omit),
            )
            for image in wanted
        )
    )


def show(answers: Sequence[Answer], console: Console) -> None:
    """A table, and below it in words what is wrong."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("suite", "arch", "pocket", "state", "dated", "valid until"):
        table.add_column(column, no_wrap=True)
    for answer in answers:
        table.add_row(
            answer.suite,
            answer.arch,
            answer.pocket,
            Text(answer.state, style=_STYLES[answer.good]),
            _day(answer.date),
            _day(answer.valid_until),
        )
    console.print(table)
    for why in dict.fromkeys(answer.why for answer in answers if answer.why):
        console.print(f"\n{why}", markup=False, soft_wrap=True)
    bad = dict.fromkeys(f"{one.suite} {one.arch}" for one in answers if not one.good)
    verdict = f"cannot be built: {', '.join(bad)}" if bad else "all of it can be built"
    console.print(f"\n{verdict}" if answers else "nothing of it comes from a mirror", markup=False)


def to_json(answers: Sequence[Answer]) -> str:
    """The answers, and whether all is well."""

    def plain(value: object) -> str:
        return value.isoformat() if isinstance(value, datetime) else str(value)

    good = all(answer.good for answer in answers)
    data = {"state": OK if good else "broken", "answers": [asdict(one) for one in answers]}
    return json.dumps(data, indent=2, default=plain)


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else ""
