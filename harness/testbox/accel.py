"""Whether QEMU can use KVM here, or has to emulate (TCG)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from harness.errors import UsageError

ENVIRONMENT = "XENFLIGHT_ACCEL"
MENDED_MODEL = "QEMU mended by xenflight"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Accel(StrEnum):
    """How QEMU runs the testbox."""

    KVM = "kvm"
    TCG = "tcg"

    def qemu_options(self, *, mended: bool) -> tuple[str, ...]:
        """QEMU's options for it.

        The TCG list is what Xen 4.17 and 4.20 start on. ``max`` crashes dom0 at once (a PV
        entry fault); with ``+aes`` the kernel's aesni self-test oopses. ``+svm,+npt`` are
        what PVH and HVM guests need. ``-cx16``: QEMU up to 7.2 makes garbage of EFLAGS in
        cmpxchg16b, which newer kernels use all the time (ADR 12). A *mended* QEMU does
        not, and its processor's name tells dom0 so.
        """
        match self:
            case Accel.KVM:
                return ("-accel", "kvm", "-cpu", "host")
            case Accel.TCG:
                features = "+svm,+npt,+ssse3,+sse4.1,+sse4.2,+popcnt,+fsgsbase"
                features += f",model-id={MENDED_MODEL}" if mended else ",-cx16"
                return ("-accel", "tcg,thread=multi,tb-size=512", "-cpu", f"qemu64,{features}")


def choose_accel(
    kvm: Path = Path("/dev/kvm"),
    cpuinfo: Path = Path("/proc/cpuinfo"),
    failure: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> tuple[Accel, str]:
    """The accelerator to use and, in words, why.

    A /dev/kvm that opens is not enough: a virtual machine without nested virtualisation may
    offer one all the same, and Xen dies in it at its first instructions (QEMU says "KVM
    internal error"). So the processor must show VT-x or AMD-V too; and when KVM has failed
    since this machine was started (*failure*, see `note_kvm_failure`) it is not tried again.
    """
    forced = environ.get(ENVIRONMENT)
    if forced:
        if forced not in list(Accel):
            msg = f"{ENVIRONMENT}={forced!r} is not an accelerator"
            raise UsageError(msg, hint="kvm or tcg")
        return Accel(forced), f"{ENVIRONMENT} says so"
    if not kvm.exists():
        return Accel.TCG, f"there is no {kvm}"
    if not os.access(kvm, os.R_OK | os.W_OK):
        return Accel.TCG, f"{kvm} is not yours to open (are you in the group kvm?)"
    flags = cpuinfo.read_text(encoding="utf-8").split()
    if not {"vmx", "svm"} & set(flags):
        return Accel.TCG, "the processor shows neither VT-x nor AMD-V"
    if failure and _failed_before(failure):
        return Accel.TCG, f"KVM has failed here before ({failure} says how)"
    return Accel.KVM, f"{kvm} is usable"


def accelerators(chosen: Accel) -> tuple[Accel, ...]:
    """What to try, in order."""
    return (chosen,) if chosen is Accel.TCG else (chosen, Accel.TCG)


def note_kvm_failure(failure: Path, reason: str) -> None:
    """Remember that KVM does not work here, until the machine starts anew."""
    failure.write_text(f"{_boot_id()}\n{reason}\n", encoding="utf-8")


def _failed_before(failure: Path) -> bool:
    try:
        return failure.read_text(encoding="utf-8").splitlines()[:1] == [_boot_id()]
    except OSError:
        return False


def _boot_id() -> str:
    return BOOT_ID.read_text(encoding="ascii").strip()
