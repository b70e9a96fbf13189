"""What the witnesses of a life cycle say in a simulated guest (`harness.job.witness`)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from harness.remote.command import Command
from harness.sim.guest import SimGuest
from harness.sim.host import SimHost
from harness.sim.inside import Inside
from harness.sim.insidedisks import IN_GUEST_DISKS
from harness.sim.insidenet import IN_GUEST_NET
from harness.sim.pci import IN_GUEST_PCI
from harness.sim.request import Answer, name_of, words_of

_TICK = 0.5
_PROCESS = "612"


def answer(
    host: SimHost, guest: SimGuest, command: Command, stdin: bytes, session: str
) -> Answer | None:
    """How a command of the witnesses ends; None when it is none of theirs."""
    found = IN_GUEST.get(name_of(command))
    domain = next((one for one in host.domains.values() if one.guest is guest), None)
    if found is None or domain is None or guest.machine is None:
        return None
    return found(
        Inside(
            host=host,
            guest=guest,
            machine=guest.machine,
            domain=domain,
            session=session,
            words=words_of(command),
            stdin=stdin,
        )
    )


def _fill(it: Inside) -> Answer:
    path = it.words[0]
    it.files[path] = hashlib.sha256(f"{path} {it.machine.boot_id}".encode()).digest()
    return Answer(stdout=_sha256(it.files[path]), seconds=2.0, disk=True)


def _read(it: Inside) -> Answer:
    return Answer(stdout=_sha256(it.files.get(it.words[0], b"")), seconds=1.0, disk=True)


def _begin(it: Inside) -> Answer:
    it.guest.counts_since = it.host.clock.monotonic()
    return Answer(stdout=f"{_PROCESS} {_start(it)}\n")


def _look(it: Inside) -> Answer:
    lines = ["count "]
    process = f"process {it.words[1]} "
    if it.guest.counts_since is not None:
        seconds = it.host.clock.monotonic() - it.guest.counts_since
        lines = [f"count {int(seconds / _TICK)}"]
        process += _start(it)
    lines += [process, f"boot {it.machine.boot_id}", f"session {it.session}"]
    return Answer(stdout="".join(f"{line}\n" for line in lines))


def _date(it: Inside) -> Answer:
    return Answer(stdout=f"{it.host.clock.time_of_day() - it.guest.behind:.9f}\n")


def _reboot(it: Inside) -> Answer:
    it.host.clock.after(1.0, it.guest.reboot)
    return Answer()


def _memory(it: Inside) -> Answer:
    return Answer(stdout=f"{it.domain.memory << 10}\n")


def _cpus(it: Inside) -> Answer:
    return Answer(stdout=f"{it.domain.vcpus}\n")


def _disk(it: Inside) -> Answer:
    disks = it.domain.config.disks
    there = it.words[0] in {disk.vdev for disk in disks if it.domain.sees(disk)}
    return Answer(stdout="there\n" if there else "gone\n")


def _nic(it: Inside) -> Answer:
    there = it.words[0] in {vif.mac for vif in it.domain.config.vifs}
    return Answer(stdout="there\n" if there else "gone\n")


def _write(it: Inside) -> Answer:
    disk = next((one for one in it.domain.config.disks if one.vdev == it.words[0]), None)
    volume = it.host.group.at(disk.target) if disk else None
    if volume is None:
        return Answer(stderr=f"dd: failed to open '/dev/{it.words[0]}'\n", status=1)
    volume.contents.files[""] = it.stdin
    return Answer(disk=True)


def _start(it: Inside) -> str:
    return str(int((it.guest.counts_since or 0.0) * 100))


def _sha256(data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()}  -\n"


IN_GUEST: Mapping[str, Callable[[Inside], Answer]] = {
    "fill-disk": _fill,
    "read-data": _read,
    "begin-witness": _begin,
    "look-at-witness": _look,
    "date": _date,
    "reboot-guest": _reboot,
    "allow-sysrq": lambda _: Answer(),
    "read-balloon": _memory,
    "count-cpus": _cpus,
    "see-disk": _disk,
    "see-nic": _nic,
    "write-block": _write,
    **IN_GUEST_DISKS,
    **IN_GUEST_NET,
    **IN_GUEST_PCI,
}
