"""Predictions for every way to boot an image."""

from __future__ import annotations

from collections.abc import Collection

from harness.flight.axes import Boot, Virt
from harness.flight.needs import WHY, HostFlag, needs_to_boot
from harness.preflight.case import Case
from harness.preflight.evidence import Evidence, Prediction, Weight, judge
from harness.preflight.model import ImageReport
from harness.preflight.rules import findings

CELLS: tuple[tuple[Virt, Boot], ...] = (
    (Virt.PV, Boot.DIRECT),
    (Virt.PV, Boot.PYGRUB),
    (Virt.PV, Boot.PVGRUB),
    (Virt.PVH, Boot.DIRECT),
    (Virt.PVH, Boot.PYGRUB),
    (Virt.PVH, Boot.PVGRUB),
    (Virt.HVM, Boot.DIRECT),
    (Virt.HVM, Boot.BIOS),
    (Virt.HVM, Boot.UEFI),
)
"""The combinations that exist."""


def predict(
    report: ImageReport,
    virt: Virt,
    boot: Boot,
    *,
    capabilities: Collection[HostFlag] | None = None,
    kernel_args: str = "",
) -> Prediction:
    """Whether the image will reach a login prompt with *virt* and *boot*, and why.

    It is about the image as it is: with *kernel_args* added to the kernel's line in its menu, and
    on a host that has *capabilities* (None: one that can do everything). `ValueError` for a
    combination that does not exist.
    """
    if (virt, boot) not in CELLS:
        msg = f"there is no {virt} guest booted by {boot}"
        raise ValueError(msg)
    case = Case(report=report, virt=virt, boot=boot, kernel_args=kernel_args)
    found = findings(case)
    if capabilities is not None:
        found += _lacking(virt, boot, capabilities)
    return judge(virt, boot, found)


def predict_all(
    report: ImageReport,
    *,
    capabilities: Collection[HostFlag] | None = None,
    kernel_args: str = "",
) -> list[Prediction]:
    """`predict` for each of `CELLS`."""
    return [
        predict(report, virt, boot, capabilities=capabilities, kernel_args=kernel_args)
        for virt, boot in CELLS
    ]


def _lacking(virt: Virt, boot: Boot, flags: Collection[HostFlag]) -> list[Evidence]:
    """What the host cannot do; the words are those of `harness.flight.needs`."""
    return [
        Evidence(weight=Weight.BAD, text=f"the host: {WHY[flag]}", rule="host", source=flag.value)
        for flag in needs_to_boot(virt, boot)
        if flag not in flags
    ]
