from __future__ import annotations

from pathlib import Path

import pytest

from harness.console.phases import BOOT_PHASES, PHASE_MARKS, PhaseMark, login_prompt, phase_begun
from harness.console.sign import Sign
from harness.console.text import lines_of
from harness.console.verdicts import (
    FAILURE_CLASSES,
    SIGNS,
    Finding,
    explain,
    find_sign,
    most_telling,
)

DATA = Path(__file__).parent.parent / "data" / "console"
GOOD_LOGS = ["sketch-bookworm-pv-login.log", "sketch-bookworm-pv-no-getty.log"]


@pytest.mark.parametrize("mark", PHASE_MARKS, ids=lambda mark: mark.sample)
def test_each_mark_finds_its_sample_and_no_other_claims_it(mark: PhaseMark) -> None:
    assert mark.pattern.search(mark.sample)
    assert phase_begun(mark.sample) == mark.phase
    assert mark.phase in BOOT_PHASES
    assert find_sign(mark.sample) is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[    0.000000] Command line: root=/dev/xvda ro console=hvc0",
        "Starting systemd-udevd version 252.39-1~deb12u1",
        "[  OK  ] Reached target getty.target - Login Prompts.",
        "[  OK  ] Reached target network.target - Network.",
        "[    4.1] systemd[1]: Queued start job for default target graphical.target.",
        "You are welcome to Debian!",
    ],
)
def test_lines_that_begin_nothing(line: str) -> None:
    assert phase_begun(line) is None


def test_phases_of_a_whole_boot_come_in_order() -> None:
    lines = lines_of((DATA / GOOD_LOGS[0]).read_bytes())
    begun = [phase for line in lines if (phase := phase_begun(line))]
    assert list(dict.fromkeys(begun)) == ["kernel", "initramfs", "init", "login"]
    assert begun == sorted(begun, key=BOOT_PHASES.index)


@pytest.mark.parametrize("sign", SIGNS, ids=lambda sign: sign.sample)
def test_each_sign_finds_its_sample(sign: Sign) -> None:
    found = find_sign(sign.sample, 7, complete=not sign.prompt)
    assert found is not None
    assert found.failure.name == sign.failure_class
    assert found.line == sign.sample.strip()
    assert found.position == 7


def test_every_class_that_a_line_betrays_has_a_sign_and_every_sign_a_class() -> None:
    names = {failure.name for failure in FAILURE_CLASSES}
    assert {sign.failure_class for sign in SIGNS} == names - {"unexpected-reboot", "garbage"}


@pytest.mark.parametrize("sign", [sign for sign in SIGNS if not sign.prompt], ids=str)
def test_an_unfinished_line_is_not_judged_unless_it_is_a_prompt(sign: Sign) -> None:
    assert find_sign(sign.sample, complete=False) is None


@pytest.mark.parametrize("name", GOOD_LOGS)
def test_a_good_boot_shows_no_sign(name: str) -> None:
    assert [one for line in lines_of((DATA / name).read_bytes()) if (one := find_sign(line))] == []


@pytest.mark.parametrize(
    "line",
    [
        "[   3.1] traps: foo[123] general protection fault ip:55d1 sp:7ffc error:0",
        "[   2.1] ---[ end Kernel panic - not syncing: Attempted to kill init! ]---",
        "[   0.5] Initramfs unpacking failed: Decoding failed",
        "[  OK  ] Reached target emergency-ready.target",
        "[   1.0] systemd[1]: Started a service that says Oops",
        "grub-common: Record successful boot",
    ],
)
def test_harmless_lines(line: str) -> None:
    assert find_sign(line) is None


def seen(*lines: str) -> list[Finding]:
    return [one for at, line in enumerate(lines) if (one := find_sign(line, at))]


@pytest.mark.parametrize(
    ("lines", "winner"),
    [
        (
            ["ALERT!  /dev/xvdz9 does not exist.  Dropping to a shell!", "(initramfs) "],
            "root-not-found",
        ),
        (
            [
                "[ 5.1] BUG: kernel NULL pointer dereference, address: 08",
                "[ 5.2] Kernel panic - not syncing: Fatal exception",
            ],
            "kernel-panic",
        ),
        (
            [
                "[ 1.8] Initramfs unpacking failed: write error",
                "[ 2.0] Kernel panic - not syncing: VFS: Unable to mount root fs on x",
            ],
            "out-of-memory",
        ),
        (
            ["[ 1.2] Kernel panic - not syncing: VFS: Unable to mount root fs on x"],
            "root-not-found",
        ),
        (
            ["/dev/xvda: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.", "(initramfs) "],
            "fsck-prompt",
        ),
        (["(initramfs) "], "initramfs-shell"),
    ],
)
def test_which_of_several_wins(lines: list[str], winner: str) -> None:
    found = most_telling(seen(*lines))
    assert found is not None
    assert found.failure.name == winner


def test_of_one_class_the_first_line_wins() -> None:
    first, second = "Gave up waiting for root file system device.", "ALERT!  /dev/x does not exist."
    found = most_telling(seen(first, second))
    assert found is not None
    assert found.line == first
    assert most_telling([]) is None


def test_explanation_cites_the_oops_before_the_panic() -> None:
    findings = seen("[ 5.1] Oops: 0000 [#1]", "[ 5.2] Kernel panic - not syncing: Fatal exception")
    panic = most_telling(findings)
    assert panic is not None
    said = explain(panic, findings)
    assert "not syncing: Fatal exception" in said
    assert "also kernel-oops: [ 5.1] Oops: 0000 [#1]" in said


@pytest.mark.parametrize(
    ("hostname", "line", "group"),
    [
        ("guest", "guest login: ", "own"),
        ("guest", "guest login: [   14.203114] random: crng init done", "own"),
        ("guest", "[   14.203114] random: crng init doneguest login: ", None),
        ("guest", "[   14.203114] random: crng init done guest login: ", "own"),
        ("guest", "(none) login: ", "other"),
        ("guest", "localhost login: [   14.203114] random", None),
        ("guest", "other-guest login: ", "other"),
        ("guest", "guest login: root", None),
        ("guest", "Last login: ", None),
        ("guest", "Last login: Tue Nov  4 10:00:00 UTC 2025 on hvc0", None),
        ("g.est", "guest login: x", None),
        (None, "anything login: ", "other"),
        (None, "Last login: ", None),
        (None, "see login: yes", None),
    ],
)
def test_login_prompt(hostname: str | None, line: str, group: str | None) -> None:
    match = login_prompt(hostname).search(line)
    found = {key for key, value in match.groupdict().items() if value} if match else set()
    assert found == ({group} if group else set())
