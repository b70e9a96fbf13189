"""Debian's own installer, unattended, in a PV domain on the host.

As osstest's ts-debian-di-install: the installer's kernel and initramfs for Xen are started directly
with the answers in the initramfs, it makes the disk, and switches itself off. What it installed is
then booted through pygrub or GRUB, which read its own menu.
"""

from __future__ import annotations

import shlex
from datetime import timedelta
from io import BytesIO

from harness.build.cpio import append_files
from harness.build.dom0 import require_free_names, running_kernel
from harness.build.install_watch import Asked, InstallWatcher
from harness.build.mirror import as_controller
from harness.build.model import BuildRequest, BuiltDisks
from harness.build.netboot import Netboot, fetch_netboot
from harness.build.output import follow
from harness.build.preseed import (
    INSTALLED,
    Answers,
    installer_files,
    kernel_arguments,
)
from harness.build.remove import clean_up_after
from harness.build.verdict import verdict
from harness.errors import UsageError
from harness.flight.axes import Boot, Virt
from harness.guest.identity import make_password
from harness.host.names import build_directory, built_volumes, domain_name
from harness.host.owners import domain_uuid
from harness.mirror.mirror import Mirror
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.storage.names import scratch_tags
from harness.units import Size
from harness.xen.config import Action, Disk, DomainConfig, DomainType, Vif
from harness.xen.domain import Bounds, Domain, console_command

PROGRAM = "debian-installer"
LEAST_MEMORY = Size.parse("1G")
"""With 768M it enters low memory mode, and stops to say so: its initramfs alone takes a third."""
DISK_DEVICE = "xvda"
_SEND_TIMEOUT = timedelta(minutes=10)
_TIMEOUT = timedelta(minutes=1)
_END_TIMEOUT = timedelta(minutes=2)


def debian_installer(request: BuildRequest) -> BuiltDisks:
    """Install the guest of *request*; the installer's console is its log.

    When it fails nothing is left. `UsageError` for what it cannot make, `LabError` when the host or
    the mirror was at fault, `GuestFailure` when the installer was.
    """
    _check(request)
    running_kernel(request.host, "partx", "debugfs")
    require_free_names(request.host, request.hostname)
    spec, mirror = request.spec, Mirror(main=as_controller(request.mirror_url))
    netboot = fetch_netboot(mirror, spec.dist.value, spec.arch.value, LocalRunner())
    try:
        return _install(request, netboot)
    except BaseException as error:
        clean_up_after(request, error)
        raise


def _check(request: BuildRequest) -> None:
    spec = request.spec
    if spec.boot not in (Boot.PYGRUB, Boot.PVGRUB) or spec.virt is Virt.HVM:
        msg = f"{PROGRAM} makes guests for pygrub and pvgrub, not for {spec.virt} and {spec.boot}"
        raise UsageError(msg, hint="no boot loader is installed for firmware to start")


def _install(request: BuildRequest, netboot: Netboot) -> BuiltDisks:
    host, spec = request.host, request.spec
    kernel, initrd = _send(request, netboot)
    volume = built_volumes(request.hostname)[0]
    host.volumes.create_thin(volume, spec.disk, scratch_tags(request.run, spec.name))
    config = installer_domain(request, kernel, initrd).to_xl()
    watcher = InstallWatcher(request.step.clock)
    domain = host.xl.create_paused(config, domain_name(request.run, spec.name))
    # What it leaves behind bears its number, and the guest's own domain will have another.
    request.step.facts["installer_domid"] = str(domain.domid)
    try:
        stream = host.runner.open(console_command(domain.name))
        domain.unpause()
        follow(stream, request.log, request.deadline, watcher.line)
        if watcher.phase == INSTALLED:
            domain.wait_gone(request.deadline.sooner(host.stretched(_END_TIMEOUT)))
    except Asked as question:
        how = f"waits for an answer in its phase {watcher.phase!r}: {question}"
        raise verdict(PROGRAM, request.log, how) from question
    finally:
        watcher.record(request.step)
        _end(request, domain)
    if watcher.phase != INSTALLED:
        raise verdict(PROGRAM, request.log, f"ended in its phase {watcher.phase!r}")
    _remove_files(request)
    return _built(request, volume)


def installer_domain(request: BuildRequest, kernel: str, initrd: str) -> DomainConfig:
    """The domain that the installer runs in; it has the job's name, so that it is reaped."""
    spec, host = request.spec, request.host
    volume = built_volumes(request.hostname)[0]
    return DomainConfig(
        name=domain_name(request.run, spec.name),
        type=DomainType.PV,
        memory=max(spec.memory, LEAST_MEMORY).mib,
        vcpus=spec.vcpus,
        uuid=domain_uuid(request.run, spec.name),
        kernel=kernel,
        ramdisk=initrd,
        cmdline=kernel_arguments(),
        disks=(Disk(path=host.volumes.path(volume), vdev=DISK_DEVICE),),
        vifs=(Vif(mac=request.mac, bridge=host.bridge),),
        # It must never run twice over what it has made.
        on_reboot=Action.DESTROY,
    )


def _send(request: BuildRequest, netboot: Netboot) -> tuple[str, str]:
    """Bring kernel and initramfs to the host; the answers go into the latter."""
    answers = Answers(
        suite=request.spec.dist.value,
        hostname=request.hostname,
        mirror_url=request.mirror_url,
        packages=request.spec.packages,
        swap_mib=request.spec.swap.mib if request.spec.swap else 0,
        # Nobody knows this one: the job's own is written when the disk is seeded.
        root_hash=make_password().hash,
    )
    initramfs = append_files(netboot.initrd.read_bytes(), installer_files(answers))
    directory = build_directory(request.run, request.hostname)
    paths = f"{directory}/vmlinuz", f"{directory}/initrd"
    for path, data in zip(paths, (netboot.kernel.read_bytes(), initramfs), strict=True):
        script = f"mkdir -p {shlex.quote(directory)}; cat >{shlex.quote(path)}"
        request.host.runner.run(Command.shell(script), timeout=_SEND_TIMEOUT, stdin=BytesIO(data))
    return paths


def _end(request: BuildRequest, domain: Domain) -> None:
    """End its domain, whatever became of it; what goes wrong is found by who removes the disk."""
    bounds = Bounds().scaled(max(1.0, request.host.timeout_factor))
    domain.teardown(graceful=False, bounds=bounds)


def _remove_files(request: BuildRequest) -> None:
    directory = build_directory(request.run, request.hostname)
    script = 'rm -rf "$1"; rmdir "${1%/*}" 2>/dev/null || :'
    request.host.runner.run(Command(("sh", "-ec", script, "remove-sandbox", directory)))


def _built(request: BuildRequest, volume: str) -> BuiltDisks:
    device = request.host.volumes.path(volume)
    command = Command.of("partx", "--show", "--raw", "--noheadings", "-o", "NR,START", device)
    table = request.host.runner.run(command, timeout=_TIMEOUT).stdout
    starts = dict(line.split() for line in table.splitlines() if len(line.split()) == 2)
    if "1" not in starts:
        raise verdict(PROGRAM, request.log, f"made no first partition on {device}")
    offset = int(starts["1"]) * 512
    _check_content(request, device, offset)
    remarks = [f"installed with {max(request.spec.memory, LEAST_MEMORY)} of memory"]
    return BuiltDisks(
        root=volume,
        swap=None,
        root_partition=1,
        root_offset=offset,
        kernel="",
        initrd="",
        root_device=f"{DISK_DEVICE}1",
        swap_device=f"{DISK_DEVICE}2" if request.spec.swap else "",
        arguments="",
        remarks=tuple(remarks if request.spec.memory < LEAST_MEMORY else ()),
    )


def _check_content(request: BuildRequest, device: str, offset: int) -> None:
    wanted = ("/usr/sbin/sshd", "/boot/grub/grub.cfg")
    look = "".join(f"stat {path}\n" for path in wanted).encode()
    command = Command.of("debugfs", "-f", "-", f"{device}?offset={offset}")
    result = request.host.runner.run(command, timeout=_TIMEOUT, stdin=look, check=False)
    if result.stdout.count("Inode: ") < len(wanted):
        said = result.stderr.strip()[-200:]
        msg = f"says that all went well, but {' or '.join(wanted)} is missing ({said})"
        raise verdict(PROGRAM, request.log, msg)
