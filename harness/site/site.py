"""The whole site: each file of it by its path, to be written down or to be served."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from harness.errors import UsageError
from harness.results.model import FlightResult, JobResult
from harness.site import paths
from harness.site.archive import Archive, Head
from harness.site.files import files_of
from harness.site.pages.console import console_pages, evidence_files
from harness.site.pages.flight import flight_page
from harness.site.pages.history import history_page
from harness.site.pages.host import host_page
from harness.site.pages.index import branch_page, index_page
from harness.site.pages.job import job_page
from harness.site.pages.kit import Kit, Output
from harness.site.pages.times import times_page
from harness.site.render import STATIC

Cache = Callable[[object, Callable[[], Iterator[Output]]], Iterable[Output]]
"""Gives what was made for a key before, or what the function makes."""


def _made_anew(key: object, make: Callable[[], Iterator[Output]]) -> Iterable[Output]:
    del key
    return make()


class Site:
    """Pages of *flights* (ids), and histories of their branches.

    *evidence*: with what hosts told of failures. *live*: made anew each time it is looked at; then
    *consoles* may keep the files of a console, by what they are made of.
    """

    def __init__(
        self,
        archive: Archive,
        flights: Iterable[str],
        *,
        made: datetime,
        evidence: bool = False,
        live: bool = False,
        unread: Iterable[str] = (),
        consoles: Cache = _made_anew,
    ) -> None:
        self._consoles = consoles
        self.kit = Kit(
            archive=archive,
            with_pages=frozenset(flights),
            made=made,
            evidence=evidence,
            live=live,
            unread=tuple(unread),
            heads=archive.heads(),
        )

    @property
    def flights(self) -> list[Head]:
        """Those that have pages, the newest first."""
        return [head for head in self.kit.heads if head.flight in self.kit.with_pages]

    def outputs(self) -> Iterator[Output]:
        """All files of the site, in no special order, each once."""
        yield from static_files()
        yield index_page(self.kit)
        for branch in self.kit.branches:
            yield branch_page(self.kit, branch)
            for job in self._jobs(branch):
                yield history_page(self.kit, branch, job)
        for host in self._hosts():
            yield host_page(self.kit, host)
        for head in self.flights:
            yield from self._of_flight(head)

    def find(self, path: str) -> Output | None:
        """The file at *path*; None when there is none. Only what it needs is made."""
        match path.split("/"):
            case [paths.INDEX]:
                return index_page(self.kit)
            case [paths.STATIC, _]:
                return _at(path, static_files())
            case ["branch", *_]:
                return self._find_branch(path)
            case ["host", _]:
                found = (host for host in self._hosts() if paths.host(host) == path)
                return next((host_page(self.kit, host) for host in found), None)
            case ["flight", flight, *rest]:
                head = next((one for one in self.flights if paths.part(one.flight) == flight), None)
                return self._find_in_flight(head, path, rest) if head else None
            case _:
                return None

    def _of_flight(self, head: Head) -> Iterator[Output]:
        result = self.kit.archive.result(head.flight)
        yield flight_page(self.kit, head, result)
        yield times_page(self.kit, head, result)
        for job in result.jobs:
            yield job_page(self.kit, head, result, job)
            for attempt in range(len(job.attempts) + 1):
                yield from self._files(head, job, attempt)

    def _files(self, head: Head, job: JobResult, attempt: int) -> Iterator[Output]:
        """The console of one attempt, and its evidence."""
        one = job.attempts[attempt - 1] if attempt else job
        directory = self.kit.archive.directory(head.flight)
        files = files_of(directory, one, with_evidence=self.kit.evidence)
        places = paths.JobPaths(head.flight, job.name, attempt)
        yield from evidence_files(places, files)
        if files.console:
            recording = files.console
            yield from self._consoles(
                (places, recording.stamp, one.status, len(one.steps)),
                lambda: console_pages(self.kit, head, job, attempt, recording),
            )

    def _find_branch(self, path: str) -> Output | None:
        for branch in self.kit.branches:
            if path == paths.branch(branch):
                return branch_page(self.kit, branch)
            for job in self._jobs(branch):
                if path == paths.history(branch, job):
                    return history_page(self.kit, branch, job)
        return None

    def _find_in_flight(self, head: Head, path: str, rest: list[str]) -> Output | None:
        try:
            result = self.kit.archive.result(head.flight)
        except UsageError:
            return None
        match rest:
            case [paths.INDEX]:
                return flight_page(self.kit, head, result)
            case [paths.TIMES]:
                return times_page(self.kit, head, result)
            case ["job", name, *more]:
                job = next((one for one in result.jobs if paths.part(one.name) == name), None)
                return self._find_of_job(head, result, job, path, more) if job else None
            case _:
                return None

    def _find_of_job(
        self, head: Head, result: FlightResult, job: JobResult, path: str, rest: list[str]
    ) -> Output | None:
        if rest == [paths.INDEX]:
            return job_page(self.kit, head, result, job)
        for attempt in range(len(job.attempts) + 1):
            if found := _at(path, self._files(head, job, attempt)):
                return found
        return None

    def _jobs(self, branch: str) -> list[str]:
        columns = self.kit.columns(branch)
        return list(dict.fromkeys(job for head in reversed(columns) for job in head.jobs))

    def _hosts(self) -> list[str]:
        """Those that ran something in the flights that histories show."""
        columns = [head for branch in self.kit.branches for head in self.kit.columns(branch)]
        return list(dict.fromkeys(host for head in reversed(columns) for host in head.hosts))


def static_files() -> Iterator[Output]:
    """Style sheets and scripts."""
    for file in sorted(STATIC.iterdir()):
        if file.is_file():
            yield Output(paths.static(file.name), file)


def _at(path: str, outputs: Iterable[Output]) -> Output | None:
    return next((one for one in outputs if one.path == path), None)
