"""Look at every pocket of a mirror before anything is built from it.

Mirrors are imperfect, and that is our lab's fault and not the guest's: an unreachable,
expired or half-synchronised pocket is a `LabError`, unless the flight accepts or omits it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from harness.mirror.inspect import PocketReport, Trouble, inspect_pocket
from harness.mirror.mirror import Mirror
from harness.mirror.signature import Verify, check_signature


@dataclass(frozen=True, kw_only=True)
class Pocket:
    """A pocket that was looked at. Times are UTC."""

    name: str
    suite: str
    url: str
    origin: str
    codename: str
    date: datetime
    valid_until: datetime | None
    sha256: str
    """Of its InRelease file: this changes with every change of any package in it."""
    expired: bool
    """True only if the flight accepted that."""


@dataclass(frozen=True, kw_only=True)
class MirrorSnapshot:
    """One state of a mirror; *key* is the same for the same state, whatever its address."""

    pockets: tuple[Pocket, ...]
    omitted: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """A hash over all pockets' InRelease files: part of an image's content key."""
        lines = (f"{pocket.name} {pocket.suite} {pocket.sha256}\n" for pocket in self.pockets)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def dates(self) -> dict[str, str]:
        """Pocket name -> date of its Release, for results and reports."""
        return {pocket.name: pocket.date.isoformat() for pocket in self.pockets}

    def as_json(self) -> dict[str, Any]:
        """For an image's manifest: its key, its dates, and what the flight let pass."""
        return {
            "key": self.key,
            "dates": self.dates,
            "omitted": list(self.omitted),
            "expired": [pocket.name for pocket in self.pockets if pocket.expired],
        }


def probe_mirror(
    mirror: Mirror,
    suite: str,
    *,
    arches: Iterable[str] = ("amd64",),
    accept_expired: bool = False,
    omit: Iterable[str] = (),
    now: datetime | None = None,
    verify: Verify = check_signature,
) -> MirrorSnapshot:
    """Look at every pocket of *suite*, less those to *omit*, and at its packages for *arches*.

    `LabError` at the first that is unreachable, not signed by whom we trust, expired (unless
    *accept_expired*) or not consistent with its own Release file. `UsageError` for a wrong *omit*.
    """
    left_out = tuple(sorted(set(omit)))
    refs = mirror.pockets(suite, left_out)
    look = partial(
        inspect_pocket,
        arches=tuple(arches),
        accept_expired=accept_expired,
        now=now,
        verify=verify,
    )
    with ThreadPoolExecutor(len(refs), thread_name_prefix="mirror-pocket") as pool:
        reports = tuple(pool.map(look, refs))
    pockets = tuple(_sound(report, accept_expired=accept_expired) for report in reports)
    return MirrorSnapshot(pockets=pockets, omitted=left_out)


def _sound(report: PocketReport, *, accept_expired: bool) -> Pocket:
    """The pocket, if all is well with it, or as well as the flight wants it."""
    expired = False
    for finding in report.findings:
        if finding.trouble is not Trouble.EXPIRED or not accept_expired:
            raise finding.error()
        expired = True
    ref, release = report.ref, report.release
    assert release is not None, "a pocket without a Release file has a finding"
    return Pocket(
        name=ref.name,
        suite=ref.suite,
        url=ref.uri,
        origin=release.origin,
        codename=release.codename,
        date=release.date,
        valid_until=release.valid_until,
        sha256=release.sha256,
        expired=expired,
    )
