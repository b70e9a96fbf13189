"""From a file to all that is known of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.preflight.choices import Chooser, unreadable
from harness.preflight.disk import read_disk
from harness.preflight.esp import find_esp, read_esp
from harness.preflight.files import Tree, UnreadableError
from harness.preflight.model import Choice, Disk, Esp, ImageReport, Userland
from harness.preflight.opened import RawImage, opened
from harness.preflight.trees import looked_into, tree_of
from harness.preflight.uefi import uefi_choice
from harness.preflight.userland import is_root, read_userland
from harness.remote.command import Runner


def inspect_image(path: Path, runner: Runner, *, limit: int | None = None) -> ImageReport:
    """What is in the image at *path*. Nothing is written to it, mounted or run; no root needed.

    `UsageError` for a file that is no image, is damaged, or whose disk has more than *limit*
    bytes; `LabError` when a program is missing.
    """
    with opened(path, runner, limit=limit) as image:
        return inspect_raw(path, image, runner)


def inspect_raw(path: Path, image: RawImage, runner: Runner) -> ImageReport:
    """The same for an image that is open already."""
    disk = read_disk(image, runner)
    parts = tuple(replace(part, fs=looked_into(image, part, runner)) for part in disk.partitions)
    disk = replace(disk, partitions=parts)
    trees = {part.number: tree_of(image, part, runner) for part in parts if part.fs}
    chooser = Chooser(image=image, runner=runner, disk=disk, trees=trees)
    root, problem = _root(disk, trees)
    esp = _esp(disk, trees)
    return ImageReport(
        path=str(path),
        format=image.format,
        packed=image.packed,
        size=image.size,
        disk=disk,
        esp=esp,
        direct=_try(lambda: chooser.direct(root.partition if root else None)),
        pygrub=_try(chooser.pygrub),
        pvgrub=_try(chooser.pvgrub),
        bios=_try(chooser.grub),
        uefi=_try(lambda: uefi_choice(chooser, esp)),
        root=root,
        root_problem=problem,
    )


def _try(choose: Callable[[], Choice]) -> Choice:
    try:
        return choose()
    except UnreadableError as error:
        return unreadable(error)


def _esp(disk: Disk, trees: dict[int, Tree]) -> Esp | None:
    part = find_esp(disk)
    if part is None:
        return None
    if part.number not in trees:
        return Esp(partition=part.number, problem="there is no file system in it")
    return read_esp(part, trees[part.number])


def _root(disk: Disk, trees: dict[int, Tree]) -> tuple[Userland | None, str]:
    """The first root file system, or why there is none."""
    problems = []
    for part in disk.partitions:
        if part.fs is None:
            continue
        if part.fs.problem:
            problems.append(f"{part}: {part.fs.problem}")
            continue
        try:
            if is_root(trees[part.number]):
                return read_userland(trees[part.number], part), ""
        except UnreadableError as error:
            problems.append(f"{part}: {error}")
    if problems:
        return None, "; ".join(problems)
    return None, "none of its file systems has an /etc"
