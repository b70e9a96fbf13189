"""Every place where a value becomes a part of a shell's script, tried with a real shell.

Each value would leave a file behind if a shell read it, or split or expand it.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.build.sandbox import Sandbox
from harness.build.xen_create_image import tagging_lvcreate
from harness.build.xentools import without_pygrub
from harness.console.shell import wrapped
from harness.errors import LabError
from harness.guest.extents import Extent
from harness.host.fake import FakeHost
from harness.host.fence import FencedRunner
from harness.host.lock import dead_locks, take_lock
from harness.host.transfer import copying, unpacking
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.remote.ssh import SocketLike
from harness.wait import Deadline, NotYet, wait_for

RUNNER = LocalRunner()
SOON = timedelta(seconds=30)
NASTY = (
    "$(touch x)",
    "`touch x`",
    "; touch x;",
    "'; touch x; '",
    '"; touch x; "',
    "two\nlines\ntouch x",
    "-rf",
    "--help",
    "*",
    "~",
    "a b  c",
    "tab\tand \\ backslash",
    "$HOME ${x:=y} !! %s %n",
    "\u202ereversed \u00e9",
    "",
)
FILES = [value for value in NASTY if value]
ECHO = (sys.executable, "-c", "import sys; sys.stdout.write('\\0'.join(sys.argv[1:]))")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty directory to be in; nothing may appear in it."""
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    yield empty
    assert list(empty.iterdir()) == []


def said(script: str) -> list[str]:
    return RUNNER.run(Command.shell(script)).stdout.split("\0")


def test_what_is_shown_of_a_command_can_be_pasted() -> None:
    assert said(str(Command.of(*ECHO, *NASTY))) == list(NASTY)


@settings(max_examples=40)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r")), min_size=1))
def test_whatever_the_arguments_are(values: list[str]) -> None:
    assert said(str(Command.of(*ECHO, *values))) == values


def test_variables_too() -> None:
    for value in NASTY:
        assert said(str(Command(("printenv", "VALUE"), env={"VALUE": value}))) == [f"{value}\n"]


def test_what_is_typed_on_a_console() -> None:
    for value in NASTY:
        if "\n" in value or "\t" in value:
            continue
        line = wrapped(shlex.join(["printf", "%s", value]), "nonce")
        assert RUNNER.run(Command(("sh", "-c", line))).stdout == (
            f"\nnonce:begin\n{value}\nnonce:end:0:\n"
        )


@pytest.mark.parametrize("name", FILES)
def test_locks(name: str, tmp_path: Path) -> None:
    directory = str(tmp_path / name)
    lock = take_lock(RUNNER, "lock", Deadline.after(SOON), directory)
    assert dead_locks(RUNNER, ["lock", "free"], directory) == {"free"}
    lock.release()
    with pytest.raises(ValueError, match="can't name a lock"):
        take_lock(RUNNER, name, Deadline.after(SOON), directory)


@pytest.mark.parametrize("name", FILES)
def test_devices_that_an_image_is_written_to(name: str, tmp_path: Path) -> None:
    source, packed, device = tmp_path / "source", tmp_path / "packed", tmp_path / name
    source.write_bytes(b"abc" * 1000)
    RUNNER.run(Command.of("zstd", "-q", source, "-o", packed))
    extents = [Extent(0, 3000)]
    RUNNER.run(Command.shell(copying(str(source), str(device), extents)))
    assert device.read_bytes() == source.read_bytes()
    device.write_bytes(b"")
    script = unpacking("zstd", str(device), extents)
    RUNNER.run(Command.shell(script), stdin=packed.read_bytes())
    assert device.read_bytes() == source.read_bytes()


@dataclass(frozen=True, kw_only=True)
class Here(Sandbox):
    """A sandbox whose directory is ours."""

    where: str

    @property
    def directory(self) -> str:
        return self.where


@pytest.mark.parametrize("name", FILES)
def test_files_of_a_sandbox(name: str, tmp_path: Path) -> None:
    host = FakeHost().host.through(_Local())
    box = Here(host=host, run="run", hostname="guest", where=str(tmp_path / name))
    box.make({f"files/{name}": f"{name}\n", "bin/x": name})
    root = Path(box.directory)
    assert (root / "files" / name).read_text() == f"{name}\n"
    assert (root / "bin/x").read_text() == name
    box.remove()
    assert not root.exists()


class _Local(LocalRunner):
    """This machine, as a host."""

    @property
    def alive(self) -> bool:
        return True

    def open_tcp(self, address: str, port: int) -> SocketLike:
        raise ConnectionError(address)


def test_a_program_that_starts_in_the_background(tmp_path: Path) -> None:
    log = tmp_path / "log $(touch x)"
    RUNNER.spawn_detached(Command.of(*ECHO, *NASTY), log)

    def written() -> None:
        if log.read_text() != "\0".join(NASTY):
            raise NotYet(repr(log.read_text()))

    wait_for(written, what="its output", deadline=Deadline.after(SOON))


@dataclass(frozen=True, kw_only=True)
class OurLease:
    """A lease that is good."""

    record: str
    token: int = 7

    def check(self) -> None:
        """It is."""

    def loss(self) -> LabError:
        return LabError("lost")


@pytest.mark.parametrize("name", FILES)
def test_commands_behind_a_fence(name: str, tmp_path: Path) -> None:
    record = tmp_path / name
    record.write_text("7 1234 {}\n")
    runner = FencedRunner(_Local(), OurLease(record=str(record)))
    assert runner.run(Command.of(*ECHO, *NASTY)).stdout.split("\0") == list(NASTY)
    stream = runner.open(Command.of(*ECHO, name))
    assert stream.read(1000, SOON) == name.encode()
    stream.close()


def test_the_lvcreate_of_a_builder_passes_on_what_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, real = tmp_path / "ours", tmp_path / "real"
    for folder, text in ((ours, tagging_lvcreate("run#1", "job&a=!b")), (real, _SHOW)):
        folder.mkdir()
        (folder / "lvcreate").write_text(text)
        (folder / "lvcreate").chmod(0o755)
    command = Command(("lvcreate", *NASTY), env={"PATH": f"{ours}:{real}:/usr/bin:/bin"})
    found = RUNNER.run(Command(("sh", "-c", 'exec "$@"', "sh", *command.argv), env=command.env))
    words = found.stdout.split("\0")[:-1]
    assert words[-len(NASTY) :] == list(NASTY)
    assert {"xenflight.run=run#1", "xenflight.job=job&a=!b"} <= set(words)


_SHOW = "#!/bin/sh\nprintf '%s\\0' \"$@\"\n"


@pytest.mark.parametrize("dist", FILES)
def test_patterns_for_sed(dist: str, tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.write_text("bookworm = pygrub\n")
    script = without_pygrub(dist).replace("/etc/xen-tools/distributions.conf", str(table))
    assert shlex.split(script)[0] == "sed"
    assert len(shlex.split(script)) == 3
    RUNNER.run(Command.shell(script), check=False)
