"""Admission with real locks and real shells: several jobs, in processes of their own, here.

Of Xen and LVM there are only ``xl`` and ``lvs``, which print what a fake host says.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from loopback_sshd import log_in, running_sshd
from test_lease import Here, claim, unaware

import harness
from harness.errors import LabError, Starved
from harness.host.admission import AdmissionTerms, Judge, Wait, admit
from harness.host.drain import drain
from harness.host.fake import POOL, VG, FakeHost
from harness.host.fence import FencedRunner
from harness.host.lease import SlotLease, SlotTerms, take_lease
from harness.host.room import HostRoom, Want, memory_to_come
from harness.host.roomlook import find_room, look_script
from harness.host.slots import HostSlots, read_slots
from harness.host.xenhost import HostRunner
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.wait import Deadline, NotYet, wait_for

SECOND = timedelta(seconds=1)
SOON = 20 * SECOND
GIB, MIB = 1 << 30, 1 << 20
FREE = 3028
"""MiB, of the fake host."""
HERE = {"PYTHONPATH": str(Path(harness.__file__).parent.parent)}
PROGRAM = """#!/bin/sh
case "$*" in
*{pool}) file=pool ;;
*) file=${{0##*/}}-$1 ;;
esac
cat "{path}/$file"
"""


def want(mib: int, job: str) -> Want:
    return Want(
        domain=f"xf.{job}", memory=mib * MIB, overhead=0, vcpus=1, disks=GIB, data=GIB, golden="g"
    )


@dataclass(frozen=True)
class Place:
    """A host's files, and a way to it."""

    runner: HostRunner
    path: Path
    fake: FakeHost = field(default_factory=FakeHost)

    def __post_init__(self) -> None:
        (self.path / "bin").mkdir()
        for name in ("xl", "lvs"):
            program = self.path / "bin" / name
            program.write_text(PROGRAM.format(pool=f"{VG}/{POOL}", path=self.path))
            program.chmod(0o755)
        self.tell()

    def tell(self) -> None:
        """From now on the programs print what the fake host says."""
        sections = "".join(
            f"{line[2:]}\n" for line in self.fake.look().splitlines() if line.startswith("|")
        ).split("=== ")
        found = dict(section.split("\n", 1) for section in sections if section)
        files = {"before": "xl-list", "info": "xl-info", "pool": "pool"}
        files["volumes"] = "lvs---reportformat"
        for section, file in files.items():
            new = self.path / f"{file}.new"
            new.write_text(found[section])
            new.rename(self.path / file)

    @property
    def slots(self) -> SlotTerms:
        directory, drained = str(self.path / "slots"), str(self.path / "drained")
        return SlotTerms(slots=4, patience=SOON, directory=directory, drain_file=drained)

    @property
    def terms(self) -> AdmissionTerms:
        return AdmissionTerms(
            look=f"PATH={self.path}/bin:$PATH\n{look_script(VG, POOL)}",
            patience=SOON,
            poll=SECOND / 20,
            directory=str(self.path / "slots"),
            drain_file=self.slots.drain_file,
        )

    def take(self, job: str, **other: object) -> SlotLease:
        terms = replace(self.slots, **other)  # type: ignore[arg-type]
        return take_lease(self.runner, claim(job), terms)

    def admit(self, lease: SlotLease, job: str, mib: int, **other: object) -> list[str]:
        """Have it admitted; what it waited for."""
        told: list[str] = []
        terms = replace(self.terms, **other)  # type: ignore[arg-type]
        admit(self.runner, lease, want(mib, job), terms, fits(mib), told.append)
        return told

    @property
    def now(self) -> HostRoom:
        return find_room(self.runner, self.terms.look, self.terms.directory)

    @property
    def claimed(self) -> dict[str, int]:
        """MiB by job."""
        return {one.holder.job: one.want.memory // MIB for one in self.now.claims}

    @property
    def held(self) -> HostSlots:
        return read_slots(self.runner, self.slots.directory, self.slots.drain_file)


def fits(mib: int) -> Judge:
    def judge(room: HostRoom) -> Wait | None:
        spare = room.free_memory - memory_to_come(room)
        return None if spare >= mib * MIB else Wait(why=f"{spare // MIB} MiB are free")

    return judge


@pytest.fixture(params=["local", "ssh"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
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


def test_a_claim_is_seen_until_the_slot_is_given_back(place: Place) -> None:
    lease = place.take("one")
    assert place.claimed == {}, "a slot alone is no claim"
    assert place.admit(lease, "one", 2000) == []
    (claimed,) = place.now.claims
    assert claimed.want == want(2000, "one")
    assert (claimed.holder.slot, claimed.holder.token) == (lease.slot, lease.token)
    assert [one.job for one in place.held.held] == ["one"], "who holds it is told as before"
    FencedRunner(place.runner, lease).run(Command.of("true"))
    lease.release()
    assert place.now.claims == ()
    assert place.held == HostSlots()
    again = place.take("two")
    assert again.inherited is None
    again.release()


def test_two_do_not_get_the_same_memory(place: Place) -> None:
    first, second = place.take("one"), place.take("two")
    place.admit(first, "one", 2000)
    with pytest.raises(Starved, match=r"no room on .* within 1 s: 1028 MiB are free"):
        place.admit(second, "two", 2000, patience=SECOND)
    assert place.claimed == {"one": 2000}
    first.release()
    place.admit(second, "two", 2000)
    assert place.claimed == {"two": 2000}
    second.release()


def test_who_waits_is_told_why_and_admitted_when_there_is_room(here: Place) -> None:
    first, second = here.take("one"), here.take("two")
    here.admit(first, "one", 2000)
    told: list[str] = []

    def on_wait(why: str) -> None:
        told.append(why)
        first.release()

    admit(here.runner, second, want(2000, "two"), here.terms, fits(2000), on_wait)
    assert told == ["1028 MiB are free"]
    assert here.claimed == {"two": 2000}
    second.release()


def test_what_a_domain_took_is_claimed_no_more_and_comes_back_with_it(here: Place) -> None:
    lease = here.take("one")
    here.admit(lease, "one", 512)
    assert memory_to_come(here.now) == 512 * MIB
    here.fake.domains["xf.one"] = 7
    here.tell()
    room = here.now
    assert memory_to_come(room) == 0
    assert room.free_memory == (FREE - 518) * MIB
    here.fake.domains.clear()
    here.tell()
    assert memory_to_come(here.now) == 512 * MIB, "it reboots"
    lease.release()


def test_nobody_overtakes_the_first_in_line(here: Place) -> None:
    leases = {job: here.take(job) for job in ("runs", "large", "small")}
    here.admit(leases["runs"], "runs", 2000)
    waits, told = threading.Event(), []

    def large() -> None:
        def on_wait(why: str) -> None:
            waits.set()

        admit(here.runner, leases["large"], want(2000, "large"), here.terms, fits(2000), on_wait)

    thread = threading.Thread(target=large)
    thread.start()
    assert waits.wait(SOON.total_seconds())

    def on_wait(why: str) -> None:
        told.append(why)
        leases["runs"].release()

    admit(here.runner, leases["small"], want(100, "small"), here.terms, fits(100), on_wait)
    thread.join()
    assert told[0].startswith(f"its turn on {here.runner.name}, after slot 2: ada@ctl")
    assert "job large" in told[0]
    assert here.claimed == {"large": 2000, "small": 100}
    for lease in leases.values():
        lease.release()


def test_who_is_behind_starves_in_time(here: Place) -> None:
    leases = [here.take(job) for job in ("large", "small")]
    waits, done = threading.Event(), threading.Event()

    def large() -> None:
        def judge(room: HostRoom) -> Wait | None:
            waits.set()
            return None if done.is_set() else Wait(why="too much")

        admit(here.runner, leases[0], want(9000, "large"), here.terms, judge)

    thread = threading.Thread(target=large)
    thread.start()
    assert waits.wait(SOON.total_seconds())
    with pytest.raises(Starved, match=r"within 1 s: its turn on .* job large"):
        here.admit(leases[1], "small", 1, patience=SECOND)
    done.set()
    thread.join()
    for lease in leases:
        lease.release()


HOLDER = """
import sys
from datetime import timedelta
from harness.host.admission import AdmissionTerms, Wait, admit
from harness.host.lease import SlotTerms, take_lease
from harness.host.room import Want
from harness.host.slots import Claim
from harness.remote.local import LocalRunner
from harness.wait import SYSTEM_CLOCK
path, look, fits = sys.argv[1:]
slots = SlotTerms(slots=4, patience=timedelta(seconds=20),
                  directory=path + "/slots", drain_file=path + "/drained")
terms = AdmissionTerms(look=look, patience=timedelta(seconds=600), directory=path + "/slots")
want = Want(domain="xf.gone", memory=2000 << 20, overhead=0, vcpus=1, disks=1, data=1)
lease = take_lease(LocalRunner(), Claim(holder="bob@ctl", flight="dead-1", job="gone"), slots)
def judge(room):
    open(path + "/judged", "w").close()
    return None if fits == "yes" else Wait(why="no")
admit(LocalRunner(), lease, want, terms, judge)
SYSTEM_CLOCK.sleep(600)
"""


@pytest.fixture
def victim(request: pytest.FixtureRequest, here: Place) -> Iterator[int]:
    """Another process, that was admitted, or is the first in line to be."""
    words = (sys.executable, "-c", HOLDER, str(here.path), here.terms.look, request.param)
    pid = LocalRunner().spawn_detached(Command(words, env=HERE), here.path / "log")

    def judged() -> None:
        done = here.claimed if request.param == "yes" else (here.path / "judged").exists()
        if not done:
            raise NotYet((here.path / "log").read_text())

    wait_for(judged, what="the other", deadline=Deadline.after(SOON))
    yield pid
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("victim", ["yes"], indirect=True)
def test_the_claim_of_one_that_is_killed_goes_with_it(here: Place, victim: int) -> None:
    lease = here.take("next")
    with pytest.raises(Starved, match="1028 MiB are free"):
        here.admit(lease, "next", 2000, patience=SECOND)
    os.kill(victim, signal.SIGKILL)
    here.admit(lease, "next", 2000)
    assert here.claimed == {"next": 2000}
    lease.release()


@pytest.mark.parametrize("victim", ["no"], indirect=True)
def test_the_first_in_line_that_is_killed_holds_nobody_up(here: Place, victim: int) -> None:
    lease = here.take("next")
    told: list[str] = []

    def on_wait(why: str) -> None:
        told.append(why)
        os.kill(victim, signal.SIGKILL)

    admit(here.runner, lease, want(100, "next"), here.terms, fits(100), on_wait)
    assert ["after slot 1: bob@ctl" in why for why in told] == [True]
    assert here.claimed == {"next": 100}
    lease.release()


def test_a_claim_counts_until_the_last_command_of_its_holder_has_ended(here: Place) -> None:
    """It may be the one that makes the domain."""
    lost = here.take("lost")
    here.admit(lost, "lost", 2000)
    fifo = here.path / "fifo"
    os.mkfifo(fifo)
    late = FencedRunner(here.runner, unaware(lost))
    running = threading.Thread(target=late.run, args=[Command.shell(f"read line <{fifo} || :")])
    running.start()
    end = wait_for(lambda: writing(fifo), what="it to run", deadline=Deadline.after(SOON))
    # As when its controller is killed: it has no time to give the slot back.
    lost._stream.close()

    def gone() -> None:
        if here.held.held:
            msg = "it is held"
            raise NotYet(msg)

    wait_for(gone, what="the slot", deadline=Deadline.after(SOON))
    assert here.claimed == {"lost": 2000}
    os.close(end)
    running.join()
    assert here.claimed == {}


def writing(fifo: Path) -> int:
    """An end to write to, once somebody reads."""
    try:
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        raise NotYet(str(error)) from error


def test_no_claim_is_written_for_a_lease_that_is_over(here: Place) -> None:
    lost, other = here.take("lost", slots=1), None

    def judge(room: HostRoom) -> Wait | None:
        nonlocal other
        lost.release()
        other = here.take("other", slots=1)
        return None

    with pytest.raises(LabError, match=r"the lease of slot 1 \(token 1\) was lost"):
        admit(here.runner, Unaware(lost), want(100, "lost"), here.terms, judge)
    assert other is not None
    assert here.claimed == {}
    assert [one.job for one in here.held.held] == ["other"]
    other.release()


@dataclass(frozen=True)
class Unaware:
    """A lease whose holder has not noticed yet that it is over."""

    inner: SlotLease

    @property
    def slot(self) -> int:
        return self.inner.slot

    @property
    def token(self) -> int:
        return self.inner.token

    def check(self) -> None:
        """All is well, as far as it knows."""

    def loss(self) -> LabError:
        return self.inner.loss()


def test_who_waits_while_the_host_is_drained_waits_no_more(here: Place) -> None:
    lease = here.take("one")

    def on_wait(why: str) -> None:
        drain(here.runner, by="eve", reason="now", since=1, drain_file=here.terms.drain_file)

    with pytest.raises(Starved, match=r"is drained by eve.*: now"):
        admit(here.runner, lease, want(9000, "one"), here.terms, fits(9000), on_wait)
    with pytest.raises(Starved, match="is drained"):
        here.admit(lease, "one", 1)
    assert here.claimed == {}
    lease.release()


def test_an_interrupt_while_waiting_leaves_nobody_in_line(here: Place) -> None:
    lease = here.take("one")

    def interrupt(why: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        admit(here.runner, lease, want(9000, "one"), here.terms, fits(9000), interrupt)
    here.admit(lease, "one", 1)
    lease.release()


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("xl", "cannot tell what it has room for, it ended at before: .*xenstored is down"),
        ("lvs", 'ended at pool: .*Volume group "vg0" not found'),
    ],
)
def test_a_host_that_cannot_tell_says_why(here: Place, program: str, why: str) -> None:
    words = {"xl": "xenstored is down", "lvs": 'Volume group "vg0" not found'}[program]
    (here.path / "bin" / program).write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 5\n")
    lease = here.take("one")
    with pytest.raises(LabError, match=why):
        here.admit(lease, "one", 1)
    with pytest.raises(LabError, match=why):
        _ = here.now
    assert lease.lost is False
    lease.release()


def test_a_host_that_does_not_answer_is_not_waited_for(here: Place) -> None:
    (here.path / "bin" / "xl").write_text("#!/bin/sh\nexec sleep 60\n")
    lease = here.take("one")
    with pytest.raises(LabError, match=r"did not tell within 1\.0 s what it has room for"):
        here.admit(lease, "one", 1, look_timeout=SECOND)
    lease.release()


def test_what_is_no_claim_is_not_passed_over(here: Place) -> None:
    lease = here.take("one")
    with Path(lease.record).open("a") as record:
        record.write('{"memory": -1}\n')
    with pytest.raises(LabError, match="what a job on the host claims cannot be read"):
        _ = here.now
    lease.release()
    assert here.now.claims == ()


def test_a_hostile_record_is_only_text(here: Place) -> None:
    lease = here.take("one")
    path = here.path / "made"
    with Path(lease.record).open("a") as record:
        record.write(f"$(touch {path}); `touch {path}`; %s %n \\n\n")
    with pytest.raises(LabError, match=r"cannot be read: .*touch"):
        _ = here.now
    assert not path.exists()
    lease.release()


CONTROLLER = """
import sys, threading
from datetime import timedelta
from pathlib import Path
from harness.host.admission import AdmissionTerms, Wait, admit
from harness.host.lease import SlotTerms, take_lease
from harness.host.room import Want, memory_to_come
from harness.host.roomlook import find_room
from harness.host.slots import Claim
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.wait import Deadline, NotYet, wait_for

path, look, name, jobs = *sys.argv[1:4], int(sys.argv[4])
PATIENCE = timedelta(seconds=100)
slots = SlotTerms(slots=4, patience=PATIENCE, poll=timedelta(milliseconds=50),
                  directory=path + "/slots", drain_file=path + "/drained")
terms = AdmissionTerms(look=look, patience=PATIENCE,
                       poll=timedelta(milliseconds=50), directory=path + "/slots")
todo = iter(range(jobs))

def judge(room):
    spare = room.free_memory - memory_to_come(room)
    return None if spare >= 1400 << 20 else Wait(why=str(spare))

def claimed():
    # The first waits until there are two: on a busy machine each may be through before the next.
    room = find_room(LocalRunner(), look, path + "/slots")
    total = sum(claim.want.memory for claim in room.claims) >> 20
    both = Path(path, "both-seen")
    if total < 2800 and not both.exists():
        raise NotYet(f"{total} MiB are claimed")
    both.touch()
    return total

def work():
    runner = LocalRunner()
    for job in todo:
        lease = take_lease(runner, Claim(holder=name, flight=name, job=str(job)), slots)
        want = Want(domain=f"xf.{name}.{job}", memory=1400 << 20, overhead=0, vcpus=1,
                    disks=1, data=1)
        admit(runner, lease, want, terms, judge)
        # Of the host's 3028 MiB there are 1400 twice: mkdir fails for a third.
        take = 'mkdir "$1/a" 2>/dev/null && echo a || { mkdir "$1/b" && echo b; }'
        used = runner.run(Command.of("sh", "-c", take, "take", path)).stdout.strip()
        print("done", wait_for(claimed, what="another", deadline=Deadline.after(PATIENCE)),
              flush=True)
        runner.run(Command.of("rmdir", f"{path}/{used}"))
        lease.release()

threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_two_controllers_of_twenty_jobs_each_never_claim_too_much(here: Place) -> None:
    """Four workers contend for four slots, and for memory that is enough for two."""
    logs = [here.path / f"log-{name}" for name in "ab"]
    for name, log in zip("ab", logs, strict=True):
        words = (sys.executable, "-c", CONTROLLER, str(here.path), here.terms.look, name, "20")
        LocalRunner().spawn_detached(Command(words, env=HERE), log)

    def both_done() -> list[int]:
        text = "".join(log.read_text().rpartition("\n")[0] + "\n" for log in logs)
        assert "Traceback" not in text, text
        claimed = [int(line.split()[1]) for line in text.splitlines() if line]
        if len(claimed) < 40:
            msg = f"{len(claimed)} are done; {here.held}"
            raise NotYet(msg)
        return claimed

    claimed = wait_for(both_done, what="two controllers", deadline=Deadline.after(180 * SECOND))
    assert set(claimed) == {1400, 2800}, "two at a time, and never three"
    assert here.claimed == {}
