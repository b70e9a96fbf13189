"""What only the local runner does: lines while they come, and processes that outlive it."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from harness.errors import CommandFailed, DeadlineExceeded, LabError
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.wait import Deadline, NotYet, wait_for

SECOND = timedelta(seconds=1)


def test_lines_come_one_by_one_and_the_output_is_kept() -> None:
    lines: list[str] = []
    script = "printf 'one\\ntw'; printf 'o\\n\\n50%%\\r100%%\\rlast'; printf '\\377' >&2"
    result = LocalRunner().run_with_lines(Command.shell(script), lines.append)
    assert sorted(lines) == sorted(
        ["one", "two", "50%", "100%", "last", "\N{REPLACEMENT CHARACTER}"]
    )
    assert result.stdout.startswith("one\ntwo\n")


def test_lines_come_before_the_command_ends() -> None:
    def stop(line: str) -> None:
        raise KeyboardInterrupt(line)

    with pytest.raises(KeyboardInterrupt, match="early"):
        LocalRunner().run_with_lines(Command.shell("echo early; sleep 60"), stop, 20 * SECOND)


def test_failing_long_command_quotes_its_last_lines() -> None:
    with pytest.raises(CommandFailed, match="E: no mirror"):
        LocalRunner().run_with_lines(Command.shell("echo 'E: no mirror' >&2; exit 1"), print)


def test_long_command_has_a_deadline() -> None:
    with pytest.raises(DeadlineExceeded, match="still going"):
        LocalRunner().run_with_lines(Command.shell("echo still going; sleep 60"), print, SECOND / 2)


def test_a_silent_command_ends_when_all_of_us_is_told_to(tmp_path: Path) -> None:
    stop, began = threading.Event(), tmp_path / "began"
    runner = LocalRunner(stop=stop)
    command = Command.shell(f"echo $$ > {began}.new; mv {began}.new {began}; sleep 66 & wait")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(runner.run, command)
        wait_for(lambda: there(began), what="its start", deadline=Deadline.after(5 * SECOND))
        stop.set()
        with pytest.raises(LabError, match="was ended"):
            running.result(timeout=10)
    assert not Path(f"/proc/{began.read_text().strip()}").exists()
    assert runner.run(Command.shell("echo clean")).stdout == "clean\n", "what cleans up still runs"


def test_program_that_may_not_be_executed(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("no program")
    with pytest.raises(CommandFailed) as caught:
        LocalRunner().run(Command.of(tmp_path / "plain"))
    assert caught.value.exit_status == 126


def test_detached_process_runs_on_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("old")
    script = 'echo "$1 $EXTRA"; exec sleep 65'
    command = Command(("sh", "-c", script, "sh", "two words"), env={"EXTRA": "more"})
    pid = LocalRunner().spawn_detached(command, log)
    try:
        wait_for(
            lambda: said(log, "two words more\n"), what="it", deadline=Deadline.after(5 * SECOND)
        )
        wait_for(
            lambda: said(Path(f"/proc/{pid}/cmdline"), "sleep\x0065\x00"),
            what="the shell to become sleep",
            deadline=Deadline.after(5 * SECOND),
        )
        assert os.getsid(pid) != os.getsid(0)
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        assert int(stat[1]) != os.getpid(), "it is still our child"
    finally:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: gone(pid), what="its end", deadline=Deadline.after(5 * SECOND))


def test_detached_program_must_exist(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="is no-such-program installed") as caught:
        LocalRunner().spawn_detached(Command.of("no-such-program"), tmp_path / "log")
    assert caught.value.exit_status == 127


def said(log: Path, text: str) -> None:
    """Raise `NotYet` until the log is *text*."""
    if log.read_text() != text:
        raise NotYet(log.read_text())


def there(path: Path) -> None:
    """Raise `NotYet` until there is such a file."""
    if not path.exists():
        msg = f"no {path}"
        raise NotYet(msg)


def gone(pid: int) -> None:
    """Raise `NotYet` while the process is there, be it as a zombie."""
    if Path(f"/proc/{pid}").exists():
        msg = f"{pid} is there"
        raise NotYet(msg)
