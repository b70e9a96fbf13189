"""All that can be asked of a simulated host, by name: what is not here is not installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.sim import (
    admission,
    census,
    crossing,
    devices,
    dom0,
    evidence,
    health,
    images,
    insidedisks,
    insidenet,
    libvirt,
    lvm,
    moves,
    pci,
    xenstore,
    xl,
)
from harness.sim.host import SimHost
from harness.sim.request import Handler, Request
from harness.sim.slots import LockStream, SlotStream
from harness.sim.stream import SimStream, Words
from harness.sim.tty import ConsoleStream

Open = Callable[[SimHost, str, Request], SimStream]

PROGRAMS: Mapping[str, Handler] = {
    **dom0.PROGRAMS,
    **lvm.PROGRAMS,
    **xl.PROGRAMS,
    **moves.PROGRAMS,
    **crossing.PROGRAMS,
    **devices.PROGRAMS,
    **libvirt.PROGRAMS,
    **xenstore.PROGRAMS,
    **images.PROGRAMS,
    **insidedisks.PROGRAMS,
    **insidenet.PROGRAMS,
    **pci.PROGRAMS,
    **census.PROGRAMS,
    **admission.PROGRAMS,
    **health.PROGRAMS,
}
"""Those that run to their end."""


def _evidence(host: SimHost, what: str, request: Request) -> SimStream:
    answer = evidence.evidence(host, request)
    return Words(host.clock, what, answer.stdout.encode(), answer.seconds)


STREAMS: Mapping[str, Open] = {
    "take-lock": lambda host, what, request: LockStream(host, what, request.words),
    "admit-job": lambda host, what, request: admission.AdmitStream(host, what, request.words),
    "take-slot": lambda host, what, request: SlotStream(host, what, request.words),
    "xl console": lambda host, what, request: ConsoleStream(host, what, request),
    "evidence": _evidence,
    **crossing.STREAMS,
}
"""Those that go on running."""
