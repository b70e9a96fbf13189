"""Leases with real locks: several holders, in processes of their own, on this machine."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from anyhost import KINDS, host_of
from loopback_sshd import log_in, running_sshd

import harness
from harness.errors import CommandFailed, DeadlineExceeded, LabError, Starved, UsageError
from harness.host.drain import drain, undrain
from harness.host.fence import FencedRunner
from harness.host.lease import SlotLease, SlotTerms, take_lease
from harness.host.revoke import revoke_leases
from harness.host.slots import Claim, HostSlots, SlotHolder, read_slots
from harness.host.xenhost import HostRunner
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.remote.ssh import SocketLike
from harness.wait import Deadline, NotYet, wait_for

SECOND = timedelta(seconds=1)
SOON = 20 * SECOND
HERE = {"PYTHONPATH": str(Path(harness.__file__).parent.parent)}


class Here(LocalRunner):
    """This machine as a host."""

    alive = True

    def open_tcp(self, address: str, port: int) -> SocketLike:
        raise NotImplementedError


@dataclass(frozen=True)
class Place:
    """A host's files, and a way to it."""

    runner: HostRunner
    path: Path

    @property
    def terms(self) -> SlotTerms:
        return SlotTerms(
            slots=2,
            patience=SOON,
            poll=SECOND / 20,
            directory=str(self.path / "slots"),
            drain_file=str(self.path / "lib" / "drained"),
        )

    def take(self, job: str = "job", flight: str = "smoke-1", **other: object) -> SlotLease:
        terms = replace(self.terms, **other)  # type: ignore[arg-type]
        return take_lease(self.runner, replace(claim(job), flight=flight), terms)

    def has(self, path: Path) -> bool:
        """Whether there is such a file."""
        return self.runner.run(Command.of("test", "-e", path), check=False).ok

    @property
    def now(self) -> HostSlots:
        return read_slots(self.runner, self.terms.directory, self.terms.drain_file)

    def soon(self, check: Callable[[HostSlots], bool]) -> None:
        def look() -> None:
            if not check(found := self.now):
                raise NotYet(str(found))

        wait_for(look, what="the slots", deadline=Deadline.after(SOON), interval=SECOND / 20)


def claim(job: str) -> Claim:
    return Claim(holder="ada@ctl", flight="smoke-1", job=job)


@pytest.fixture(params=["local", "ssh", *KINDS])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param not in ("local", "ssh"):
        with host_of(request.param, request) as host:
            path = Path("/run/xenflight-selftest") / tmp_path.name
            yield Place(host.runner, path)
            host.runner.run(Command.of("rm", "-rf", path))
        return
    if request.param == "local":
        yield Place(Here(), tmp_path)
        return
    (tmp_path / "sshd").mkdir()
    with running_sshd(tmp_path / "sshd") as sshd:
        runner = log_in(sshd)
        yield Place(runner, tmp_path)
        runner.close()


@pytest.fixture
def here(tmp_path: Path) -> Place:
    return Place(Here(), tmp_path)


def test_it_is_taken_seen_and_given_back(place: Place) -> None:
    assert place.now == HostSlots()
    first, second = place.take("one"), place.take("two")
    assert [first.slot, second.slot] == [1, 2]
    assert [first.token, second.token] == [1, 2]
    held = place.now.held
    assert [(one.slot, one.token, one.job) for one in held] == [(1, 1, "one"), (2, 2, "two")]
    assert held[0].since is not None
    assert str(held[0]).startswith("slot 1: ada@ctl, flight smoke-1, job one, since 20")
    first.release()
    first.release()
    assert [one.slot for one in place.now.held] == [2]
    third = place.take("three")
    assert (third.slot, third.token, third.inherited) == (1, 3, None)
    second.release()
    third.release()
    assert place.now == HostSlots()


def test_who_finds_none_hears_who_holds_them_and_starves(place: Place) -> None:
    first, second = place.take("one"), place.take("two")
    heard: list[list[str]] = []
    with pytest.raises(Starved, match=r"within 1 s: slot 1: ada@ctl.*job one.*; slot 2.*job two"):
        take_lease(
            place.runner,
            claim("three"),
            replace(place.terms, patience=SECOND),
            lambda held: heard.append([one.job for one in held]),
        )
    assert heard == [["one", "two"]], "once, as nothing changed"
    first.release()
    second.release()
    place.take("four").release()


def test_who_waits_gets_it_when_it_is_given_back(here: Place) -> None:
    leases = [here.take("one"), here.take("two")]
    told: list[str] = []

    def give_back(held: object) -> None:
        told.append(str(held))
        leases.pop().release()

    took = take_lease(here.runner, claim("three"), here.terms, give_back)
    assert (took.slot, took.token, len(told)) == (2, 3, 1)
    took.release()
    leases.pop().release()


CONTROLLER = """
import sys, threading
from datetime import timedelta
from harness.host.lease import SlotTerms, take_lease
from harness.host.slots import Claim
from harness.remote.command import Command
from harness.remote.local import LocalRunner

path, name, jobs = sys.argv[1], sys.argv[2], int(sys.argv[3])
terms = SlotTerms(slots=2, patience=timedelta(seconds=60), poll=timedelta(milliseconds=50),
                  directory=path + "/slots", drain_file=path + "/drained")
todo = iter(range(jobs))
said = []

def work():
    runner = LocalRunner()
    for job in todo:
        lease = take_lease(runner, Claim(holder=name, flight=name, job=str(job)), terms)
        # mkdir fails when another one is in the slot.
        used = f"{path}/in-use-{lease.slot}"
        runner.run(Command.of("mkdir", used))
        runner.run(Command.of("rmdir", used))
        said.append(f"{lease.slot} {lease.token}")
        lease.release()

threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("\\n".join(said))
"""


def test_two_controllers_of_fifty_jobs_each_never_share_a_slot(here: Place) -> None:
    """Each has two workers, so four contend for two slots, a hundred times."""
    words = [(sys.executable, "-c", CONTROLLER, str(here.path), name, "50") for name in "ab"]
    logs = [here.path / f"log-{name}" for name in "ab"]
    for word, log in zip(words, logs, strict=True):
        LocalRunner().spawn_detached(Command(word, env=HERE), log)

    def both_done() -> list[tuple[int, int]]:
        text = "\n".join(log.read_text() for log in logs)
        assert "Traceback" not in text, text
        lines = text.split("\n")
        done = [(int(a), int(b)) for a, b in (line.split() for line in lines if line)]
        if len(done) < 100:
            msg = f"{len(done)} jobs are done; {here.now}"
            raise NotYet(msg)
        return done

    deadline = Deadline.after(120 * SECOND)
    done = wait_for(both_done, what="two controllers", deadline=deadline)
    assert sorted(token for _, token in done) == list(range(1, 101)), "each token once"
    assert {slot for slot, _ in done} == {1, 2}
    assert here.now == HostSlots()


HOLDER = """
import sys
from datetime import timedelta
from harness.host.lease import SlotTerms, take_lease
from harness.host.slots import Claim
from harness.remote.local import LocalRunner
from harness.wait import SYSTEM_CLOCK
path = sys.argv[1]
terms = SlotTerms(slots=1, patience=timedelta(seconds=20),
                  directory=path + "/slots", drain_file=path + "/drained")
take_lease(LocalRunner(), Claim(holder="bob@ctl", flight="dead-1", job="gone"), terms)
SYSTEM_CLOCK.sleep(600)
"""


@pytest.fixture
def victim(here: Place) -> Iterator[int]:
    """Another process that holds slot 1."""
    command = Command((sys.executable, "-c", HOLDER, str(here.path)), env=HERE)
    pid = LocalRunner().spawn_detached(command, here.path / "log")
    here.soon(lambda slots: bool(slots.held))
    yield pid
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_a_holder_that_is_killed_frees_it_at_once_and_is_named(here: Place, victim: int) -> None:
    with pytest.raises(Starved, match="bob@ctl, flight dead-1, job gone"):
        here.take(slots=1, patience=SECOND)
    os.kill(victim, signal.SIGKILL)
    here.soon(lambda slots: not slots.held)
    lease = here.take(slots=1)
    assert lease.token == 2
    assert isinstance(lease.inherited, SlotHolder)
    assert (lease.inherited.flight, lease.inherited.job) == ("dead-1", "gone")
    lease.release()
    again = here.take(slots=1)
    assert again.inherited is None, "it was told once"
    again.release()


def test_who_is_killed_while_it_waits_leaves_nobody_in_line(here: Place) -> None:
    lease = here.take("first", slots=1)
    command = Command((sys.executable, "-c", HOLDER, str(here.path)), env=HERE)
    pid = LocalRunner().spawn_detached(command, here.path / "log")

    def in_line() -> None:
        gate = here.path / "slots" / "gate"
        if LocalRunner().run(Command.of("flock", "-n", str(gate), "true"), check=False).ok:
            raise NotYet((here.path / "log").read_text())

    wait_for(in_line, what="who waits", deadline=Deadline.after(SOON))
    os.kill(pid, signal.SIGKILL)
    told: list[object] = []

    def give_back(held: object) -> None:
        told.append(held)
        lease.release()

    terms = replace(here.terms, slots=1)
    second = take_lease(here.runner, claim("second"), terms, give_back)
    assert (second.token, second.inherited, len(told)) == (2, None, 1)
    second.release()


def test_a_holder_that_says_nothing_any_more_loses_it(place: Place) -> None:
    silent = place.take(slots=1, beat=5 * SECOND, silence=SECOND / 2)
    next_one = place.take("next", slots=1)
    assert next_one.token == 2
    wait_for(lambda: noticed(silent), what="the loss", deadline=Deadline.after(SOON))
    with pytest.raises(LabError, match=r"the lease of slot 1 \(token 1\) was lost"):
        silent.check()
    silent.release()
    next_one.check()
    assert [one.job for one in place.now.held] == ["next"]
    next_one.release()


def noticed(lease: SlotLease) -> None:
    if not lease.lost:
        msg = "not noticed"
        raise NotYet(msg)


def test_beats_keep_it(here: Place) -> None:
    lease = here.take(slots=1, beat=SECOND / 10, silence=SECOND)
    with pytest.raises(Starved):
        here.take(slots=1, patience=2 * SECOND)
    lease.check()
    lease.release()


@dataclass(frozen=True)
class Unaware:
    """A lease whose holder has not noticed yet that it is over."""

    token: int
    record: str

    def check(self) -> None:
        """All is well, as far as it knows."""

    def loss(self) -> LabError:
        return LabError("too late")


def unaware(lease: SlotLease) -> Unaware:
    return Unaware(lease.token, lease.record)


def test_a_fenced_command_is_as_good_as_any(place: Place) -> None:
    lease = place.take()
    fenced = FencedRunner(place.runner, lease)
    assert fenced.run(Command.of("printf", "%s", "a b; $HOME")).stdout == "a b; $HOME"
    assert fenced.run(Command.of("cat"), stdin=b"text").stdout == "text"
    with pytest.raises(CommandFailed, match=r"on .*: `false` ended with exit status 1"):
        fenced.run(Command.of("false"))
    # What a command says itself is not taken for the fence's word.
    late = Command(("sh", "-c", "exit 86", "say-86"))
    assert fenced.run(late, check=False).exit_status == 86
    with pytest.raises(DeadlineExceeded, match="`sleep 60` did not end"):
        fenced.run(Command.of("sleep", 60), timeout=SECOND / 2)
    stream = fenced.open(Command.of("echo", "hello"))
    assert stream.read(100, SOON) == b"hello\n"
    stream.close()
    lease.release()


def test_what_comes_after_the_lease_was_lost_is_not_done(place: Place) -> None:
    lease = place.take(slots=1)
    late = FencedRunner(place.runner, unaware(lease))
    late.run(Command.of("true"))
    lease.release()
    other = place.take(slots=1)
    made = place.path / "made"
    with pytest.raises(LabError, match="too late"):
        late.run(Command.of("touch", str(made)))
    stream = late.open(Command.of("touch", str(made)))
    assert b"this lease is over" in (stream.read(100, SOON) or b"")
    stream.close()
    aware = FencedRunner(place.runner, lease)
    for call in (aware.run, aware.open):
        with pytest.raises(LabError, match="was lost"):
            call(Command.of("touch", str(made)))
    assert not place.has(made)
    other.release()


def test_the_next_holder_waits_for_the_last_command_of_the_one_before(here: Place) -> None:
    lost = here.take(slots=1, beat=60 * SECOND, silence=SECOND / 2)
    fifo, done = here.path / "fifo", here.path / "done"
    os.mkfifo(fifo)
    late = FencedRunner(here.runner, unaware(lost))
    command = Command.shell(f"read line <{fifo}; touch {done}")
    running = threading.Thread(target=late.run, args=[command])
    running.start()
    with pytest.raises(LabError, match="slot 1 is free, but a command of its last holder runs"):
        here.take(slots=1, settle=SECOND)
    fifo.write_text("go\n")
    assert here.take(slots=1).token == 3
    assert done.exists()
    running.join()
    lost.release()


def test_the_dead_are_waited_for_and_begin_nothing_more(here: Place) -> None:
    """Killed in the middle of ``xl create``: the guest is there when that has ended."""
    lost, other = here.take(slots=2), here.take(slots=2, flight="smoke-2")
    fifo, made, begun = (here.path / name for name in ("fifo", "made", "begun"))
    os.mkfifo(fifo)
    late = FencedRunner(here.runner, unaware(lost))
    command = Command.shell(f"touch {begun}; read line <{fifo}")
    running = threading.Thread(target=late.run, args=[command])
    running.start()
    here.soon(lambda _: begun.exists())
    directory = here.terms.directory
    with pytest.raises(LabError, match="a command of a dead flight runs in slot 1"):
        revoke_leases(here.runner, ["smoke-1"], settle=SECOND, directory=directory)
    fifo.write_text("go\n")
    running.join()
    revoke_leases(here.runner, ["smoke-1", "smoke-3"], directory=directory)
    with pytest.raises(LabError, match="too late"):
        late.run(Command.of("touch", str(made)))
    FencedRunner(here.runner, other).run(Command.of("true"))
    assert not made.exists()
    lost.release()
    other.release()


def test_of_a_flight_that_lives_one_job_can_be_ended(here: Place) -> None:
    """Whoever ran it died, and somebody else is about to."""
    dead, alive = here.take("boot-1", slots=2), here.take("boot-10", slots=2)
    directory = here.terms.directory
    for other in ("boot", "oot-1"):
        revoke_leases(here.runner, ["smoke-1"], job=other, directory=directory)
    FencedRunner(here.runner, dead).run(Command.of("true"))
    revoke_leases(here.runner, ["smoke-1"], job="boot-1", directory=directory)
    with pytest.raises(LabError, match="too late"):
        FencedRunner(here.runner, unaware(dead)).run(Command.of("true"))
    FencedRunner(here.runner, alive).run(Command.of("true"))
    for lease in (dead, alive):
        lease.release()


def test_where_no_slot_was_ever_taken_there_is_nothing_to_end(here: Place) -> None:
    revoke_leases(here.runner, ["smoke-1"], directory=str(here.path / "none"))


def test_what_a_command_leaves_running_does_not_hold_up_the_next(here: Place) -> None:
    lease = here.take(slots=1)
    fenced = FencedRunner(here.runner, lease)
    pid = fenced.run(Command.shell("sleep 600 >/dev/null 2>&1 & echo $!")).stdout
    lease.release()
    try:
        here.take(slots=1, settle=SECOND).release()
    finally:
        os.kill(int(pid), signal.SIGKILL)


def test_a_drained_host_takes_no_new_job_and_leaves_the_others(place: Place) -> None:
    lease = place.take("runs")
    file = place.terms.drain_file
    since = 1_800_000_000
    assert (
        drain(place.runner, by="eve@ctl", reason=" it's new $(RAM) ", since=since, drain_file=file)
        is None
    )
    with pytest.raises(Starved, match=r"is drained by eve@ctl since 20.*: it's new \$\(RAM\)"):
        place.take()
    lease.check()
    assert [one.job for one in place.now.held] == ["runs"]
    before = drain(place.runner, by="bob@ctl", reason="more", since=since, drain_file=file)
    assert before is not None
    assert before.by == "eve@ctl"
    assert place.now.drained is not None
    assert place.now.drained.reason == "more"
    gone = undrain(place.runner, file)
    assert gone is not None
    assert gone.reason == "more"
    assert undrain(place.runner, file) is None
    place.take().release()
    lease.release()


def test_a_canary_by_hand_gets_a_slot_of_a_drained_host(here: Place) -> None:
    drain(here.runner, by="eve", reason="ill", since=1, drain_file=here.terms.drain_file)
    with pytest.raises(Starved):
        here.take()
    here.take(drain_file="").release()
    assert here.now.drained


def test_who_waits_while_it_is_drained_waits_no_more(here: Place) -> None:
    leases = [here.take("one"), here.take("two")]

    def on_busy(held: object) -> None:
        drain(here.runner, by="eve", reason="now", since=1, drain_file=here.terms.drain_file)

    with pytest.raises(Starved, match="drained by eve"):
        take_lease(here.runner, claim("three"), here.terms, on_busy)
    for lease in leases:
        lease.release()


def test_a_drain_needs_a_reason(here: Place) -> None:
    with pytest.raises(UsageError, match="for a reason"):
        drain(here.runner, by="eve", reason="  ", since=1, drain_file=here.terms.drain_file)
    assert here.now.drained is None


def test_nonsense_on_the_host_is_no_crash(here: Place) -> None:
    lease = here.take(slots=1)
    record = Path(lease.record)
    record.write_text("x y\n[1, \x1b[2J\n")
    (one,) = here.now.held
    assert (one.slot, one.token, one.since, one.holder) == (1, 0, None, "?")
    record.write_text("")
    assert here.now.held == (SlotHolder(slot=1),)
    Path(here.terms.drain_file).parent.mkdir()
    Path(here.terms.drain_file).write_text("off\n")
    assert str(here.now.drained) == "drained by ?: ?"
    lease.release()


def test_a_host_that_cannot_write_says_so(here: Place) -> None:
    (here.path / "slots").write_text("no directory")
    with pytest.raises(LabError, match=r"no slot was to be had: .*mkdir"):
        here.take()


def test_an_interrupt_while_waiting_leaves_nobody_in_line(here: Place) -> None:
    lease = here.take("one", slots=1)

    def interrupt(held: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_lease(here.runner, claim("two"), replace(here.terms, slots=1), interrupt)
    lease.release()
    again = here.take("three", slots=1)
    assert again.token == 2
    again.release()
