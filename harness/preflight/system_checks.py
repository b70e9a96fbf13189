"""Checks of the disk and of the system on it: does the guest find its root, and say so?"""

from __future__ import annotations

from collections.abc import Iterator

from harness.flight.axes import Boot, Virt
from harness.preflight.case import Case, Lookup
from harness.preflight.evidence import Evidence, bad, doubt, good, note
from harness.preflight.kernel import BLOCK
from harness.preflight.kernel_checks import BITS_64
from harness.preflight.model import Driver, Partition

_A = {Virt.PV: "a PV", Virt.PVH: "a PVH", Virt.HVM: "an HVM"}
_EXT = frozenset({"ext2", "ext3", "ext4"})


def table(case: Case) -> Iterator[Evidence]:
    """Whether the guest sees any partition."""
    disk = case.report.disk
    if disk.damage:
        yield bad(disk.damage)
    if not disk.partitions:
        yield bad("there is neither a partition nor a file system in the image")
    elif all(part.fs is None for part in disk.partitions):
        yield bad("none of its partitions has a file system")


def root_driver(case: Case) -> Iterator[Evidence]:
    """Whether the driver of the root disk is in the kernel or the initramfs."""
    kernel = case.choice.kernel
    if kernel is None or kernel.problem:
        return
    initrd = case.choice.initrd
    if initrd is not None and not initrd.readable:
        return
    wanted = [BLOCK]
    if case.virt is Virt.HVM and case.xen_disks is False:
        wanted = ["ahci", "sd-mod"]
    fs = _root_type(case)
    if fs in _EXT:
        wanted.append("ext4")
    elif fs in {"xfs", "btrfs"}:
        wanted.append(fs)
    for name in wanted:
        yield _driver(case, name)


def _root_type(case: Case) -> str:
    found = [case.device(value) for value in case.values("root")]
    part = found[-1] if found else None
    return part.fs.type if isinstance(part, Partition) and part.fs else ""


def _driver(case: Case, name: str) -> Evidence:
    kernel, initrd = case.choice.kernel, case.choice.initrd
    assert kernel is not None
    where = kernel.drivers.get(name)
    if where is Driver.BUILTIN or (initrd and name in initrd.builtin):
        return good(f"{name} is built into the kernel")
    if initrd and name in initrd.modules:
        return good(f"{initrd.path} has {name}")
    if where is None:
        return doubt(
            f"where {name} is could not be found out: the kernel's configuration is not there"
        )
    if where is Driver.NONE:
        return bad(f"the kernel was built without {name}")
    if initrd is None:
        return bad(f"{name} is a module, and there is no initramfs to load it")
    state = f" ({initrd.problem})" if initrd.problem else ""
    return bad(f"{name} is a module, and {initrd.path} does not have it{state}")


def root_device(case: Case) -> Iterator[Evidence]:
    """Whether what ``root=`` names is there."""
    initrd = case.choice.initrd
    if initrd is not None and initrd.problem and initrd.readable:
        yield doubt(f"{initrd.path}: {initrd.problem}")
    if case.choice.kernel is None:
        return
    if case.boot is Boot.DIRECT and case.report.root is None:
        yield doubt(f"which partition is the root is not known: {case.report.root_problem}")
        return
    values = case.values("root")
    if not values:
        yield doubt("the kernel's line has no root=: what the initramfs does then is not known")
        return
    found = case.device(values[-1])
    if found is Lookup.ABSENT:
        yield bad(f"root={values[-1]} is not in the image, as {_A[case.virt]} guest sees it")
    elif isinstance(found, Lookup):
        yield doubt(f"whether root={values[-1]} will be there is not known")
    elif initrd is None and values[-1].startswith(("UUID=", "LABEL=")):
        yield bad(f"root={values[-1]} needs an initramfs, and there is none")
    else:
        yield from _right_root(case, values[-1], found)


def _right_root(case: Case, name: str, found: Partition) -> Iterator[Evidence]:
    root = case.report.root
    if found.fs is None:
        yield bad(f"root={name} is {found}, which has no file system")
    elif root is not None and found.number == root.partition:
        yield good(f"root={name} is {found}, {found.fs.type}")
    elif found.fs.problem:
        yield doubt(f"root={name} is {found}, unread: {found.fs.problem}")
    else:
        yield bad(f"root={name} is {found}, which holds no system")


def init(case: Case) -> Iterator[Evidence]:
    """Whether there is a system to start, for this processor."""
    root = case.report.root
    if root is None:
        yield doubt(f"the root file system was not read: {case.report.root_problem}")
        return
    if case.values("init"):
        yield doubt(f"the kernel's line names another init: {case.values('init')[-1]}")
    elif not root.init:
        yield bad("there is no /sbin/init in the root file system")
    kernel = case.choice.kernel
    if root.arch and root.arch not in {"amd64", "i386"}:
        yield bad(f"its programs are for {root.arch}, not for x86")
    elif kernel and kernel.bits and kernel.bits < BITS_64 and root.arch == "amd64":
        yield bad("its programs are 64-bit and its kernel is not")


def fstab(case: Case) -> Iterator[Evidence]:
    """Whether what it mounts at boot is there."""
    root = case.report.root if case.choice.kernel else None
    for mount in root.mounts if root else ():
        found = case.device(mount.device)
        if isinstance(found, Partition) or mount.optional:
            continue
        what = f"/etc/fstab: {mount.device} on {mount.point}"
        if found is Lookup.UNKNOWN:
            yield doubt(f"{what} may not be there")
        elif mount.point == "/":
            yield doubt(f"{what} is not there: the root may stay read-only")
        elif mount.type == "swap":
            yield doubt(f"{what} is not there: the boot waits for it, systemd for 90 s")
        else:
            yield bad(f"{what} is not there, and the boot does not go on without it")


def console(case: Case) -> Iterator[Evidence]:
    """Whether the boot is heard where the harness listens, and ends in a login prompt there."""
    if case.choice.kernel is None:
        return
    root = case.report.root
    where = case.console
    named = [value.partition(",")[0] for value in case.values("console")]
    heard = where in named or (not named and case.virt is Virt.PV)
    if root is not None and root.no_login:
        yield bad(f"nobody could log in: {root.no_login}")
        return
    prompt = _prompt(case, heard=heard)
    if prompt is False:
        yield bad(
            f"no login prompt comes on {where}: neither the kernel's line nor a getty names it"
        )
    elif prompt is None:
        yield doubt(f"whether a login prompt comes on {where} is not known")
    elif not heard:
        yield doubt(
            f"the kernel's line has no console={where}: the boot is silent up to the login prompt"
        )
    else:
        yield good(f"the boot is heard on {where}")


def _prompt(case: Case, *, heard: bool) -> bool | None:
    root = case.report.root
    if root is None:
        return None
    if case.console in root.gettys or (heard and "console" in root.gettys):
        return True
    if root.automatic:
        # systemd's generator: hvc0 when it is there, and the kernel's consoles.
        return heard or case.console == "hvc0"
    return False if root.init in {"systemd", "sysvinit"} else None


def after_boot(case: Case) -> Iterator[Evidence]:
    """What the boot does not need, but most suites do."""
    root = case.report.root
    if root is None:
        return
    if not root.sshd:
        yield note("it has no SSH server: the step guest-ssh will not pass")
    if not root.network:
        yield note("no DHCP was found in its network set-up: the step guest-network may not pass")
