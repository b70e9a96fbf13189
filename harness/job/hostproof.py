"""What the steps of the suite `host-boot` prove of a host; each fails with a class of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

from harness.console.course import HOST_COURSE, XEN
from harness.console.phases import INIT, INITRAMFS, KERNEL
from harness.console.text import lines_of
from harness.errors import GuestFailure, NotApplicable
from harness.grub.entry import XenEntry, to_grub2, to_legacy
from harness.grub.grub2 import read_grub2
from harness.grub.lint import Report, lint
from harness.grub.model import Form, Severity
from harness.hostboot.entries import (
    EMERGENCY_MEMORY,
    described,
    emergency,
    name_of,
    panicking,
    usual_boot,
    without_initrd,
    without_root,
)
from harness.hostboot.facts import MENU
from harness.job.hostundertest import HostUnderTest
from harness.remote.command import Command

MKCONFIG_TIMEOUT = timedelta(minutes=2)
_STAGES = (XEN, KERNEL, INITRAMFS, INIT)
_XEN_VERSION = re.compile(r"xen-(\d+\.\d+)")


def _refuse(
    what: str, failure_class: str, phase: str | None = None, evidence: str = ""
) -> NoReturn:
    raise GuestFailure(what, phase=phase, failure_class=failure_class, evidence=evidence)


def prove_host(host: HostUnderTest) -> None:
    """dom0 is what the job's name says, and its serial line can be listened to."""
    found, job = host.look(), host.spec
    told = {
        "dist": (found.codename, job.dist.value),
        "arch": (found.arch, job.arch.value),
        "virt": (found.guest_type.lower(), job.virt.value),
        "boot": (found.firmware, job.boot.value),
    }
    for name, (is_, _) in told.items():
        host.remember(f"dom0_{name}", is_)
    host.remember("dom0_kernel", found.kernel)
    host.remember("dom0_root", f"{found.root} ({found.root_type})")
    host.remember("xen_version", host.xen().version)
    if other := [f"{name} {is_}" for name, (is_, wanted) in told.items() if is_ != wanted]:
        msg = f"dom0 of {host.host.name} is another: {', '.join(other)}"
        raise NotApplicable(msg)
    host.line.mark()


def prove_menu(host: HostUnderTest) -> None:
    """The linter finds no error in the host's real menu, and update-grub would write the same."""
    text = host.menu_text()
    _require_clean(lint({MENU: text}), host)
    made = host.host.runner.run(
        Command.of("grub-mkconfig"), timeout=host.host.stretched(MKCONFIG_TIMEOUT)
    ).stdout
    is_, would = (
        described(usual_boot(read_grub2(one, MENU)), "-", "usual") for one in (text, made)
    )
    if is_ != would:
        evidence = f"{MENU}:\n{to_grub2(is_)}\nupdate-grub would write:\n{to_grub2(would)}"
        _refuse(f"{MENU} is not what update-grub makes", "stale-menu", evidence=evidence)


def _require_clean(report: Report, host: HostUnderTest) -> None:
    for severity in Severity:
        host.step.facts[f"grub_{severity}s"] = str(report.count(severity))
    said = "\n".join(f"{one.place}: {one.severity}: {one.message}" for one in report.findings)
    host.step.evidence = said
    if not report.boots:
        _refuse("no entry boots Xen", "grub-lint", evidence=said)
    if errors := [one for one in report.findings if one.severity is Severity.ERROR]:
        _refuse(f"{errors[0].place}: {errors[0].message}", "grub-lint", evidence=said)


def prove_usual_boot(host: HostUnderTest) -> None:
    """Its own first entry for Xen, chosen for one boot, is what boots."""
    boot = host.usual()
    host.remember("entry", boot.title)
    start = host.boot(name_of(boot))
    prove_booted(host, described(boot, "-", "usual"), boot.title, start)


def prove_emergency_forms(host: HostUnderTest) -> None:
    """The emergency entry, in GRUB 2's form and in legacy's, is clean."""
    entry = _emergency(host)
    _require_clean(lint({"emergency.cfg": to_grub2(entry)}, form=Form.GRUB2), host)
    legacy = f"default 0\n{to_legacy(replace(entry, root=host.look().boot_root))}"
    _require_clean(lint({"menu.lst": legacy}, form=Form.LEGACY), host)
    host.step.evidence = f"{to_grub2(entry)}\n{legacy}"


def prove_emergency(host: HostUnderTest) -> None:
    """It boots with nothing but a serial line, and Xen's ring holds every stage of that too."""
    entry = _emergency(host)
    host.offer([entry])
    start = host.boot(entry.ident)
    prove_booted(host, entry, entry.title, start)
    memory = int(host.look().memory or 0)
    if not 0 < memory <= EMERGENCY_MEMORY * 1024:
        _refuse(f"dom0 has {memory} KiB, not {EMERGENCY_MEMORY} MiB at most", "wrong-boot")
    _prove_ring(host)


def _emergency(host: HostUnderTest) -> XenEntry:
    found = host.look()
    if found.root_type != "lvm":
        msg = f"dom0's root, {found.root}, is on no logical volume"
        raise NotApplicable(msg)
    return emergency(host.usual())


def _prove_ring(host: HostUnderTest) -> None:
    ring = host.host.runner.run(Command.of("xl", "dmesg")).stdout
    missing = _missing_stages(lines_of(ring.encode()))
    if missing:
        _refuse(f"xl dmesg shows nothing of {', '.join(missing)}", "not-in-ring", "ring")


def _missing_stages(lines: Iterable[str]) -> list[str]:
    seen = {phase for line in lines if (phase := HOST_COURSE.begun(line))}
    return [stage for stage in _STAGES if stage not in seen]


def prove_cannot_boot(host: HostUnderTest, how: str) -> None:
    """A boot that can't succeed is told by its class, and the host is had back."""
    make, wanted = {
        "no-root": (without_root, "root-not-found"),
        "no-initrd": (without_initrd, "boot-file-missing"),
        "xen-panic": (panicking, "xen-panic"),
    }[how]
    entry = make(host.usual())
    host.offer([entry])
    told = host.fail_to_boot(entry.ident)
    host.step.facts["failure_class_told"] = told.failure_class
    host.step.evidence = told.evidence
    if told.failure_class != wanted:
        _refuse(
            f"a boot with {how} was told as {told.failure_class}, not as {wanted}: {told.message}",
            "wrong-class",
            told.phase,
            told.evidence,
        )


def prove_booted(host: HostUnderTest, entry: XenEntry, title: str, start: int) -> None:
    """It is up, by *entry*: Xen, dom0's kernel and the serial line all say so."""
    xen, found = host.xen(), host.look()
    host.remember("xen_commandline", xen.xen_commandline)
    host.remember("boot_id", found.boot_id)
    problems = []
    version = _XEN_VERSION.search(entry.xen)
    if version and version[1] != f"{xen.major}.{xen.minor}":
        problems.append(f"Xen is {xen.version}, and the entry's is {version[1]}")
    if lost := _lost(entry.xen_args, xen.xen_commandline):
        problems.append(f"Xen was not told {lost}")
    if lost := _lost(entry.kernel_args, found.cmdline):
        problems.append(f"dom0 was not told {lost}")
    if not entry.kernel.endswith(found.kernel):
        problems.append(f"dom0 runs {found.kernel}, and the entry has {entry.kernel}")
    if found.next_entry:
        problems.append(f"GRUB would boot {found.next_entry!r} again")
    lines = host.line.said_since(start)
    if not any(f"Booting `{title}'" in line for line in lines):
        problems.append(f"GRUB did not say that it boots {title!r}")
    if missing := _missing_stages(lines):
        problems.append(f"nothing was seen of {', '.join(missing)} on the serial line")
    if problems:
        _refuse("; ".join(problems), "wrong-boot", evidence="\n".join(lines[-30:]))


def _lost(wanted: Iterable[str], line: str) -> str:
    given = line.split()
    return " ".join(word for word in wanted if word not in given)
