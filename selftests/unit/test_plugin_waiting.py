"""What a job waits for is told once, and again when it changes."""

from __future__ import annotations

import threading
from datetime import timedelta

from harness.plugin.waiting import WaitingJobs


class Bench:
    def __init__(self) -> None:
        self.awaits: dict[str, str] = {}
        self.shown: list[tuple[str, str]] = []
        self.jobs = WaitingJobs(
            lambda job, text: self.shown.append((job, text)), lambda job: self.awaits.get(job, "")
        )


def test_it_is_told_when_it_changes_and_when_it_is_over() -> None:
    bench = Bench()
    bench.awaits = {"a": "its image", "b": "a slot"}
    bench.jobs.begin("a")
    bench.jobs.look()
    bench.awaits["a"] = "a slot"
    bench.jobs.look()
    del bench.awaits["a"]
    bench.jobs.look()
    bench.jobs.look()
    assert bench.shown == [
        ("a", "waiting for its image"),
        ("a", "waiting for a slot"),
        ("a", ""),
    ]


def test_a_job_without_a_running_step_waits_for_nothing() -> None:
    bench = Bench()
    bench.jobs.begin("a")
    bench.jobs.end("a")
    bench.jobs.end("a")
    bench.awaits = {"a": "its image"}
    bench.jobs.look()
    assert bench.shown == []


def test_it_is_looked_at_again_and_again_until_the_end() -> None:
    bench, told = Bench(), threading.Event()

    def show(job: str, text: str) -> None:
        if "slot" in text:
            told.set()

    jobs = WaitingJobs(show, lambda job: bench.awaits.get(job, ""))
    jobs.begin("a")
    jobs.watch(timedelta(milliseconds=5))
    bench.awaits["a"] = "a slot"
    assert told.wait(10)
    jobs.stop()
    jobs.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "waiting jobs"]


def test_what_was_never_watched_can_be_stopped() -> None:
    Bench().jobs.stop()
