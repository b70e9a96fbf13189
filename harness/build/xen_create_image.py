"""xen-create-image in dom0: it makes the guest's disks, and is itself under test.

Its volumes get their tags when they are made: the ``lvcreate`` that it finds is a line of ours
that adds them. So at no moment is there a volume that nobody can tell to be ours.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import timedelta

from harness.build.dom0 import require_files, require_free_names, running_kernel
from harness.build.domain_file import devices
from harness.build.model import FAILURE_CLASS, PHASE, BuildRequest, BuiltDisks
from harness.build.output import last_lines
from harness.build.remove import clean_up_after
from harness.build.sandbox import Outcome, Sandbox
from harness.build.verdict import verdict
from harness.build.xentools import DISTRIBUTIONS, PROGRAM, Call, Place, plan_call, without_pygrub
from harness.dists.table import TABLE
from harness.errors import GuestFailure, LabError, XenflightError
from harness.flight.axes import Boot
from harness.host.names import built_volumes
from harness.remote.command import Command
from harness.storage.names import scratch_tags

_TIMEOUT = timedelta(minutes=1)
_INTERFACE = "eth0"
"""What its hook writes into /etc/network/interfaces, whatever the guest will call its own."""


def xen_create_image(request: BuildRequest) -> BuiltDisks:
    """Build the guest of *request*; what it left behind is cleaned up, and named in the remarks.

    When it fails nothing is left. `UsageError` for options that cannot be, `LabError` when the
    host or the mirror was at fault, `GuestFailure` when xen-create-image was (docs/builders.md).
    """
    host, spec = request.host, request.spec
    release = running_kernel(host, PROGRAM, "debootstrap", "debugfs", "unshare")
    place = Place(vg=host.volumes.group, pool=host.volumes.pool, kernel=release)
    call = plan_call(
        spec,
        hostname=request.hostname,
        mac=request.mac,
        mirror_url=request.mirror_url,
        place=place,
    )
    if call.kernel:
        require_files(host, call.kernel, call.initrd)
    require_free_names(host, request.hostname)
    sandbox = Sandbox(host=host, run=request.run, hostname=request.hostname)
    try:
        return _build(request, call, sandbox)
    except BaseException as error:
        clean_up_after(request, error)
        raise


def _build(request: BuildRequest, call: Call, sandbox: Sandbox) -> BuiltDisks:
    sandbox.make(_files(request, call))
    _note(request, f"# {shlex.join(call.argv)}\n")
    outcome = sandbox.call(call.argv, request.log, request.deadline)
    root, swap = built_volumes(request.hostname)
    made = {volume.name for volume in request.host.volumes.list()}
    if outcome.status != 0 or root not in made:
        # It also ends with 0 when it did not understand its command line.
        how = f"ended with status {outcome.status}" + ("" if root in made else " and no volume")
        raise _with_mounts(verdict(PROGRAM, request.log, how, outcome.status), outcome)
    config = _configuration(request, sandbox)
    _note(request, f"# the domain's configuration that it wrote:\n{config}\n")
    _check_content(request, own_kernel=not call.kernel)
    seen = devices(config)
    sandbox.remove()
    device = seen.get(root, "")
    return BuiltDisks(
        root=root,
        swap=swap if swap in made else None,
        root_partition=0,
        root_offset=0,
        kernel=call.kernel,
        initrd=call.initrd,
        root_device=device,
        swap_device=seen.get(swap, ""),
        arguments=_arguments(request, device),
        remarks=_remarks(request, outcome, own_kernel=not call.kernel),
    )


def tagging_lvcreate(run: str, job: str) -> str:
    """The program that xen-create-image shall find as ``lvcreate``: it adds the job's tags."""
    tags = shlex.join([word for tag in scratch_tags(run, job) for word in ("--addtag", tag)])
    return f'#!/bin/sh\nPATH=${{PATH#*:}}\nexec lvcreate {tags} "$@"\n'


def _files(request: BuildRequest, call: Call) -> Mapping[str, str]:
    files = {"bin/lvcreate": tagging_lvcreate(request.run, request.spec.name)}
    if call.kernel:
        command = Command.shell(without_pygrub(request.spec.dist.value))
        table = request.host.runner.run(command, timeout=_TIMEOUT).stdout
        files["files/" + DISTRIBUTIONS.replace("/", "%")] = table
    return files


def _configuration(request: BuildRequest, sandbox: Sandbox) -> str:
    path = f"{sandbox.directory}/xen/{request.hostname}.cfg"
    found = request.host.runner.run(Command.of("cat", path), timeout=_TIMEOUT, check=False)
    if not found.ok:
        msg = f"{PROGRAM} says that all went well, but wrote no configuration of a domain"
        raise GuestFailure(
            msg, phase=PHASE, failure_class=FAILURE_CLASS, evidence=last_lines(request.log)
        )
    return found.stdout


def _check_content(request: BuildRequest, *, own_kernel: bool) -> None:
    """Its hooks end well also when apt could not install what they asked for."""
    device = request.host.volumes.path(built_volumes(request.hostname)[0])
    wanted = ["/usr/sbin/sshd", "/etc/network/interfaces"]
    wanted += ["/boot/grub/menu.lst"] if own_kernel else []
    look = "".join(f"stat {path}\n" for path in wanted)
    command = Command.of("debugfs", "-f", "-", device)
    result = request.host.runner.run(command, timeout=_TIMEOUT, stdin=look.encode(), check=False)
    missing = [path for path in wanted if f"{path}: File not found" in result.stderr]
    if missing or result.stdout.count("Inode: ") < len(wanted):
        what = ", ".join(missing) or f"all of {', '.join(wanted)} ({result.stderr.strip()[-200:]})"
        raise verdict(PROGRAM, request.log, f"says that all went well, but there is no {what}")


def _arguments(request: BuildRequest, device: str) -> str:
    words = [f"root=/dev/{device}", "ro"] if device else []
    return " ".join([*words, *(["net.ifnames=0"] if _renames(request) else [])])


def _renames(request: BuildRequest) -> bool:
    dist = TABLE.get(request.spec.dist)
    return dist is not None and dist.interface != _INTERFACE


def _remarks(request: BuildRequest, outcome: Outcome, *, own_kernel: bool) -> tuple[str, ...]:
    remarks = [
        f"{PROGRAM} left a mount behind on {path}; it was removed" for path in outcome.left_mounted
    ]
    if _renames(request):
        remarks.append("net.ifnames=0 added: xen-tools configures eth0, whatever udev says")
    if not own_kernel:
        remarks.append(
            f"pygrub hidden from xen-tools' table for {request.spec.dist}: dom0's kernel is booted"
        )
    if request.spec.boot is Boot.PYGRUB and not request.spec.swap:
        remarks.append("root= added: without swap xen-tools' boot menu names the wrong device")
    return tuple(remarks)


def _with_mounts(error: XenflightError, outcome: Outcome) -> XenflightError:
    if outcome.left_mounted:
        left = ", ".join(outcome.left_mounted)
        error.args = (f"{error.message}; its mount was left behind on {left} and was removed",)
        error.message = error.args[0]
    return error


def _note(request: BuildRequest, text: str) -> None:
    """Write something of ours into the builder's log."""
    try:
        with request.log.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        msg = f"cannot write the builder's output to {request.log}: {error.strerror or error}"
        raise LabError(msg) from error
