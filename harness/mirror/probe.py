"""Look at every pocket of a mirror before anything is built from it.

Mirrors are imperfect, and that is our lab's fault and not the guest's: an unreachable,
expired or half-synchronised pocket is a `LabError`, unless the flight accepts or omits it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.errors import LabError
from harness.mirror.mirror import Mirror, PocketRef
from harness.mirror.release import Release, fetch, fetch_release


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


def probe_mirror(
    mirror: Mirror,
    suite: str,
    *,
    arches: Iterable[str] = ("amd64",),
    accept_expired: bool = False,
    omit: Iterable[str] = (),
    now: datetime | None = None,
) -> MirrorSnapshot:
    """Look at every pocket of *suite*, less those to *omit*, and at its packages for *arches*.

    `LabError` at the first that is unreachable, expired (unless *accept_expired*) or not
    consistent with its own Release file. `UsageError` for a wrong *omit*.
    """
    left_out = tuple(sorted(set(omit)))
    wanted = tuple(arches)
    pockets = tuple(
        probe_pocket(ref, arches=wanted, accept_expired=accept_expired, now=now)
        for ref in mirror.pockets(suite, left_out)
    )
    return MirrorSnapshot(pockets=pockets, omitted=left_out)


def probe_pocket(
    ref: PocketRef,
    *,
    arches: Iterable[str] = ("amd64",),
    accept_expired: bool = False,
    now: datetime | None = None,
) -> Pocket:
    """Look at one pocket; see `probe_mirror` for what is wrong with one."""
    release = fetch_release(ref.dists_url)
    where = f"pocket {ref.name!r} ({ref.suite})"
    _check_identity(ref, release, where)
    moment = now or datetime.now(UTC)
    expired = release.valid_until is not None and release.valid_until < moment
    if expired and not accept_expired:
        days = (moment - (release.valid_until or moment)).days
        msg = f"{where} expired {days} days ago: Valid-Until is {release.valid_until}"
        hint = "a flight may say `accept_expired: true` under mirror, or omit this pocket"
        raise LabError(msg, hint=hint)
    for arch in arches:
        _check_index(ref, release, arch, where)
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


def _check_identity(ref: PocketRef, release: Release, where: str) -> None:
    if ref.suite not in (release.codename, release.suite):
        msg = (
            f"{where} of {ref.uri} is another one: its Release says codename "
            f"{release.codename!r}, suite {release.suite!r}"
        )
        raise LabError(msg)


def _check_index(ref: PocketRef, release: Release, arch: str, where: str) -> None:
    """Compare the package index on the server with what the Release file says of it.

    A size is enough to see a mirror in the middle of its synchronisation; apt checks hashes.
    """
    path = f"main/binary-{arch}/Packages.xz"
    expected = release.sizes.get(path)
    if expected is None:
        msg = f"{where} has no packages for {arch}: its Release file does not list {path}"
        raise LabError(msg)
    _, size = fetch(f"{ref.dists_url}/{path}", method="HEAD")
    if size != expected:
        msg = f"{where} is not consistent: {path} has {size} bytes, its Release says {expected}"
        hint = "the mirror is probably being synchronised: try again later, or omit this pocket"
        raise LabError(msg, hint=hint)
