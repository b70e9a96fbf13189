"""Verbs that change a guest while it runs: processors, memory, disks, interfaces.

Each asks xl, and then waits until both sides have done their part: Xen or dom0, and the guest.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from harness.errors import DeadlineExceeded, LabError, NotApplicable
from harness.flight.axes import Virt
from harness.flight.model import EXTRA_DEVICES
from harness.job.guestpower import POLL, GuestPower
from harness.job.slot import in_slot
from harness.job.xlcalls import under_test
from harness.remote.command import Command
from harness.storage.names import scratch_name, scratch_tags
from harness.units import Size
from harness.wait import Deadline, NotYet, wait_for
from harness.xen.config import Disk, Vif
from harness.xen.devices import Devices

T = TypeVar("T")
CHANGE_TIMEOUT = timedelta(seconds=60)
"""For xl, and again for the guest, on hardware."""
VDEV = EXTRA_DEVICES[-1]
"""What the disk is called that it is given later."""
DISK_SIZE = Size.parse("64M")
CLOSE = Size.parse("8M")
"""How far from what it was told its memory may be: page tables and the like are not counted alike
by all sides."""
MEMORY_LEFT = "cat /sys/devices/system/xen_memory/xen_memory0/info/current_kb"
"""What the guest's balloon driver knows of its memory (Linux, drivers/xen/xen-balloon.c)."""
CPUS = "getconf _NPROCESSORS_ONLN"
# A kernel that is given a processor makes it present (Linux, drivers/xen/cpu_hotplug.c). To use it
# is left to udev's rules, of which Debian has none; until it is present that is refused.
USE_CPUS = f"""
for cpu in /sys/devices/system/cpu/cpu[0-9]*/online; do
    if [ "$(cat "$cpu")" = 0 ]; then echo 1 2>/dev/null >"$cpu" || :; fi
done
{CPUS}
"""
# $1 what is looked for.
DISK_THERE = 'if [ -b "/dev/$1" ]; then echo there; else echo gone; fi'
NIC_THERE = """
for dev in /sys/class/net/*; do
    if [ "$(cat "$dev/address")" = "$1" ]; then
        # udev may be about to give it another name.
        ip link set "${dev##*/}" up && echo there
        exit
    fi
done
echo gone
"""
PACKETS = 'cat "/sys/class/net/vif$1.$2/statistics/rx_packets"'


class GuestChanging(GuestPower):
    """What it has can be changed while it runs."""

    def vcpu_set(self, count: int) -> None:
        """Let it have *count* processors, of those that it was made with (``xl vcpu-set``)."""
        if self.spec.virt is Virt.HVM:
            msg = "QEMU's ACPI can give an HVM guest a processor, and cannot take one away"
            raise NotApplicable(msg)
        if count > self.spec.vcpus:
            msg = f"it was made with {self.spec.vcpus} vcpus: there is none to take or to give"
            raise NotApplicable(msg)
        script = USE_CPUS if count > self.info.vcpus else CPUS
        self._ask("vcpu-set", lambda: self._devices.set_vcpus(self.name, count))
        self._until(
            lambda: (self.info.vcpus, self._number("count-cpus", script)),
            lambda found: found == (count, count),
            f"vcpus to be {count} in `xl list` and in the guest",
            "vcpus-stay",
        )

    def mem_set(self, memory: Size) -> None:
        """Have it be of *memory*, no more than it was made with (balloon, ``xl mem-set``)."""
        before = self._memory()
        more = memory.mib - before[0]
        free = self.host.xl.info().free_memory
        if more > free:
            msg = f"{self.host.name} has {free} MiB free, and {more} are needed"
            raise LabError(msg)
        self._ask("mem-set", lambda: self._devices.set_memory(self.name, memory))
        self._until(
            self._memory,
            # By how much, since not all sides count the same at first.
            lambda found: all(
                abs(now - then - more) <= CLOSE.mib for now, then in zip(found, before, strict=True)
            ),
            f"memory to change by {more} MiB in `xl list` and in the guest, from {before}",
            "balloon-stays",
        )

    def block_attach(self) -> str:
        """Give it an empty disk of 64 MiB, which goes with the job; its name in the guest."""
        name = scratch_name(self._run, self.spec.name, "later")
        if name not in self._more_volumes:
            self._more_volumes.append(name)
            self._fenced.volumes.create_thin(
                name, DISK_SIZE, scratch_tags(self._run, self.spec.name)
            )
        disk = Disk(path=self.host.volumes.path(name), vdev=VDEV)
        self._ask("attach", lambda: self._devices.attach_disk(self.name, disk))
        self._await_in_guest("see-disk", DISK_THERE, VDEV, "there", "attach")
        return VDEV

    def block_detach(self) -> None:
        """Take that disk away; over when the guest and dom0 have let go of it."""
        self._detach(
            "vbd", lambda: self._devices.detach_disk(self.name, VDEV), DISK_THERE, "see-disk", VDEV
        )

    def network_attach(self) -> str:
        """Give it another interface, and see that packets of it come to dom0; its MAC address."""
        vif = Vif(mac=self.spare_mac, bridge=self.host.bridge)
        before = set(self._backends("vif"))
        self._ask("attach", lambda: self._devices.attach_vif(self.name, vif))
        self._await_in_guest("see-nic", NIC_THERE, self.spare_mac, "there", "attach")
        (number,) = {path.rpartition("/")[2] for path in set(self._backends("vif")) - before}
        self._until(
            lambda: self._packets(number),
            lambda packets: packets > 0,
            "packets from the new interface to come to dom0",
            "attach-stalled",
        )
        return self.spare_mac

    def network_detach(self) -> None:
        """Take that interface away; over when the guest and dom0 have let go of it."""
        mac = self.spare_mac
        self._detach(
            "vif", lambda: self._devices.detach_vif(self.name, mac), NIC_THERE, "see-nic", mac
        )

    # -- small parts -------------------------------------------------------------------

    @property
    def _devices(self) -> Devices:
        return self._tools.devices

    def _ask(self, phase: str, ask: Callable[[], None]) -> None:
        with in_slot(self._lease), under_test(self, phase):
            ask()

    def _detach(self, kind: str, ask: Callable[[], None], look: str, name: str, what: str) -> None:
        before = len(self._backends(kind))
        self._ask("detach", ask)
        self._await_in_guest(name, look, what, "gone", "detach")
        self._until(
            lambda: len(self._backends(kind)),
            lambda count: count == before - 1,
            f"a {kind} less in dom0 than the {before} that there were",
            "detach-stalled",
        )

    def _backends(self, kind: str) -> list[str]:
        found = self.host.xl.backends(self.domain.domid)
        return [path for path in found if path.startswith(f"{kind}/")]

    def _packets(self, number: str) -> int:
        command = Command.script("count-packets", PACKETS, self.domain.domid, number)
        return int(self.host.runner.run(command).stdout)

    def _memory(self) -> tuple[int, int]:
        """In MiB: as Xen tells it, and as the guest does."""
        return self.info.memory, self._number("read-balloon", MEMORY_LEFT) >> 10

    def _number(self, name: str, script: str) -> int:
        return int(self.ssh.run(Command.script(name, script)).stdout)

    def _await_in_guest(self, name: str, script: str, what: str, state: str, phase: str) -> None:
        self._until(
            lambda: self.ssh.run(Command.script(name, script, what)).stdout.strip(),
            lambda found: found == state,
            f"{what} to be {state} in the guest",
            f"{phase}-stalled",
        )

    def _until(
        self, look: Callable[[], T], good: Callable[[T], bool], what: str, failure_class: str
    ) -> None:
        """Wait for it; `GuestFailure` of that class when it does not come."""

        def check() -> None:
            found = look()
            if not good(found):
                raise NotYet(found)

        with in_slot(self._lease), self.waiting():
            deadline = Deadline.after(self.stretched(CHANGE_TIMEOUT))
            try:
                wait_for(check, what=what, deadline=deadline, interval=POLL)
            except DeadlineExceeded as error:
                phase = self.step.phases[-1].name if self.step.phases else "guest"
                raise self.failure(error.message, phase, failure_class) from error
