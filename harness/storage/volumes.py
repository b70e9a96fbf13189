"""Making and removing logical volumes on a host.

Every LVM command gets ``--yes`` and no input, so that none can wait for an answer, and
``--wipesignatures n``: a new thin volume reads as zeros, so there is nothing to wipe or to ask
about. (``--zero`` is the pool's own business for thin volumes; it is never given.)
Thin snapshots are made with ``--setactivationskip n``, because LVM would otherwise mark them
to be left inactive, and with ``--permission rw``, since they are made of read-only origins.
"""

from __future__ import annotations

import re
from datetime import timedelta

from harness.errors import CommandFailed, DeadlineExceeded, LabError
from harness.remote.command import Command, CommandResult, Runner
from harness.storage.holders import describe_holders
from harness.storage.names import TAG, check_name, check_tag
from harness.storage.reports import (
    LogicalVolume,
    VolumeGroup,
    lvs_command,
    parse_lvs,
    parse_vgs,
    vgs_command,
)
from harness.units import Size, human_size
from harness.wait import Deadline, NotYet, wait_for

TIMEOUT = timedelta(seconds=120)
"""For one LVM command: they queue behind each other for a lock, and emulated hosts are slow."""
REMOVE_INTERVAL = timedelta(seconds=1)
MOST_DATA = 90.0
MOST_METADATA = 85.0
"""Percent of a thin pool beyond which nothing new is begun: a full one stops all its writers."""

_ABSENT = re.compile(r"[Ff]ailed to find logical volume|Volume group .* not found")
_BUSY = re.compile(r"\bin use\b|used by another device|[Dd]evice or resource busy|is not removable")
_NO_SPACE = re.compile(
    r"[Ii]nsufficient (suitable )?(free|allocatable)|reached threshold|[Nn]o space left|"
    r"out of (data|metadata) space|[Nn]ot enough .*(space|extents)"
)
_READ_ONLY_ALREADY = "is already read only"


class VolumeManager:
    """The volumes of one volume group on one host; new ones go into its thin pool."""

    def __init__(self, runner: Runner, vg: str, thin_pool: str) -> None:
        self._runner = runner
        self._vg = vg
        self._pool = thin_pool

    @property
    def group(self) -> str:
        """The name of the volume group."""
        return self._vg

    @property
    def pool(self) -> str:
        """The name of its thin pool."""
        return self._pool

    def path(self, name: str) -> str:
        """The device of the volume *name*."""
        return f"/dev/{self._vg}/{name}"

    def check(self) -> LogicalVolume:
        """The thin pool; `LabError` when it or its group is missing, or too full to begin."""
        pool = self.find(self._pool)
        if pool is None or not pool.is_thin_pool:
            what = "is not a thin pool" if pool else "does not exist"
            msg = f"on {self._where}: {self._vg}/{self._pool} {what}"
            hint = f"make it: lvcreate --type thin-pool -l 95%FREE -n {self._pool} {self._vg}"
            raise LabError(msg, hint=hint)
        for kind, used, most in (
            ("data", pool.data_percent, MOST_DATA),
            ("metadata", pool.metadata_percent, MOST_METADATA),
        ):
            if used is not None and used > most:
                msg = (
                    f"on {self._where}: the {kind} of thin pool {self._vg}/{self._pool} is "
                    f"{used:g} % full, and {most:g} % is the most to begin with; "
                    f"{human_size(self._group().free)} of {self._vg} are in no volume"
                )
                raise LabError(msg, hint="remove golden volumes that are no longer used")
        return pool

    def list(self, *tags: str) -> tuple[LogicalVolume, ...]:
        """Our volumes that carry all of *tags*; the tag ``xenflight`` is always asked for."""
        wanted = {TAG, *tags}
        return tuple(volume for volume in self.everybodys() if wanted <= set(volume.tags))

    def everybodys(self) -> tuple[LogicalVolume, ...]:
        """All volumes of the group, those of others too; to look at."""
        result = self._runner.run(lvs_command(self._vg), timeout=TIMEOUT, check=False)
        self._raise_if_no_group(result)
        return parse_lvs(result.check().stdout)

    def find(self, name: str) -> LogicalVolume | None:
        """The volume *name*, whoever owns it; None if there is none."""
        return next((volume for volume in self.everybodys() if volume.name == name), None)

    def create_thin(self, name: str, size: Size, tags: tuple[str, ...]) -> str:
        """Make an empty volume, which reads as zeros; returns its path.

        Sizes are rounded up to whole extents by LVM. `LabError` when there is no space.
        """
        self._lvm(
            Command.of(
                *("lvcreate", "--yes", "--wipesignatures", "n", "--setactivationskip", "n"),
                *("--virtualsize", f"{size.mib}m", "--thinpool", self._pool),
                *("--name", check_name(name), *_tag_options("--addtag", tags), self._vg),
            )
        )
        return self.path(name)

    def create_thick(self, name: str, size: Size, tags: tuple[str, ...]) -> str:
        """Make a volume beside the thin pool; returns its path. It reads as whatever was there.

        `LabError` when there is no space; see `free`.
        """
        self._lvm(
            Command.of(
                *("lvcreate", "--yes", "--wipesignatures", "n", "--size", f"{size.mib}m"),
                *("--name", check_name(name), *_tag_options("--addtag", tags), self._vg),
            )
        )
        return self.path(name)

    def extend(self, name: str, size: Size) -> None:
        """Have a volume be of *size*, be it in use. `LabError` when there is no space."""
        self._lvm(Command.of("lvextend", "--yes", "--size", f"{size.mib}m", f"{self._vg}/{name}"))

    @property
    def free(self) -> Size:
        """How much of the group is in no volume, and in no pool."""
        return Size(self._group().free)

    def snapshot(
        self, origin: str, name: str, tags: tuple[str, ...], size: Size | None = None
    ) -> str:
        """Make a writable thin snapshot of *origin*, grown to *size* if it is smaller.

        Returns its path. `LabError` when there is no space, or *origin* does not exist.
        """
        self._lvm(
            Command.of(
                *("lvcreate", "--yes", "--snapshot", "--setactivationskip", "n"),
                *("--permission", "rw", "--name", check_name(name)),
                *(*_tag_options("--addtag", tags), f"{self._vg}/{origin}"),
            )
        )
        if size is not None:
            made = self._expect(name)
            if made.size < size:
                self.extend(name, size)
        return self.path(name)

    def set_readonly(self, name: str) -> None:
        """Make a volume read-only; well if it is so already."""
        command = Command.of("lvchange", "--yes", "--permission", "r", f"{self._vg}/{name}")
        result = self._runner.run(command, timeout=TIMEOUT, check=False)
        if _READ_ONLY_ALREADY not in result.stderr:
            self._checked(result)

    def add_tags(self, name: str, tags: tuple[str, ...]) -> None:
        """Put more tags on a volume."""
        options = _tag_options("--addtag", tags)
        self._lvm(Command.of("lvchange", "--yes", *options, f"{self._vg}/{name}"))

    def remove_tags(self, name: str, tags: tuple[str, ...]) -> None:
        """Take tags off a volume; well if it does not carry them."""
        options = _tag_options("--deltag", tags)
        self._lvm(Command.of("lvchange", "--yes", *options, f"{self._vg}/{name}"))

    def hand_over(self, name: str, *, add: tuple[str, ...], remove: tuple[str, ...]) -> None:
        """Change a volume's tags and make it read-only, all at once or not at all."""
        options = [*_tag_options("--addtag", add), *_tag_options("--deltag", remove)]
        command = ("lvchange", "--yes", "--permission", "r", *options, f"{self._vg}/{name}")
        self._lvm(Command.of(*command))

    def remove(self, name: str, deadline: Deadline) -> None:
        """Remove a volume of ours, trying again until *deadline* while it is in use.

        Well if it is gone already. `LabError` when it is not ours, or who holds it when it is
        still in use at the end.
        """
        volume = self.find(name)
        if volume is None:
            return
        if TAG not in volume.tags:
            msg = f"on {self._where}: {volume.path} has no tag {TAG!r}: it is not ours to remove"
            raise LabError(msg)
        try:
            wait_for(
                lambda: self._try_to_remove(name, deadline),
                what=f"{volume.path} to be free",
                deadline=deadline,
                interval=REMOVE_INTERVAL,
            )
        except DeadlineExceeded as error:
            held = describe_holders(self._runner, volume)
            msg = f"on {self._where}: cannot remove {volume.path}: {error.message}; held by: {held}"
            raise LabError(msg) from error

    def _try_to_remove(self, name: str, deadline: Deadline) -> None:
        # lvremove deactivates first, and itself tries that for 5 s (lvm.conf, retry_deactivation).
        command = Command.of("lvremove", "--yes", f"{self._vg}/{name}")
        timeout = timedelta(seconds=max(15.0, min(deadline.remaining, TIMEOUT.total_seconds())))
        result = self._runner.run(command, timeout=timeout, check=False)
        if result.ok or _ABSENT.search(result.stderr):
            return
        if not _BUSY.search(result.stderr):
            self._checked(result)
        # udev opens a device that was just closed for writing; that passes.
        settle = Command.of("udevadm", "settle", "--timeout=10")
        self._runner.run(settle, check=False)
        raise NotYet(result.stderr.strip().splitlines()[-1].strip())

    @property
    def _where(self) -> str:
        return self._runner.name

    def _group(self) -> VolumeGroup:
        result = self._runner.run(vgs_command(self._vg), timeout=TIMEOUT, check=False)
        self._raise_if_no_group(result)
        return parse_vgs(result.check().stdout)[0]

    def _expect(self, name: str) -> LogicalVolume:
        volume = self.find(name)
        if volume is None:
            msg = f"on {self._where}: {self.path(name)} is gone, though it was just made"
            raise LabError(msg)
        return volume

    def _lvm(self, command: Command) -> None:
        self._checked(self._runner.run(command, timeout=TIMEOUT, check=False))

    def _checked(self, result: CommandResult) -> None:
        self._raise_if_no_group(result)
        try:
            result.check()
        except CommandFailed as error:
            if _NO_SPACE.search(result.stderr):
                raise self._no_space(error) from error
            raise

    def _raise_if_no_group(self, result: CommandResult) -> None:
        if not result.ok and f'Volume group "{self._vg}" not found' in result.stderr:
            msg = f"on {self._where}: there is no volume group {self._vg!r}"
            raise LabError(msg, hint="vgs lists those there are")

    def _no_space(self, error: CommandFailed) -> LabError:
        free, pool = self._group().free, self.find(self._pool)
        full = f", {pool.data_percent or 0:g} % full" if pool else ", missing"
        msg = (
            f"{error.message}; {human_size(free)} of {self._vg} are in no volume, "
            f"and its thin pool {self._pool} is {human_size(pool.size) if pool else '?'}{full}"
        )
        return LabError(msg, hint="remove golden volumes that are no longer used")


def _tag_options(option: str, tags: tuple[str, ...]) -> list[str]:
    return [word for tag in tags for word in (option, check_tag(tag))]
