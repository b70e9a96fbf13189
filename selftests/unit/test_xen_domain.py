"""The life of a domain, and the ladder that ends it, on a toolstack in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from harness.errors import CommandFailed, DeadlineExceeded, LabError
from harness.wait import Deadline
from harness.xen.domain import Bounds, Domain, Outcome, Rung, console_command
from harness.xen.listing import DomainInfo, DomainState

NAME = "xf-guest"
LIVING = (DomainState.BLOCKED, DomainState.RUNNING)


@dataclass
class MemoryToolstack:
    """One domain, in memory; it passes time by being polled."""

    state: DomainState | None = DomainState.BLOCKED
    name: str = NAME
    domid: int = 5
    shuts_down_after: float | None = 3
    destroy_fails: LabError | None = None
    list_fails: LabError | None = None
    backends_last: float = 2
    kept: bool = False
    now: float = 0
    asked: list[str] = field(default_factory=list)
    ends_at: float | None = None
    gone_at: float | None = None

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.01)

    def list(self) -> tuple[DomainInfo, ...]:
        if self.list_fails is not None:
            raise self.list_fails
        if self.ends_at is not None and self.now >= self.ends_at and self.state in LIVING:
            self.state, self.gone_at = DomainState.SHUTDOWN if self.kept else None, self.now
        if self.state is None:
            return ()
        info = DomainInfo(
            domid=self.domid, name=self.name, uuid="-", memory=1, vcpus=1, state=self.state
        )
        return (info,)

    def unpause(self, name: str) -> None:
        self.asked.append("unpause")
        self.state = DomainState.RUNNING

    def shutdown(self, name: str) -> None:
        self.asked.append("shutdown")
        if self.shuts_down_after is not None:
            self.ends_at = self.now + self.shuts_down_after

    def destroy(self, name: str, timeout: timedelta) -> None:
        self.asked.append("destroy")
        if self.destroy_fails is not None:
            raise self.destroy_fails
        self.state, self.gone_at = None, self.now

    def backends(self, domid: int) -> tuple[str, ...]:
        gone = self.gone_at is None or self.now >= self.gone_at + self.backends_last
        if self.state is not None or not gone or domid != self.domid:
            return ("vbd/51712",) if domid == self.domid else ()
        return ()

    def tidy(self, name: str, timeout: timedelta) -> None:
        self.asked.append("tidy")


def make(xl: MemoryToolstack) -> Domain:
    """The domain under test."""
    return Domain(xl, name=NAME, domid=5, clock=xl)


def outcomes(rungs: tuple[Rung, ...]) -> list[Outcome]:
    """What became of each rung."""
    return [rung.outcome for rung in rungs]


def test_life() -> None:
    xl = MemoryToolstack(state=DomainState.PAUSED)
    domain = make(xl)
    assert domain.state() is DomainState.PAUSED
    domain.unpause()
    assert domain.state() is DomainState.RUNNING
    domain.shutdown()
    domain.wait_gone(Deadline.after(timedelta(seconds=10), xl))
    assert domain.state() is None
    assert str(console_command(NAME)) == f"xl console -t pv {NAME}"


def test_wait_gone_says_what_it_saw_last() -> None:
    xl = MemoryToolstack()
    with pytest.raises(DeadlineExceeded, match=f"the end of {NAME}; last seen: blocked"):
        make(xl).wait_gone(Deadline.after(timedelta(seconds=3), xl))


def test_guest_that_shuts_down() -> None:
    xl = MemoryToolstack()
    ended = make(xl).teardown().check()
    assert outcomes(ended.rungs) == [
        Outcome.DONE,
        Outcome.NOT_NEEDED,
        Outcome.DONE,
        Outcome.DONE,
    ]
    assert xl.asked == ["shutdown", "tidy"]
    assert [rung.name for rung in ended.rungs] == ["shutdown", "destroy", "backends", "settle"]
    assert ended.rungs[0].duration == pytest.approx(3, abs=1)
    assert ended.rungs[2].duration == pytest.approx(2, abs=1)


def test_guest_that_does_not_listen_is_destroyed() -> None:
    xl = MemoryToolstack(shuts_down_after=None)
    ended = make(xl).teardown(bounds=Bounds(shutdown=timedelta(seconds=10))).check()
    assert outcomes(ended.rungs)[:2] == [Outcome.GAVE_UP, Outcome.DONE]
    assert "last seen: blocked" in ended.rungs[0].detail
    assert ended.rungs[1].detail == "it was blocked"
    assert 10 <= xl.now < 20


@pytest.mark.parametrize("state", [DomainState.PAUSED, DomainState.CRASHED, DomainState.SHUTDOWN])
def test_guest_that_cannot_listen_is_not_asked(state: DomainState) -> None:
    xl = MemoryToolstack(state=state)
    ended = make(xl).teardown().check()
    assert outcomes(ended.rungs)[:2] == [Outcome.NOT_NEEDED, Outcome.DONE]
    assert xl.asked == ["destroy", "tidy"]


def test_guest_that_is_kept_after_its_shutdown_has_listened() -> None:
    xl = MemoryToolstack(kept=True)
    ended = make(xl).teardown().check()
    assert outcomes(ended.rungs)[:2] == [Outcome.DONE, Outcome.DONE]
    assert ended.rungs[1].detail == "it was shutdown"


def test_not_graceful() -> None:
    xl = MemoryToolstack()
    make(xl).teardown(graceful=False).check()
    assert xl.asked == ["destroy", "tidy"]


def test_domain_that_is_gone_already() -> None:
    xl = MemoryToolstack(state=None)
    ended = make(xl).teardown().check()
    assert outcomes(ended.rungs)[:2] == [Outcome.NOT_NEEDED, Outcome.NOT_NEEDED]
    assert xl.asked == ["tidy"]


def test_xl_that_hangs_is_reported_and_the_ladder_goes_on() -> None:
    hung = DeadlineExceeded("`xl destroy` did not end within 60 s")
    xl = MemoryToolstack(shuts_down_after=None, destroy_fails=hung)
    bounds = Bounds(shutdown=timedelta(seconds=5), backends=timedelta(seconds=5))
    ended = make(xl).teardown(bounds=bounds)
    assert outcomes(ended.rungs) == [
        Outcome.GAVE_UP,
        Outcome.FAILED,
        Outcome.FAILED,
        Outcome.DONE,
    ]
    assert ended.errors[0] is hung
    assert "vbd/51712" in ended.errors[1].message
    with pytest.raises(
        LabError, match=r"not ended in good order: destroy: .*; backends: "
    ) as caught:
        ended.check()
    assert caught.value.__cause__ is hung


RACE = CommandFailed("xl destroy ended with 1", exit_status=1, stderr="destroy failed (rc=-15)")


def test_a_domain_that_xl_is_ending_by_itself_counts_as_ended() -> None:
    xl = MemoryToolstack(destroy_fails=RACE, ends_at=5)
    ended = make(xl).teardown(graceful=False).check()
    assert outcomes(ended.rungs)[1] is Outcome.DONE
    assert "ending it already" in ended.rungs[1].detail


def test_a_domain_that_nobody_can_end_is_reported() -> None:
    ended = make(MemoryToolstack(destroy_fails=RACE)).teardown(graceful=False)
    assert ended.errors[0] is RACE


def test_host_that_is_lost_is_reported_on_every_rung() -> None:
    xl = MemoryToolstack(list_fails=LabError("lost"))
    ended = make(xl).teardown()
    assert outcomes(ended.rungs)[:2] == [Outcome.FAILED, Outcome.FAILED]
    assert len(ended.errors) >= 2


def test_back_ends_that_stay() -> None:
    xl = MemoryToolstack(backends_last=1000)
    ended = make(xl).teardown(bounds=Bounds(backends=timedelta(seconds=7)))
    assert outcomes(ended.rungs)[2] is Outcome.FAILED
    assert "last seen: vbd/51712" in ended.errors[0].message


def test_reboot_changes_the_domid() -> None:
    xl = MemoryToolstack()
    domain = make(xl)
    xl.domid = 6
    domain.state()
    assert domain.domid == 6
    xl.backends_last = 1000
    ended = domain.teardown(bounds=Bounds(backends=timedelta(seconds=3)))
    assert "(domid 6)" in ended.errors[0].message


def test_domain_without_a_name_is_still_there() -> None:
    xl = MemoryToolstack(name="(null)", state=DomainState.DYING)
    assert make(xl).state() is DomainState.DYING
    xl.domid = 77
    assert make(xl).state() is None


def test_bounds_scale() -> None:
    assert Bounds().scaled(3).destroy == Bounds().destroy * 3
