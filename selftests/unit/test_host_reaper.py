"""What is removed from a host, and what never is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harness.errors import LabError, UsageError
from harness.guest.identity import host_name
from harness.host.fake import FakeHost
from harness.host.kept import KEPT, kept_tags
from harness.host.names import (
    BUILDS_FOR_RUN,
    build_directory,
    domain_name,
    run_directory,
    run_of_domain,
)
from harness.host.reaper import find_dead, inventory, keep_run, reap_dead, reap_kept, reap_run
from harness.remote.command import Command
from harness.storage.names import golden_tags, scratch_name, scratch_tags

DEAD, ALIVE = "smoke-20261122-114412-a1b2c3", "smoke-20261122-114413-d4e5f6"
JOB, OTHER = "boot-bookworm-amd64-pv-direct", "boot-bookworm-amd64-pvh-direct"


def add(fake: FakeHost, run: str, job: str = JOB, *more: str) -> tuple[str, str]:
    """A guest of *run*, as a flight makes it: the names of its volume and its domain."""
    volume, domain = scratch_name(run, job), domain_name(run, job)
    fake.volumes[volume] = {*scratch_tags(run, job), *more}
    fake.domains[domain] = len(fake.domains) + 1
    fake.flights.add(run)
    return volume, domain


def everything(fake: FakeHost) -> tuple[object, ...]:
    volumes = {name: frozenset(tags) for name, tags in fake.volumes.items()}
    return volumes, dict(fake.domains), set(fake.flights)


def test_the_dead_are_reaped_and_the_living_are_not() -> None:
    fake = FakeHost()
    add(fake, ALIVE)
    fake.locked = {ALIVE}
    before = everything(fake)
    volume, domain = add(fake, DEAD)
    removed = reap_dead(fake.host)
    assert [str(left) for left in removed] == [f"domain {domain}, LV {volume}"]
    assert everything(fake) == before


def test_what_is_not_ours_is_never_touched() -> None:
    fake = FakeHost()
    fake.volumes = {
        "root": set(),
        "xf-0123456789ab-root": {"somebody.else"},
        "xf-golden-1": set(golden_tags("k1")),
        "xf-odd": {"xenflight", "xenflight.role=golden", f"xenflight.run={DEAD}"},
    }
    fake.domains = {"web": 1, "xf.web": 2, "xf.web.notadigest": 3, f"xf.{DEAD}.0123": 4}
    before = everything(fake)
    assert reap_dead(fake.host) == []
    assert reap_run(fake.host, DEAD).nothing
    assert everything(fake) == before


@pytest.mark.parametrize("run", ["../../..", "..", "-rf", "a/b", "/", "a!b", ".hidden"])
def test_a_name_that_would_lead_elsewhere_is_no_flights(run: str) -> None:
    """LVM takes these in tags. What is removed in the end is a directory of that name."""
    fake = FakeHost()
    fake.volumes = {"xf-0123456789ab-root": set(scratch_tags(run, JOB))}
    fake.domains = {f"xf.{run}.0123456789": 1, "xf.-x.0123456789": 2}
    fake.flights = {run, "two words", "-x"}
    before = everything(fake)
    assert find_dead(fake.host) == reap_dead(fake.host) == []
    with pytest.raises(UsageError, match="is no flight id"):
        reap_kept(fake.host, run)
    assert everything(fake) == before
    for directory in (run_directory, build_directory):
        with pytest.raises(ValueError, match="can't name a directory"):
            directory(run)


def test_a_flight_is_alive_when_it_says_so_itself() -> None:
    fake = FakeHost()
    add(fake, DEAD)
    assert reap_dead(fake.host, alive=[DEAD]) == []
    assert len(fake.domains) == 1


def test_kept_guests_stay_and_what_else_their_flight_left_goes() -> None:
    fake = FakeHost()
    kept = add(fake, DEAD, JOB, KEPT)
    left = add(fake, DEAD, OTHER)
    (removed,) = reap_dead(fake.host)
    assert (list(removed.volumes), list(removed.domains)) == ([left[0]], [left[1]])
    assert (list(fake.volumes), list(fake.domains)) == ([kept[0]], [kept[1]])
    assert fake.flights == {DEAD}, "a kept guest's files stay with it"
    assert reap_dead(fake.host) == []


def test_a_domain_without_a_volume_and_a_directory_without_either() -> None:
    fake = FakeHost(domains={domain_name(DEAD, JOB): 7}, flights={ALIVE})
    assert [str(left) for left in reap_dead(fake.host)] == [
        f"domain {domain_name(DEAD, JOB)}",
        "only its files",
    ]
    assert everything(fake) == ({}, {}, set())


def test_a_lock_that_is_all_there_is_goes_and_one_of_no_flight_stays() -> None:
    """Of a flight that was killed between its lock and its directory (`bench reliability`)."""
    fake = FakeHost(lock_files={DEAD, ALIVE, "golden-0123456789ab", "canary"}, locked={ALIVE})
    assert [left.run for left in reap_dead(fake.host)] == [DEAD]
    assert fake.lock_files == {ALIVE, "golden-0123456789ab", "canary"}


def test_a_guest_that_was_being_made_when_its_flight_died_goes_too() -> None:
    fake = FakeHost(lock_files={DEAD})
    run = fake.runner.run

    def ends(command: Command, **options: object) -> object:
        if "revoke-leases" in command.argv:
            add(fake, DEAD)
        return run(command, **options)  # type: ignore[arg-type]

    fake.runner.run = ends  # type: ignore[method-assign,assignment]
    (removed,) = reap_dead(fake.host)
    assert len(removed.domains) == 1
    assert everything(fake) == ({}, {}, set())


def test_one_whose_command_does_not_end_is_left_as_it_is() -> None:
    fake = FakeHost()
    add(fake, DEAD)
    before = everything(fake)
    fake.runner.before(" revoke-leases ", raises=LabError("a command of a dead flight runs"))
    with pytest.raises(LabError, match="a command of a dead flight runs"):
        reap_dead(fake.host)
    assert everything(fake) == before


def test_what_will_not_go_does_not_save_the_rest() -> None:
    fake = FakeHost()
    stuck, _ = add(fake, DEAD)
    add(fake, ALIVE)
    fake.stuck[stuck] = "Cannot process volume group"
    with pytest.raises(LabError, match=f"leftovers of {DEAD} .* Cannot process"):
        reap_dead(fake.host)
    assert set(fake.volumes) == {stuck}
    assert fake.domains == {}
    assert fake.flights == {DEAD}, "so that the next one tries again"


def test_a_flight_that_keeps_a_guest_at_the_last_moment_loses_nothing() -> None:
    """It is listed while it runs; then it marks its guest, and lets go of its lock."""
    fake = FakeHost()
    volume, domain = add(fake, DEAD)
    listing = fake.runner.run

    def mark_after_the_listing(*arguments: object, **options: object) -> object:
        if "flock" in str(arguments[0]):
            fake.volumes[volume].add(KEPT)
        return listing(*arguments, **options)  # type: ignore[arg-type]

    fake.runner.run = mark_after_the_listing  # type: ignore[method-assign,assignment]
    assert find_dead(fake.host) == []
    assert set(fake.domains) == {domain}


def test_keeping_what_a_flight_has() -> None:
    fake = FakeHost()
    volume, _ = add(fake, DEAD)
    other, _ = add(fake, ALIVE)
    keep_run(fake.host, DEAD)
    assert KEPT in fake.volumes[volume]
    assert KEPT not in fake.volumes[other]
    assert inventory(fake.host)[DEAD].kept_jobs == [JOB]


def test_a_kept_guests_files_stay_and_what_others_of_its_flight_built_goes() -> None:
    """One of them may be its disk."""
    names = (host_name(DEAD, JOB), f"{domain_name(DEAD, JOB)}.raw-1.raw")
    mine = {f"{DEAD}/{name}" for name in names}
    fake = FakeHost(builds={*mine, f"{DEAD}/{host_name(DEAD, OTHER)}"})
    add(fake, DEAD, JOB, KEPT)
    (removed,) = reap_dead(fake.host)
    assert removed.built == [host_name(DEAD, OTHER)]
    assert fake.builds == mine
    assert reap_dead(fake.host) == []
    reap_kept(fake.host, DEAD)
    assert fake.builds == set()


def test_kept_guests_go_when_their_operator_says_so() -> None:
    fake = FakeHost()
    add(fake, DEAD, JOB, KEPT)
    add(fake, ALIVE, JOB, KEPT)
    left = reap_kept(fake.host, DEAD)
    assert list(left.domains) == [domain_name(DEAD, JOB)]
    assert set(fake.domains) == {domain_name(ALIVE, JOB)}
    assert fake.flights == {ALIVE}


def test_what_a_running_flight_keeps_is_not_taken_from_it() -> None:
    fake = FakeHost(locked={ALIVE})
    add(fake, ALIVE, JOB, KEPT)
    before = everything(fake)
    with pytest.raises(LabError, match="is still running"):
        reap_kept(fake.host, ALIVE)
    assert everything(fake) == before


def test_a_kept_guest_that_will_not_go_is_left_to_the_next_flight() -> None:
    fake = FakeHost()
    volume, _ = add(fake, DEAD, JOB, KEPT)
    fake.stuck[volume] = "Cannot process volume group"
    with pytest.raises(LabError):
        reap_kept(fake.host, DEAD)
    fake.stuck.clear()
    assert [left.run for left in reap_dead(fake.host)] == [DEAD]
    assert fake.volumes == {}


def test_a_domains_name_tells_its_flight_and_nothing_else_does() -> None:
    assert run_of_domain(domain_name(DEAD, JOB)) == DEAD
    assert domain_name(DEAD, JOB) != domain_name(DEAD, OTHER)
    for name in ("Domain-0", "xf.", f"xf.{DEAD}", f"xf.{DEAD}.0123456789ab", "xf.A.0123456789"):
        assert run_of_domain(name) is None


def test_builders_of_the_dead_are_ended_and_those_of_the_living_go_on() -> None:
    fake = FakeHost(locked={ALIVE}, builds={f"{DEAD}/guest", f"{ALIVE}/guest"})
    mine, theirs = {BUILDS_FOR_RUN: DEAD}, {BUILDS_FOR_RUN: ALIVE}
    fake.builders = [mine, theirs]
    fake.volumes = {"guest-disk": set(scratch_tags(DEAD, JOB))}
    (left,) = reap_dead(fake.host)
    assert str(left) == "LV guest-disk, files of an unfinished build"
    assert (fake.builders, fake.builds) == ([theirs], {f"{ALIVE}/guest"})
    assert fake.volumes == {}


def test_a_builder_that_will_not_go_is_told_and_its_files_stay() -> None:
    fake = FakeHost(builds={f"{DEAD}/guest"}, unending=True)
    with pytest.raises(LabError, match=r"builders of .* could not be ended: process 7"):
        reap_dead(fake.host)
    assert fake.builds == {f"{DEAD}/guest"}


def test_nobody_looks_for_builders_where_nothing_is_built() -> None:
    """Reading the environment of each process takes a while on an emulated host."""
    fake = FakeHost()
    add(fake, DEAD)
    reap_dead(fake.host)
    assert not any("end-builders" in line for line in fake.runner.lines)


HOUR = timedelta(hours=1)


def test_a_guest_is_kept_for_its_time_and_then_reaped() -> None:
    fake = FakeHost()
    volume, domain = add(fake, DEAD)
    other, _ = add(fake, DEAD, OTHER, KEPT)
    fake.volumes[volume] |= set(kept_tags(fake.runner, 4 * HOUR))
    fake.now += 3600
    assert inventory(fake.host)[DEAD].kept == {JOB: 3 * HOUR, OTHER: None}
    assert reap_dead(fake.host) == []
    fake.now += 3 * 3600
    (left,) = reap_dead(fake.host)
    assert str(left) == (f"domain {domain}, LV {volume} (kept until its time was over: {JOB})")
    assert list(fake.volumes) == [other], "that one has no end"
    assert left.kept_jobs == [OTHER]
    assert fake.flights == {DEAD}


def test_the_time_of_a_flight_that_lives_is_not_over() -> None:
    fake = FakeHost(locked={DEAD})
    add(fake, DEAD, JOB, *kept_tags(FakeHost().runner, HOUR))
    fake.now += 7200
    assert reap_dead(fake.host) == []
    assert len(fake.volumes) == 1


def test_what_outlived_its_time_during_its_flight_is_no_leftover_of_that() -> None:
    fake = FakeHost()
    add(fake, DEAD, JOB, *kept_tags(fake.runner, HOUR))
    fake.now += 7200
    left = reap_run(fake.host, DEAD)
    assert (left.volumes, left.domains, left.kept_jobs) == ([], {}, [JOB])
    assert len(fake.volumes) == len(fake.domains) == 1


@pytest.mark.parametrize("value", ["soon", "", "-5", "1e3", "\u0664"])
def test_a_time_that_nobody_can_read_never_ends(value: str) -> None:
    fake = FakeHost()
    add(fake, DEAD, JOB, KEPT, f"xenflight.kept-until={value}")
    assert reap_dead(fake.host) == []
    assert inventory(fake.host)[DEAD].kept == {JOB: None}


def test_a_time_without_the_mark_keeps_nothing() -> None:
    fake = FakeHost()
    add(fake, DEAD, JOB, f"xenflight.kept-until={fake.now + 3600}")
    (left,) = reap_dead(fake.host)
    assert left.expired == []
    assert fake.volumes == {}


def test_a_guest_of_several_volumes_is_told_once() -> None:
    fake = FakeHost()
    tags = kept_tags(fake.runner, HOUR)
    add(fake, DEAD, JOB, *tags)
    fake.volumes["xf-0123456789ab-swap"] = {*scratch_tags(DEAD, JOB), *tags}
    assert inventory(fake.host)[DEAD].kept_jobs == [JOB]
    fake.now += 3600
    (left,) = reap_dead(fake.host)
    assert left.expired == [JOB]
    assert fake.volumes == {}


def test_keeping_what_a_flight_has_for_a_while() -> None:
    fake = FakeHost()
    add(fake, DEAD)
    keep_run(fake.host, DEAD, HOUR)
    assert inventory(fake.host)[DEAD].kept == {JOB: HOUR}
    reap_kept(fake.host, DEAD)
    assert fake.volumes == {}


def test_the_hosts_clock_is_not_asked_for_nothing() -> None:
    fake = FakeHost()
    add(fake, DEAD, JOB, KEPT)
    inventory(fake.host)
    assert not any("date" in line for line in fake.runner.lines)
