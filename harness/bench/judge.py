"""How fast a flight is judged: 121 jobs against five thousand flights, a million steps.

The numbers are osstest's: its xen-unstable flights had 121 jobs (flight 176311), and its history
pages took hours. The history is generated, the same each time.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from harness.bench.machine import brief
from harness.bench.model import Better, Finding
from harness.gate.evaluate import evaluate
from harness.gate.policy import Policy
from harness.judge.history import FlightRecord, History, JobRecord, StepRecord
from harness.judge.memory import MemoryHistory
from harness.judge.waiver import Waiver, WaiverKind
from harness.progress import Progress
from harness.status import Status

GOAL = 1.0
GROWTH_GOAL = 1.5
JOBS = 121
FLIGHTS = 5000
JOBS_OF_A_FLIGHT = 25
STEPS = (
    "guest-create",
    "guest-boot",
    "guest-console",
    "guest-ssh",
    "guest-network",
    "guest-saverestore",
    "guest-shutdown",
    "guest-gone",
)
BRANCH = "bench"
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_SAME = 10
"""Flights that test one revision."""
_FLAKES = 0.03
_NAMES = tuple(f"boot-dist{n // 12}-amd64-pv-method{n % 12}" for n in range(JOBS))
_PASSED = tuple(StepRecord(testid=testid, status=Status.PASS, duration=5.0) for testid in STEPS)


def measure_judge(progress: Progress) -> list[Finding]:
    """Seconds for the whole verdict, from a history nobody has asked anything yet."""
    progress("making a history of a million steps, and another like it before that")
    older = list(make_history(-FLIGHTS, 0))
    flights = list(make_history(0, FLIGHTS))
    # The history would be in a database; Python's collector has no business with it.
    gc.collect()
    gc.freeze()
    progress("judging against it")
    usual = make_flight(random.Random(1), share=0.2)
    seconds, asked = judge_seconds(usual, MemoryHistory(flights))
    twice, _ = judge_seconds(usual, MemoryHistory(older + flights))
    worst, failed = judge_seconds(make_flight(random.Random(1), share=1.0), MemoryHistory(flights))
    gc.unfreeze()
    steps = sum(len(job.steps) for flight in flights for job in flight.jobs)
    return [
        _seconds(asked, seconds, f"{len(flights)} flights, {steps} steps; {brief()}"),
        _seconds(failed, worst, "the same; every job fails in its second step"),
        Finding(
            name="judging against twice the history",
            value=twice / seconds,
            unit="× as long",
            goal=GROWTH_GOAL,
            better=Better.LOWER,
            details=f"{twice:.3f} s and {seconds:.3f} s",
        ),
    ]


def _seconds(failures: int, seconds: float, details: str) -> Finding:
    return Finding(
        name=f"judging {JOBS} jobs, {failures} of which failed",
        value=seconds,
        unit="s",
        goal=GOAL,
        better=Better.LOWER,
        details=details,
    )


def judge_seconds(flight: FlightRecord, history: History) -> tuple[float, int]:
    """Seconds of processor time for one verdict, and how many failures were judged."""
    policy = Policy(waivers=_waivers())
    began = time.process_time()
    verdict = evaluate(flight, history, policy, now=flight.started)
    seconds = time.process_time() - began
    return seconds, sum(one.status is Status.FAIL for one in verdict.judgements)


def make_history(first: int, end: int) -> Iterator[FlightRecord]:
    """Flights by number, of some of the jobs each; every tenth tests another revision."""
    chance = random.Random(first)
    for number in range(first, end):
        at = _EPOCH + timedelta(hours=number)
        revisions = {"xen": f"r{number // _SAME}", "image": f"i{number // _SAME}"}
        names = [_NAMES[(number * 7 + n * 5) % JOBS] for n in range(JOBS_OF_A_FLIGHT)]
        yield FlightRecord(
            flight=f"{BRANCH}-{number}",
            branch=BRANCH,
            blessing="real",
            started=at,
            jobs=tuple(
                _job(f"{BRANCH}-{number}", name, at, revisions, chance.random() < _FLAKES)
                for name in names
            ),
            gate_open=number % _SAME == 0,
        )


def make_flight(chance: random.Random, *, share: float) -> FlightRecord:
    """A flight of all jobs after all others, with a revision of its own; *share* of them fail."""
    at = _EPOCH + timedelta(hours=FLIGHTS + 1)
    name, revisions = f"{BRANCH}-judged", {"xen": "new", "image": "new"}
    jobs = (_job(name, job, at, revisions, chance.random() < share) for job in _NAMES)
    return FlightRecord(flight=name, branch=BRANCH, blessing="real", started=at, jobs=tuple(jobs))


def _job(flight: str, name: str, at: datetime, revisions: dict[str, str], fails: bool) -> JobRecord:
    return JobRecord(
        flight=flight,
        branch=BRANCH,
        blessing="real",
        job=name,
        host=f"rack{len(name) % 8}",
        started=at,
        revisions=revisions,
        steps=_failed(name) if fails else _PASSED,
        status=Status.FAIL if fails else Status.PASS,
    )


def _failed(name: str) -> tuple[StepRecord, ...]:
    text = f"kernel-panic: Kernel panic - not syncing: {name}"
    failed = StepRecord(testid=STEPS[1], status=Status.FAIL, duration=9.0, fingerprint=text)
    rest = (StepRecord(testid=testid, status=Status.BLOCKED) for testid in STEPS[2:])
    return (_PASSED[0], failed, *rest)


def _waivers() -> tuple[Waiver, ...]:
    """As many as a lab has after some years."""
    return tuple(
        Waiver(
            kind=WaiverKind.KNOWN_ISSUE,
            name=f"issue-{number}",
            pattern=f"method{number}*dist",
            owner="bench",
            reason="to be slow",
            expires=date(2099, 1, 1),
        )
        for number in range(40)
    )
