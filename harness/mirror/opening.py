"""A mirror made ready to build from: found, probed, and with the package cache in front of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.errors import LabError
from harness.mirror.mirror import Mirror, machine_mirror
from harness.mirror.probe import MirrorSnapshot, probe_mirror
from harness.mirror.proxy import LOOPBACK, AptCache, Running, Spawner
from harness.mirror.signature import Verify, check_signature


@dataclass(frozen=True, kw_only=True)
class OpenMirror:
    """A mirror that was sound a moment ago, seen from here through the cache."""

    mirror: Mirror
    snapshot: MirrorSnapshot
    cache: AptCache
    running: Running
    arches: tuple[str, ...]
    accept_expired: bool
    verify: Verify = check_signature

    @property
    def suite(self) -> str:
        """The suite that was probed."""
        return self.snapshot.pockets[0].suite

    def seen_from(self, host: str = LOOPBACK) -> Mirror:
        """The mirror through the cache, for a machine that reaches ours as *host*."""
        return self.cache.through(self.running, host)

    def blame(self, error: LabError) -> LabError:
        """What to say of a build from this mirror that ended in *error*.

        A mirror that died in the middle is named: the build itself only saw the cache.
        """
        try:
            probe_mirror(
                self.mirror,
                self.suite,
                arches=self.arches,
                accept_expired=self.accept_expired,
                omit=self.snapshot.omitted,
                verify=self.verify,
            )
        except LabError as now:
            msg = f"the mirror {self.mirror.main} failed in the middle: {now}; then {error.message}"
            return LabError(msg, hint=error.hint)
        if self.cache.running() is None:
            msg = f"the package cache {self.running.url()} ended in the middle: {error.message}"
            return LabError(msg, hint=error.hint)
        return error


def find_mirror(url: str | None) -> Mirror:
    """The mirror that a flight names, or this machine's own. `LabError` when it has none."""
    return Mirror.from_url(url) if url else machine_mirror()


def open_mirror(
    suite: str,
    spawner: Spawner,
    *,
    url: str | None = None,
    arches: Iterable[str] = ("amd64",),
    accept_expired: bool = False,
    omit: Iterable[str] = (),
    verify: Verify = check_signature,
) -> OpenMirror:
    """Find the mirror (*url*, or the machine's own), probe *suite* there, start the cache.

    `LabError` names what is wrong with it; see `harness.mirror.probe`.
    """
    mirror = find_mirror(url)
    wanted = tuple(arches)
    snapshot = probe_mirror(
        mirror, suite, arches=wanted, accept_expired=accept_expired, omit=omit, verify=verify
    )
    cache = AptCache(mirror, spawner)
    return OpenMirror(
        mirror=mirror,
        snapshot=snapshot,
        cache=cache,
        running=cache.ensure(),
        arches=wanted,
        accept_expired=accept_expired,
        verify=verify,
    )
