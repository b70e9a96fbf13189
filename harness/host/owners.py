"""Whose is it? What of a census belongs to a job, to a flight, or to somebody else.

Other flights, and people, use the host at the same time. So a thing is ours only if it says so
itself: by a tag, by a name that nobody else has, by a path with the flight's id, by the volume it
stands on, or by the number or UUID of one of our domains. What merely appeared meanwhile is not.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from harness.guest.identity import host_name
from harness.host.census import Census, Entry, Kind
from harness.host.censustaking import device_name
from harness.host.names import (
    BUILD_DIRECTORY,
    RUN_DIRECTORY,
    domain_name,
    is_plain,
    own_name,
    run_of_domain,
)
from harness.storage.names import TAG, Role, scratch_name, tag_value
from harness.storage.reports import LogicalVolume
from harness.xen.domain import NAMELESS

_OURS = uuid.UUID("6d3c2b0e-6f5e-4d0c-9a4b-1c5f8f0a2e77")
"""Random, once: the name space of the UUIDs of our domains."""

_NUMBER = {
    Kind.DOMAIN: re.compile(rf"{re.escape(NAMELESS)} (\d+)$"),
    Kind.BACKEND: re.compile(r"[^/]+/(\d+)/"),
    Kind.XENSTORE: re.compile(r"/(?:local/domain|libxl|local/domain/0/device-model)/(\d+)$"),
    Kind.INTERFACE: re.compile(r"(?:vif|tap)(\d+)\.\d+(?:-emu)?$"),
    Kind.PORT: re.compile(r"(?:vif|tap)(\d+)\.\d+(?:-emu)?$"),
    Kind.FILE: re.compile(r".*/(?:qmp-libxl|qemu-save|userdata-\w|qemu-resume)[-.](\d+)\b"),
}
_NUMBER_OF_PROCESS = re.compile(r".*?-(?:xen-)?domid (\d+)\b|(\d+)\b")

_DEVICE = re.compile(r"/dev/(?:mapper/)?[A-Za-z0-9_+.-]+(?:/[A-Za-z0-9_+.-]+)?")
_OTHERS_DOMAIN = re.compile(r"xf\.[a-z0-9-]+\.[0-9a-f]{10}")
_OTHERS_PATH = re.compile(
    rf"(?:{RUN_DIRECTORY}/(?:flights|locks)|{BUILD_DIRECTORY})/(?!golden-)([^/]+)"
)
_OTHERS_VOLUME = re.compile(r"-xf--[0-9a-f]{12}--\w+$")
# Locks of golden volumes, of the canary and of NBD devices, and who holds which slot: they lie
# there for all flights. libxl's list of the numbers it gave away lately
# (libxl__domid_history_path) comes with the first domain.
_HOSTS = re.compile(
    rf"{RUN_DIRECTORY}/(?:locks/(?:golden-[^/]+|canary|nbd)"
    r"|devices/[^/]+|slots/(?:gate|token(?:\.new)?|admission|\d+(?:\.lock)?))"
    r"|(?:/var)?/run/xen/domid-history"
)


_HEX = re.compile(r"[0-9a-f]{6,}")
_ENDS = (6, 10, 12)
"""How long the hexadecimal words are with which our marks end: host names, domains, volumes and
UUIDs."""


class Whose(StrEnum):
    """To what kind of owner a thing belongs."""

    JOB = "job"
    """A job of the flight that asks."""
    FLIGHT = "flight"
    """That flight, but none of its jobs."""
    OTHERS = "other flight"
    HOST = "host"
    """The host's own, though a flight may have made it: it stays, for all flights after it."""
    DOMAIN = "domain"
    """A domain that is none of xenflight's."""
    NOBODY = "nobody known"


@dataclass(frozen=True)
class Owner:
    """Who owns a thing. *name* is the job's, the flight's or the domain's, or says what is known
    of something that nobody owns."""

    whose: Whose
    name: str = ""


NOBODY = Owner(Whose.NOBODY)


@dataclass(frozen=True, kw_only=True)
class Marks:
    """By what the things of one owner are known."""

    names: frozenset[str]
    """Whatever holds one of them is the owner's; so they are long, and nobody else's."""
    domids: frozenset[int] = field(default=frozenset())
    uuids: frozenset[str] = field(default=frozenset())

    def __post_init__(self) -> None:
        assert "" not in self.names, "an empty name is part of every name"

    def fit(self, entry: Entry) -> bool:
        """Whether *entry* is the owner's."""
        return self._named(entry) or domid_of(entry) in self.domids

    def _named(self, entry: Entry) -> bool:
        text = f"{entry.name}\n{entry.detail}"
        # Hyphens are doubled in the names of device-mapper (lvm(8)), which mounts show, too.
        texts = (text, text.replace("--", "-"))
        return any(mark in text for text in texts for mark in (*self.names, *self.uuids))


def domain_uuid(run: str, job: str) -> str:
    """The UUID of a job's domain: what libxl leaves behind may bear nothing else."""
    return str(uuid.uuid5(_OURS, f"{run}\0{job}"))


def domid_of(entry: Entry) -> int | None:
    """The number of the domain that *entry* is part of, if it bears one; never dom0's."""
    if entry.kind is Kind.PROCESS:
        match = _NUMBER_OF_PROCESS.match(entry.detail)
    else:
        pattern = _NUMBER.get(entry.kind)
        match = pattern.match(entry.name) if pattern else None
    if match is None:
        return None
    return int(next(text for text in match.groups() if text)) or None


def marks_of_job(
    run: str, job: str, censuses: Iterable[Census], *, domids: Iterable[int] = ()
) -> Marks:
    """By what the things of *job* in the flight *run* are known.

    *domids* are those its domain is known to have had; more are found in *censuses*.
    """
    name = domain_name(run, job)
    seen = {
        domid
        for census in censuses
        for domid, found in census.names.items()
        if own_name(found) == name
    }
    return Marks(
        names=frozenset((name, host_name(run, job), scratch_name(run, job, "").rstrip("-"))),
        domids=frozenset((*domids, *seen)),
        uuids=frozenset((domain_uuid(run, job),)),
    )


@lru_cache(maxsize=8)
def _tokens(run: str, jobs: tuple[str, ...]) -> dict[str, list[str]]:
    """For the hexadecimal word at the end of each mark of *jobs* those that have it."""
    found: dict[str, list[str]] = {}
    for job in jobs:
        marks = marks_of_job(run, job, ())
        for mark in (*marks.names, *marks.uuids):
            *_, ending = _HEX.finditer(mark)
            found.setdefault(ending[0], []).append(job)
    return found


def _numbers(domids: Mapping[str, Iterable[int]]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for job, known in domids.items():
        for domid in known:
            found.setdefault(domid, []).append(job)
    return found


class Owners:
    """Tells of each thing in *censuses* whose it is, as the flight *run* sees it.

    *domids*: for each of its jobs the numbers that its domain is known to have had.
    """

    def __init__(
        self, run: str, domids: Mapping[str, Iterable[int]], censuses: Iterable[Census]
    ) -> None:
        self._run = run
        seen = self._seen = tuple(censuses)
        self._jobs = domids
        self._tokens = _tokens(run, tuple(domids))
        self._by_number = _numbers(domids)
        self._names = {domid: name for census in seen for domid, name in census.names.items()}
        self._uuids = {key: name for census in seen for key, name in census.uuids.items()}
        self._volumes = {v.name: v for census in seen for v in census.volumes}
        self._devices = {
            path: volume
            for volume in self._volumes.values()
            for path in (volume.path, f"/dev/mapper/{device_name(volume)}")
        }

    def of(self, entry: Entry) -> Owner:
        """The owner of *entry*."""
        if (job := self._job(entry)) is not None:
            return Owner(Whose.JOB, job)
        return (
            self._by_volume(entry)
            or self._by_flight(entry)
            or self._by_domain(entry)
            or self._by_look(entry)
            or NOBODY
        )

    def _job(self, entry: Entry) -> str | None:
        """The job that it is of. Not all are asked: a flight may have very many."""
        domid = domid_of(entry)
        texts = [entry.name, entry.detail]
        if domid is not None:
            texts += [census.names.get(domid, "") for census in self._seen]
        words = _HEX.findall("\n".join(texts))
        maybe = {job for word in words for end in _ENDS for job in self._tokens.get(word[:end], ())}
        maybe.update(self._by_number.get(domid or 0, ()))
        # The same one every time, should they be several.
        return next((job for job in sorted(maybe) if self._marks(job).fit(entry)), None)

    def _marks(self, job: str) -> Marks:
        return marks_of_job(self._run, job, self._seen, domids=self._jobs[job])

    def of_domain(self, name: str) -> Owner:
        """Whose domain has that name; of ours it says the flight."""
        run = run_of_domain(name)
        if run == self._run:
            return Owner(Whose.FLIGHT, run)
        return Owner(Whose.OTHERS, run) if run else Owner(Whose.DOMAIN, name)

    def _by_volume(self, entry: Entry) -> Owner | None:
        """By the tags of the volume that it is, or stands on."""
        if entry.kind is Kind.VOLUME:
            return self._tagged(self._volumes.get(entry.name))
        text = f"{entry.name} {entry.detail}"
        if entry.kind is Kind.MAPPER:
            text = f"/dev/mapper/{entry.name}"
        found = (self._tagged(self._devices.get(path)) for path in _DEVICE.findall(text))
        return next((owner for owner in found if owner), None)

    def _tagged(self, volume: LogicalVolume | None) -> Owner | None:
        if volume is None or TAG not in volume.tags:
            return None
        if tag_value(volume.tags, "role") == Role.GOLDEN:
            return Owner(Whose.HOST, "golden volume")
        run, job = tag_value(volume.tags, "run"), tag_value(volume.tags, "job")
        if run != self._run:
            return Owner(Whose.OTHERS, run or "")
        return Owner(Whose.JOB, job) if job and job in self._jobs else Owner(Whose.FLIGHT, run)

    def _by_flight(self, entry: Entry) -> Owner | None:
        """By the id of a flight, in a path or in a domain's name."""
        text = f"{entry.name} {entry.detail}"
        if self._run in text:
            return Owner(Whose.FLIGHT, self._run)
        match = _OTHERS_PATH.match(entry.name) if entry.kind is Kind.FILE else None
        if match and is_plain(match[1]):
            return Owner(Whose.OTHERS, match[1])
        runs = (run_of_domain(name) for name in _OTHERS_DOMAIN.findall(text))
        return next((Owner(Whose.OTHERS, run) for run in runs if run), None)

    def _by_domain(self, entry: Entry) -> Owner | None:
        """By the number or the UUID of a domain that somebody has or had."""
        domid = domid_of(entry)
        name = self._names.get(domid) if domid else None
        if name is None:
            text = f"{entry.name} {entry.detail}"
            name = next((name for key, name in self._uuids.items() if key in text), None)
        if name is None and entry.kind is Kind.DOMAIN and not domid:
            name = entry.name
        if name is None:
            return Owner(Whose.NOBODY, f"of domain {domid}, which is gone") if domid else None
        return self.of_domain(name)

    def _by_look(self, entry: Entry) -> Owner | None:
        if _HOSTS.fullmatch(entry.name):
            return Owner(Whose.HOST, "for all flights")
        if entry.kind is Kind.MAPPER and entry.name.endswith("-tpool"):
            # The layer between a thin pool and its volumes: there while one of these is active.
            return Owner(Whose.HOST, "its thin pool")
        # Its volume was removed, or made, between two listings of one census: so much for its tags.
        passing = entry.kind is Kind.MAPPER and _OTHERS_VOLUME.search(entry.name)
        return Owner(Whose.OTHERS) if passing else None
