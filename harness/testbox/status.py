"""What is known about a testbox without touching it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum

from harness.errors import XenflightError
from harness.flight.model import TestboxSpec
from harness.remote.local import LocalRunner
from harness.testbox.accel import Accel, choose_accel
from harness.testbox.bringup import warm_key
from harness.testbox.dom0 import Dom0Image, find_dom0, images
from harness.testbox.emulator import find_emulator
from harness.testbox.paths import TestboxPaths, base_directory, kvm_failure
from harness.testbox.qemu import Hardware
from harness.testbox.record import InstanceRecord
from harness.testbox.releases import find_release
from harness.testbox.space import used_space
from harness.testbox.warm import NONE, SavedState, warm_states


class Warm(StrEnum):
    """Whether the next fresh start can resume instead of booting."""

    YES = "yes"
    NO = "no"
    STALE = "stale"


@dataclass(frozen=True, kw_only=True)
class TestboxStatus:
    """One testbox, for `xenflight testbox status`."""

    __test__ = False  # pytest would take the name for a test class

    name: str
    up: bool
    state: str
    """``up``, ``starting``, ``saved`` (guests kept) or ``down``."""
    accel: Accel
    """What it runs with, or would."""
    accel_reason: str
    mended: bool
    """Whether it runs, or would, in a QEMU of `xenflight testbox mend`."""
    release: str
    xen: str
    """As in the package that was, or will be, installed."""
    pid: int | None
    ssh_port: int | None
    since: float | None
    """When its QEMU was started: seconds since the epoch."""
    image_built: float | None
    """When its dom0 image was built: seconds since the epoch."""
    warm: Warm
    warm_reason: str
    disk: int
    """Bytes it takes itself."""
    disk_shared: int
    """Bytes of the dom0 images of its release and of its warm states, which others share."""


def testbox_status(name: str, spec: TestboxSpec, runner: LocalRunner) -> TestboxStatus:
    """The status of the testbox *name*; it need not have been made yet."""
    paths = TestboxPaths(name)
    record = InstanceRecord.read(paths.record)
    record = record if record and record.alive else None
    if record:
        accel, reason, mended = record.accel, "it runs with it", record.mended
    else:
        accel, reason = choose_accel(failure=kvm_failure())
        mended = _would_be_mended(runner, accel)
    image = find_dom0(spec.release)
    ours = Dom0Image(base_directory() / record.image) if record and record.image else image
    warm, why, states = warm_status(spec, accel, image, runner)
    shared = [one.directory for one in images(spec.release)]
    shared += [state.directory for state in states]
    return TestboxStatus(
        name=name,
        up=record is not None,
        state=_state(paths, record),
        accel=accel,
        accel_reason=reason,
        mended=mended,
        release=spec.release,
        xen=_xen_version(spec.release, ours),
        pid=record.pid if record else None,
        ssh_port=record.ssh_port if record else None,
        since=record.started if record else None,
        image_built=ours.built if ours and ours.complete else None,
        warm=warm,
        warm_reason=why,
        disk=used_space(paths.top) if paths.top.exists() else 0,
        disk_shared=used_space(*shared),
    )


def _would_be_mended(runner: LocalRunner, accel: Accel) -> bool:
    try:
        return find_emulator(runner, accel).mended
    except XenflightError:
        return False


testbox_status.__test__ = False  # type: ignore[attr-defined]  # pytest would collect it


def warm_status(
    spec: TestboxSpec, accel: Accel, image: Dom0Image | None, runner: LocalRunner
) -> tuple[Warm, str, list[SavedState]]:
    """Whether a warm state fits, why or why not, and those made for this very machine."""
    if not image:
        if images(spec.release):
            return Warm.STALE, "the dom0 image was made by another recipe", []
        return Warm.NO, "there is no dom0 image yet", []
    try:
        emulator = find_emulator(runner, accel)
    except XenflightError as error:
        return Warm.NO, f"QEMU does not answer: {error}", []
    hardware = Hardware.of(spec, accel, emulator)
    if not hardware.can_be_saved:
        return Warm.NO, "QEMU can't save an emulated AMD-Vi: it boots every time", []
    states = warm_states(base_directory(), warm_key(image, hardware, spec))
    reasons = [state.why_not(thorough=False) for state in states]
    if None in reasons:
        return Warm.YES, "it starts in seconds", states
    spoilt = [reason for reason in reasons if reason and reason != NONE]
    if spoilt:
        return Warm.STALE, spoilt[-1], states
    if any(base_directory().glob("warm-*/manifest.json")):
        return Warm.STALE, "there are only ones for another QEMU, machine or dom0 image", states
    return Warm.NO, "it has not been started since the dom0 image was made", states


def age(since: float | None, now: float | None = None) -> str:
    """``12 min``, ``3 h`` or ``5 d``; a dash for what never was."""
    if since is None:
        return "-"
    seconds = max(0.0, (time.time() if now is None else now) - since)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _state(paths: TestboxPaths, record: InstanceRecord | None) -> str:
    if record:
        return "up" if record.stage == "ready" else "starting"
    return "saved" if SavedState(directory=paths.top, key="").sealed else "down"


def _xen_version(release: str, image: Dom0Image | None) -> str:
    xen = find_release(release).xen
    if not image or not image.complete:
        return xen
    packages = image.manifest.get("packages")
    found = packages.get(f"xen-hypervisor-{xen}-amd64") if isinstance(packages, dict) else None
    return str(found or xen)
