"""Being admitted: what is said to the host and what it answers, and hosts that misbehave."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from room_samples import MIB, want

from harness.console.fake import VirtualClock
from harness.errors import DeadlineExceeded, LabError, Starved
from harness.host.admission import AdmissionTerms, Judge, Wait, admit
from harness.host.fake import POOL, VG, FakeHost
from harness.host.lease import SlotLease, SlotTerms, take_lease
from harness.host.room import HostRoom
from harness.host.roomlook import look_script
from harness.host.slots import Claim
from harness.remote.fake import FakeRunner

CLAIM = Claim(holder="ada@ctl", flight="smoke-1", job="job")
SECOND = timedelta(seconds=1)
TERMS = AdmissionTerms(look=look_script(VG, POOL), patience=60 * SECOND, poll=5 * SECOND)


class Bench:
    """A job with a slot, on a host in virtual time."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.fake = FakeHost(name="rack1", clock=self.clock)
        slots = SlotTerms(slots=2, patience=SECOND)
        self.lease: SlotLease = take_lease(self.fake.runner, CLAIM, slots)
        self.told: list[str] = []
        self.rooms: list[HostRoom] = []

    def admit(self, judge: Judge, terms: AdmissionTerms = TERMS) -> float:
        """Seconds that it took."""
        began = self.clock.now

        def seen(room: HostRoom) -> Wait | None:
            self.rooms.append(room)
            return judge(room)

        runner, told = self.fake.runner, self.told.append
        admit(runner, self.lease, want(), terms, seen, told, self.clock)
        return self.clock.now - began


@pytest.fixture
def bench() -> Bench:
    return Bench()


def fits(room: HostRoom) -> Wait | None:
    del room
    return None


def test_what_fits_is_claimed_in_one_command(bench: Bench) -> None:
    calls = len(bench.fake.runner.calls)
    assert bench.admit(fits) == 0
    assert len(bench.fake.runner.calls) == calls + 1
    assert bench.fake.slots.wants == {1: want().to_json()}
    assert bench.told == []
    assert [holder.job for holder in bench.rooms[0].held] == ["job"]


def test_until_it_fits_the_host_is_asked_again_and_again(bench: Bench) -> None:
    def judge(room: HostRoom) -> Wait | None:
        return Wait(why=f"{len(bench.rooms)} looks", about="it") if len(bench.rooms) < 4 else None

    assert 15 <= bench.admit(judge) < 17
    assert bench.told == ["1 looks"], "again only when it is about something else"


def test_who_waits_for_something_else_hears_of_that(bench: Bench) -> None:
    def judge(room: HostRoom) -> Wait | None:
        number = len(bench.rooms)
        return Wait(why=f"look {number}", about="ab"[number // 3]) if number < 5 else None

    bench.admit(judge)
    assert bench.told == ["look 1", "look 3"]


def test_when_something_was_removed_the_host_is_asked_at_once(bench: Bench) -> None:
    def judge(room: HostRoom) -> Wait | None:
        return Wait(why="gone", again=True) if len(bench.rooms) < 4 else None

    assert bench.admit(judge) < 1


def test_what_did_not_fit_in_time_is_starved_with_the_last_figures(bench: Bench) -> None:
    def judge(room: HostRoom) -> Wait | None:
        return Wait(why=f"look {len(bench.rooms)}")

    with pytest.raises(Starved, match=r"^no room on rack1 within 60 s: look 13$"):
        bench.admit(judge)
    assert bench.fake.slots.wants == {}


def test_without_patience_it_is_asked_once(bench: Bench) -> None:
    with pytest.raises(Starved, match=r"within 0 s: no$"):
        bench.admit(
            lambda _: Wait(why="no"), AdmissionTerms(look=TERMS.look, patience=timedelta(0))
        )
    assert len(bench.rooms) == 1
    assert bench.clock.now < 1001


def test_what_a_judge_raises_comes_out_and_nothing_is_claimed(bench: Bench) -> None:
    def judge(room: HostRoom) -> Wait | None:
        raise Starved("never")  # noqa: EM101

    with pytest.raises(Starved, match="never"):
        bench.admit(judge)
    assert bench.fake.slots.wants == {}


def test_a_lease_that_is_lost_while_it_waits_ends_that(bench: Bench) -> None:
    def judge(room: HostRoom) -> Wait | None:
        bench.lease.release()
        return Wait(why="no")

    with pytest.raises(LabError, match=r"the lease of slot 1 \(token 1\) was lost"):
        bench.admit(judge)


def test_a_lease_that_the_host_knows_to_be_over_gets_no_claim(bench: Bench) -> None:
    bench.fake.slots.tokens[1] = 9
    with pytest.raises(LabError, match="was lost"):
        bench.admit(fits)
    assert bench.fake.slots.wants == {}


@dataclass
class Slot:
    """A lease of slot 2."""

    slot: int = 2
    token: int = 7
    lost: list[str] = field(default_factory=list)

    def check(self) -> None:
        """It is good."""

    def loss(self) -> LabError:
        return LabError("lost")


HELD = b'held 1 7 1800000000 {"holder": "bob@ci2", "flight": "f", "job": "large"}\n'


@pytest.mark.parametrize(
    ("said", "error", "why"),
    [
        ([b"sh: 1: cd: can't cd to /run\n"], LabError, "could not be admitted: sh: 1: cd: can't"),
        ([], LabError, "could not be admitted: no reason"),
        ([b"first\nlooked\n"], LabError, "cannot tell what it has room for"),
        ([b"first\nxl: no\nlooked\n"], LabError, "ended at the beginning: xl: no"),
        ([HELD, b"behind 1\n", None, b"late\n"], Starved, r"its turn on rack1, after slot 1: bob@"),
        ([b"behind \n", b"late\n"], Starved, "its turn on rack1, after another job"),
        ([b"behind $(x)\n", b"late\n"], Starved, "after another job"),
        ([b"held x\nbehind 1\n"], LabError, "this is no slot"),
        ([b"first\n", b"lost\n"], LabError, "lost"),
        ([b"fir", b"st\nadm"], LabError, "could not be admitted: adm"),
    ],
)
def test_a_host_that_does_not_admit_it(
    said: list[bytes | None], error: type[Exception], why: str
) -> None:
    runner = FakeRunner("rack1")
    stream = runner.on_open("admit-job", said)
    with pytest.raises(error, match=why):
        admit(runner, Slot(), want(), TERMS, fits)
    assert stream.closed


def test_words_come_in_pieces() -> None:
    runner, said = FakeRunner("rack1"), FakeHost().look().encode()
    runner.on_open("admit-job", [b"fir", None, b"st\n", said[:999], said[999:], b"admi", b"tted\n"])
    admit(runner, Slot(), want(), TERMS, fits)


def test_a_host_that_hangs_is_not_waited_for_longer_than_for_an_answer() -> None:
    clock, runner = VirtualClock(), FakeRunner("rack1")

    class Silent:
        def read(self, size: int, timeout: timedelta) -> bytes | None:
            clock.sleep(timeout.total_seconds())
            return b"first\n" if clock.now < 1000.3 else None

        def write(self, data: bytes) -> None:
            raise AssertionError(data)

        def close(self) -> None:
            """Nothing to let go of."""

    runner.open = lambda command: Silent()  # type: ignore[method-assign]
    with pytest.raises(DeadlineExceeded, match=r"rack1 did not tell within 2 m 00 s what it has"):
        admit(runner, Slot(), want(), TERMS, fits, clock=clock)
    assert 120 <= clock.now - 1000 < 122


def test_what_is_claimed_is_what_was_wanted(bench: Bench) -> None:
    bench.admit(fits)
    (claimed,) = bench.fake.slots.wants.values()
    assert f'"memory": {512 * MIB}' in claimed
    assert "\n" not in claimed
