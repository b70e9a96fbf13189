"""What xl changes in a domain that runs: its processors, its memory, its disks, its interfaces."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from harness.remote.command import Command, Runner
from harness.units import Size
from harness.xen.config import Disk, Vif

TIMEOUT = timedelta(seconds=60)
"""xl itself waits some 10 s for a back end (LIBXL_INIT_TIMEOUT and its kin), times the host's
factor if the caller's bound has it."""


class Devices(Protocol):
    """What a guest needs of the toolstack to be changed; `XlDevices` has it.

    `CommandFailed` when xl says no. That xl is content does not mean that the guest did its part.
    """

    def set_vcpus(self, name: str, count: int) -> None:
        """Let it have so many processors, as long as it was made with as many."""
        ...

    def set_memory(self, name: str, memory: Size) -> None:
        """Have it give memory back, or take it again, down or up to *memory* (balloon)."""
        ...

    def attach_disk(self, name: str, disk: Disk) -> None:
        """Give it a disk."""
        ...

    def detach_disk(self, name: str, vdev: str) -> None:
        """Take that disk away."""
        ...

    def attach_vif(self, name: str, vif: Vif) -> None:
        """Give it an interface."""
        ...

    def detach_vif(self, name: str, mac: str) -> None:
        """Take that interface away."""
        ...


class XlDevices:
    """`Devices` by xl; each command may take *timeout*."""

    def __init__(self, runner: Runner, timeout: timedelta = TIMEOUT) -> None:
        self._runner = runner
        self._timeout = timeout

    def set_vcpus(self, name: str, count: int) -> None:
        """See `Devices.set_vcpus`."""
        # xl counts them against the host's CPUs, of which guests may share each.
        self._run("vcpu-set", "--ignore-host", name, count)

    def set_memory(self, name: str, memory: Size) -> None:
        """See `Devices.set_memory`."""
        self._run("mem-set", name, f"{memory.mib}m")

    def attach_disk(self, name: str, disk: Disk) -> None:
        """See `Devices.attach_disk`."""
        self._run("block-attach", name, disk)

    def detach_disk(self, name: str, vdev: str) -> None:
        """See `Devices.detach_disk`."""
        self._run("block-detach", name, vdev)

    def attach_vif(self, name: str, vif: Vif) -> None:
        """See `Devices.attach_vif`."""
        self._run("network-attach", name, *str(vif).split(","))

    def detach_vif(self, name: str, mac: str) -> None:
        """See `Devices.detach_vif`."""
        self._run("network-detach", name, mac)

    def _run(self, verb: str, *words: object) -> None:
        self._runner.run(Command.of("xl", verb, *words), timeout=self._timeout)
