"""What a flight of very many jobs, on very many hosts, must not cost each of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from results_samples import STEPS, Flight, planned

from harness.errors import LabError
from harness.guest.identity import host_name
from harness.host.census import Census, Entry, Kind
from harness.host.censustaking import read_census
from harness.host.fake import FakeHost
from harness.host.names import domain_name
from harness.host.owners import Marks, Owner, Owners, Whose, domain_uuid, marks_of_job
from harness.host.slots import Claim
from harness.host.xenhost import XenHost
from harness.job.place import take_place
from harness.job.prepared import Prepared
from harness.results.load import load_results, recover_results
from harness.status import Status
from harness.steps import StepRecord
from harness.storage.names import scratch_name
from harness.units import Size

SAID = (Path(__file__).parents[1] / "data/host/census-4.17-two-guests.txt").read_text()
RUN = "matrix-20261122-223523-05c958"
MANY = [f"boot-bookworm-amd64-pv-direct{number}" for number in range(300)]


@pytest.mark.parametrize("job", [MANY[0], MANY[123], MANY[-1]])
def test_of_many_jobs_the_owner_is_found_by_each_of_its_marks(job: str) -> None:
    census = replace(read_census(SAID), names={7: domain_name(RUN, job)}, uuids={}, volumes=())
    owners = Owners(RUN, {name: (42,) if name == job else () for name in MANY}, [census])
    for entry in (
        Entry(Kind.DOMAIN, domain_name(RUN, job), "domid 5"),
        Entry(Kind.MAPPER, f"vg0-{scratch_name(RUN, job, 'gone').replace('-', '--')}1"),
        Entry(Kind.VOLUME, f"{host_name(RUN, job)}-disk"),
        Entry(Kind.FILE, f"/run/x/{host_name(RUN, job)}dead"),
        Entry(Kind.XENSTORE, f"/vm/{domain_uuid(RUN, job)}"),
        Entry(Kind.INTERFACE, "vif7.0"),
        Entry(Kind.INTERFACE, "vif42.0"),
    ):
        asked_all = [name for name in MANY if _marks(name, job, census).fit(entry)]
        assert asked_all == [job], entry
        assert owners.of(entry) == Owner(Whose.JOB, job), entry
    for entry in (
        Entry(Kind.DOMAIN, domain_name("other-20261122-223523-05c958", job), "domid 5"),
        Entry(Kind.INTERFACE, "vif43.0"),
        Entry(Kind.VOLUME, "deadbeef-0123456789ab"),
    ):
        assert owners.of(entry).whose is not Whose.JOB, entry


def _marks(name: str, job: str, census: Census) -> Marks:
    return marks_of_job(RUN, name, [census], domids=[42] if name == job else ())


def test_results_are_not_written_with_each_step_but_at_the_end(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1", *(planned(name) for name in MANY))
    file = flight.recorder.files.results
    seen = set()
    for name in MANY[:20]:
        flight.passing_job(name)
        seen.add(file.stat().st_ino)
        seen.add(file.stat().st_mtime_ns)
    assert len(seen) < 20 * len(STEPS)
    # What is known is in the events all the same.
    assert recover_results(tmp_path / "f1").jobs[19].status is Status.PASS
    flight.recorder.finish()
    assert load_results(tmp_path / "f1") == recover_results(tmp_path / "f1")
    assert load_results(tmp_path / "f1").ended


def test_jobs_that_differ_in_nothing_but_their_names_are_asked_about_once() -> None:
    from test_job_hosts import two_hosts

    plan = two_hosts()
    job = plan.jobs[0]
    more = replace(job, name="more", memory=Size(job.memory * 2))
    never = replace(job, name="never", skip="it can't")
    named = [replace(job, name=name) for name in MANY]
    kinds = replace(plan, jobs=(*named[:7], more, never, *named[7:])).kinds
    assert kinds == (tuple(named), (more,))


def test_what_was_made_ready_names_a_thousand_hosts_once(tmp_path: Path) -> None:
    hosts = tuple(f"rack{number:04d}" for number in range(1000))
    fits = dict.fromkeys(MANY, hosts) | {"special": hosts[:2], "nowhere": ()}
    prepared = Prepared(flight_id=RUN, fits=fits)
    prepared.write(tmp_path)
    assert (tmp_path / "prepared.json").stat().st_size < 60_000
    found = Prepared.read(tmp_path)
    assert found == prepared
    assert found.hosts_for("special") == hosts[:2]
    assert found.fits[MANY[0]] is found.fits[MANY[1]]


@pytest.mark.parametrize(
    "fits", ['{"sets": [["a"]], "jobs": {"x": 7}}', '{"sets": [["a"]], "jobs": 3}', "[1]"]
)
def test_damage_is_told(tmp_path: Path, fits: str) -> None:
    text = Prepared(flight_id=RUN).model_dump_json()
    whole = text.replace('"fits":{"sets":[],"jobs":{}}', f'"fits":{fits}')
    assert whole != text
    (tmp_path / "prepared.json").write_text(whole)
    with pytest.raises(LabError, match="not made ready"):
        Prepared.read(tmp_path)


class TestPlace:
    """Where a job was sent is asked first."""

    @pytest.fixture
    def asked(self) -> list[str]:
        return []

    def take(self, directory: Path, asked: list[str], *full: str) -> XenHost:
        from test_job_hosts import two_hosts

        plan = two_hosts()
        (rack, _) = plan.hosts
        names = [f"rack{number}" for number in range(1, 41)]
        plan = replace(plan, hosts=tuple(replace(rack, name=name, slots=1) for name in names))
        fakes = {name: FakeHost(name=name) for name in names}
        for name in full:
            fakes[name].slots.held[1] = Claim(holder="eve@x", flight="f", job="j").to_json()

        def connect(name: str) -> XenHost:
            asked.append(name)
            return fakes[name].host

        job = plan.jobs[0]
        step = StepRecord(job=job.name, testid="guest-create")
        host, lease = take_place(job, plan, names, connect, directory, step, None, "rack30")
        lease.release()
        return host

    def test_no_other_host_is_asked(self, tmp_path: Path, asked: list[str]) -> None:
        assert self.take(tmp_path, asked).name == "rack30"
        assert asked == ["rack30"]

    def test_when_it_is_full_the_others_are(self, tmp_path: Path, asked: list[str]) -> None:
        assert self.take(tmp_path, asked, "rack30").name != "rack30"
        assert set(asked) == {f"rack{number}" for number in range(1, 41)}


def test_what_was_made_ready_is_read_once_by_all_of_a_process_and_anew_when_it_changes(
    tmp_path: Path,
) -> None:
    Prepared(flight_id="one").write(tmp_path)
    assert Prepared.read(tmp_path) is Prepared.read(tmp_path)
    Prepared(flight_id="two").write(tmp_path)
    assert Prepared.read(tmp_path).flight_id == "two"
    (tmp_path / "prepared.json").unlink()
    with pytest.raises(LabError, match="was not made ready"):
        Prepared.read(tmp_path)
