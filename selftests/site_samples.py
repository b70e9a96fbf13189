"""Flights for the tests of the site: recorded ones, and some made up."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

from harness.results.model import FlightResult, HostFacts, JobResult, StepResult
from harness.results.rules import flight_status, job_status
from harness.results.runs import Run, StepRun, Timing
from harness.site.directories import DirectoryArchive
from harness.site.site import Site
from harness.status import Status

RUNS = Path(__file__).parent / "data" / "runs"
SMOKE = "smoke-20261123-034211-f2c176"
MUST_FAIL = "must-fail-20261123-045055-ed2fe1"
TWO = "two-20261123-035219-0b96af"
PANIC = "boot-bookworm-amd64-pv-direct-panic"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)
VOID = frozenset({"meta", "link", "input", "br"})


def recorded_site(*flights: str, evidence: bool = False) -> Site:
    """Of the recorded flights; those named have pages, all if none is."""
    archive = DirectoryArchive.below(RUNS, now=NOW)
    chosen = flights or [head.flight for head in archive.heads()]
    return Site(archive, chosen, made=NOW, evidence=evidence)


def run(number: int, status: Status = Status.PASS, *, host: str = "rack1", **more: object) -> Run:
    """The run of job ``j`` in flight ``f<number>``, with steps create and boot."""
    boot = more.get("boot", status)
    assert isinstance(boot, Status)
    seconds = more.get("seconds", 10.0)
    assert isinstance(seconds, float)
    revisions = more.get("revisions", {"xen": "4.17.0"})
    assert isinstance(revisions, dict)
    return Run(
        flight=f"f{number}",
        job="j",
        host=host,
        started=START + timedelta(days=number),
        status=status,
        duration=seconds + 1,
        steps=(
            StepRun("create", Status.PASS, 1.0),
            StepRun("boot", boot, seconds, None, (Timing("kernel", seconds, boot),)),
        ),
        revisions=revisions,
    )


def flight(number: int, jobs: Iterable[JobResult], **more: object) -> FlightResult:
    """Flight ``f<number>`` of branch ``night``."""
    found = tuple(jobs)
    values: dict[str, object] = {
        "flight_id": f"f{number}",
        "flight": "night",
        "status": flight_status(found, problems=False, ended=True),
        "started": START + timedelta(days=number),
        "ended": START + timedelta(days=number, minutes=5),
        "duration": 300.0,
        "harness_version": "0.1.0",
        "revision": None,
        "hosts": (HostFacts(name="rack1", kind="ssh", xen_version="4.17.0"),),
        "jobs": found,
        "command": "./xenflight run night",
        **more,
    }
    return FlightResult.model_validate(values)


def job(number: int, *steps: StepResult, name: str = "j", **more: object) -> JobResult:
    """A job of flight *number*."""
    bad = next((step for step in steps if step.status is not Status.PASS), None)
    values: dict[str, object] = {
        "name": name,
        "suite": "boot",
        "dist": "bookworm",
        "arch": "amd64",
        "virt": "pv",
        "boot": "direct",
        "status": job_status(steps),
        "reason": bad and f"{bad.testid}: {bad.reason}",
        "steps": steps,
        "host": "rack1",
        "started": START + timedelta(days=number),
        "duration": 20.0,
        **more,
    }
    return JobResult.model_validate(values)


def step(number: int, testid: str, status: Status = Status.PASS, **more: object) -> StepResult:
    """A step of flight *number*."""
    values: dict[str, object] = {
        "testid": testid,
        "status": status,
        "started": START + timedelta(days=number, seconds=2),
        "duration": 5.0,
        **more,
    }
    return StepResult.model_validate(values)


class Page(HTMLParser):
    """A page as a browser's parser would see it: tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.shape: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.data: list[str] = []
        self.wrong: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape.append((tag, tuple(sorted(name for name, _ in attrs))))
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        self.data.append(data)

    @property
    def text(self) -> str:
        """All text, white space made one, and where tags are."""
        return " ".join(" ".join(self.data).split())
