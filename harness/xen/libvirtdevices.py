"""What libvirt changes in a domain that runs. Options: virsh(1)."""

from __future__ import annotations

from datetime import timedelta

from harness.remote.command import Runner
from harness.units import Size
from harness.xen.config import Disk, Vif
from harness.xen.devices import TIMEOUT
from harness.xen.libvirt import call


class LibvirtDevices:
    """`Devices` by virsh; each command may take *timeout*."""

    def __init__(self, runner: Runner, timeout: timedelta = TIMEOUT) -> None:
        self._runner = runner
        self._timeout = timeout

    def set_vcpus(self, name: str, count: int) -> None:
        """See `Devices.set_vcpus`."""
        self._run("setvcpus", name, count, "--live")

    def set_memory(self, name: str, memory: Size) -> None:
        """See `Devices.set_memory`."""
        self._run("setmem", name, f"{memory.mib}MiB", "--live")

    def attach_disk(self, name: str, disk: Disk) -> None:
        """See `Devices.attach_disk`."""
        driver = ("--driver", "phy", "--sourcetype", "block", "--targetbus", "xen")
        self._run("attach-disk", name, disk.path, disk.vdev, *driver, "--live")

    def detach_disk(self, name: str, vdev: str) -> None:
        """See `Devices.detach_disk`."""
        self._run("detach-disk", name, vdev, "--live")

    def attach_vif(self, name: str, vif: Vif) -> None:
        """See `Devices.attach_vif`."""
        self._run("attach-interface", name, "bridge", vif.bridge, "--mac", vif.mac, "--live")

    def detach_vif(self, name: str, mac: str) -> None:
        """See `Devices.detach_vif`."""
        self._run("detach-interface", name, "bridge", "--mac", mac, "--live")

    def _run(self, verb: str, *words: object) -> None:
        self._runner.run(call(verb, *words), timeout=self._timeout)
