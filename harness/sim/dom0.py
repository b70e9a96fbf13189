"""What dom0 of a simulated host does besides Xen and LVM: files, locks, time, pressure, network."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from harness.flight.faults import FaultKind
from harness.host.evict import USES
from harness.host.lock import LOCK_DIRECTORY
from harness.host.names import BUILD_DIRECTORY, RUN_DIRECTORY
from harness.sim.host import SimHost
from harness.sim.request import Answer, Handler, Request
from harness.sim.slots import drained
from harness.sim.wires import talks
from harness.sim.xl import DOM0_KERNEL
from harness.storage.names import Role

_XEN = "/usr/lib/xen-4.17"
_PATHS: Mapping[str, str] = {
    "hvmloader": f"{_XEN}/boot/hvmloader",
    "pygrub": f"{_XEN}/bin/pygrub",
    "device-model": "/usr/libexec/xen-qemu-system-i386",
    "seabios": "/usr/share/seabios/bios-256k.bin",
    "ovmf": "/usr/share/ovmf/OVMF.fd",
    "pvgrub-pv": "/usr/lib/grub-xen/grub-x86_64-xen.bin",
    "pvgrub-pvh": "/usr/lib/grub-xen/grub-i386-xen_pvh.bin",
    "qemu-nbd": "/usr/bin/qemu-nbd",
    "python3": "/usr/bin/python3",
    "nbd-module": f"/lib/modules/{DOM0_KERNEL}/kernel/drivers/block/nbd.ko",
    "virsh": "/usr/bin/virsh",
    "libvirt-xen": "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_libxl.so",
    "pciback": f"/lib/modules/{DOM0_KERNEL}/kernel/drivers/xen/xen-pciback/xen-pciback.ko",
    "kernel": f"/boot/vmlinuz-{DOM0_KERNEL}",
    "initrd": f"/boot/initrd.img-{DOM0_KERNEL}",
}
"""What is installed."""
_BUSY = 0.97
"""The share of the time in which tasks wait on a dom0 that is overloaded."""
_PING = """\
PING {address} ({address}) 56(84) bytes of data.

--- {address} ping statistics ---
{sent} packets transmitted, {back} received, {lost:g}% packet loss, time {time}ms
"""


def install(host: SimHost) -> None:
    """Give a new host what a dom0 has."""
    for path in _PATHS.values():
        host.files.write(path)


def true(host: SimHost, request: Request) -> Answer:
    """``true``, and whatever does nothing that anybody could see."""
    del host, request
    return Answer()


def false(host: SimHost, request: Request) -> Answer:
    """``false``."""
    del host, request
    return Answer(status=1)


def echo(host: SimHost, request: Request) -> Answer:
    """``echo``."""
    del host
    return Answer(stdout=" ".join(request.words) + "\n")


def printf(host: SimHost, request: Request) -> Answer:
    """``printf %s WORD``; no other format."""
    del host
    return Answer(stdout=request.words[1])


def cat(host: SimHost, request: Request) -> Answer:
    """``cat``: its input, or files."""
    parts = [] if request.words else [request.stdin]
    for path in request.words:
        data = host.files.read(path)
        if data is None:
            return Answer(stderr=f"cat: {path}: No such file or directory\n", status=1)
        parts.append(data)
    return Answer(stdout=b"".join(parts).decode(errors="replace"))


def sleep(host: SimHost, request: Request) -> Answer:
    """``sleep``."""
    del host
    return Answer(seconds=float(request.words[0]))


def touch(host: SimHost, request: Request) -> Answer:
    """``touch``."""
    for path in request.rest:
        host.files.write(path, host.files.read(path) or b"")
    return Answer()


def test(host: SimHost, request: Request) -> Answer:
    """``test -e``."""
    return Answer(status=0 if host.files.exists(request.words[1]) else 1)


def date(host: SimHost, request: Request) -> Answer:
    """``date +%s`` and ``date +%s.%N``."""
    if request.words == ("+%s.%N",):
        return Answer(stdout=f"{host.clock.time_of_day():.9f}\n")
    return Answer(stdout=f"{int(host.clock.time_of_day())}\n")


def mkdir(host: SimHost, request: Request) -> Answer:
    """``mkdir -p``."""
    for path in request.rest:
        host.files.make(path)
    return Answer()


def rm(host: SimHost, request: Request) -> Answer:
    """``rm -f`` and ``rm -rf``."""
    for path in request.rest:
        host.files.remove(path)
    return Answer()


def tail(host: SimHost, request: Request) -> Answer:
    """``tail -n N FILE``."""
    path = request.words[-1]
    data = host.files.read(path)
    if data is None:
        said = f"tail: cannot open '{path}' for reading: No such file or directory\n"
        return Answer(stderr=said, status=1)
    return Answer(stdout=data.decode(errors="replace"))


def ls(host: SimHost, request: Request) -> Answer:
    """``ls DIRECTORY``."""
    path = request.rest[0]
    found = host.interfaces if path == "/sys/class/net" else host.files.entries(path)
    return Answer(stdout="".join(f"{name}\n" for name in found))


def look_around(host: SimHost, request: Request) -> Answer:
    """The script of `harness.host.capabilities`."""
    del request
    there = ((what, path) for what, path in _PATHS.items() if host.files.exists(path))
    return Answer(stdout="".join(f"{what} {path}\n" for what, path in there))


def os_release(host: SimHost, request: Request) -> Answer:
    """The script of `harness.host.facts`."""
    del host, request
    return Answer(stdout="Debian GNU/Linux 12 (bookworm)\n")


def list_flights(host: SimHost, request: Request) -> Answer:
    """The script of `harness.host.reaper`."""
    del request
    found = []
    for directory in (f"{RUN_DIRECTORY}/flights", BUILD_DIRECTORY, LOCK_DIRECTORY):
        found += [f"{directory}/{name}\n" for name in host.files.entries(directory)]
    for run in host.files.entries(BUILD_DIRECTORY):
        directory = f"{BUILD_DIRECTORY}/{run}"
        found += [f"{directory}/{name}\n" for name in host.files.entries(directory)]
    found += [f"{line}\n" for line in host.pci.claims()]
    return Answer(stdout="".join(found))


def forget_domains(host: SimHost, request: Request) -> Answer:
    """The script of `harness.xen.toolstack.Xl.forget`."""
    prefix, configs, userdata, uuid = request.words
    for path in list(host.files.below(configs)):
        if fnmatchcase(path, f"{configs}/{prefix}*.cfg"):
            host.files.remove(path)
    for path in list(host.files.below(userdata)):
        named = f'"{prefix}'.encode() in (host.files.read(path) or b"")
        if named or (uuid and f".{uuid}." in path):
            host.files.remove(path)
    return Answer()


def note_use(host: SimHost, request: Request) -> Answer:
    """The script of `harness.host.evict.note_use`: a golden volume and the flight's directory."""
    name, directory = request.words
    host.files.make(directory)
    for path in (f"{directory}/{name}", f"{USES}/{name}"):
        host.files.write(path)
    return Answer()


def golden_uses(host: SimHost, request: Request) -> Answer:
    """The script of `harness.host.evict.find_uses`."""
    del request
    used = [
        f"used {name} {host.files.time(f'{USES}/{name}')}\n" for name in host.files.entries(USES)
    ]
    paths = host.files.below(f"{RUN_DIRECTORY}/flights")
    held = [f"held {path.rpartition('/')[2]}\n" for path in paths if f"/{Role.GOLDEN}/" in path]
    return Answer(stdout="".join([*used, *held, "all\n"]))


def free_locks(host: SimHost, request: Request) -> Answer:
    """The script of `harness.host.lock.dead_locks`."""
    directory, *names = request.words
    host.files.make(directory)
    for name in names:
        # flock(1) makes the file of a lock that nobody ever took.
        if host.files.read(f"{directory}/{name}") is None:
            host.files.write(f"{directory}/{name}")
    free = (name for name in names if host.locks.free(f"{directory}/{name}"))
    return Answer(stdout="".join(f"{name}\n" for name in free))


def read_slots(host: SimHost, request: Request) -> Answer:
    """The script of `harness.host.slots.read_slots`."""
    directory, drain_file = request.words
    text = drained(host, drain_file)
    return Answer(stdout=(f"drained {text}\n" if text else "") + host.slots.tell(directory))


def revoke_leases(host: SimHost, request: Request) -> Answer:
    """The script of `harness.host.revoke.revoke_leases`; no command of theirs still runs."""
    directory, _, job, *runs = request.words
    host.slots.revoke(directory, runs, job)
    return Answer()


def drain_host(host: SimHost, request: Request) -> Answer:
    """The script of `harness.host.drain.drain`."""
    before = drained(host, request.words[0])
    host.files.write(request.words[0], request.stdin)
    return Answer(stdout=f"{before}\n" if before else "")


def undrain_host(host: SimHost, request: Request) -> Answer:
    """The script of `harness.host.drain.undrain`."""
    before = drained(host, request.words[0])
    host.files.remove(request.words[0])
    return Answer(stdout=f"{before}\n" if before else "")


def pressure(host: SimHost, request: Request) -> Answer:
    """``grep`` in /proc/pressure and its kin (`harness.host.pressure`)."""
    del request
    slow = any(one.guest.slow for one in host.domains.values())
    busy = _BUSY if slow or host.faults.strike(FaultKind.DOM0_BUSY) else 0.0
    seconds, cpus = host.clock.monotonic() - host.began + 100.0, host.sim.cpus
    stall = f"some avg10={100 * busy:.2f} avg60=0.00 avg300=0.00 total={int(seconds * busy * 1e6)}"
    none = "some avg10=0.00 avg60=0.00 avg300=0.00 total=4711"
    lines = [f"/proc/pressure/cpu:{stall}", f"/proc/pressure/io:{none}"]
    lines += [f"/proc/pressure/memory:{none}"]
    lines += [f"/proc/loadavg:{0.1 + busy * 4 * cpus:.2f} 0.10 0.10 1/132 21999"]
    lines += [f"/proc/uptime:{seconds:.2f} {seconds:.2f}"]
    ticks = int(seconds * 100 * cpus)
    lines += [f"/proc/stat:cpu  {ticks} 0 0 0 0 0 0 0 0 0"]
    lines += [f"/proc/stat:cpu{number} {ticks // cpus} 0 0 0 0 0 0 0 0 0" for number in range(cpus)]
    return Answer(stdout="".join(f"{line}\n" for line in lines), status=2)


def ping(host: SimHost, request: Request) -> Answer:
    """``ping`` with -c."""
    address, count = request.words[-1], int(request.words[request.words.index("-c") + 1])
    guest = host.guest_at(address)
    answers = guest is not None and talks(host, guest)
    lost = 0 if answers else count
    if guest and guest.strikes(FaultKind.PACKET_LOSS):
        lost = max(1, count // 5)
    text = _PING.format(
        address=address,
        sent=count,
        back=count - lost,
        lost=100 * lost / count,
        time=200 * (count - 1),
    )
    return Answer(stdout=text, status=0 if lost < count else 1, seconds=0.2 * count)


PROGRAMS: Mapping[str, Handler] = {
    "true": true,
    "false": false,
    "echo": echo,
    "printf": printf,
    "cat": cat,
    "sleep": sleep,
    "touch": touch,
    "test": test,
    "udevadm": true,
    "end-builders": true,
    "date": date,
    "mkdir": mkdir,
    "rm": rm,
    "tidy-domain": lambda host, request: rm(host, Request(name="rm", words=request.words[:1])),
    "tail": tail,
    "ls": ls,
    "look-around": look_around,
    "os-release": os_release,
    "list-flights": list_flights,
    "forget-domains": forget_domains,
    "note-use": note_use,
    "golden-uses": golden_uses,
    "free-locks": free_locks,
    "read-slots": read_slots,
    "drain-host": drain_host,
    "revoke-leases": revoke_leases,
    "undrain-host": undrain_host,
    "grep": pressure,
    "ping": ping,
}
