"""Removing a guest: a ladder with bounds, and every error of every rung collected."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from harness.errors import LabError
from harness.host.names import passing_names
from harness.host.xenhost import XenHost
from harness.remote.command import Command
from harness.wait import Deadline
from harness.xen.domain import Bounds, Domain
from harness.xen.moves import XlMoves

VOLUME_TIMEOUT = timedelta(minutes=2)


def remove_guest(
    host: XenHost,
    name: str,
    domain: Domain | None,
    volumes: Sequence[str],
    uuid: UUID | None = None,
) -> None:
    """End the domain *name* and remove *volumes*, in order; well if any is gone already.

    *domain* is None when nobody knows whether it was made: xl is then asked for it. The
    volumes are tried even if the domain would not go: they may well be free. With *uuid* what
    libxl has of the domain on disk goes as well if its host died with it. `LabError` says all
    that went wrong.
    """
    problems: list[LabError] = []
    try:
        domain = domain or host.xl.find(name)
        if domain:
            bounds = Bounds().scaled(max(1.0, host.timeout_factor))
            problems += domain.teardown(graceful=False, bounds=bounds).errors
        else:
            host.xl.forget(name, uuid)
    except LabError as error:
        problems.append(error)
    for volume in volumes:
        try:
            host.volumes.remove(volume, Deadline.after(VOLUME_TIMEOUT))
        except LabError as error:
            problems.append(error)
    if problems:
        msg = f"not all of the guest could be removed: {'; '.join(map(str, problems))}"
        raise LabError(msg) from problems[0]


def end_passing(host: XenHost, name: str, saved: str) -> None:
    """End what the domain *name* is called while it moves, and remove the file that it is saved in.

    Well if there is none of it. `LabError` says all that went wrong.
    """
    bounds = Bounds().scaled(max(1.0, host.timeout_factor))
    names = passing_names(name)
    problems: list[LabError] = []
    for info in host.xl.list():
        if info.name in names:
            domain = Domain(host.xl, name=info.name, domid=info.domid)
            problems += domain.teardown(graceful=False, bounds=bounds).errors
    XlMoves(host.runner).forget(saved)
    if problems:
        msg = f"not all of the guest could be removed: {'; '.join(map(str, problems))}"
        raise LabError(msg) from problems[0]


def what_is_left(host: XenHost, domain: Domain | None, volumes: Sequence[str]) -> list[str]:
    """What of a guest is still on the host, in words; empty when nothing is."""
    there = {volume.name for volume in host.volumes.list()}
    left = [f"LV {volume}" for volume in volumes if volume in there]
    if domain:
        if domain.state() is not None:
            left.append(f"domain {domain.name}")
        left += [f"back end {path}" for path in host.xl.backends(domain.domid)]
        interfaces = host.runner.run(Command.of("ls", "/sys/class/net")).stdout.split()
        left += [
            f"interface {name}" for name in interfaces if name.startswith(f"vif{domain.domid}.")
        ]
    return left
