"""Boots in virtual time: scripts of real-looking output, with the moments it comes at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from harness.console.boot import POLL, SETTLE, BootResult, BootWatcher
from harness.console.fake import Chunk, Guest, ScriptedStream, VirtualClock, VirtualRecorder
from harness.errors import GuestFailure, HostLost, LabError
from harness.status import Status
from harness.steps import StepRecord

DATA = Path(__file__).parent.parent / "data" / "console"
KERNEL = b"[    0.000000] Linux version 6.1.0-47-cloud-amd64\r\n"
INITRAMFS = b"Loading, please wait...\r\n"
INIT = b"\r\nWelcome to \x1b[1mDebian GNU/Linux 12 (bookworm)\x1b[0m!\r\n"
DONE = b"[\x1b[0;32m  OK  \x1b[0m] Reached target multi-user.target - Multi-User System.\r\n"
PROMPT = b"\r\nDebian GNU/Linux 12 guest hvc0\r\n\r\nguest login: "
BOOT: list[Chunk] = [(1, KERNEL), (2, INITRAMFS), (3, INIT), (4, DONE), (0.5, PROMPT)]


class Bench:
    """One boot: script in, result or failure out, and all that was recorded."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = VirtualClock()
        self.step = StepRecord(job="boot", testid="guest-boot", clock=self.clock)
        self.polls: list[float] = []
        self.began = self.clock.now
        self.stream: ScriptedStream | None = None
        self.recorder: VirtualRecorder | None = None

    def boot(
        self,
        script: Iterable[Chunk],
        *,
        states: Callable[[float], str | None] = lambda _: "running",
        end: float | None = None,
        guest: Guest | None = None,
        **timeouts: float,
    ) -> BootResult:
        def state() -> str | None:
            self.polls.append(self.elapsed)
            return states(self.elapsed)

        self.stream = ScriptedStream(self.clock, script, end=end, guest=guest)
        with VirtualRecorder(self.stream, self.directory, clock=self.clock, name="guest") as made:
            self.recorder = made
            return BootWatcher(
                made,
                timeouts={name: timedelta(seconds=value) for name, value in timeouts.items()},
                domain_state=state,
                hostname="guest",
                step=self.step,
            ).to_login()

    def fail(self, script: Iterable[Chunk], **options: object) -> GuestFailure:
        with pytest.raises(GuestFailure) as caught:
            self.boot(script, **options)  # type: ignore[arg-type]
        assert self.step.phases[-1].status is Status.FAIL
        assert self.step.phases[-1].name == caught.value.phase
        return caught.value

    @property
    def elapsed(self) -> float:
        return self.clock.now - self.began

    @property
    def phases(self) -> list[tuple[str, float, float]]:
        return [(one.name, one.started, one.duration) for one in self.step.phases]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def log(name: str, *, lines_per_second: float = 20) -> list[Chunk]:
    """A recorded console, a line at a time."""
    lines = (DATA / name).read_bytes().splitlines(keepends=True)
    return [(1 / lines_per_second, line) for line in lines]


def test_phases_are_timed_from_the_bytes(bench: Bench) -> None:
    result = bench.boot(BOOT)
    assert bench.phases == [
        ("create", 0, 1),
        ("kernel", 1, 2),
        ("initramfs", 3, 3),
        ("init", 6, 4),
        ("login", 10, 0.5),
    ]
    assert all(one.status is Status.PASS for one in bench.step.phases)
    assert result.seconds == 10.5
    assert result.hostname == "guest"
    assert not result.nudged
    assert result.remarks == ()
    whole = b"".join(data for _, data in BOOT)
    assert whole[result.position :] == b"guest login: "


@pytest.mark.parametrize("size", [1, 7, 64])
def test_how_the_bytes_are_split_does_not_matter(bench: Bench, size: int) -> None:
    whole = b"".join(data for _, data in BOOT)
    bench.boot([(0.001, whole[at : at + size]) for at in range(0, len(whole), size)])
    assert [name for name, _, _ in bench.phases] == [
        "create",
        "kernel",
        "initramfs",
        "init",
        "login",
    ]


def test_a_whole_bookworm_boot(bench: Bench) -> None:
    result = bench.boot(log("sketch-bookworm-pv-login.log"))
    assert [name for name, _, _ in bench.phases] == [
        "create",
        "kernel",
        "initramfs",
        "init",
        "login",
    ]
    assert result.hostname == "guest"


def test_a_bootloader_is_a_phase_and_none_is_none(bench: Bench) -> None:
    bench.boot([(1, b"GNU GRUB  version 2.06\r\n"), *BOOT])
    assert [name for name, _, _ in bench.phases][:3] == ["create", "bootloader", "kernel"]


def test_a_quiet_boot_goes_straight_to_the_prompt(bench: Bench) -> None:
    bench.boot([(5, PROMPT)])
    assert bench.phases == [("create", 0, 5), ("login", 5, 0)]


def test_a_kernel_line_after_the_prompt_does_no_harm(bench: Bench) -> None:
    result = bench.boot([*BOOT[:-1], (0.5, PROMPT + b"[   14.203114] random: crng init done\r\n")])
    assert not result.nudged


class Getty:
    """Answers Enter with a new prompt."""

    def receive(self, data: bytes) -> Iterable[Chunk]:
        yield 0.5, b"\r\nguest login: "


def test_a_torn_prompt_is_asked_for_again(bench: Bench) -> None:
    result = bench.boot(log("sketch-bookworm-pv-torn-prompt.log"), guest=Getty())
    assert result.nudged
    assert bench.stream is not None
    assert bench.stream.written == b"\r"


def test_no_getty(bench: Bench) -> None:
    failure = bench.fail(log("sketch-bookworm-pv-no-getty.log"), init=600)
    assert (failure.phase, failure.failure_class) == ("login", "no-login-prompt")
    assert "multi-user.target" in failure.evidence
    began = bench.step.phases[-1]
    assert 5 <= began.duration <= 9, "grace and nudge, not the phase's or a global timeout"


def test_grace_for_the_prompt_is_scaled(tmp_path: Path) -> None:
    clock = VirtualClock()
    stream = ScriptedStream(clock, [(1, DONE), (19, PROMPT)])
    step = StepRecord(job="boot", testid="guest-boot", clock=clock)
    with VirtualRecorder(stream, tmp_path, clock=clock) as recorder:
        BootWatcher(
            recorder,
            timeouts={},
            domain_state=lambda: "running",
            hostname="guest",
            step=step,
            timeout_factor=4,
        ).to_login()
    assert step.phases[-1].duration == 19


@pytest.mark.parametrize(
    ("name", "phase", "failure_class", "evidence"),
    [
        ("wrong-root", "initramfs", "root-not-found", "/dev/xvdz9 does not exist"),
        ("no-initrd-panic", "kernel", "root-not-found", "Unable to mount root fs"),
        ("init-killed-panic", "init", "kernel-panic", "Attempted to kill init!"),
        ("out-of-memory", "kernel", "out-of-memory", "deadlocked on memory"),
        ("emergency", "init", "emergency-shell", "Give root password for maintenance"),
    ],
)
def test_failed_boots(
    bench: Bench, name: str, phase: str, failure_class: str, evidence: str
) -> None:
    script = log(f"sketch-bookworm-pv-{name}.log")
    failure = bench.fail(script)
    assert (failure.phase, failure.failure_class) == (phase, failure_class)
    assert evidence in failure.evidence
    assert "\x1b" not in failure.evidence
    assert bench.elapsed <= sum(delay for delay, _ in script) + SETTLE


def test_a_failure_is_told_a_second_after_its_line(bench: Bench) -> None:
    panic = b"[    4.0] Kernel panic - not syncing: Fatal exception\r\n"
    after = b"[    4.1] Kernel Offset: disabled\r\n"
    late = b"[   60.0] much later\r\n"
    failure = bench.fail([*BOOT[:2], (1, panic), (0.5, after), (60, late)])
    assert bench.elapsed == 4 + SETTLE
    assert failure.evidence.endswith("Kernel Offset: disabled")
    assert "Fatal exception" in str(failure)


def test_an_oops_before_a_panic_is_cited(bench: Bench) -> None:
    failure = bench.fail(log("sketch-bookworm-pv-init-killed-panic.log"))
    assert "also kernel-oops" in str(failure)
    assert "NULL pointer dereference" in str(failure)


def test_evidence_holds_the_line_even_if_much_came_after(bench: Bench) -> None:
    trace = b"".join(b"[    4.1]  ? function_%d+0x1\r\n" % number for number in range(200))
    failure = bench.fail([(1, b"[    4.0] Oops: 0000 [#1]\r\n" + trace)])
    assert failure.evidence.startswith("[    4.0] Oops: 0000 [#1]\n[...]\n")
    assert "function_199" in failure.evidence
    assert "function_5+" not in failure.evidence


def test_silence_and_slowness_are_told_apart(tmp_path: Path) -> None:
    silent = Bench(tmp_path / "silent")
    failure = silent.fail([], create=30)
    assert (failure.phase, failure.failure_class) == ("create", "silent")
    assert 30 <= silent.elapsed < 31

    slow = Bench(tmp_path / "slow")
    failure = slow.fail([(1, KERNEL), (2, b"[    2.0] probing\r\n")], kernel=20)
    assert (failure.phase, failure.failure_class) == ("kernel", "phase-timeout")
    assert "'[    2.0] probing'" in str(failure)
    assert 21 <= slow.elapsed < 22, "the phase's deadline starts when the phase does"

    stuck = Bench(tmp_path / "stuck")
    failure = stuck.fail([(1, KERNEL)], kernel=20)
    assert (failure.phase, failure.failure_class) == ("kernel", "silent")


def test_chatter_does_not_put_off_a_deadline(bench: Bench) -> None:
    script = [(1.0, KERNEL), *[(1.0, b"[    2.0] still probing\r\n")] * 100]
    failure = bench.fail(script, kernel=20)
    assert failure.failure_class == "phase-timeout"
    assert bench.elapsed <= 22


def test_how_long_it_was_silent_is_told(bench: Bench) -> None:
    failure = bench.fail([(1, KERNEL), (2, b"[    2.0] probing\r\n")], kernel=20)
    assert "last line: '[    2.0] probing', and nothing in the 18.0 s since" in str(failure)


class Flood(ScriptedStream):
    """After its script it prints faster than anybody can read."""

    def read(self, size: int, timeout: timedelta) -> bytes | None:
        return super().read(size, timedelta(0)) or (b"[    2.0] again and again\r\n" * size)[:size]


def test_a_flood_does_not_put_off_a_deadline(tmp_path: Path) -> None:
    class Ticking(VirtualRecorder):
        """Half a second goes by for each read, whatever comes."""

        def wait(self, position: int, timeout: float) -> bool:
            clock.sleep(0.5)
            return super().wait(position, timeout)

    clock = VirtualClock()
    step = StepRecord(job="boot", testid="guest-boot", clock=clock)
    with Ticking(Flood(clock, [(0, KERNEL)]), tmp_path, clock=clock) as recorder:
        watcher = BootWatcher(
            recorder,
            timeouts={"create": timedelta(seconds=5), "kernel": timedelta(seconds=5)},
            domain_state=lambda: "running",
            hostname="guest",
            step=step,
        )
        with pytest.raises(GuestFailure, match="last line: ") as caught:
            watcher.to_login()
    assert caught.value.failure_class == "phase-timeout"


def test_noise_is_garbage_at_once_if_there_is_much(bench: Bench) -> None:
    failure = bench.fail([(1, KERNEL), (1, b"\xff" * 10_000), (60, PROMPT)])
    assert (failure.phase, failure.failure_class) == ("kernel", "garbage")
    assert bench.elapsed <= 2 + SETTLE


def test_a_little_noise_is_garbage_only_when_nothing_else_comes(tmp_path: Path) -> None:
    noise = b"\x80\xf8\x00\xfe" * 20
    bad = Bench(tmp_path / "bad")
    failure = bad.fail([(1, noise)], create=30)
    assert (failure.phase, failure.failure_class) == ("create", "garbage")
    good = Bench(tmp_path / "good")
    assert good.boot([(1, noise), *BOOT]).remarks == ()


def test_what_looks_like_a_prompt_and_goes_on_is_none(bench: Bench) -> None:
    shell: list[Chunk] = [(1, b"Shell> "), (SETTLE / 2, b"fs0:\\boot.efi\r\n")]
    assert bench.boot([*shell, *BOOT]).hostname == "guest"


@pytest.mark.parametrize("prompt", ["(initramfs) ", "grub> ", "Shell> ", "Clear<y>? "])
def test_a_prompt_is_found_without_a_line_feed(bench: Bench, prompt: str) -> None:
    bench.fail([(1, KERNEL), (1, prompt.encode())])
    assert bench.elapsed <= 2 + SETTLE


def test_an_init_that_never_finishes(bench: Bench) -> None:
    failure = bench.fail([*BOOT[:3], (1, b"[  ***] A start job is running\r\n")], init=60)
    assert (failure.phase, failure.failure_class) == ("init", "phase-timeout")
    assert "A start job is running" in str(failure)


def test_a_crash_without_a_word(bench: Bench) -> None:
    failure = bench.fail([(1, KERNEL)], states=lambda now: "crashed" if now > 5 else "running")
    assert (failure.phase, failure.failure_class) == ("kernel", "domain-crashed")
    assert bench.elapsed <= 5 + POLL + SETTLE


def test_a_crash_with_a_panic_on_the_console_is_a_panic(bench: Bench) -> None:
    panic = b"[    4.0] Kernel panic - not syncing: Fatal exception\r\n"
    failure = bench.fail([(1, KERNEL), (1.5, panic)], states=lambda _: "crashed")
    assert failure.failure_class == "kernel-panic"


def test_a_vanished_domain(bench: Bench) -> None:
    gone = bench.fail([(1, KERNEL)], states=lambda now: None if now > 3 else "running", end=2)
    assert (gone.phase, gone.failure_class) == ("kernel", "domain-vanished")
    assert bench.elapsed <= 3 + 2 * POLL + SETTLE


def test_one_look_into_the_gap_of_a_reboot_is_forgiven(bench: Bench) -> None:
    bench.boot(BOOT, states=lambda now: None if 3 < now < 5 else "running")
    assert len(bench.polls) >= 3


def test_a_shutdown_in_the_middle(bench: Bench) -> None:
    failure = bench.fail(BOOT[:3], states=lambda now: "shutdown" if now > 8 else "running")
    assert failure.failure_class == "domain-shutdown"


def test_the_domain_is_asked_at_most_every_two_seconds(bench: Bench) -> None:
    bench.boot([(0.01, b".\r\n")] * 1000 + [(1, chunk) for _, chunk in BOOT])
    gaps = [b - a for a, b in pairwise(bench.polls)]
    assert gaps
    assert min(gaps) >= POLL


def test_a_console_that_ends_although_the_domain_runs_is_our_fault(bench: Bench) -> None:
    with pytest.raises(LabError, match="ended although the domain is running"):
        bench.boot(BOOT[:2], end=1)
    assert bench.elapsed <= 4 + 2 * POLL


def test_a_slow_answer_from_the_host_is_not_held_against_the_guest(bench: Bench) -> None:
    def slow(_: float) -> str:
        bench.clock.sleep(30)
        return "running"

    result = bench.boot(BOOT, states=slow, kernel=5, initramfs=5, init=5, login=5)
    assert not result.nudged


def test_phases_are_timed_from_the_bytes_even_if_read_late(bench: Bench) -> None:
    def slow(_: float) -> str:
        assert bench.recorder is not None
        until = bench.clock.now + 30
        while bench.clock.now < until:
            bench.recorder.wait(bench.recorder.mark(), until - bench.clock.now)
        return "running"

    result = bench.boot(BOOT, states=slow)
    assert [duration for _, _, duration in bench.phases] == [1, 2, 3, 4, 0.5]
    assert result.seconds == 10.5


def test_a_crash_after_a_soft_lockup_is_a_crash(bench: Bench) -> None:
    lockup = b"[   48.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [swapper/0:1]\r\n"
    failure = bench.fail([(1, KERNEL), (0.5, lockup)], states=lambda _: "crashed")
    assert failure.failure_class == "domain-crashed"


def test_a_lost_host_is_not_the_guests_fault(bench: Bench) -> None:
    def lost(_: float) -> str:
        msg = "connection reset"
        raise HostLost(msg)

    with pytest.raises(HostLost):
        bench.boot(BOOT, states=lost)


def test_a_second_kernel_is_a_reboot(bench: Bench) -> None:
    failure = bench.fail([*BOOT[:3], (1, KERNEL)])
    assert (failure.phase, failure.failure_class) == ("init", "unexpected-reboot")


def test_the_kernels_early_console_repeating_itself_is_no_reboot(bench: Bench) -> None:
    bench.boot([(1, KERNEL), *BOOT])


def test_a_soft_lockup_is_a_remark_unless_the_boot_fails(tmp_path: Path) -> None:
    lockup = b"[   48.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [swapper/0:1]\r\n"
    good = Bench(tmp_path / "good")
    result = good.boot([*BOOT[:2], (1, lockup), (1, lockup), *BOOT[2:]])
    assert len(result.remarks) == 1
    assert "soft lockup" in result.remarks[0]

    bad = Bench(tmp_path / "bad")
    failure = bad.fail([*BOOT[:2], (1, lockup)], initramfs=100)
    assert failure.failure_class == "soft-lockup"
    assert bad.elapsed > 100


def test_a_second_boot_in_the_same_log(tmp_path: Path) -> None:
    clock = VirtualClock()
    stream = ScriptedStream(clock, BOOT)
    step = StepRecord(job="boot", testid="guest-reboot", clock=clock)
    with VirtualRecorder(stream, tmp_path, clock=clock) as recorder:
        positions = []
        for _ in range(2):
            watcher = BootWatcher(
                recorder,
                timeouts={},
                domain_state=lambda: "running",
                hostname="guest",
                step=step,
                start=recorder.mark(),
            )
            positions.append(watcher.to_login().position)
            recorder.attach(ScriptedStream(clock, BOOT))
    once = sum(len(data) for _, data in BOOT)
    assert positions[1] - positions[0] == once
    assert [one.name for one in step.phases].count("login") == 2
