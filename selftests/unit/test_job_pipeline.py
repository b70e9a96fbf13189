"""Images made in the background: their order, their outcomes, and how they are ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

import harness
from harness.errors import HostLost, LabError
from harness.flight.axes import Builder, Layout
from harness.flight.build import build_plan
from harness.flight.model import ImageSource, JobSpec, MirrorSpec
from harness.host.fake import FakeHost
from harness.host.xenhost import XenHost
from harness.job.images import Built
from harness.job.outcomes import ImageOutcomes
from harness.job.pipeline import INTERRUPTED, ImagePipeline, builds_at_once
from harness.job.prepared import PreparedImage
from harness.job.wanted import Wanted, in_order, wanted_by
from harness.progress import Progress
from harness.wait import Deadline, NotYet, wait_for

FLIGHTS = Path(harness.__file__).parent.parent / "flights"
SOON = timedelta(seconds=10)


@dataclass
class Workshop:
    """A `Maker` that does what it is told, and notes what it did."""

    stopping: threading.Event
    did: list[str] = field(default_factory=list)
    build_errors: dict[str, BaseException] = field(default_factory=dict)
    bring_errors: dict[str, BaseException] = field(default_factory=dict)
    held: dict[str, threading.Event] = field(default_factory=dict)
    """What a build waits for; `stopping` ends that wait, as it does a real command."""
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def probe(self, wanted: Wanted) -> None:
        self.did.append(f"probe {wanted.dist}")
        msg = "told again by the build"
        raise LabError(msg)

    def build(self, wanted: Wanted, progress: Progress) -> Built:
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            progress(f"building {wanted.name}", 0.5)
            self._hold(wanted)
            if error := self.build_errors.get(wanted.name):
                raise error
            self.did.append(f"build {wanted.name}")
        finally:
            with self.lock:
                self.at_once -= 1
        return Built()

    def bring(
        self, wanted: Wanted, built: Built, host: XenHost, progress: Progress
    ) -> PreparedImage:
        if error := self.bring_errors.get(wanted.name):
            raise error
        self.did.append(f"bring {wanted.name}")
        return PreparedImage(key=wanted.name)

    def _hold(self, wanted: Wanted) -> None:
        gate = self.held.get(wanted.name)

        def check() -> None:
            if self.stopping.is_set():
                msg = "ended"
                raise LabError(msg)
            if gate and not gate.is_set():
                msg = "held"
                raise NotYet(msg)

        wait_for(
            check, what="gate", deadline=Deadline.after(SOON), interval=timedelta(milliseconds=5)
        )


class Bench:
    """A pipeline with a made-up maker, for three images."""

    def __init__(self, directory: Path) -> None:
        job = build_plan(str(FLIGHTS / "smoke.yaml")).jobs[0]
        self.jobs = [
            replace(job, name="one"),
            replace(job, name="again"),
            replace(job, name="two", packages=("b",)),
            replace(job, name="three", packages=("c",)),
        ]
        self.stopping = threading.Event()
        self.maker = Workshop(self.stopping)
        self.outcomes = ImageOutcomes(directory)
        self.fakes: list[FakeHost] = []
        self.said: list[str] = []
        self.refuse = 0

    @property
    def names(self) -> list[str]:
        return [wanted.name for wanted in in_order(self.jobs)]

    def tell(self, text: str, fraction: float | None = None) -> None:
        self.said.append(text)

    def connect(self) -> XenHost:
        if self.refuse:
            self.refuse -= 1
            msg = "rack1 does not answer"
            raise HostLost(msg)
        self.fakes.append(FakeHost())
        return self.fakes[-1].host

    def begin(self, pipeline: ImagePipeline, *hosts: str) -> dict[str, str]:
        """All jobs fit all of *hosts*, which are just one if none is said."""
        names = hosts or ("rack1",)
        fits = {job.name: names for job in self.jobs}
        return pipeline.begin(self.jobs, fits, dict.fromkeys(names, self.connect))

    def pipeline(self, builds: int = 1) -> ImagePipeline:
        return ImagePipeline(self.maker, self.outcomes, self.tell, self.stopping, builds=builds)

    def outcome(self, name: str, host: str = "rack1") -> PreparedImage:
        """As soon as it is there."""

        def check() -> PreparedImage:
            if found := self.outcomes.find(name, host):
                return found
            raise NotYet(name)

        deadline = Deadline.after(SOON)
        return wait_for(check, what=name, deadline=deadline, interval=timedelta(milliseconds=5))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    left = [t.name for t in threading.enumerate() if t.name.startswith(("image", "mirror"))]
    assert left == [], "a pipeline must join its threads"


def test_each_image_is_made_once_in_the_order_in_which_jobs_need_it(bench: Bench) -> None:
    pipeline = bench.pipeline()
    named = bench.begin(pipeline)
    one, two, three = bench.names
    assert named == {"one": one, "again": one, "two": two, "three": three}
    assert [bench.outcome(name).key for name in bench.names] == bench.names
    built = [text.split()[1] for text in bench.maker.did if text.startswith("build")]
    brought = [text.split()[1] for text in bench.maker.did if text.startswith("bring")]
    assert built == brought == bench.names
    pipeline.stop()
    assert len(bench.fakes) == 1
    assert bench.fakes[0].runner.closed


def test_an_image_is_ready_while_the_next_is_still_built(bench: Bench) -> None:
    one, two, _ = bench.names
    bench.maker.held[two] = threading.Event()
    pipeline = bench.pipeline()
    bench.begin(pipeline)
    assert bench.outcome(one).key == one
    assert bench.outcomes.find(two, "rack1") is None
    assert pipeline.pending(two)
    bench.maker.held[two].set()
    assert bench.outcome(two).key == two
    pipeline.stop()
    assert not pipeline.pending(two)


def test_builds_are_bounded(bench: Bench) -> None:
    *_, last = bench.names
    bench.maker.held = {name: threading.Event() for name in bench.names}
    pipeline = bench.pipeline(builds=2)
    bench.begin(pipeline)

    def two_at_work() -> None:
        if bench.maker.at_once < 2:
            raise NotYet(bench.maker.at_once)

    wait_for(two_at_work, what="two builds", deadline=Deadline.after(SOON))
    for gate in bench.maker.held.values():
        gate.set()
    bench.outcome(last)
    pipeline.stop()
    assert bench.maker.most_at_once == 2
    assert [builds_at_once(cores) for cores in (1, 2, 3, 8)] == [1, 1, 1, 4]


def test_what_cannot_be_built_or_brought_breaks_only_that_image(bench: Bench) -> None:
    one, two, three = bench.names
    bench.maker.build_errors[one] = LabError("no space")
    bench.maker.bring_errors[two] = RuntimeError("a bug")
    pipeline = bench.pipeline()
    bench.begin(pipeline)
    assert bench.outcome(one).broken == "no space"
    assert bench.outcome(two).broken == f"image {two}: RuntimeError: a bug"
    assert bench.outcome(three).broken == ""
    pipeline.stop()


def test_a_host_that_is_lost_is_asked_again_for_the_next_image(bench: Bench) -> None:
    one, two, _ = bench.names
    bench.refuse = 2
    pipeline = bench.pipeline()
    bench.begin(pipeline)
    assert bench.outcome(one).broken == "rack1 does not answer"
    assert bench.outcome(two).broken == ""
    pipeline.stop()


def test_an_image_is_built_once_and_brought_to_every_host_that_may_need_it(bench: Bench) -> None:
    one, two, three = bench.names
    pipeline = bench.pipeline()
    fits = {"one": ["rack1"], "again": ["rack2"], "two": ["rack2"], "three": ["rack1"]}
    pipeline.begin(bench.jobs, fits, dict.fromkeys(("rack1", "rack2"), bench.connect))
    for name, host in ((one, "rack1"), (one, "rack2"), (two, "rack2"), (three, "rack1")):
        assert bench.outcome(name, host).key == name
    pipeline.stop()
    assert sorted(bench.maker.did) == sorted(
        [*(f"build {name}" for name in bench.names), f"bring {one}"]
        + [f"bring {name}" for name in bench.names]
    )
    assert bench.outcomes.find(two, "rack1") is None
    assert len(bench.fakes) == 2
    assert f"image {two} is ready on rack2" in bench.said


def test_a_job_need_not_wait_for_the_last_host_to_have_its_image(bench: Bench) -> None:
    one, *_ = bench.names
    pipeline = bench.pipeline()
    bench.refuse = 2  # the first try of one of them, and the second
    bench.begin(pipeline, "rack1", "rack2")
    found = [bench.outcome(one, host).broken for host in ("rack1", "rack2")]
    assert "" in found
    assert not pipeline.pending(one)
    pipeline.stop()


def test_stopping_ends_what_is_under_way_and_tells_those_who_wait(bench: Bench) -> None:
    one, two, three = bench.names
    bench.maker.held[two] = threading.Event()
    pipeline = bench.pipeline()
    bench.begin(pipeline)
    bench.outcome(one)
    pipeline.stop()
    assert bench.outcome(one).broken == ""
    assert [bench.outcome(name).broken for name in (two, three)] == [INTERRUPTED] * 2
    assert f"build {three}" not in bench.maker.did
    pipeline.stop()


def test_one_that_never_began_stops_well(bench: Bench) -> None:
    bench.pipeline().stop()
    assert bench.maker.did == []


def test_mirrors_are_looked_at_ahead_and_what_is_wrong_is_left_to_the_build(bench: Bench) -> None:
    pipeline = bench.pipeline()
    pipeline.look_ahead(bench.jobs)

    def all_probed() -> None:
        if len(bench.maker.did) < 3:
            raise NotYet(bench.maker.did)

    wait_for(all_probed, what="probes", deadline=Deadline.after(SOON))
    pipeline.stop()
    assert bench.said == []


def job(**changes: object) -> JobSpec:
    return replace(build_plan(str(FLIGHTS / "smoke.yaml")).jobs[0], **changes)  # type: ignore[arg-type]


def test_what_makes_no_difference_to_its_builder_makes_no_other_image() -> None:
    assert wanted_by(job(kernel="dom0")) == wanted_by(job())
    assert wanted_by(job(packages=("b", "a"))) == wanted_by(job(packages=("a", "b")))
    source = ImageSource(location="/srv/x.raw", sha256="")
    imported = {"builder": Builder.IMPORT, "image": source}
    assert wanted_by(job(**imported, packages=("a",))) == wanted_by(job(**imported))
    installed = {"builder": Builder.DEBIAN_INSTALLER}
    assert wanted_by(job(**installed, layout=Layout.DISK)) == wanted_by(job(**installed))


@pytest.mark.parametrize(
    "change",
    [
        {"layout": Layout.DISK},
        {"kernel": "generic"},
        {"packages": ("a",)},
        {"mirror": MirrorSpec(url="http://m.example/debian")},
        {"builder": Builder.XEN_CREATE_IMAGE},
    ],
)
def test_what_makes_a_difference_makes_another(change: dict[str, object]) -> None:
    assert wanted_by(job(**change)).name != wanted_by(job()).name


def test_an_image_is_named_for_people() -> None:
    assert wanted_by(job()).name.startswith("bookworm-amd64-bare-")
    name = wanted_by(job(builder=Builder.DEBIAN_INSTALLER)).name
    assert name.startswith("bookworm-amd64-debian-installer-")
