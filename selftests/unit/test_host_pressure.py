"""Pressure of dom0, from what its kernel prints."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harness.console.fake import VirtualClock
from harness.errors import DeadlineExceeded, HostLost
from harness.host.overload import ANSWERS, INTERVAL, PressureWatch
from harness.host.pressure import READ_PRESSURE, Pressure, between, read_sample
from harness.remote.fake import Call, FakeRunner, Reply

RECORDED = """\
/proc/pressure/cpu:some avg10=17.96 avg60=27.58 avg300=44.51 total=7898779286
/proc/pressure/io:some avg10=0.17 avg60=0.17 avg300=0.51 total=463738616
/proc/pressure/memory:some avg10=0.00 avg60=0.00 avg300=0.00 total=0
/proc/loadavg:2.75 3.15 2.60 3/132 21999
/proc/uptime:39489.59 31047.62
/proc/stat:cpu  4055960 109638 521031 3104762 45079 0 12041 5144 0 0
/proc/stat:cpu0 2002650 39527 232141 1638892 8500 0 1335 2532 0 0
/proc/stat:cpu1 2053309 70110 288890 1465870 36578 0 10706 2611 0 0
"""
"""Of a kernel 6.1 with two CPUs, by `READ_PRESSURE`."""


def said(seconds: float, *, share: float = 0.0, load: float = 0.5, steal: float = 0.0) -> str:
    """What a dom0 of two CPUs says that was this busy for all its *seconds*."""
    stall = f"some avg10={share:.2f} avg60=0.00 avg300=0.00 total={int(seconds * share * 1e4)}"
    none = "some avg10=0.00 avg60=0.00 avg300=0.00 total=4711"
    pressure = (
        f"/proc/pressure/cpu:{stall}\n/proc/pressure/io:{none}\n/proc/pressure/memory:{none}\n"
    )
    ticks = int(200 * seconds)
    stolen = int(ticks * steal / 100)
    return (
        pressure
        + f"/proc/loadavg:{2 * load:.2f} 0.00 0.00 1/100 4711\n/proc/uptime:{seconds:.2f} 1.00\n"
        + f"/proc/stat:cpu  {ticks - stolen} 0 0 0 0 0 0 {stolen} 0 0\n"
        + "/proc/stat:cpu0 1 0 0 0 0 0 0 0 0 0\n/proc/stat:cpu1 1 0 0 0 0 0 0 0 0 0\n"
    )


class Dom0(FakeRunner):
    """A dom0 whose clock is *clock*, and which is as busy as its options for `said` say."""

    def __init__(self, clock: VirtualClock, **busy: float) -> None:
        super().__init__("dom0")
        self.clock, self.busy, self.began = clock, busy, clock.now
        self.on_call("^grep", self.answer)

    def answer(self, call: Call) -> Reply:
        # The status of a grep that could not open one of its files.
        return Reply(stdout=said(self.clock.now - self.began, **self.busy), exit_status=2)


def test_a_recorded_sample() -> None:
    sample = read_sample(RECORDED)
    assert sample is not None
    assert (sample.uptime, sample.load) == (39489.59, 1.375)
    assert sample.steal == 5144
    assert sample.ticks == 7853655
    assert (sample.stalls["cpu"].avg10, sample.stalls["cpu"].total) == (17.96, 7898779286)
    now = between(sample, sample)
    assert str(now) == "cpu 18 %, io 0 %, memory 0 %, load 1.4 per CPU"
    assert now.overload is None


def test_a_kernel_that_does_not_measure_pressure() -> None:
    lines = said(100).splitlines()
    sample = read_sample("\n".join(line for line in lines if "pressure" not in line))
    assert sample is not None
    assert sample.stalls == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "grep: /proc/stat: Permission denied\n",
        "/proc/loadavg:\n/proc/uptime:\n/proc/stat:cpu\n/proc/stat:cpu0\n",
        said(10).replace("/proc/stat:cpu0", "/proc/x:").replace("/proc/stat:cpu1", "/proc/x:"),
    ],
)
def test_what_is_no_sample(text: str) -> None:
    assert read_sample(text) is None


def test_between_two_samples_their_totals_count_and_not_the_kernels_averages() -> None:
    first, last = read_sample(said(100, share=20)), read_sample(said(200, share=50, steal=30))
    assert first
    assert last
    pressure = between(first, last)
    assert (pressure.seconds, pressure.cpu, pressure.steal) == (100, 80, 60)
    assert (pressure.io, pressure.memory) == (0, 0)


def test_a_host_that_was_restored_in_between_is_judged_by_its_averages() -> None:
    first, last = read_sample(said(200, share=20)), read_sample(said(100, share=50))
    assert first
    assert last
    assert between(first, last).cpu == 50


@pytest.mark.parametrize(
    ("pressure", "words"),
    [
        (Pressure(seconds=60, load=1.9, cpu=99, io=5, memory=0, steal=0), None),
        (Pressure(seconds=60, load=9.0, cpu=79, io=5, memory=0, steal=0), None),
        (Pressure(seconds=60, load=2.0, cpu=80, io=5), "waited for a CPU 80 % of the time"),
        (Pressure(seconds=60, load=0.1, cpu=0, io=79, memory=39, steal=39), None),
        (Pressure(seconds=60, load=0.1, cpu=0, io=80), "waited for a disk 80 % of the time"),
        (Pressure(seconds=60, load=0.1, memory=40), "waited for memory 40 % of the time"),
        (Pressure(seconds=60, load=0.1, steal=40), "kept dom0 from a physical CPU 40 %"),
        (Pressure(seconds=60, load=3.9), None),
        (Pressure(seconds=60, load=4.0), "4.0 tasks shared each CPU of dom0"),
    ],
    ids=str,
)
def test_what_is_an_overload(pressure: Pressure, words: str | None) -> None:
    found = pressure.overload
    assert found is None if words is None else found is not None and words in found


def test_the_host_is_asked_no_more_often_than_the_interval() -> None:
    clock = VirtualClock()
    dom0 = Dom0(clock)
    watch = PressureWatch(dom0, clock=clock)
    asked = watch.along(lambda: "running")
    for _ in range(60):
        assert asked() == "running"
        clock.sleep(1)
    assert len(dom0.calls) == 60 / INTERVAL
    assert {str(call) for call in dom0.calls} == {str(READ_PRESSURE)}


def test_only_the_time_that_was_waited_counts() -> None:
    clock = VirtualClock()
    dom0 = FakeRunner("dom0")
    watch = PressureWatch(dom0, clock=clock)
    # Busy for the first 100 seconds, idle for the next: the totals stand still.
    dom0.on("^grep", said(0), times=1)
    dom0.on("^grep", said(100, share=95, load=5), times=1)
    dom0.on("^grep", said(200, share=47.5, load=5), times=1)
    watch.sample()
    clock.sleep(100)
    assert watch.overload(100) is not None
    clock.sleep(100)
    assert watch.overload(100) is None


def test_without_an_earlier_sample_the_last_ten_seconds_count() -> None:
    clock = VirtualClock()
    assert PressureWatch(Dom0(clock, share=90, load=3), clock=clock).overload(60) is not None
    assert PressureWatch(Dom0(clock, share=10, load=3), clock=clock).overload(60) is None


def test_a_dom0_that_does_not_answer_is_overloaded() -> None:
    runner = FakeRunner("dom0")
    runner.on("^grep", raises=DeadlineExceeded("no answer"))
    watch = PressureWatch(runner, factor=3)
    watch.sample()
    assert watch.overload(60) == "dom0 did not even read its own /proc in 60 s"
    assert {call.timeout for call in runner.calls} == {ANSWERS * 3}
    assert timedelta(seconds=60) == ANSWERS * 3


def test_a_dom0_without_grep_is_not() -> None:
    watch = PressureWatch(FakeRunner("dom0"))
    watch.sample()
    assert watch.overload(60) is None


def test_a_lost_host_goes_through() -> None:
    runner = FakeRunner("dom0")
    runner.on("^grep", raises=HostLost("gone"))
    with pytest.raises(HostLost):
        PressureWatch(runner).sample()
