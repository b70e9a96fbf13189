"""A testbox that boots from its own disk, and a folder with flights for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from lab import Lab
from realhost import BOX, default_spec

from harness.flight.model import BoxBoot
from harness.remote.command import Command
from harness.remote.ssh import SshRunner
from harness.testbox.machine import Testbox
from harness.wait import Deadline

MINUTE = timedelta(minutes=1)


@contextmanager
def disk_box() -> Iterator[Testbox]:
    """A testbox of this session that was installed on a disk, and is up."""
    found = Testbox(f"{os.environ[BOX]}-disk", replace(default_spec(), boot=BoxBoot.DISK))
    found.up()
    yield found
    found.remove()


def disk_lab(folder: Path, box: Testbox) -> Lab:
    """The project's flights, in which *box* is the host for what is about hosts."""
    made = Lab.make(folder, box.name)
    flights = made.folder / "flights"
    with made.hosts() as hosts:
        mine = hosts[box.name]
        mine["slots"], mine["may_reboot"], mine["testbox"]["boot"] = 1, True, "disk"
    for name in ("host-boot", "host-upgrade"):
        flight = flights / f"{name}.yaml"
        flight.write_text(flight.read_text(encoding="utf-8").replace("testbox-disk", box.name))
    return made


def dom0(box: Testbox, script: str) -> str:
    """What *script* says in its dom0."""
    with closing(SshRunner.connect(box.endpoint(), Deadline.after(MINUTE))) as runner:
        return runner.run(Command.shell(script), timeout=2 * MINUTE).stdout.strip()
