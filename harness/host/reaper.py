"""Finding and removing what flights left on a host.

What belongs to whom stands on the host itself: in LV tags and in domain names. Whether an
owner still lives is asked of its lock (`harness.host.lock`). Nothing else is ever touched.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from harness.errors import HostLost, LabError, UsageError
from harness.guest.identity import host_name
from harness.host.builders import end_builders
from harness.host.kept import KEPT, all_kept_tags, host_time, kept_tags, kept_until
from harness.host.lease import SETTLE
from harness.host.lock import LOCK_DIRECTORY, dead_locks, forget_lock
from harness.host.names import (
    BUILD_DIRECTORY,
    RUN_DIRECTORY,
    build_directory,
    domain_name,
    domain_prefix,
    is_flight_id,
    is_plain,
    own_name,
    run_directory,
    run_of_domain,
)
from harness.host.pci import LIST_CLAIMS, read_claims, return_device
from harness.host.revoke import revoke_leases
from harness.host.xenhost import XenHost
from harness.remote.command import Command
from harness.storage.names import TAG, Role, tag_value
from harness.wait import Deadline
from harness.xen.domain import Bounds, Domain

REMOVE_TIMEOUT = timedelta(minutes=2)
_PLACES = (f"{RUN_DIRECTORY}/flights", BUILD_DIRECTORY, LOCK_DIRECTORY)
_SHOWN = " ".join([*(f"{place}/*" for place in _PLACES), f"{BUILD_DIRECTORY}/*/*"])
_LIST = f"ls -d {_SHOWN} 2>/dev/null || :\n{LIST_CLAIMS}"


@dataclass(kw_only=True)
class Leftovers:
    """What one flight has on a host."""

    run: str
    domains: dict[str, int] = field(default_factory=dict)
    """Name to domid."""
    volumes: list[str] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)
    """PCI devices that its guests had, or were to have."""
    builds: bool = False
    """Whether there is something that was being built on the host itself, or that moved there."""
    built: list[str] = field(default_factory=list)
    """What is in the directory for that, less what is of a kept guest: it may be its disk."""
    files: bool = False
    kept: dict[str, timedelta | None] = field(default_factory=dict)
    """Jobs whose guests are kept, and for how long yet; None when there is no end."""
    expired: list[str] = field(default_factory=list)
    """Jobs whose guests were kept, until their time was over."""

    @property
    def kept_jobs(self) -> list[str]:
        """The jobs whose guests are kept."""
        return list(self.kept)

    @property
    def nothing(self) -> bool:
        """Whether there is none."""
        return not (self.domains or self.volumes or self.devices or self.builds or self.files)

    def __str__(self) -> str:
        found = [f"domain {name}" for name in self.domains]
        found += [f"LV {name}" for name in self.volumes]
        found += [f"PCI device {address}" for address in self.devices]
        if self.builds:
            found.append("files of an unfinished build")
        text = ", ".join(found) or ("only its files" if self.files else "nothing")
        over = f" (kept until its time was over: {', '.join(self.expired)})" if self.expired else ""
        return text + over


def inventory(host: XenHost, *, expire: bool = True) -> dict[str, Leftovers]:
    """What every flight has on *host*, by flight id; kept guests are apart.

    One whose time is over is no longer kept, unless *expire* is false.
    """
    found: dict[str, Leftovers] = {}

    def of(run: str) -> Leftovers:
        return found.setdefault(run, Leftovers(run=run))

    kept: set[str] = set()
    volumes = host.volumes.list()
    now = host_time(host.runner) if any(kept_until(one.tags) for one in volumes) else 0
    for volume in volumes:
        run = tag_value(volume.tags, "run")
        if run is None or not is_plain(run) or tag_value(volume.tags, "role") != Role.SCRATCH:
            continue
        job, until = tag_value(volume.tags, "job") or volume.name, kept_until(volume.tags)
        over = expire and until is not None and until <= now
        if KEPT in volume.tags and not over:
            kept.add(run)
            of(run).kept[job] = None if until is None else timedelta(seconds=until - now)
            continue
        of(run).volumes.append(volume.name)
        if KEPT in volume.tags and job not in of(run).expired:
            of(run).expired.append(job)
    for domain in host.xl.list():
        owner = run_of_domain(domain.name)
        if owner is not None and own_name(domain.name) not in _kept_domains(found.get(owner)):
            of(owner).domains[domain.name] = domain.domid
    listed = host.runner.run(Command.script("list-flights", _LIST)).stdout
    for claim in read_claims(listed):
        owner = run_of_domain(claim.domain)
        if owner is not None and own_name(claim.domain) not in _kept_domains(found.get(owner)):
            of(owner).devices.append(claim.address)
    for path in listed.splitlines():
        directory, _, run = path.rpartition("/")
        above, _, owner = directory.rpartition("/")
        if above == BUILD_DIRECTORY and is_plain(owner):
            name = run
            if not name.startswith(_kept_files(found.get(owner))):
                of(owner).builds = True
                of(owner).built.append(name)
            continue
        if not is_plain(run):
            continue
        if directory == BUILD_DIRECTORY:
            of(run).builds = of(run).builds or run not in kept
        elif directory == f"{RUN_DIRECTORY}/flights":
            of(run).files = run not in kept
        elif directory == LOCK_DIRECTORY and is_flight_id(run):
            # Of one that died before it had anything else.
            of(run).files = run not in kept
    return found


def find_dead(host: XenHost, *, alive: Iterable[str] = ()) -> list[Leftovers]:
    """What flights left whose controllers are gone. *alive* are left alone whatever their locks."""
    suspects = {run for run, left in inventory(host).items() if not left.nothing} - set(alive)
    dead = dead_locks(host.runner, suspects)
    # Looked at again: one that was alive a moment ago may have kept a guest and gone.
    found = inventory(host) if dead else {}
    return [left for run, left in sorted(found.items()) if run in dead and not left.nothing]


def reap_dead(host: XenHost, *, alive: Iterable[str] = ()) -> list[Leftovers]:
    """Remove what `find_dead` finds; what was removed.

    Whatever will not go, the rest is tried: `LabError` at the end names all that is left.
    """
    removed: list[Leftovers] = []
    problems: list[LabError] = []
    spared = tuple(alive)
    if dead := find_dead(host, alive=spared):
        _revoke(host, [left.run for left in dead])
        # A guest that was being made is there now.
        dead = find_dead(host, alive=spared)
    for left in dead:
        try:
            removed.append(_remove(host, left))
        except HostLost:
            raise
        except LabError as error:
            problems.append(error)
    if problems:
        raise LabError("; ".join(map(str, problems))) from problems[0]
    return removed


def reap_run(host: XenHost, run: str) -> Leftovers:
    """Remove all that the flight *run* still has, less what is or was to be kept.

    Nobody works for it any more. What was kept for less time than the flight took is no leftover
    of it: the next reap takes it.
    """
    _revoke(host, [run])
    return _remove(host, inventory(host, expire=False).get(run, Leftovers(run=run)))


def keep_run(host: XenHost, run: str, keep_for: timedelta | None = None) -> None:
    """From now on nobody reaps what the flight *run* has; with *keep_for*, until then."""
    volumes = [one for one in host.volumes.list(*_tags_of(run)) if KEPT not in one.tags]
    tags = kept_tags(host.runner, keep_for) if volumes else ()
    for volume in volumes:
        host.volumes.add_tags(volume.name, tags)


def reap_kept(host: XenHost, run: str) -> Leftovers:
    """Remove what the flight *run* kept for its operator.

    `LabError` when that flight still runs. The mark goes first: what then can't be removed,
    any later flight reaps.
    """
    if not is_plain(run):
        msg = f"{run!r} is no flight id"
        raise UsageError(msg)
    if not dead_locks(host.runner, [run]):
        msg = f"flight {run} is still running on {host.name}"
        raise LabError(msg, hint="end it first")
    for volume in host.volumes.list(*_tags_of(run), KEPT):
        host.volumes.remove_tags(volume.name, all_kept_tags(volume.tags))
    return reap_run(host, run)


def _revoke(host: XenHost, runs: list[str]) -> None:
    revoke_leases(host.runner, runs, settle=host.stretched(SETTLE))


def _remove(host: XenHost, left: Leftovers) -> Leftovers:
    problems: list[str] = []
    bounds = Bounds().scaled(max(1.0, host.timeout_factor))
    if left.builds:
        # Before the volumes: a builder has them mounted. Before the domains, too: where nobody
        # serves a lent disk any more, but nobody has noticed, a back end waits for it for ever.
        try:
            end_builders(host.runner, left.run)
        except HostLost:
            raise
        except LabError as error:
            problems.append(str(error))
    for name, domid in left.domains.items():
        ended = Domain(host.xl, name=name, domid=domid).teardown(graceful=False, bounds=bounds)
        problems += [str(error) for error in ended.errors]
    for address in left.devices:
        try:
            return_device(host.runner, address)
        except HostLost:
            raise
        except LabError as error:
            problems.append(str(error))
    for name in left.volumes:
        try:
            host.volumes.remove(name, Deadline.after(REMOVE_TIMEOUT))
        except LabError as error:
            problems.append(str(error))
    if problems:
        msg = f"leftovers of {left.run} on {host.name} could not be removed: {'; '.join(problems)}"
        raise LabError(msg)
    if left.builds:
        directory = build_directory(left.run)
        mine = [f"{directory}/{name}" for name in left.built] if left.kept_jobs else [directory]
        host.runner.run(Command.of("rm", "-rf", *mine))
    if not left.kept_jobs:
        host.xl.forget(domain_prefix(left.run))
        host.runner.run(Command.of("rm", "-rf", run_directory(left.run)))
    forget_lock(host.runner, left.run)
    return left


def _tags_of(run: str) -> tuple[str, str]:
    return f"{TAG}.role={Role.SCRATCH}", f"{TAG}.run={run}"


def _kept_files(left: Leftovers | None) -> tuple[str, ...]:
    """How the names of files begin that kept guests have below the flight's builds."""
    if left is None:
        return ()
    return tuple(name(left.run, job) for job in left.kept_jobs for name in (domain_name, host_name))


def _kept_domains(left: Leftovers | None) -> set[str]:
    return {domain_name(left.run, job) for job in left.kept_jobs} if left else set()
