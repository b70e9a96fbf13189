"""xen-create-image's command line, and what is known of its options. Pure.

Read in xen-tools 4.9.2's source, as Debian 12 has it (Debian 13 has none). It puts the values of
most options into lines for a shell, as root, unquoted.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from harness.dists.kernels import DEFAULT_KERNEL, DOM0_KERNEL
from harness.errors import UsageError
from harness.flight.axes import Boot
from harness.flight.builderoptions import OWNED
from harness.flight.model import JobSpec
from harness.units import Size

PROGRAM = "xen-create-image"
DISTRIBUTIONS = "/etc/xen-tools/distributions.conf"

_VALUE = re.compile(r"[A-Za-z0-9_./:=,+@~ -]*")


@dataclass(frozen=True, kw_only=True)
class Place:
    """What of the host goes into the command line."""

    vg: str
    pool: str
    kernel: str
    """The running kernel's release: ``6.1.0-50-amd64``."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """A command line of xen-create-image."""

    argv: tuple[str, ...]
    kernel: str
    """What the guest is booted with: a path in dom0, or empty when it boots its own."""
    initrd: str


def plan_call(spec: JobSpec, *, hostname: str, mac: str, mirror_url: str, place: Place) -> Call:
    """The command line for a job; `UsageError` for options that cannot be.

    As in osstest's ts-debian-install, but for ``--lvm_thin``: a host's space is in its thin
    pool, and what else is in its volume group is not ours to use.
    """
    check_options(spec.builder_options)
    more = dict(spec.builder_options)
    kernel, initrd = _kernel(spec, place)
    words = ["--dhcp", "--mac", mac, "--memory", _megabytes(spec.memory)]
    words += ["--swap", _megabytes(spec.swap)] if spec.swap else ["--noswap"]
    words += ["--dist", spec.dist.value, "--mirror", _checked("mirror", mirror_url)]
    words += ["--hostname", hostname, "--lvm", place.vg, "--lvm_thin", place.pool, "--force"]
    words += ["--kernel", kernel, "--initrd", initrd] if kernel else ["--pygrub"]
    words += ["--arch", spec.arch.value, "--size", _megabytes(spec.disk)]
    if "cache" not in more:
        # Its packages would stay in dom0's own package cache.
        words += ["--cache", "no"]
    if "verbose" not in more:
        # Otherwise it keeps what its commands say to itself.
        words += ["--verbose"]
    for name, value in spec.builder_options:
        words += [f"--{name}"] if value is None else [f"--{name}", value]
    return Call(argv=(PROGRAM, *words), kernel=kernel, initrd=initrd)


def check_options(options: tuple[tuple[str, str | None], ...]) -> None:
    """`UsageError` for an option that is not for a flight to give.

    The loader of flights says the same, with the line; here it is what keeps ``--force`` and a
    shell away from what is not the job's, wherever the options came from.
    """
    for name, value in options:
        if name in OWNED:
            msg = f"builder_options: {PROGRAM} cannot be given --{name} here"
            raise UsageError(msg, hint=OWNED[name])
        _checked(name, name)
        _checked(name, value or "")


def without_pygrub(dist: str) -> str:
    """A script that prints its table of distributions, but lets *dist* boot without pygrub.

    For each suite from stretch on that table overrules ``--nopygrub`` (xen-tools issues 67 and
    68); osstest edits it, too.
    """
    pattern = rf"/^[[:space:]]*{re.escape(dist)}[[:space:]]*=/s/\<pygrub\>//g"
    return f"sed {shlex.quote(pattern)} {DISTRIBUTIONS}"


def _kernel(spec: JobSpec, place: Place) -> tuple[str, str]:
    if spec.boot in (Boot.BIOS, Boot.UEFI):
        msg = f"{PROGRAM} makes no disk that {spec.boot.value} could boot"
        raise UsageError(msg, hint="it can be booted by `direct`, `pygrub` and `pvgrub`")
    if spec.boot is not Boot.DIRECT:
        return "", ""
    release = place.kernel if spec.kernel in (DEFAULT_KERNEL, DOM0_KERNEL) else spec.kernel
    _checked("kernel", release)
    return f"/boot/vmlinuz-{release}", f"/boot/initrd.img-{release}"


def _checked(name: str, value: str) -> str:
    if not _VALUE.fullmatch(value):
        msg = f"builder_options: {name} is {value!r}, and {PROGRAM} would give that to a shell"
        raise UsageError(msg, hint="letters, digits, spaces and _ . / : = , + @ ~ - are safe")
    return value


def _megabytes(size: Size) -> str:
    """As it takes sizes: G or M, and fractions only in words that lvcreate may refuse."""
    return f"{size.mib}M"
