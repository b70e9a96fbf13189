"""Login and shell against the tiny guest, in virtual time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.console import feed
from harness.console.fake import (
    Chunk,
    DeafGuest,
    Guest,
    ScriptedStream,
    TinyGuest,
    VirtualClock,
    VirtualRecorder,
)
from harness.console.feed import RecorderSpawn
from harness.console.login import login
from harness.console.shell import ConsoleShell, wrapped
from harness.errors import GuestFailure, UsageError
from harness.secret import Secret

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


class Bench:
    """A console with a guest at the other end."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = VirtualClock()
        self.recorder: VirtualRecorder | None = None

    def console(
        self, guest: Guest, script: Iterable[Chunk] = (), *, end: float | None = None
    ) -> RecorderSpawn:
        self.stream = ScriptedStream(self.clock, script, end=end, guest=guest)
        self.recorder = VirtualRecorder(self.stream, self.directory, clock=self.clock, name="guest")
        return RecorderSpawn(self.recorder, start=0)

    def shell(self, guest: TinyGuest) -> ConsoleShell:
        return login(self.console(guest, [(1, guest.prompt())]), "root", None, timeout=MINUTE)

    def refused(self, console: RecorderSpawn, password: Secret | None) -> GuestFailure:
        with pytest.raises(GuestFailure) as caught:
            login(console, "root", password, timeout=MINUTE)
        assert caught.value.phase == "login"
        return caught.value

    def everything(self) -> bytes:
        """All that was written to disk."""
        return b"".join(file.read_bytes() for file in sorted(self.directory.iterdir()))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    if made.recorder:
        made.recorder.close()


def test_login_with_a_password(bench: Bench) -> None:
    guest = TinyGuest(password="hunter2", answers={"uname": ("Linux", 0)})
    console = bench.console(guest, [(1, guest.prompt())])
    shell = login(console, "root", Secret("hunter2"), timeout=MINUTE)
    assert shell.run("uname").stdout == "Linux"
    assert b"hunter2" in bench.stream.written
    assert b"hunter2" not in bench.everything()


def test_login_without_a_password(bench: Bench) -> None:
    assert bench.shell(TinyGuest(answers={"true": ("", 0)})).run("true").ok


def test_the_prompt_is_gone_by_already(bench: Bench) -> None:
    guest = TinyGuest(answers={"true": ("", 0)})
    assert login(bench.console(guest), "root", None, timeout=MINUTE).run("true").ok


def test_somebody_is_logged_in_already(bench: Bench) -> None:
    guest = TinyGuest(answers={"true": ("", 0)})
    first = bench.shell(guest)
    second = RecorderSpawn(first.console.recorder, start=first.console.recorder.mark())
    assert login(second, "root", None, timeout=MINUTE).run("true").ok


def test_a_kernel_line_in_the_prompt(bench: Bench) -> None:
    guest = TinyGuest(answers={"true": ("", 0)})
    prompt = guest.prompt() + b"[   14.203114] random: crng init done\r\n"
    assert login(bench.console(guest, [(1, prompt)]), "root", None, timeout=MINUTE).run("true").ok


def test_a_wrong_password_is_refused_and_never_shown(bench: Bench) -> None:
    guest = TinyGuest(password="correct")
    failure = bench.refused(bench.console(guest, [(1, guest.prompt())]), Secret("hunter2"))
    assert failure.failure_class == "login-refused"
    assert "Login incorrect" in failure.evidence
    assert "hunter2" not in f"{failure} {failure.evidence}"
    assert b"hunter2" not in bench.everything()


def test_a_password_that_is_asked_for_but_unknown(bench: Bench) -> None:
    guest = TinyGuest(password="correct")
    failure = bench.refused(bench.console(guest, [(1, guest.prompt())]), None)
    assert failure.failure_class == "login-refused"
    assert "there is none to give" in str(failure)


class LoginForEver:
    """A getty that takes any name and asks again."""

    def receive(self, data: bytes) -> Iterable[Chunk]:
        yield 0.1, data + b"\r\nguest login: "


def test_a_getty_that_only_asks_again(bench: Bench) -> None:
    failure = bench.refused(bench.console(LoginForEver(), [(1, b"guest login: ")]), None)
    assert failure.failure_class == "login-refused"
    assert bench.stream.written == b"root\r" * 3


class PasswordForEver:
    """Asks for the password again and again, and never says why."""

    def receive(self, data: bytes) -> Iterable[Chunk]:
        yield 0.1, b"\r\nPassword: "


def test_the_password_is_given_once_only(bench: Bench) -> None:
    console = bench.console(PasswordForEver(), [(1, b"guest login: ")])
    assert bench.refused(console, Secret("hunter2")).failure_class == "login-refused"
    assert bench.stream.written == b"root\rhunter2\r"


def test_a_guest_that_never_answers(bench: Bench) -> None:
    started = bench.clock.now
    failure = bench.refused(bench.console(DeafGuest(), [(1, b"guest login: ")]), None)
    assert failure.failure_class == "login-stalled"
    assert 60 <= bench.clock.now - started <= 66
    assert bench.stream.written == b"root\r", "no Enter after the name: it may be a password"


def test_a_guest_that_panics_at_its_login_prompt(bench: Bench) -> None:
    """Seen with bullseye as PVH guest: for twelve minutes it was asked for a prompt."""
    started = bench.clock.now
    said = b"root\r\n[  304.637730] Kernel panic - not syncing: Fatal exception in interrupt\r\n"
    console = bench.console(DeafGuest(), [(1, b"guest login: "), (3, said)])
    failure = bench.refused(console, None)
    assert failure.failure_class == "kernel-panic"
    assert "Fatal exception in interrupt" in failure.message
    assert bench.clock.now - started < 15


def test_a_console_that_ends_during_the_login(bench: Bench) -> None:
    failure = bench.refused(bench.console(DeafGuest(), [(1, b"guest login: ")], end=1), None)
    assert failure.failure_class == "login-stalled"
    assert "ended" in str(failure)


class FalseShell:
    """Looks like a shell's prompt, but runs nothing: it echoes."""

    def receive(self, data: bytes) -> Iterable[Chunk]:
        yield 0.1, data + b"\nroot@guest:~# "


def test_an_echo_is_no_shell(bench: Bench) -> None:
    with pytest.raises(GuestFailure) as caught:
        login(bench.console(FalseShell(), [(1, b"root@guest:~# ")]), "root", None, timeout=MINUTE)
    assert caught.value.failure_class == "console-stalled"


def test_run_gives_output_and_status(bench: Bench) -> None:
    shell = bench.shell(TinyGuest(answers={"ls /": ("bin\nboot", 0), "false": ("", 1)}))
    result = shell.run("ls /")
    assert (result.stdout, result.exit_status, result.where) == ("bin\nboot", 0, "console of guest")
    assert result.duration > timedelta(0)
    assert shell.run("false").exit_status == 1


def test_a_stalled_command_is_interrupted_and_the_shell_goes_on(bench: Bench) -> None:
    shell = bench.shell(TinyGuest(answers={"sleep": ("so far", -1), "true": ("", 0)}))
    with pytest.raises(GuestFailure, match="Ctrl-C brought the prompt back") as caught:
        shell.run("sleep", 30 * SECOND)
    assert caught.value.failure_class == "console-stalled"
    assert "so far" in caught.value.evidence
    assert shell.run("true").ok


def test_a_guest_that_hangs_for_good(bench: Bench) -> None:
    class Hung(TinyGuest):
        def receive(self, data: bytes) -> Iterable[Chunk]:
            return super().receive(data.replace(b"\x03", b""))

    shell = bench.shell(Hung(answers={"sleep": ("", -1)}))
    with pytest.raises(GuestFailure, match="Ctrl-C did not help"):
        shell.run("sleep", 30 * SECOND)


def test_an_old_prompt_is_not_taken_for_a_new_one(bench: Bench) -> None:
    class Freezes(TinyGuest):
        def receive(self, data: bytes) -> Iterable[Chunk]:
            return () if frozen else super().receive(data)

    frozen: list[bool] = []
    shell = bench.shell(Freezes(answers={"true": ("", 0)}))
    assert shell.run("true").ok
    frozen.append(True)
    with pytest.raises(GuestFailure, match="Ctrl-C did not help"):
        shell.run("true", 30 * SECOND)


def test_a_console_that_ends_under_a_command(bench: Bench) -> None:
    class Dies(TinyGuest):
        def receive(self, data: bytes) -> Iterable[Chunk]:
            yield 0.0, data
            if b"poweroff" in data:
                yield 0.1, b""
            else:
                yield from super().receive(data)

    with pytest.raises(GuestFailure) as caught:
        bench.shell(Dies()).run("poweroff", MINUTE)
    assert caught.value.failure_class == "console-ended"


def test_kernel_lines_around_the_markers(bench: Bench) -> None:
    class Chatty(TinyGuest):
        def receive(self, data: bytes) -> Iterable[Chunk]:
            for delay, answer in super().receive(data):
                said = answer.replace(b":begin\r\n", b":begin[    9.100000] kernel\r\n")
                yield delay, b"[    9.000000] kernel\r\n" + said + b"[    9.200000] kernel\r\n"

    shell = bench.shell(Chatty(answers={"uname": ("Linux", 0)}))
    assert shell.run("uname").stdout == "Linux"


def test_too_much_output_is_refused_rather_than_cut(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "BEFORE_CAP", 10_000)
    shell = bench.shell(TinyGuest(answers={"cat": ("x" * 50_000, 0), "true": ("", 0)}))
    with pytest.raises(UsageError, match="more than a console can carry"):
        shell.run("cat")
    assert shell.run("true").ok


def test_nonce_echo(bench: Bench) -> None:
    def compute(command: str) -> tuple[str, int]:
        nonce = command.split()[2]
        return hashlib.sha256(nonce.encode()).hexdigest() + "  -", 0

    nonce = bench.shell(TinyGuest(compute=compute)).nonce_echo()
    assert len(nonce) == 16


def test_a_guest_that_repeats_the_nonce_does_not_pass(bench: Bench) -> None:
    shell = bench.shell(TinyGuest(compute=lambda command: (command, 0)))
    with pytest.raises(GuestFailure) as caught:
        shell.nonce_echo()
    assert caught.value.failure_class == "nonce-mismatch"


@pytest.mark.parametrize("command", ["echo \x03", "echo \x1b[A", "a\x00b", "del\x7f", "a\rb"])
def test_what_cannot_be_typed_is_refused(command: str) -> None:
    with pytest.raises(UsageError, match="control character"):
        wrapped(command, "abc")


def test_a_command_too_long_for_a_terminal_is_refused() -> None:
    assert wrapped("x" * 3300, "abc")
    with pytest.raises(UsageError, match="too long to type"):
        wrapped("x" * 3500, "abc")


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"]), max_size=200))
def test_the_typed_line_never_holds_a_whole_marker(command: str) -> None:
    line = wrapped(command, "0123456789abcdef")
    assert "0123456789abcdef:" not in line
