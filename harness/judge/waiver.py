"""Failures that somebody answers for: allowed ones (osstest's allow.*), and known issues."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache

from harness.results.normal import normalise


class WaiverKind(StrEnum):
    """What it goes by."""

    ALLOWED = "allowed"
    """Job and step: they may fail, however they do it."""
    KNOWN_ISSUE = "known issue"
    """What the failure looks like, too."""


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """Some failures, and why they need not shut the gate. Only a `fail` can be waived."""

    kind: WaiverKind
    name: str
    """Of a known issue, its name; of an allowed failure, where it stands."""
    jobs: tuple[str, ...] = ("*",)
    """Globs."""
    steps: tuple[str, ...] = ("*",)
    pattern: str | None = None
    """What the fingerprint must have in it (`matches`); None: anything."""
    owner: str
    reason: str
    link: str | None = None
    expires: date
    """The last day on which it holds, in UTC."""
    blocks: bool = False
    """A known issue that is named in the verdict, and still shuts the gate."""

    def covers(self, job: str, testid: str) -> bool:
        """Whether it is about that step."""
        return any_glob(self.jobs, job) and any_glob(self.steps, testid)

    def fits(self, job: str, testid: str, fingerprint: str | None) -> bool:
        """Whether it is about that failure."""
        if not self.covers(job, testid):
            return False
        return self.pattern is None or matches(self.pattern, fingerprint or "")

    def expired(self, today: date) -> bool:
        """Whether it no longer holds."""
        return today > self.expires


def fitting(
    waivers: Iterable[Waiver], job: str, testid: str, fingerprint: str | None
) -> Iterator[Waiver]:
    """Those that are about a failure, expired ones too; in their order."""
    return (waiver for waiver in waivers if waiver.fits(job, testid, fingerprint))


def any_glob(patterns: Iterable[str], name: str) -> bool:
    """Whether one of the globs matches *name*."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def matches(pattern: str, fingerprint: str) -> bool:
    """Whether *fingerprint* has *pattern* in it, case aside; ``*`` stands for any text.

    The pattern may be what a console said, with its numbers: they are taken out as they are from
    fingerprints. There are no other special characters, and the time it takes is linear.
    """
    text, at = fingerprint.casefold(), 0
    for wanted in _parts(pattern):
        found = text.find(wanted, at)
        if found < 0:
            return False
        at = found + len(wanted)
    return True


@lru_cache(maxsize=1024)
def _parts(pattern: str) -> tuple[str, ...]:
    return tuple(normalise(part).casefold() for part in pattern.split("*"))
