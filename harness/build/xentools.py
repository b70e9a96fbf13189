"""xen-create-image's command line, and what is known of its options. Pure.

Read in xen-tools 4.9.2's source, as Debian 12 and later have it. It puts the values of most options
into lines for a shell, as root, unquoted.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import UsageError
from harness.flight.axes import Boot
from harness.flight.model import DEFAULT_KERNEL, DOM0_KERNEL, JobSpec
from harness.units import Size

PROGRAM = "xen-create-image"
DISTRIBUTIONS = "/etc/xen-tools/distributions.conf"

_OURS: Mapping[str, str] = {
    "dist": "write `dist:`",
    "arch": "write `arch:`",
    "memory": "write `memory:`",
    "size": "write `disk:`",
    "swap": "write `swap:`",
    "noswap": "leave out `swap:`",
    "mirror": "write `mirror:`",
    "pygrub": "write `boot: pygrub`",
    "nopygrub": "write `boot: direct`",
    "vcpus": "write `vcpus:`",
    "hostname": "each job has one of its own, and its volumes are named after it",
    "mac": "each job has one of its own",
    "dhcp": "the harness always gives it",
    "force": "the harness always gives it",
    "lvm": "the host's volume group is in hosts.yaml",
    "lvm_thin": "the host's thin pool is in hosts.yaml",
}
_NOT_WITH_US: Mapping[str, str] = {
    **dict.fromkeys(
        ("dir", "evms", "zpool", "image-dev", "swap-dev", "partitions", "image"),
        "the guest gets the two volumes that --lvm makes",
    ),
    "config": "it overrides the command line; write what stands in that file as options",
    "boot": "the harness starts the guest itself, and records its console",
    "passwd": "it would wait for an answer",
    **dict.fromkeys(
        ("output", "extension", "admins"), "the harness writes the domain's configuration itself"
    ),
    **dict.fromkeys(
        ("help", "manual", "version", "dumpconfig", "debug"), "with it nothing would be built"
    ),
}
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_VALUE = re.compile(r"[A-Za-z0-9_./:=,+@~ -]*")
_SEEDABLE = ("ext2", "ext3", "ext4")


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
    kernel, initrd = _kernel(spec, more, place)
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
        if name not in ("kernel", "initrd"):
            words += [f"--{name}"] if value is None else [f"--{name}", value]
    return Call(argv=(PROGRAM, *words), kernel=kernel, initrd=initrd)


def check_options(options: tuple[tuple[str, str | None], ...]) -> None:
    """`UsageError` for an option of a flight's ``builder_options`` that cannot be given."""
    for name, value in options:
        msg = f"builder_options: {PROGRAM} cannot be given --{name} here"
        if not _NAME.fullmatch(name):
            msg = f"builder_options: {name!r} is not the name of an option"
            raise UsageError(msg, hint="write it without its dashes, such as `fs: ext3`")
        if name in _OURS:
            raise UsageError(msg, hint=_OURS[name])
        if name in _NOT_WITH_US:
            raise UsageError(msg, hint=_NOT_WITH_US[name])
        _checked(name, value or "")
        if name == "fs" and value not in _SEEDABLE:
            # harness.guest.seed writes with debugfs.
            msg = f"builder_options: fs is {value!r}; only {', '.join(_SEEDABLE)} can be used"
            raise UsageError(msg, hint="the job's own files could not be written into it")


def without_pygrub(dist: str) -> str:
    """A script that prints its table of distributions, but lets *dist* boot without pygrub.

    For each suite from stretch on that table overrules ``--nopygrub`` (xen-tools issues 67 and
    68); osstest edits it, too.
    """
    pattern = rf"/^[[:space:]]*{re.escape(dist)}[[:space:]]*=/s/\<pygrub\>//g"
    return f"sed {shlex.quote(pattern)} {DISTRIBUTIONS}"


def _kernel(spec: JobSpec, more: Mapping[str, str | None], place: Place) -> tuple[str, str]:
    if spec.boot is not Boot.DIRECT:
        for name in ("kernel", "initrd", "modules"):
            if name in more:
                msg = f"builder_options: --{name} is for `boot: direct`, and this job's boot is "
                raise UsageError(msg + spec.boot.value)
        if spec.boot in (Boot.BIOS, Boot.UEFI):
            msg = f"{PROGRAM} makes no disk that {spec.boot.value} could boot"
            raise UsageError(msg, hint="it can be booted by `direct`, `pygrub` and `pvgrub`")
        return "", ""
    release = place.kernel if spec.kernel in (DEFAULT_KERNEL, DOM0_KERNEL) else spec.kernel
    kernel = more.get("kernel") or f"/boot/vmlinuz-{release}"
    initrd = more.get("initrd") or kernel.replace("/vmlinuz-", "/initrd.img-")
    for name, path in (("kernel", kernel), ("initrd", initrd)):
        if not _checked(name, path).startswith("/"):
            msg = f"builder_options: {name} is {path!r}; it must be an absolute path in dom0"
            raise UsageError(msg)
    return kernel, initrd


def _checked(name: str, value: str) -> str:
    if not _VALUE.fullmatch(value):
        msg = f"builder_options: {name} is {value!r}, and {PROGRAM} would give that to a shell"
        raise UsageError(msg, hint="letters, digits, spaces and _ . / : = , + @ ~ - are safe")
    return value


def _megabytes(size: Size) -> str:
    """As it takes sizes: G or M, and fractions only in words that lvcreate may refuse."""
    return f"{size.mib}M"
