"""What every runner does, tried on this machine, over a real sshd, and on the shipped fake."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from anyhost import SPEC
from loopback_sshd import log_in, running_sshd

from harness.errors import CommandFailed, DeadlineExceeded, LabError, TooMuchOutput
from harness.remote.command import Command, Runner
from harness.remote.fake import Call, FakeRunner, Reply
from harness.remote.local import LocalRunner
from harness.sim.host import SimHost
from harness.sim.request import Answer, Request
from harness.sim.world import SimWorld
from harness.wait import Deadline, NotYet, wait_for

SECOND = timedelta(seconds=1)
MORE_THAN_A_WINDOW = 5 << 20
"""Bytes; an SSH channel's window is 2 MiB, a pipe's buffer 64 KiB."""


@pytest.fixture(scope="module", params=["local", "ssh"])
def runner(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runner]:
    """A runner that really runs commands."""
    if request.param == "local":
        yield LocalRunner()
        return
    with running_sshd(tmp_path_factory.mktemp("sshd")) as sshd:
        connected = log_in(sshd)
        yield connected
        connected.close()


def scripted() -> FakeRunner:
    """A fake that answers the commands of the tests below as a real host would."""
    fake = FakeRunner()
    late = DeadlineExceeded(
        "on fakehost: `sleep 60` did not end within 0.3 s; its last output: nothing"
    )
    fake.on(r"^true$")
    fake.on(r"^false$", exit_status=1)
    fake.on(r"exit 7", "said\n", stderr="went wrong\n", exit_status=7)
    fake.on(r"kill -KILL", exit_status=-signal.SIGKILL)
    fake.on(r"^sleep 60$", raises=late)
    fake.on_call(r"^cat$", lambda call: Reply(stdout=call.stdin.decode()))
    return fake


def simulated() -> Runner:
    """A simulated host, and the two scripts of the tests below, which it cannot read."""
    world = SimWorld()
    runner = world.connect(SPEC).runner

    def shell(host: SimHost, request: Request) -> Answer:
        if "exit 7" in request.words[-1]:
            return Answer(stdout="said\n", stderr="went wrong\n", status=7)
        return Answer(status=-signal.SIGKILL)

    world.host(SPEC).programs["sh"] = shell
    return runner


@pytest.fixture(params=["real", "fake", "sim"])
def any_runner(request: pytest.FixtureRequest, runner: Runner) -> Runner:
    """Every runner, the fake and the simulated one included."""
    makers: dict[str, Callable[[], Runner]] = {"fake": scripted, "sim": simulated}
    return makers.get(request.param, lambda: runner)()


def test_good_command_gives_its_result(any_runner: Runner) -> None:
    result = any_runner.run(Command.of("true"))
    assert (result.exit_status, result.stdout, result.ok) == (0, "", True)
    assert result.where == any_runner.name
    assert result.duration > timedelta(0)


def test_bad_status_is_an_error_that_quotes_the_command(any_runner: Runner) -> None:
    with pytest.raises(CommandFailed) as caught:
        any_runner.run(Command.shell("echo said; echo went wrong >&2; exit 7"))
    assert caught.value.exit_status == 7
    assert caught.value.stderr == "went wrong\n"
    assert any_runner.name in str(caught.value)
    assert "went wrong" in str(caught.value)


def test_bad_status_is_a_result_when_not_checked(any_runner: Runner) -> None:
    assert any_runner.run(Command.of("false"), check=False).exit_status == 1


def test_unknown_program_is_127_with_a_hint(any_runner: Runner) -> None:
    with pytest.raises(CommandFailed, match="is no-such-program installed on") as caught:
        any_runner.run(Command.of("no-such-program", "--help"))
    assert caught.value.exit_status == 127


def test_signal_is_a_negative_status(any_runner: Runner) -> None:
    result = any_runner.run(Command.of("sh", "-c", "kill -KILL $$"), check=False)
    assert result.exit_status == -signal.SIGKILL


def test_stdin_arrives(any_runner: Runner) -> None:
    assert any_runner.run(Command.of("cat"), stdin=b"one\ntwo").stdout == "one\ntwo"


def test_deadline_names_the_command(any_runner: Runner) -> None:
    with pytest.raises(DeadlineExceeded, match=r"`sleep 60` did not end within 0.3 s"):
        any_runner.run(Command.of("sleep", 60), timeout=timedelta(seconds=0.3))


def test_deadline_quotes_the_last_output(runner: Runner) -> None:
    with pytest.raises(DeadlineExceeded, match="its last output: here I am"):
        runner.run(Command.shell("echo here I am; sleep 60"), timeout=SECOND)


def test_deadline_ends_the_command_and_its_children(runner: Runner, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 61 & echo $! >>{pids}; echo $$ >>{pids}; trap '' TERM; wait; sleep 62"
    with pytest.raises(DeadlineExceeded):
        runner.run(Command.of("sh", "-c", script), timeout=SECOND)
    numbers = [int(line) for line in pids.read_text().split()]
    assert len(numbers) == 2
    wait_for(lambda: all_gone(numbers), what="both", deadline=Deadline.after(5 * SECOND))


def test_runner_works_after_a_deadline(runner: Runner) -> None:
    with pytest.raises(DeadlineExceeded):
        runner.run(Command.of("sleep", 60), timeout=timedelta(seconds=0.2))
    assert runner.run(Command.of("echo", "still here")).stdout == "still here\n"


def test_arguments_are_no_shell_text(runner: Runner) -> None:
    nasty = "a b; echo $HOME `id` 'quoted' \"double\" *"
    assert runner.run(Command.of("printf", "%s", nasty)).stdout == nasty


def test_environment(runner: Runner) -> None:
    command = Command(
        ("sh", "-c", 'echo "$LC_ALL $EXTRA"; echo "$PATH"'), env={"EXTRA": "two words"}
    )
    first, path = runner.run(command).stdout.splitlines()
    assert first == "C two words"
    assert "/usr/sbin" in path.split(":")


def test_no_input_is_an_end_of_file(runner: Runner) -> None:
    assert runner.run(Command.of("cat"), timeout=10 * SECOND).stdout == ""


def test_large_both_ways_at_once(runner: Runner) -> None:
    data = os.urandom(MORE_THAN_A_WINDOW // 2).hex().encode()
    result = runner.run(Command.shell("tee /dev/stderr"), stdin=BytesIO(data))
    assert len(data) == MORE_THAN_A_WINDOW
    assert result.stdout.encode() == data
    assert result.stderr.encode() == data


def test_large_input_arrives_whole(runner: Runner, tmp_path: Path) -> None:
    data = os.urandom(MORE_THAN_A_WINDOW)
    source = tmp_path / "data"
    source.write_bytes(data)
    with source.open("rb") as file:
        told = runner.run(Command.of("sha256sum"), stdin=file).stdout.split()[0]
    assert told == hashlib.sha256(data).hexdigest()


def test_input_that_nobody_reads_is_no_error(runner: Runner) -> None:
    result = runner.run(Command.of("true"), stdin=BytesIO(bytes(MORE_THAN_A_WINDOW)))
    assert result.ok


def test_input_that_cannot_be_read_is_an_error(runner: Runner) -> None:
    class Broken(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            msg = "bad sector"
            raise OSError(msg)

    with pytest.raises(LabError, match="bad sector"):
        runner.run(Command.of("cat"), stdin=Broken())


def test_bad_bytes_in_output_are_replaced(runner: Runner) -> None:
    assert runner.run(Command.of("printf", r"a\377b")).stdout == "a\N{REPLACEMENT CHARACTER}b"


def test_child_that_keeps_the_output_open_does_not_hold_up_the_result(runner: Runner) -> None:
    result = runner.run(Command.shell("echo done; sleep 5 &"), timeout=4 * SECOND)
    assert result.stdout == "done\n"


def test_commands_from_several_threads(runner: Runner) -> None:
    said: dict[int, str] = {}

    def ask(number: int) -> None:
        said[number] = runner.run(Command.of("echo", number)).stdout

    threads = [threading.Thread(target=ask, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == {number: f"{number}\n" for number in range(6)}


def test_secret_command_is_not_quoted(runner: Runner) -> None:
    with pytest.raises(CommandFailed) as caught:
        runner.run(Command(("sh", "-c", "exit 3 # hunter2"), secret=True))
    assert "hunter2" not in str(caught.value)


def test_secret_command_that_repeats_its_secret_is_not_quoted(runner: Runner) -> None:
    command = Command(("sh", "-c", "echo hunter2 | tee /dev/stderr; exit 3"), secret=True)
    result = runner.run(command, check=False)
    with pytest.raises(CommandFailed) as caught:
        result.check()
    shown = f"{caught.value} {caught.value.stderr} {result!r} {command!r} {caught.value!r}"
    assert "hunter2" not in shown
    assert "[hidden]" in shown


def test_secret_command_that_hangs_is_not_quoted(runner: Runner) -> None:
    command = Command(("sh", "-c", "echo hunter2; exec sleep 60"), secret=True)
    with pytest.raises(DeadlineExceeded) as caught:
        runner.run(command, timeout=SECOND)
    assert "hunter2" not in str(caught.value)


def test_a_command_without_an_end_to_its_output_is_ended() -> None:
    # With SSH: selftests/unit/test_remote_exchange.py. This much over an emulated network is slow.
    with pytest.raises(TooMuchOutput, match="`cat /dev/zero` said more than 256 MiB"):
        LocalRunner().run(Command.of("cat", "/dev/zero"))


def test_stream_reads_what_was_written(runner: Runner) -> None:
    stream = runner.open(Command.of("cat"))
    stream.write(b"hello")
    assert stream.read(100, 10 * SECOND) == b"hello"
    stream.close()


def test_stream_says_none_while_silent_and_empty_at_the_end(runner: Runner) -> None:
    stream = runner.open(Command.shell("read line; echo out; echo err >&2"))
    assert stream.read(100, timedelta(milliseconds=50)) is None
    stream.write(b"\n")
    said = b""
    while (block := stream.read(100, 10 * SECOND)) != b"":
        assert block is not None
        said += block
    assert said == b"out\nerr\n"
    assert stream.read(100, SECOND) == b""
    stream.close()


def test_stream_gives_no_more_than_asked(runner: Runner) -> None:
    stream = runner.open(Command.of("printf", "abcdef"))
    parts = [stream.read(2, 10 * SECOND) for _ in range(4)]
    assert parts == [b"ab", b"cd", b"ef", b""]
    stream.close()


def test_stream_close_is_harmless_twice_and_wakes_a_reader(runner: Runner) -> None:
    stream = runner.open(Command.of("cat"))
    seen: list[bytes | None] = []
    reader = threading.Thread(target=lambda: seen.append(stream.read(10, 20 * SECOND)))
    reader.start()
    stream.close()
    stream.close()
    reader.join(5)
    assert seen == [b""]


def test_stream_close_ends_a_command_that_ignores_the_end_of_its_input(
    runner: Runner, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    stream = runner.open(Command.of("sh", "-c", f"echo $$ >{pid}; echo up; exec sleep 63"))
    assert stream.read(10, 10 * SECOND) == b"up\n"
    stream.close()
    number = int(pid.read_text())
    wait_for(lambda: all_gone([number]), what="its end", deadline=Deadline.after(5 * SECOND))


def test_stream_refuses_input_after_the_command_ended(runner: Runner) -> None:
    stream = runner.open(Command.of("true"))
    assert stream.read(10, 10 * SECOND) == b""
    # More than any buffer between us and the command holds.
    with pytest.raises(LabError, match="takes no more input"):
        stream.write(bytes(MORE_THAN_A_WINDOW))
    stream.close()


def test_reader_and_writer_in_two_threads(runner: Runner) -> None:
    stream = runner.open(Command.of("cat"))
    data = bytes(MORE_THAN_A_WINDOW)
    writer = threading.Thread(target=stream.write, args=[data])
    writer.start()
    received = 0
    while received < len(data):
        block = stream.read(1 << 16, 10 * SECOND)
        assert block
        received += len(block)
    writer.join()
    stream.close()


def test_fake_remembers_what_it_was_asked() -> None:
    fake = FakeRunner()
    fake.on("once", "first", times=1)
    fake.on("once", "then")
    seen: list[Call] = []

    def count(call: Call) -> Reply:
        seen.append(call)
        return Reply(stdout="1")

    fake.on_call("count", count)
    assert [fake.run(Command.of("once")).stdout for _ in range(3)] == ["first", "then", "then"]
    fake.run(Command.of("count"), stdin=b"data")
    assert fake.lines == ["once", "once", "once", "count"]
    assert seen[0].stdin == b"data"


def test_fake_stream() -> None:
    fake = FakeRunner()
    prepared = fake.on_open("xl console", [b"login: ", None, b"bye"])
    stream = fake.open(Command.of("xl", "console", "guest"))
    assert [stream.read(5, SECOND) for _ in range(5)] == [b"login", b": ", None, b"bye", b""]
    stream.write(b"root\n")
    stream.close()
    assert bytes(prepared.written) == b"root\n"
    with pytest.raises(LabError, match="no stream was prepared"):
        fake.open(Command.of("xl", "console", "guest"))


def all_gone(pids: list[int]) -> None:
    """Raise `NotYet` while one of the processes lives."""
    living = [pid for pid in pids if Path(f"/proc/{pid}").exists() and not _is_zombie(pid)]
    if living:
        msg = f"{living} still run"
        raise NotYet(msg)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
