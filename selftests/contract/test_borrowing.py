"""What borrows a disk, as real processes: qemu-nbd is a stand-in. How it ends, whoever ends it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from harness.host.builders import end_builders
from harness.host.lend import _BORROW
from harness.host.names import BUILDS_FOR_RUN, BUILDS_GUEST
from harness.remote.local import LocalRunner
from harness.wait import Deadline, NotYet, wait_for

RUN = f"borrowing-20261123-120000-{os.getpid():06x}"
SOON = 10
# As qemu-nbd does: the parent ends when the disk is there, and its child serves the kernel.
QEMU_NBD = """\
#!{python}
import os, pathlib, socket, sys
here = pathlib.Path(__file__).parent
if sys.argv[1] == "--disconnect":
    (here / "disconnected").write_text(sys.argv[2])
    sys.exit(0)
if (here / "refuses").exists():
    print("Failed to open NBD device", flush=True)
    sys.exit(1)
link = socket.socket(socket.AF_UNIX)
link.connect(sys.argv[-1].split("file.server.path=")[1].split(",")[0])
link.sendall(b"hello")
assert link.recv(5) == b"HELLO"
if os.fork():
    os._exit(0)
(here / "child").write_text(str(os.getpid()))
while link.recv(100):
    pass
"""


@dataclass
class Borrower:
    """The script at work, in a directory of its own."""

    here: Path
    process: subprocess.Popen[bytes]

    @property
    def base(self) -> Path:
        return self.here / "nbd"

    def answer(self) -> None:
        """Be the lender."""
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stdout.read(5) == b"hello"
        self.process.stdin.write(b"HELLO")
        self.process.stdin.flush()
        deadline = Deadline.after(timedelta(seconds=SOON))
        wait_for(self._there, what="the disk", deadline=deadline)

    def _there(self) -> None:
        if not (self.base.with_suffix(".device").exists() and (self.here / "child").exists()):
            msg = self.base.with_suffix(".log").read_text()
            raise NotYet(msg)

    def ended(self) -> None:
        """It does, and says so; nothing of it is left."""
        self.process.wait(SOON)
        assert (self.here / "disconnected").read_text() == "/dev/nbd1"
        assert self.base.with_suffix(".ended").exists()
        assert not (self.here / "socket").exists()
        with (self.here / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    for name, text in {
        "qemu-nbd": QEMU_NBD.format(python=sys.executable),
        "modprobe": "#!/bin/sh\n",
    }.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    for name in ("block/nbd0/pid", "block/nbd1"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


@pytest.fixture
def borrower(here: Path) -> Iterator[Borrower]:
    script = _BORROW.replace("/sys/block/nbd*", f"{here}/block/nbd*")
    words = [str(here / name) for name in ("nbd", "socket")]
    marks = {BUILDS_FOR_RUN: RUN, BUILDS_GUEST: "guest"}
    process = subprocess.Popen(
        [sys.executable, "-c", script, *words, "guest", str(here / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **marks, "PATH": f"{here}:/usr/bin:/bin"},
    )
    with process:
        yield Borrower(here, process)
        process.kill()


def test_it_ends_with_its_channel(borrower: Borrower) -> None:
    borrower.answer()
    assert borrower.process.stdin
    borrower.process.stdin.close()
    borrower.ended()


def test_it_is_ended_where_nobody_noticed_that_the_other_end_is_gone(borrower: Borrower) -> None:
    """As when the controller's machine lost its power: sshd waits for it."""
    borrower.answer()
    # Which fails as long as there is one of them.
    end_builders(LocalRunner(), RUN)
    borrower.ended()


def test_it_does_not_wait_for_a_client_that_ended(
    here: Path, request: pytest.FixtureRequest
) -> None:
    (here / "refuses").touch()
    borrower: Borrower = request.getfixturevalue("borrower")
    borrower.ended()
    assert "Failed to open" in borrower.base.with_suffix(".log").read_text()
