"""Which golden LVs go when a thin pool has no room for the next one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from harness.errors import HostLost, LabError
from harness.host.evict import USES, find_uses, make_room, note_use
from harness.host.fake import POOL, VG, FakeHost
from harness.host.room import Want
from harness.host.slots import Claim
from harness.progress import silent
from harness.remote.command import Command, Stream
from harness.remote.fake import Call, Reply
from harness.storage.names import golden_name, golden_tags, scratch_tags
from harness.units import Size

GIB = 1 << 30
OLD, MIDDLE, NEW = ("a" * 16, "b" * 16, "c" * 16)


@dataclass
class PoolHost(FakeHost):
    """A host with a thin pool of 10 GiB, and notes of who uses what."""

    data: dict[str, int] = field(default_factory=dict)
    """GiB that each volume really takes."""
    origins: dict[str, str] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.pool_size = 10 * GIB
        self.runner.on_call("golden-uses$", lambda _: Reply(stdout=self._uses()))
        self.runner.on_call("note-use", self._note)
        self.runner.on_call("^rm -rf ", lambda _: Reply())

    def golden(self, key: str, gib: int, used: int) -> str:
        name = golden_name(key)
        self.volumes[name] = set(golden_tags(key))
        self.data[name] = gib
        self.used[name] = used
        return name

    def scratch(self, job: str, origin: str) -> None:
        name = f"xf-{job}"
        self.volumes[name] = set(scratch_tags("run-1", job))
        self.origins[name] = origin

    def _lvs(self) -> str:
        report = json.loads(super()._lvs())
        for row in report["report"][0]["lv"]:
            name, pool = row["lv_name"], row["lv_name"] == POOL
            taken = sum(self.data.get(one, 0) for one in self.volumes)
            row["lv_size"] = str(10 * GIB)
            row["data_percent"] = str(10.0 * (taken if pool else self.data.get(name, 0)))
            row["origin"] = self.origins.get(name, "")
        return json.dumps(report)

    def _uses(self) -> str:
        lines = [f"used {name} {when}" for name, when in self.used.items()]
        return "\n".join([*lines, *(f"held {name}" for name in self.held), "all"])

    def _note(self, call: Call) -> Reply:
        self.held.add(call.command.argv[4])
        return Reply()


@pytest.fixture
def fake() -> PoolHost:
    """Three golden LVs of 2 GiB each: 60 %."""
    fake = PoolHost()
    for age, key in enumerate((OLD, MIDDLE, NEW)):
        fake.golden(key, 2, used=100 + age)
    return fake


def goldens(fake: FakeHost) -> list[str]:
    return [name for name in fake.volumes if name.startswith("xf-golden")]


def test_while_there_is_room_nothing_goes(fake: PoolHost) -> None:
    assert make_room(fake.host, Size(1 * GIB), silent) == []
    assert len(goldens(fake)) == 3
    assert not [call for call in fake.runner.calls if "golden-uses" in str(call)]


def test_the_one_that_was_not_used_for_longest_goes_and_that_is_said(fake: PoolHost) -> None:
    said: list[str] = []
    gone = make_room(fake.host, Size(2 * GIB), lambda text, fraction=None: said.append(text))
    assert gone == [golden_name(OLD)]
    assert goldens(fake) == [golden_name(MIDDLE), golden_name(NEW)]
    assert said == [f"removed {golden_name(OLD)} from fakehost: 2.0 GiB more room"]
    (removal,) = [str(call) for call in fake.runner.calls if str(call).startswith("rm -rf")]
    assert f"/boot/{OLD}" in removal
    assert f"{USES}/{golden_name(OLD)}" in removal


def test_one_that_nobody_ever_noted_goes_first(fake: PoolHost) -> None:
    del fake.used[golden_name(NEW)]
    assert make_room(fake.host, Size(2 * GIB), silent) == [golden_name(NEW)]


def with_a_guest(fake: PoolHost) -> None:
    fake.scratch("job", origin=golden_name(OLD))


def held_by_a_flight(fake: PoolHost) -> None:
    note_use(fake.host, golden_name(OLD), "run-1")


def at_work_on_it(fake: PoolHost) -> None:
    fake.locked.add(f"golden-{OLD}")


def open_elsewhere(fake: PoolHost) -> None:
    fake.stuck[golden_name(OLD)] = "Cannot process volume group"


@pytest.mark.parametrize("use", [with_a_guest, held_by_a_flight, at_work_on_it, open_elsewhere])
def test_one_that_somebody_uses_stays(fake: PoolHost, use: object) -> None:
    assert callable(use)
    use(fake)
    assert make_room(fake.host, Size(2 * GIB), silent) == [golden_name(MIDDLE)]


def with_a_snapshot_of_somebody_else(fake: PoolHost) -> None:
    fake.volumes["backup"] = set()
    fake.origins["backup"] = golden_name(OLD)


def claimed_by_a_job(fake: PoolHost) -> None:
    fake.slots.held[1] = Claim(holder="bob@ci2", flight="nightly-1", job="x").to_json()
    fake.slots.wants[1] = Want(
        domain="xf.x", memory=0, overhead=0, vcpus=1, disks=0, data=0, golden=golden_name(OLD)
    ).to_json()


@pytest.mark.parametrize("use", [with_a_snapshot_of_somebody_else, claimed_by_a_job])
def test_one_that_others_depend_on_stays(fake: PoolHost, use: object) -> None:
    assert callable(use)
    use(fake)
    assert make_room(fake.host, Size(2 * GIB), silent) == [golden_name(MIDDLE)]


@pytest.mark.parametrize("use", [with_a_guest, held_by_a_flight])
def test_one_that_is_wanted_at_the_last_moment_stays(fake: PoolHost, use: object) -> None:
    """It was free when it was looked for; when its lock is had it no longer is."""
    assert callable(use)
    opened = fake.runner.open

    def open_late(command: Command) -> Stream:
        if f"golden-{OLD}" in str(command):
            use(fake)
        return opened(command)

    fake.runner.open = open_late  # type: ignore[method-assign]
    assert make_room(fake.host, Size(2 * GIB), silent) == [golden_name(MIDDLE)]
    assert golden_name(OLD) in goldens(fake)


def test_what_was_taken_out_of_it_goes_under_its_lock(fake: PoolHost) -> None:
    """Afterwards somebody may have it made anew, kernel and all."""
    held: list[bool] = []

    def look(call: Call) -> Reply:
        held.append(f"golden-{OLD}" in fake.locked)
        return Reply()

    fake.runner.on_call("^rm -rf ", look)
    fake.runner._rules.insert(0, fake.runner._rules.pop())
    make_room(fake.host, Size(2 * GIB), silent)
    assert held == [True]


def test_room_is_left_for_what_jobs_are_expected_to_write(fake: PoolHost) -> None:
    """Of 10 GiB 6 are in use; with 1 more it would be 70 %, and a job has 2 to come."""
    assert make_room(fake.host, Size(1 * GIB), silent) == []
    fake.slots.held[1] = Claim(holder="bob@ci2", flight="nightly-1", job="x").to_json()
    fake.slots.wants[1] = Want(
        domain="xf.x", memory=0, overhead=0, vcpus=1, disks=0, data=2 * GIB
    ).to_json()
    assert make_room(fake.host, Size(1 * GIB), silent) == [golden_name(OLD)]


@pytest.mark.parametrize("said", ["", f"used {golden_name(OLD)} 1"])
def test_where_it_is_not_told_what_is_in_use_all_of_it_stays(fake: PoolHost, said: str) -> None:
    fake.runner.on("golden-uses$", said)
    fake.runner._rules.insert(0, fake.runner._rules.pop())
    with pytest.raises(LabError, match="does not tell which golden volumes are in use"):
        find_uses(fake.host)
    assert make_room(fake.host, Size(2 * GIB), silent) == []
    assert len(goldens(fake)) == 3


def test_what_is_not_golden_or_not_ours_stays(fake: PoolHost) -> None:
    fake.volumes["somebodys"] = {"theirs"}
    fake.volumes["xf-golden-half"] = set(scratch_tags("run-1", "half"))
    fake.data |= {"somebodys": 1, "xf-golden-half": 1}
    assert len(make_room(fake.host, Size(6 * GIB), silent)) == 3
    assert set(fake.volumes) == {"somebodys", "xf-golden-half"}


@pytest.mark.parametrize("key", ["..", "../../etc", "/etc", "-rf"])
def test_a_key_that_would_lead_elsewhere_is_nobodys(fake: PoolHost, key: str) -> None:
    """LVM takes it in a tag; the directory of that name goes with the volume."""
    fake.volumes["theirs"] = set(golden_tags(key))
    fake.data["theirs"] = 1
    assert len(make_room(fake.host, Size(5 * GIB), silent)) == 3
    assert "theirs" in fake.volumes


def test_what_does_not_fit_at_all_is_said_with_numbers(fake: PoolHost) -> None:
    note_use(fake.host, golden_name(NEW), "run-1")
    with pytest.raises(LabError, match=r"image of 8\.0 GiB does not fit .* 2\.0 GiB of 10\.0 GiB"):
        make_room(fake.host, Size(8 * GIB), silent)
    assert goldens(fake) == [golden_name(NEW)]


def test_less_room_than_wanted_will_do_when_nothing_can_go(fake: PoolHost) -> None:
    fake.held |= set(fake.volumes)
    assert make_room(fake.host, Size(2 * GIB), silent) == []


def test_a_lost_host_is_no_reason_to_go_on(fake: PoolHost) -> None:
    fake.runner.before("^lvremove", raises=HostLost("gone"))
    with pytest.raises(HostLost):
        make_room(fake.host, Size(2 * GIB), silent)


def test_a_use_is_noted_for_the_flight_and_for_later(fake: PoolHost) -> None:
    note_use(fake.host, golden_name(OLD), "run-1")
    command = fake.runner.calls[-1].command
    assert command.argv[4:] == (golden_name(OLD), "/run/xenflight/flights/run-1/golden")
    assert f'touch "$2/$1" {USES}/"$1"' in command.argv[2]
    assert find_uses(fake.host).held == {golden_name(OLD)}
    assert find_uses(fake.host).last[golden_name(NEW)] == 102


def test_a_host_without_a_pool_is_somebody_elses_to_complain_about() -> None:
    fake = FakeHost()
    fake.runner.before("^lvs", raises=LabError(f"there is no volume group {VG}"))
    with pytest.raises(LabError, match="no volume group"):
        make_room(fake.host, Size(GIB), silent)
