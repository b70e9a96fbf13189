"""An image's report as tables, as words and as JSON. Imported when it is shown."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.output import output
from harness.flight.axes import Boot, Virt
from harness.preflight.evidence import Outcome, Prediction, Weight
from harness.preflight.model import Choice, EfiLoader, ImageReport, Kernel, Partition
from harness.units import human_size

_STYLES = {Outcome.WILL: "green", Outcome.WILL_NOT: "red", Outcome.UNKNOWN: "yellow"}
_LABEL = 11


def to_json(report: ImageReport, predictions: list[Prediction]) -> str:
    """Everything, for programs."""
    found = {
        "image": asdict(report),
        "predictions": [asdict(one) | {"reason": one.reason} for one in predictions],
    }
    return json.dumps(found, indent=1, sort_keys=True, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    msg = f"{value!r} is no JSON"
    raise TypeError(msg)


def show(report: ImageReport, predictions: list[Prediction], *, why: bool = False) -> None:
    """Facts, then the grid, then the reasons."""
    console = output()
    for label, text in facts(report):
        console.print(f"{label:{_LABEL}}{text}", markup=False, soft_wrap=True)
    console.print()
    console.print(grid(predictions))
    console.print()
    _reasons(console, predictions, why=why)


def facts(report: ImageReport) -> list[tuple[str, str]]:
    """What was found, and where."""
    packed = f" in {report.packed}" if report.packed else ""
    rows = [
        ("image", f"{report.path}: {report.format}{packed}, {human_size(report.size)}"),
        ("table", _table(report)),
        *(("", _partition(part)) for part in report.disk.partitions),
        ("BIOS", _bios(report)),
        ("UEFI", _uefi(report)),
        *_boot(report),
        *_system(report),
    ]
    return [(label, text) for label, text in rows if text]


def _table(report: ImageReport) -> str:
    if not report.disk.table:
        return "none: one file system" if report.disk.partitions else "none"
    damage = f"; {report.disk.damage}" if report.disk.damage else ""
    return f"{report.disk.table}, {len(report.disk.partitions)} partitions{damage}"


def _partition(part: Partition) -> str:
    fs = part.fs
    what = "no file system"
    if fs:
        label = f" {fs.label!r}" if fs.label else ""
        problem = f" (not read: {fs.problem})" if fs.problem else ""
        what = f"{fs.type}{label}{problem}"
    return f"{part.number}: {what}, {human_size(part.size)} at {human_size(part.start)}"


def _bios(report: ImageReport) -> str:
    code = report.disk.boot_code.value
    if report.disk.core is None:
        return f"boot code: {code}"
    return f"boot code: {code}, its core is {'there' if report.disk.core else 'missing'}"


def _uefi(report: ImageReport) -> str:
    esp = report.esp
    if esp is None:
        return "no EFI system partition"
    if esp.problem:
        return f"EFI system partition {esp.partition}: {esp.problem}"
    return f"partition {esp.partition}: {', '.join(map(_loader, esp.loaders)) or 'no loader'}"


def _loader(loader: EfiLoader) -> str:
    finds = f", looks for {loader.finds}" if loader.finds else ""
    return f"{loader.path} ({loader.kind}, {loader.machine or 'no EFI program'}{finds})"


def _boot(report: ImageReport) -> list[tuple[str, str]]:
    choice = report.bios if report.bios.menu else report.direct
    rows = [("menu", _menu(choice))]
    kernel = choice.kernel or report.direct.kernel
    rows.append(("kernel", _kernel(kernel) if kernel else "none"))
    initrd = choice.initrd or report.direct.initrd
    if initrd:
        drivers = ", ".join(sorted(initrd.modules)) or "no driver for a disk"
        problem = f"; {initrd.problem}" if initrd.problem else ""
        rows.append(
            (
                "initramfs",
                f"{initrd.path}, {initrd.compression}, {initrd.module_count} modules, "
                f"among them {drivers}{problem}",
            )
        )
    else:
        rows.append(("initramfs", "none"))
    return rows


def _menu(choice: Choice) -> str:
    if not choice.menu:
        return choice.broken or choice.doubt or "none"
    trouble = choice.broken or choice.doubt
    return f"{choice.menu}, {choice.title!r}: {choice.args}{f'; {trouble}' if trouble else ''}"


def _kernel(kernel: Kernel) -> str:
    if kernel.problem:
        return f"{kernel.path}: {kernel.problem}"
    words = {True: "yes", False: "no", None: "unknown"}
    can = f"PV {words[kernel.pv]}, PVH {words[kernel.pvh]}, Xen drivers in HVM"
    source = f" ({kernel.source})" if kernel.source else ""
    return (
        f"{kernel.path}, {kernel.compression}, {kernel.bits or '?'} bits; "
        f"{can} {words[kernel.pvhvm]}{source}"
    )


def _system(report: ImageReport) -> list[tuple[str, str]]:
    root = report.root
    if root is None:
        return [("system", f"not read: {report.root_problem}")]
    gettys = ", ".join(sorted(root.gettys)) or "none of its own"
    automatic = "; systemd adds those of the kernel's consoles" if root.automatic else ""
    return [
        (
            "system",
            f"{root.os or 'unknown'}, {root.arch or 'unknown'}, init: {root.init or 'none'}",
        ),
        ("login", root.no_login or f"{gettys}{automatic}"),
        ("network", root.network or "nothing found"),
        ("sshd", "yes" if root.sshd else "no"),
        ("fstab", ", ".join(f"{mount.device} on {mount.point}" for mount in root.mounts)),
    ]


def grid(predictions: list[Prediction]) -> Table:
    """Virtualisation down, boot method across."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for boot in Boot:
        table.add_column(boot.value, no_wrap=True)
    found = {(one.virt, one.boot): one.outcome for one in predictions}
    for virt in Virt:
        cells = [found.get((virt, boot)) for boot in Boot]
        words = [Text(cell.value, style=_STYLES[cell]) if cell else Text("-") for cell in cells]
        table.add_row(Text(virt.value, style="bold"), *words)
    return table


def _reasons(console: Console, predictions: list[Prediction], *, why: bool) -> None:
    for one in predictions:
        name = f"{one.virt}, {one.boot}"
        if why:
            console.print(f"{name}: {one.outcome}", markup=False, soft_wrap=True)
            for reason in one.reasons:
                text = f"  {reason.weight:6}{reason.text}  [{reason.source}]"
                console.print(text, markup=False, soft_wrap=True)
            continue
        deciding = Weight.BAD if one.outcome is Outcome.WILL_NOT else Weight.DOUBT
        texts = [reason.text for reason in one.reasons if reason.weight is deciding]
        if one.outcome is not Outcome.WILL:
            told = "; ".join(texts) or "nothing was found out"
            console.print(f"{name}: {one.outcome}: {told}", markup=False, soft_wrap=True)
    found = [reason for one in predictions for reason in one.reasons]
    for text in sorted({one.text for one in found if one.weight is Weight.NOTE}):
        console.print(f"note: {text}", markup=False, soft_wrap=True)
