"""What all pages are made with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from harness.report.again import again_words, repro_words
from harness.results.model import FlightResult
from harness.results.runs import Run
from harness.site import paths
from harness.site.archive import Archive, Head
from harness.site.charts.cells import Cell
from harness.site.render import render
from harness.status import Status

COLUMNS = 200
"""Flights that a history shows: older ones say little of today's guests."""


class Output(NamedTuple):
    """One file of the site: what is in it, or which file it is a copy of."""

    path: str
    body: bytes | Path


@dataclass(frozen=True, kw_only=True)
class Kit:
    """The flights, and what was asked for."""

    archive: Archive
    with_pages: frozenset[str]
    """Ids of the flights that have pages of their own; the others are in histories only."""
    made: datetime
    evidence: bool = False
    """Whether what the host told is part of the site."""
    live: bool = False
    """Whether the pages are served, and made anew each time."""
    program: str = "./xenflight"
    unread: tuple[str, ...] = ()
    """Flights that could not be read, and why."""
    heads: Sequence[Head] = field(default=(), repr=False)
    """All flights, the newest first."""

    @cached_property
    def _by_id(self) -> dict[str, Head]:
        return {head.flight: head for head in self.heads}

    @cached_property
    def _branches(self) -> dict[str, list[Head]]:
        found: dict[str, list[Head]] = {}
        for head in self.heads:
            found.setdefault(head.branch, []).append(head)
        return found

    def head(self, flight: str) -> Head | None:
        """A flight's head; None when there is no such."""
        return self._by_id.get(flight)

    @cached_property
    def branches(self) -> list[str]:
        """All branches that have pages, that with the newest flight first."""
        mine = {head.branch for head in self.heads if head.flight in self.with_pages}
        return [branch for branch in self._branches if branch in mine]

    @cached_property
    def _runs(self) -> dict[tuple[str, str], dict[str, Run]]:
        return {}

    def runs(self, branch: str, job: str) -> dict[str, Run]:
        """The runs of *job* on *branch* by their flights. Looked up once: each of the job's pages
        shows them."""
        if (branch, job) not in self._runs:
            runs = self.archive.runs(branch, job)
            self._runs[branch, job] = {run.flight: run for run in reversed(runs)}
        return self._runs[branch, job]

    def columns(self, branch: str) -> list[Head]:
        """The flights of *branch* that histories show, the oldest first."""
        return self._branches.get(branch, [])[:COLUMNS][::-1]

    def flight_path(self, flight: str | None) -> str:
        """Where its page is; empty when it has none."""
        return paths.flight(flight) if flight in self.with_pages and flight else ""

    def job_path(self, flight: str, job: str) -> str:
        """The same of a job's page."""
        return paths.JobPaths(flight, job).page if flight in self.with_pages else ""

    def again(self, flight: FlightResult, job: str) -> str:
        """The command that runs a job again."""
        return " ".join(again_words(flight, job, self.program))

    def repro(self, flight_id: str, job: str) -> str:
        """The command that writes a bundle of a job."""
        return repro_words(flight_id, job, self.program)

    @cached_property
    def _labels(self) -> dict[str, str]:
        return {head.flight: f"{head.started:%Y-%m-%d %H:%M} {head.flight}" for head in self.heads}

    def cell(self, page: str, run: Run | None, status: Status | None) -> Cell:
        """A cell of a row: what became of *run*, or of a step of it."""
        if run is None or status is None:
            return Cell(None, "")
        where = f" on {run.host}" if run.host else ""
        target = self.job_path(run.flight, run.job)
        href = paths.relative(target, page) if target else ""
        return Cell(status, f"{self._labels[run.flight]}: {status}{where}", href)

    def page(self, template: str, path: str, **values: object) -> Output:
        """One page, rendered."""
        return Output(path, render(template, path, {"kit": self, **values}))
