"""Talking to a real QEMU, one without a machine in it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from harness.errors import DeadlineExceeded, LabError
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.testbox.accel import Accel
from harness.testbox.qemu import SCSI_BUS
from harness.testbox.qmp import connect
from harness.testbox.record import InstanceRecord
from harness.wait import Deadline

TIMEOUT = timedelta(seconds=30)


@pytest.fixture
def qemu(tmp_path: Path) -> Iterator[InstanceRecord]:
    """A QEMU that emulates nothing."""
    socket = tmp_path / "q"
    command = Command.of(
        *("qemu-system-x86_64", "-machine", "q35", "-nodefaults", "-display", "none", "-S"),
        *("-device", "virtio-scsi-pci,id=hotplug"),
        *("-qmp", f"unix:{socket},server=on,wait=off"),
    )
    pid = LocalRunner().spawn_detached(command, tmp_path / "log")
    record = InstanceRecord(
        pid=pid, marker=str(socket), ssh_port=0, accel=Accel.TCG, started=0.0, how="booted"
    )
    yield record
    record.end()


def socket_of(qemu: InstanceRecord) -> Path:
    return Path(qemu.marker)


def soon() -> Deadline:
    return Deadline.after(TIMEOUT)


def greet(qemu: InstanceRecord, deadline: Deadline) -> None:
    """Connect and leave again."""
    with connect(socket_of(qemu), deadline, alive=lambda: qemu.alive):
        pass


def test_it_waits_until_qemu_listens_and_commands_are_answered(qemu: InstanceRecord) -> None:
    with connect(socket_of(qemu), soon()) as qmp:
        assert qmp.status() == "prelaunch"
        assert qmp.execute("query-version")["qemu"]["major"] >= 7


def test_a_refused_command_is_an_error_with_qemus_words(qemu: InstanceRecord) -> None:
    with connect(socket_of(qemu), soon()) as qmp:
        with pytest.raises(LabError, match=r"QEMU refused device_del: Device 'none' not found"):
            qmp.execute("device_del", id="none")
        assert qmp.status() == "prelaunch"


def test_state_is_saved_and_qemu_stays_stopped(qemu: InstanceRecord, tmp_path: Path) -> None:
    state = tmp_path / "it's a state"
    with connect(socket_of(qemu), soon()) as qmp:
        qmp.execute("cont")
        qmp.save_state(state, soon())
        assert qmp.status() == "postmigrate"
        qmp.go_on()
        assert qmp.status() == "running"
    assert state.read_bytes()[:4] == b"QEVM"


def test_a_state_that_can_not_be_written_lets_it_go_on(
    qemu: InstanceRecord, tmp_path: Path
) -> None:
    with connect(socket_of(qemu), soon()) as qmp:
        qmp.execute("cont")
        with pytest.raises(LabError, match="could not save its state"):
            qmp.save_state(tmp_path / "none" / "state", soon())
        assert qmp.status() == "running"


def test_a_state_not_written_in_time_lets_it_go_on(qemu: InstanceRecord, tmp_path: Path) -> None:
    pipe = tmp_path / "never-read"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with connect(socket_of(qemu), soon()) as qmp:
            qmp.execute("cont")
            with pytest.raises(DeadlineExceeded, match="QEMU to save its state"):
                qmp.save_state(pipe, Deadline.after(timedelta(milliseconds=300)))
            assert qmp.status() == "running"
        assert not pipe.exists()
    finally:
        # What writes into it ends with it.
        os.close(reader)


def test_a_second_client_waits_for_the_first(qemu: InstanceRecord) -> None:
    order: list[str] = []

    def second() -> None:
        with connect(socket_of(qemu), soon()) as qmp:
            order.append(qmp.status())

    with connect(socket_of(qemu), soon()) as qmp:
        thread = threading.Thread(target=second)
        thread.start()
        with pytest.raises(LabError, match="busy"):
            greet(qemu, Deadline.after(timedelta(milliseconds=200)))
        order.append("first")
        qmp.execute("cont")
    thread.join(TIMEOUT.total_seconds())
    assert order == ["first", "running"]


def test_qemus_death_ends_the_waiting_for_it(qemu: InstanceRecord) -> None:
    os.kill(qemu.pid, signal.SIGKILL)
    qemu.wait_gone(soon())
    with pytest.raises(LabError, match="QEMU has ended"):
        greet(qemu, soon())


def test_a_qemu_that_does_not_answer_is_given_up(qemu: InstanceRecord) -> None:
    greet(qemu, soon())
    os.kill(qemu.pid, signal.SIGSTOP)
    try:
        with pytest.raises(DeadlineExceeded, match="QEMU's socket"):
            greet(qemu, Deadline.after(timedelta(seconds=1)))
    finally:
        os.kill(qemu.pid, signal.SIGCONT)


def test_a_disk_is_plugged_in_and_out(qemu: InstanceRecord, tmp_path: Path) -> None:
    image = tmp_path / "image.raw"
    image.write_bytes(bytes(1 << 20))
    with connect(socket_of(qemu), soon()) as qmp:
        with pytest.raises(LabError, match="Bus 'none' not found"):
            qmp.add_disk("disk1", image, "none")
        # Nothing of the failed try is left, so the name is free.
        qmp.add_disk("disk1", image, SCSI_BUS)
        names = {node["node-name"] for node in qmp.execute("query-named-block-nodes")}
        assert "disk1" in names
        qmp.remove_disk("disk1", soon())
        names = {node["node-name"] for node in qmp.execute("query-named-block-nodes")}
        assert "disk1" not in names
