"""The queue's words and terms: names, plans without hosts, who is dead, who waited too long."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import UsageError
from harness.flight.build import build_plan
from harness.flight.find import HOSTS_FILE
from harness.flight.inventory import Inventory, load_hosts
from harness.flight.plan import Plan, from_json, job_dict, to_json
from harness.host.names import is_flight_id
from harness.lab.child import STOP, watch
from harness.lab.fetch import _is_safe
from harness.lab.lab import lab_url
from harness.lab.payload import pack_plan, unpack_plan
from harness.lab.schema import PROCRASTINATE, LabVersion, demand_current, migrations
from harness.lab.tend import Suspects, _why
from harness.lab.words import fits, queue_name
from harness.secret import Secret
from harness.store.faults import StoreError

NOW = datetime(2024, 11, 22, 10, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


def plan() -> Plan:
    return build_plan(str(ROOT / "flights" / "smoke.yaml"))


def inventory() -> Inventory:
    return load_hosts(ROOT / "flights" / HOSTS_FILE)


# -- names -----------------------------------------------------------------------------


def test_a_queue_is_called_by_its_hosts_in_any_order() -> None:
    assert queue_name(["b", "a"]) == queue_name(["a", "b"]) == "a,b"


def test_jobs_for_two_hosts_wait_apart_for_who_has_both() -> None:
    assert queue_name(["b", "a"], pair=True) == "pair:a,b"
    assert [fits(["a", "b"], mine, pair=True) for mine in (["a"], ["a", "b", "c"])] == [False, True]
    assert [fits(["a", "b"], mine, pair=False) for mine in (["c"], ["a"])] == [False, True]


def test_long_names_fit_and_stay_apart() -> None:
    many = [f"rack{n}" for n in range(200)]
    names = {queue_name(many), queue_name(many[1:]), queue_name([*many, "x"])}
    assert len(names) == 3
    assert all(len(name) < 128 for name in names)


# -- plans -----------------------------------------------------------------------------


def test_a_plan_goes_through_the_queue_without_its_hosts() -> None:
    one = plan()
    packed = json.loads(json.dumps(pack_plan(one)))
    assert packed["hosts"] == [host.name for host in one.hosts]
    assert packed["jobs"] == []
    assert "testbox" not in json.dumps({**packed, "hosts": []})
    spec = json.loads(json.dumps(job_dict(one.jobs[0])))
    found = unpack_plan(packed, spec, packed["hosts"], inventory())
    assert replace(found, flight_id=one.flight_id, created=one.created) == one
    assert from_json(to_json(found)) == found


def test_each_run_of_a_flight_has_an_id_of_its_own_that_hosts_know_for_one() -> None:
    one = plan()
    packed, spec = pack_plan(one), job_dict(one.jobs[0])
    spec = json.loads(json.dumps(spec))
    ids = {unpack_plan(packed, spec, packed["hosts"], inventory()).flight_id for _ in range(3)}
    assert len(ids) == 3
    assert all(is_flight_id(name) for name in ids)
    token = one.flight_id.rpartition("-")[2]
    assert all(name.startswith(f"smoke-{token}-") for name in ids)


def test_a_controller_without_any_of_the_hosts_says_so() -> None:
    one = plan()
    with pytest.raises(UsageError, match=r"none of the job's hosts is in hosts\.yaml here: rack99"):
        unpack_plan(pack_plan(one), job_dict(one.jobs[0]), ["rack99"], inventory())


def test_a_known_secret_is_not_sent() -> None:
    Secret("correct horse battery")
    (job,) = plan().jobs
    mirror = replace(job.mirror, url="http://u:correct horse battery@mirror.example/debian")
    with pytest.raises(UsageError, match="there is a password in the plan"):
        pack_plan(replace(plan(), mirror=mirror))


# -- databases -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"), [("none", "there is none"), ("h.db", "needs PostgreSQL, and .* is a file")]
)
def test_only_postgresql_has_a_queue(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        lab_url(text)


def test_an_older_queue_is_brought_up_to_date_by_procrastinates_own_changes() -> None:
    names = [path.name for path in migrations("3.2.0")]
    assert names == sorted(names)
    assert names[0].startswith("03.03.00_01")
    assert not [name for name in names if name.startswith("03.02")]
    assert migrations(PROCRASTINATE) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "there is no queue in lab yet"),
        (LabVersion(1, "3.0.0"), "is of an older version: version 1, procrastinate 3.0.0"),
        (LabVersion(99, PROCRASTINATE), "made by a newer xenflight"),
        (LabVersion(1, "99.0.0"), "made by a newer xenflight"),
    ],
)
def test_a_queue_of_another_version_is_left_alone(found: LabVersion | None, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        demand_current("lab", found)


# -- who is dead -----------------------------------------------------------------------


def seconds(count: float) -> datetime:
    return NOW + timedelta(seconds=count)


def test_only_who_is_silent_for_some_time_while_we_look_is_dead() -> None:
    suspects = Suspects(timedelta(seconds=15))
    assert suspects.dead([1], seconds(0)) == set()
    assert suspects.dead([1, 2], seconds(10)) == set()
    assert suspects.dead([1, 2], seconds(20)) == {1}


def test_who_is_heard_of_again_is_none() -> None:
    suspects = Suspects(timedelta(seconds=15))
    suspects.dead([1], seconds(0))
    suspects.dead([], seconds(10))
    assert suspects.dead([1], seconds(20)) == set()


def test_after_a_time_in_which_we_saw_nothing_ourselves_nobody_is_dead_yet() -> None:
    suspects = Suspects(timedelta(seconds=15))
    suspects.dead([1], seconds(0))
    assert suspects.dead([1], seconds(300)) == set()


# -- who waited too long ---------------------------------------------------------------


WAITING: Any = SimpleNamespace(
    hosts=["rack1"], pair=False, since=NOW, patience=600.0, longest=3600.0
)


def worker(hosts: list[str], heard: datetime) -> SimpleNamespace:
    return SimpleNamespace(hosts=hosts, heard=heard)


@pytest.mark.parametrize(
    ("workers", "after", "said"),
    [
        ([], 599, ""),
        ([], 601, "for 10 m 00 s there was no worker with a host that it may run on: rack1"),
        ([worker(["rack1", "rack2"], seconds(500))], 1099, ""),
        ([worker(["rack1"], seconds(500))], 1101, "there was no worker"),
        ([worker(["rack2"], seconds(600))], 601, "there was no worker"),
        ([worker(["rack1"], seconds(3601))], 3599, ""),
        ([worker(["rack1"], seconds(3601))], 3601, "no worker took it within"),
    ],
)
def test_a_job_waits_within_bounds(workers: list[Any], after: float, said: str) -> None:
    found = _why(WAITING, workers, seconds(after))
    assert said in found
    assert bool(found) is bool(said)


def test_one_for_two_hosts_waits_for_who_has_both() -> None:
    pair: Any = SimpleNamespace(**{**vars(WAITING), "hosts": ["rack1", "rack2"], "pair": True})
    halves: list[Any] = [worker(["rack1"], seconds(600)), worker(["rack2", "rack3"], seconds(600))]
    assert "with two hosts that it may run on: rack1, rack2" in _why(pair, halves, seconds(601))
    whole: Any = worker(["rack1", "rack2"], seconds(600))
    assert not _why(pair, [whole], seconds(601))


# -- runs ------------------------------------------------------------------------------


def test_a_run_is_interrupted_by_each_word_and_by_the_end_of_its_worker() -> None:
    got: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: got.append(number))
    mine, theirs = os.pipe()
    try:
        thread = watch(mine)
        os.write(theirs, STOP)
        os.close(theirs)
        thread.join(30)
        assert not thread.is_alive()
    finally:
        signal.signal(signal.SIGTERM, before)
        os.close(mine)
    assert 1 <= len(got) <= 2, "two that come at once may be one"


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "a\0b"])
def test_a_file_of_the_queue_stays_in_its_directory(path: str) -> None:
    assert not _is_safe(path)
    assert _is_safe("attempt-1/evidence/xl-info.txt")
