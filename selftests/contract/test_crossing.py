"""The scripts by which two hosts talk, with real shells and pipes; xl and qemu-nbd stand-ins."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from harness.errors import CommandFailed, LabError
from harness.host.crossing import Crossing
from harness.host.lend import _SERVE
from harness.host.relay import carry
from harness.host.xenhost import XenHost
from harness.remote.command import Command, Stream
from harness.remote.local import LocalRunner
from harness.remote.sshlink import SocketLike
from harness.storage.volumes import VolumeManager
from harness.units import Size
from harness.wait import Deadline
from harness.xen.toolstack import Xl
from harness.xen.xenstore import Xenstore

SOON = timedelta(seconds=10)
NAME = "xf.run-20261123-120000-abcdef.0123456789"
# What it sends is told by its configuration; the receiver says so, and the sender believes it.
XL = """\
#!/bin/sh
here=$(dirname "$0")
case $1 in
migrate)
    mkfifo "$here/there.$$" "$here/back.$$"
    sh -c "$7" <"$here/there.$$" >"$here/back.$$" &
    exec 8>"$here/there.$$" 9<"$here/back.$$"
    cat "$3" >&8
    read -r answer <&9
    echo "migration sender: $answer"
    [ "$answer" = taken ] ;;
migrate-receive)
    read -r word
    echo "migration target: $word" >&2
    [ "$word" = good ] || { echo refused; exit 1; }
    echo 7 >"$here/domid"
    echo taken ;;
domid)
    cat "$here/domid" ;;
restore)
    cat "$3" "$4" >"$here/restored"
    echo 8 >"$here/domid" ;;
esac
"""
ECHO = """\
import socket, sys
door = socket.socket(socket.AF_UNIX)
door.bind(sys.argv[1])
door.listen(1)
link, _ = door.accept()
while data := link.recv(100):
    link.sendall(data.upper())
"""


class HereRunner(LocalRunner):
    """This machine, as a host."""

    alive = True

    def open_tcp(self, address: str, port: int) -> SocketLike:
        """Nobody asks for one."""
        raise NotImplementedError


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> XenHost:
    (tmp_path / "xl").write_text(XL)
    (tmp_path / "xl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin")
    runner = HereRunner()
    return XenHost(
        name="here",
        runner=runner,
        volumes=VolumeManager(runner, "vg", "pool"),
        xl=Xl(runner),
        xenstore=Xenstore(runner),
        bridge="br",
        timeout_factor=1.0,
    )


@pytest.fixture
def crossing(host: XenHost, tmp_path: Path) -> Crossing:
    """To the same host, under another name."""
    other = replace(host, name="other")
    return Crossing(source=host, target=other, directory=str(tmp_path / "job"))


def test_two_xl_speak_to_each_other(crossing: Crossing, tmp_path: Path) -> None:
    assert crossing.migrate(NAME, "good\n", SOON) == 7
    assert [path.name for path in (tmp_path / "job").iterdir()] == [f"{NAME}.cfg"]


def test_what_the_other_one_refuses(crossing: Crossing) -> None:
    with pytest.raises(CommandFailed) as caught:
        crossing.migrate(NAME, "bad\n", SOON)
    assert "ended 1" in caught.value.stderr


def test_a_file_comes_there_whole(crossing: Crossing, tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "sent").write_bytes(data)
    end = LocalRunner().open(Command.of("cat", tmp_path / "sent"))
    take = Command.script("take", 'exec head -c "$2" >"$1"', tmp_path / "taken", len(data))
    assert carry(end, LocalRunner().open(take), Deadline.after(SOON)) == len(data)
    assert (tmp_path / "taken").read_bytes() == data


def test_a_file_that_is_not_as_long_as_it_should_be(crossing: Crossing, tmp_path: Path) -> None:
    # The same file at both ends: it is empty when it is read.
    with pytest.raises(LabError, match="0 came to"):
        crossing.copy(str(tmp_path / "saved"), Size(100), timedelta(seconds=2))


def test_it_is_restored_of_that_file(crossing: Crossing, tmp_path: Path) -> None:
    (tmp_path / "saved").write_text("memory")
    assert crossing.restore(NAME, "config\n", str(tmp_path / "saved"), SOON) == 8
    assert (tmp_path / "restored").read_text() == "config\nmemory"
    assert not (tmp_path / "saved").exists()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Stream]:
    path = tmp_path / "socket"
    words = (
        "python3",
        "-c",
        _SERVE,
        str(tmp_path / "nbd"),
        str(path),
        sys.executable,
        "-c",
        ECHO,
        str(path),
    )
    stream = LocalRunner().open(Command(words))
    yield stream
    stream.close()


def test_a_socket_is_led_to_the_channel(served: Stream) -> None:
    served.write(b"hello")
    heard = b""
    while len(heard) < 5:
        data = served.read(100, SOON)
        assert data
        heard += data
    assert heard == b"HELLO"
