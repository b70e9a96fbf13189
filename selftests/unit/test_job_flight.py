"""A flight in its controller: what is made ready, what becomes of failures, what is cleaned up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from test_job_prepared import ENDPOINT

import harness
from harness.errors import HostLost, LabError
from harness.flight.axes import Keep
from harness.flight.build import build_plan
from harness.flight.model import HostSpec
from harness.flight.plan import Plan
from harness.guest.spec import ImageSpec
from harness.host.fake import FakeHost
from harness.host.names import domain_name
from harness.host.reaper import KEPT
from harness.host.xenhost import XenHost
from harness.job.flight import FlightRun
from harness.job.images import FlightImages, image_spec
from harness.job.prepared import JobFacts, Prepared, PreparedImage
from harness.job.reach import Reached
from harness.job.secrets import FlightSecrets
from harness.progress import Progress, silent
from harness.results.events import FlightHeader
from harness.results.recorder import FlightRecorder
from harness.storage.names import scratch_name, scratch_tags

FLIGHTS = Path(harness.__file__).parent.parent / "flights"


class Images:
    """Golden LVs for all, or an error."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.error: BaseException | None = None

    def on(self, host: XenHost) -> dict[str, PreparedImage]:
        if self.error:
            raise self.error
        return {job.name: PreparedImage(key="k", golden="xf-golden-k") for job in self._plan.jobs}


class Bench:
    """A flight run, its fake host and its recorder."""

    def __init__(self, directory: Path, keep: Keep = Keep.NEVER) -> None:
        self.plan = build_plan(str(FLIGHTS / "must-fail.yaml"), keep=keep)
        self.fake = FakeHost(name=self.plan.host.name)
        self.directory = directory / "flight"
        self.said: list[str] = []
        self.reach_error: BaseException | None = None
        self.reached = 0
        header = FlightHeader(
            flight_id=self.plan.flight_id,
            flight="x",
            started=datetime.now(UTC),
            harness_version="0",
            command="x",
            jobs=(),
        )
        self.recorder = FlightRecorder(self.directory, header)
        self.images = Images(self.plan)
        self.run = FlightRun(
            self.plan,
            self.directory,
            self.recorder,
            self.tell,
            reach=self.reach,
            images=self.images,
        )

    def tell(self, text: str, fraction: float | None = None) -> None:
        self.said.append(text)

    def reach(self, spec: HostSpec, progress: Progress) -> Reached:
        if self.reach_error:
            raise self.reach_error
        return Reached(host=self.fake.host, endpoint=ENDPOINT, again=self.again)

    def again(self) -> XenHost:
        self.reached += 1
        self.fake.runner.alive = True
        return self.fake.host

    def guest(self, job: int = 0, *more: str) -> str:
        """Leave a guest of this flight on the host."""
        name, run = self.plan.jobs[job].name, self.plan.flight_id
        self.fake.volumes[scratch_name(run, name)] = {*scratch_tags(run, name), *more}
        self.fake.domains[domain_name(run, name)] = job + 1
        return name

    @property
    def prepared(self) -> Prepared:
        return Prepared.read(self.directory)

    @property
    def secrets(self) -> FlightSecrets:
        return FlightSecrets.of(self.plan.flight_id)

    @property
    def problems(self) -> tuple[str, ...]:
        return self.recorder.result.problems


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Bench(tmp_path)


def test_all_is_made_ready(bench: Bench) -> None:
    bench.run.prepare()
    job = bench.plan.jobs[0].name
    assert bench.prepared.broken == ""
    assert bench.prepared.image(job).golden == "xf-golden-k"
    assert bench.prepared.endpoint == ENDPOINT
    assert bench.prepared.secrets == bench.secrets.directory
    assert bench.fake.locked == {bench.plan.flight_id}
    assert bench.fake.flights == {bench.plan.flight_id}
    host = bench.recorder.result.host
    assert host
    assert (host.xen_version, host.dom0_kernel) == ("4.17.7", "6.1.0-47-amd64")


def test_then_all_is_given_back(bench: Bench) -> None:
    bench.run.prepare()
    bench.run.sweep(aborted=False)
    bench.run.close()
    bench.run.close()
    assert (bench.fake.locked, bench.fake.flights) == (set(), set())
    assert bench.fake.runner.closed
    assert not bench.secrets.directory.exists()
    assert bench.problems == ()


def broken_reach(bench: Bench) -> None:
    bench.reach_error = HostLost("no route to rack")


def broken_images(bench: Bench) -> None:
    bench.images.error = HostLost("lost it")


def somebody_elses_lock(bench: Bench) -> None:
    bench.fake.locked.add(bench.plan.flight_id)


def full_pool(bench: Bench) -> None:
    bench.fake.data_percent = "97.00"


def stuck_leftover(bench: Bench) -> None:
    name = scratch_name("dead-1", "boot")
    bench.fake.volumes[name] = set(scratch_tags("dead-1", "boot"))
    bench.fake.stuck[name] = "Cannot process volume group"


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (broken_reach, "no route to rack"),
        (broken_images, "lost it"),
        (somebody_elses_lock, "the lock"),
        (full_pool, "thin pool vg0/pool is 97 % full"),
        (stuck_leftover, "Cannot process volume group"),
    ],
)
def test_what_the_lab_cannot_do_is_written_down_for_the_jobs(
    bench: Bench, spoil: Callable[[Bench], None], why: str
) -> None:
    spoil(bench)
    bench.run.prepare()
    with pytest.raises(LabError, match=why):
        bench.prepared.image(bench.plan.jobs[0].name)
    bench.run.close()
    assert not bench.secrets.directory.exists()


@pytest.mark.parametrize("where", ["reach", "images"])
def test_an_interrupt_is_written_down_and_leaves_nothing(bench: Bench, where: str) -> None:
    bench.reach_error = KeyboardInterrupt() if where == "reach" else None
    bench.images.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        bench.run.prepare()
    assert bench.prepared.broken == "the flight was interrupted"
    bench.run.sweep(aborted=True)
    bench.run.close()
    assert (bench.fake.locked, bench.fake.flights) == (set(), set())
    assert not bench.secrets.directory.exists()


def test_leftovers_of_the_dead_go_with_their_secrets_before_the_first_job(bench: Bench) -> None:
    old = FlightSecrets.make("dead-1")
    bench.fake.volumes[scratch_name("dead-1", "boot")] = set(scratch_tags("dead-1", "boot"))
    bench.run.prepare()
    assert bench.fake.volumes == {}
    assert not old.directory.exists()
    assert any("removed what flight dead-1 left behind" in text for text in bench.said)


def test_what_a_job_left_is_swept_and_is_a_problem(bench: Bench) -> None:
    bench.run.prepare()
    bench.guest()
    bench.run.sweep(aborted=False)
    assert (bench.fake.volumes, bench.fake.domains) == ({}, {})
    assert "left behind by this flight, and removed: domain xf." in bench.problems[0]


def test_after_an_interrupt_it_is_swept_and_no_problem(bench: Bench) -> None:
    bench.run.prepare()
    bench.guest()
    bench.run.sweep(aborted=True)
    assert bench.fake.volumes == {}
    assert bench.problems == ()


def test_after_an_interrupt_what_was_to_be_kept_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bench = Bench(tmp_path, Keep.ON_FAILURE)
    bench.run.prepare()
    bench.guest()
    bench.run.sweep(aborted=True)
    bench.run.close()
    (tags,) = bench.fake.volumes.values()
    assert KEPT in tags
    assert len(bench.fake.domains) == 1
    assert bench.secrets.user_key.exists(), "nobody could enter the guest without it"


def test_a_kept_guest_stays_and_so_do_its_secrets(bench: Bench) -> None:
    bench.run.prepare()
    bench.guest(0, KEPT)
    bench.guest(1)
    bench.run.sweep(aborted=False)
    bench.run.close()
    assert len(bench.fake.volumes) == len(bench.fake.domains) == 1
    assert bench.secrets.user_key.exists()


def test_how_to_reach_a_kept_guest(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XENFLIGHT_COMMAND", "./xenflight")
    bench.run.prepare()
    facts = JobFacts(kept=True, runvars={"domain": "xf.1", "guest_ip": "10.0.2.100"})
    host, run = bench.plan.host.name, bench.plan.flight_id
    assert bench.run.how_to_reach("job", facts) == (
        f"kept: job is domain xf.1 on {host}, root@10.0.2.100 with key {bench.secrets.user_key}; "
        f"remove it with: ./xenflight reap --host {host} --kept {run}"
    )
    bench.run.close()
    assert bench.secrets.user_key.exists()


def test_a_lost_connection_is_made_again_for_the_sweep(bench: Bench) -> None:
    bench.run.prepare()
    bench.guest()
    bench.fake.runner.alive = False
    bench.run.sweep(aborted=False)
    assert bench.reached == 1
    assert bench.fake.volumes == {}


def test_what_cannot_be_swept_is_raised(bench: Bench) -> None:
    bench.run.prepare()
    bench.guest()
    bench.fake.stuck[next(iter(bench.fake.volumes))] = "Cannot process volume group"
    with pytest.raises(LabError, match="leftovers of must-fail"):
        bench.run.sweep(aborted=False)


class SomeImages(FlightImages):
    """Images of which some can't be had."""

    def __init__(self, bench: Bench, errors: dict[int, LabError]) -> None:
        super().__init__(bench.plan, bench.recorder, silent)
        self._errors = errors
        self.made: list[ImageSpec] = []

    def make(self, host: XenHost, spec: ImageSpec) -> PreparedImage:
        self.made.append(spec)
        if error := self._errors.get(len(self.made)):
            raise error
        return PreparedImage(key=f"k{len(self.made)}")


def two_images(bench: Bench) -> None:
    """Let the last job need another image than the others."""
    *jobs, last = bench.plan.jobs
    bench.plan = replace(bench.plan, jobs=(*jobs, replace(last, packages=("b", "a"))))


def test_jobs_with_the_same_image_share_it(bench: Bench) -> None:
    two_images(bench)
    images = SomeImages(bench, {})
    found = images.on(bench.fake.host)
    assert [image.key for image in found.values()] == ["k1", "k1", "k1", "k2"]
    assert images.made == [image_spec(bench.plan.jobs[0]), image_spec(bench.plan.jobs[3])]
    assert images.made[1].extra_packages == ("a", "b")


def test_an_image_that_cannot_be_had_breaks_only_its_jobs(bench: Bench) -> None:
    two_images(bench)
    found = SomeImages(bench, {1: LabError("no space")}).on(bench.fake.host)
    assert [image.broken for image in found.values()] == ["no space"] * 3 + [""]


def test_a_host_that_is_lost_breaks_them_all(bench: Bench) -> None:
    with pytest.raises(HostLost):
        SomeImages(bench, {1: HostLost("gone")}).on(bench.fake.host)
