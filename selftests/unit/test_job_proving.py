"""After a job that was broken: a canary, and what becomes of the host."""

from __future__ import annotations

import dataclasses
import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from canary_samples import CanaryLab
from care_samples import CareBench, flight_plan

from harness.errors import GuestFailure
from harness.flight.hostcare import CanarySpec, CanaryWhen
from harness.host.health import Verdict, read_health
from harness.host.slots import read_slots
from harness.job.care import HostCare, Want
from harness.job.caredesk import CareDesk


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CareBench:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = CareBench(tmp_path)
    made.lab = CanaryLab(tmp_path, site=made.site)  # type: ignore[attr-defined]
    made.canaries = lambda path: made.lab.canary(path)  # type: ignore[attr-defined]
    return made


def panics() -> None:
    msg = "the canary panicked"
    raise GuestFailure(msg, failure_class="kernel-panic")


def proved(bench: CareBench, job: str = "boot-x") -> str:
    """A job was broken; what the controller did. The fake host's clock is in another year."""
    keeper = bench.caretaker()
    keeper.watch.look()
    bench.ask(Want.CANARY, job)
    keeper.answer_all()
    return bench.answer(Want.CANARY, job).said


def test_a_host_that_is_well_stays(bench: CareBench) -> None:
    assert proved(bench) == "canary: pass: it booted, answered and went"
    assert not bench.answer(Want.CANARY).unusable
    assert read_slots(bench.site.fake.runner).drained is None
    assert bench.problems == ""
    found = read_health(bench.site.fake.runner)
    assert found.broken
    assert (found.broken.job, found.broken.reason) == ("boot-x", "lost rack1")
    assert found.broken.flight == bench.plan.flight_id
    assert found.canary
    assert found.canary.verdict is Verdict.PASS


def test_one_that_is_not_is_drained_with_the_reason(bench: CareBench) -> None:
    bench.lab.boots = panics  # type: ignore[attr-defined]
    said = proved(bench)
    assert said == ("a canary failed (guest-boot: the canary panicked) after boot-x was broken")
    drained = read_slots(bench.site.fake.runner).drained
    assert drained
    assert drained.reason == said
    assert drained.by.endswith(" (canary)")
    assert drained.since is not None
    assert bench.problems == f"rack1 was drained: {said}"
    assert bench.answer(Want.CANARY).unusable == bench.problems


def test_the_next_job_that_is_broken_there_brings_no_other(bench: CareBench) -> None:
    proved(bench)
    said = proved(bench, "boot-y")
    assert said.startswith("canary: pass: no canary so soon after that of 0.0 s ago")
    assert len(bench.lab.ran) == 1  # type: ignore[attr-defined]


def test_a_verdict_of_nobody_drains_nothing(bench: CareBench) -> None:
    bench.site.fake.canary = ""
    assert proved(bench).startswith("canary: unknown: no guest has passed there yet")
    assert read_slots(bench.site.fake.runner).drained is None
    assert not bench.answer(Want.CANARY).unusable


def test_a_job_that_found_nobody_there_has_the_host_back(bench: CareBench) -> None:
    keeper = bench.caretaker()
    keeper.watch.look()
    bench.site.die()
    bench.ask(Want.CANARY)
    keeper.answer_all()
    assert bench.switched == ["log", "cycle"]
    assert "canary: pass" in bench.answer(Want.CANARY).said


def test_a_host_that_is_gone_is_of_no_use_to_this_flight(bench: CareBench) -> None:
    bench.power.fails = "no such outlet"
    keeper = bench.caretaker()
    keeper.watch.look()
    bench.site.die()
    bench.ask(Want.CANARY)
    keeper.answer_all()
    unusable = bench.answer(Want.CANARY).unusable
    assert unusable.startswith("rack1 is not well, and could not be drained: no canary could be")
    assert unusable in bench.problems
    assert "it could not be power-cycled: no such outlet" in bench.problems


def test_no_canary_where_nobody_wants_one(tmp_path: Path, bench: CareBench) -> None:
    plan = flight_plan()
    never = dataclasses.replace(plan.hosts[0], canary=CanarySpec(when=CanaryWhen.NEVER))
    bench.plan = dataclasses.replace(plan, hosts=(never,))
    assert proved(bench) == "hosts.yaml wants no canary"
    assert bench.lab.ran == []  # type: ignore[attr-defined]
    assert read_health(bench.site.fake.runner).broken is not None, "what happened is noted"


def test_after_a_power_cycle_the_host_is_proved_anew(bench: CareBench) -> None:
    proved(bench)
    keeper = bench.caretaker()
    keeper.watch.look()
    bench.site.die()
    bench.ask(Want.POWER, "boot-y")
    bench.ask(Want.CANARY, "boot-y")
    keeper.answer_all()
    assert bench.answer(Want.POWER, "boot-y").rebooted
    assert bench.answer(Want.CANARY, "boot-y").said.startswith("canary: pass: it booted")
    assert len(bench.lab.ran) == 2, "that of the boot before proves nothing"  # type: ignore[attr-defined]


def test_a_bug_is_answered_too(bench: CareBench) -> None:
    def breaks(path: Path) -> object:
        msg = "a bug"
        raise ZeroDivisionError(msg)

    bench.canaries = breaks  # type: ignore[assignment]
    bench.ask(Want.CANARY)
    bench.caretaker().answer_all()
    (answer,) = bench.care.answers()
    assert answer.said == "ZeroDivisionError: a bug"
    assert not answer.unusable


def test_a_flight_that_ends_answers_no_more(bench: CareBench) -> None:
    keeper = bench.caretaker()
    bench.ask(Want.CANARY)
    keeper.stop()
    keeper.answer_all()
    assert len(bench.care.pending()) == 1


def test_it_serves_beside_all_else_until_it_is_stopped(bench: CareBench) -> None:
    before = set(threading.enumerate())
    keeper = bench.caretaker()
    desk = CareDesk(bench.folder, {bench.care.host: keeper})
    desk.begin()
    request = bench.ask(Want.CANARY)
    try:
        # By the real clock: the thread works by that, too.
        care = HostCare(bench.folder, bench.care.host)
        answer = care.wait(request, os.getpid(), timedelta(seconds=30))
    finally:
        desk.stop()
        keeper.stop()
    assert "canary: pass" in answer.said
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert not left & {"host caretaker", "host care"}
