"""Commands that must go well, or must not, and words that are expected on the console."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from bench_samples import Bench, guest_bench
from test_host_pressure import said

from harness.errors import GuestFailure, HostOverloaded
from harness.job.guestasking import script
from harness.remote.fake import Call, Reply


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with guest_bench(tmp_path, monkeypatch) as made:
        yield made


def refused(status: int, said: str = "") -> Reply:
    return Reply(exit_status=status, stderr=said)


def test_what_a_command_printed(bench: Bench) -> None:
    bench.guest.over_ssh.on("uname", "6.1.0\n\n")
    assert bench.guest.succeed("uname -r") == "6.1.0"
    assert bench.guest.over_ssh.calls[-1].command.argv == ("sh", "-ec", "uname -r")


def test_one_that_should_fail(bench: Bench) -> None:
    bench.guest.over_ssh.on_call("false", lambda _: refused(1))
    bench.guest.over_ssh.on("true", "out\n")
    assert bench.guest.fail("false") == ""
    with pytest.raises(GuestFailure, match="`true` went well") as caught:
        bench.guest.fail("true")
    assert caught.value.failure_class == "command-succeeded"


def test_one_is_repeated_until_it_goes_well(bench: Bench) -> None:
    answers = iter([refused(1, "not yet"), refused(3), Reply(stdout="there\n")])
    bench.guest.over_ssh.on_call("cat", lambda _: next(answers))
    assert bench.guest.wait_until("cat /run/ready", timeout=timedelta(seconds=30)) == "there"
    assert next(answers, None) is None


def test_or_until_there_is_no_time_left(bench: Bench) -> None:
    def never(_: Call) -> Reply:
        return refused(7, "no such file")

    bench.guest.over_ssh.on_call("cat", never)
    with pytest.raises(GuestFailure, match="exit status 7: no such file") as caught:
        bench.guest.wait_until("cat /run/ready", timeout=timedelta(0))
    assert caught.value.failure_class == "never-succeeded"


def test_what_is_late_on_a_busy_host_is_not_the_guests_fault(bench: Bench) -> None:
    bench.fake.runner.on("^grep -sE .* /proc/pressure/cpu", said(60, share=95, load=6))
    bench.guest.over_ssh.on_call("cat", lambda _: refused(1))
    with pytest.raises(HostOverloaded, match="to go well"):
        bench.guest.wait_until("cat /run/ready", timeout=timedelta(0))
    with pytest.raises(HostOverloaded, match="did not say"):
        bench.guest.console.expect("never", timeout=timedelta(seconds=1))


def test_the_console_is_searched_from_the_present_boot_on(bench: Bench) -> None:
    said = bench.guest.console.expect(r"^Debian GNU/Linux (\d+) (\S+) hvc0$")
    assert said.groups() == ("12", "guest")
    with pytest.raises(GuestFailure, match="did not say") as caught:
        bench.guest.console.expect(re.compile("^Debian GNU"), timeout=timedelta(seconds=2))
    assert caught.value.failure_class == "not-said", "what was found is not found again"


def test_what_is_typed_is_answered(bench: Bench) -> None:
    bench.guest.console.send("echo\r")
    assert bench.guest.console.expect("echo").group() == "echo"


def test_a_console_that_ended_says_nothing_more(bench: Bench) -> None:
    console = bench.guest.console
    bench.recorder.let_go()
    with pytest.raises(GuestFailure, match="ended, and did not say") as caught:
        console.expect("never")
    assert caught.value.failure_class == "console-ended"


def test_after_a_reboot_only_the_new_boot_is_searched(bench: Bench) -> None:
    old = bench.guest.console
    bench.guest._boots_at = bench.recorder.mark()
    assert bench.guest.console is not old
    assert bench.guest.console is bench.guest.console


@pytest.mark.parametrize(
    ("command", "shown"),
    [("uname -r", "uname -r"), ("\n    set -u\n    true\n", "set -u ..."), ("", "")],
)
def test_a_command_is_shown_as_it_was_written(command: str, shown: str) -> None:
    made = script(command)
    assert made.shown == shown
    assert made.argv[:2] == ("sh", "-ec")
    assert not made.argv[2].startswith("    ")
