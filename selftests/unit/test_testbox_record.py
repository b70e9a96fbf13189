"""Records of running QEMUs, with real processes in QEMU's place."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from harness.errors import DeadlineExceeded
from harness.testbox import record as module
from harness.testbox.accel import Accel
from harness.testbox.record import InstanceRecord, Stage, processes_with
from harness.wait import Deadline

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def marker(tmp_path: Path) -> str:
    return str(tmp_path / "x.qmp")


@pytest.fixture
def start(marker: str) -> Iterator[Start]:
    """Starts a shell with the words of a QEMU on its command line."""
    started: list[subprocess.Popen[bytes]] = []

    def run(
        before: str = "true", word: str = f"unix:{marker},server=on,wait=off"
    ) -> subprocess.Popen[bytes]:
        argv = ["sh", "-c", f"{before}; echo; while :; do read forever; done", "sh", "-qmp", word]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()  # its traps are set once it has said something
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def record(marker: str) -> InstanceRecord:
    return InstanceRecord(
        marker=marker, ssh_port=2222, accel=Accel.TCG, started=1.5, how="booted", image="dom0-x"
    )


def test_it_is_read_as_it_was_written(tmp_path: Path, record: InstanceRecord) -> None:
    path = tmp_path / "instance.json"
    for stage in Stage:
        wanted = replace(record, stage=stage, pid=7)
        wanted.write(path)
        assert InstanceRecord.read(path) == wanted
    assert [file.name for file in tmp_path.iterdir()] == ["instance.json"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"pid": 1}', '{"marker": "m", "unknown": 1}', "\udcff"]
)
def test_a_damaged_record_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "instance.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert InstanceRecord.read(path) is None


@pytest.mark.parametrize("field", ["accel", "stage", "pid"])
def test_a_nonsense_value_is_none(tmp_path: Path, record: InstanceRecord, field: str) -> None:
    path = tmp_path / "instance.json"
    record.write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: "nonsense"}))
    assert InstanceRecord.read(path) is None


def test_no_record_is_none(tmp_path: Path) -> None:
    assert InstanceRecord.read(tmp_path / "none") is None


def test_a_running_process_is_alive_until_it_ends(start: Start, record: InstanceRecord) -> None:
    process = start()
    record = replace(record, pid=process.pid)
    assert record.alive
    process.kill()
    process.wait()
    assert not record.alive


def test_a_recycled_pid_is_another_process(record: InstanceRecord) -> None:
    assert not replace(record, pid=os.getpid()).alive


def test_a_name_that_only_starts_the_same_is_another_process(
    start: Start, record: InstanceRecord, marker: str
) -> None:
    process = start(word=f"unix:{marker}2,server=on,wait=off")
    assert not replace(record, pid=process.pid).alive
    assert not record.alive


def test_who_only_talks_about_the_socket_is_another_process(
    start: Start, record: InstanceRecord, marker: str
) -> None:
    start(word=marker)
    assert not record.alive


def test_without_a_pid_it_is_found_by_its_socket(
    start: Start, record: InstanceRecord, marker: str
) -> None:
    assert not record.alive
    process = start()
    assert processes_with(marker) == [process.pid]
    assert record.alive


def test_ending_asks_first(start: Start, record: InstanceRecord, tmp_path: Path) -> None:
    process = start(f"trap 'echo asked > {tmp_path}/said; exit' TERM")
    reap(process, replace(record, pid=process.pid).end)
    assert (tmp_path / "said").read_text() == "asked\n"


def test_who_does_not_listen_is_made_to(
    start: Start, record: InstanceRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE", timedelta(milliseconds=200))
    process = start("trap '' TERM")
    reap(process, replace(record, pid=process.pid).end)
    assert process.returncode == -9


def test_ending_what_is_gone_does_nothing(record: InstanceRecord) -> None:
    replace(record, pid=os.getpid()).end()
    record.end()


def test_waiting_for_the_end_of_who_stays_is_bounded(start: Start, record: InstanceRecord) -> None:
    process = start()
    with pytest.raises(DeadlineExceeded, match=f"pid {process.pid} still runs"):
        replace(record, pid=process.pid).wait_gone(Deadline.after(timedelta(milliseconds=100)))


def reap(process: subprocess.Popen[bytes], end: Callable[[], None]) -> None:
    """End a child of ours; a real QEMU has init to reap it."""
    thread = threading.Thread(target=process.wait)
    thread.start()
    end()
    thread.join(10)
    assert process.returncode is not None
