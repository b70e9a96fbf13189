"""Two censuses compared: what is a leak, what is somebody else's, and what is only told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.guest.identity import host_name
from harness.host.census import Census, Kind
from harness.host.censustaking import take_census
from harness.host.fake import FakeHost
from harness.host.figures import figures
from harness.host.kept import KEPT
from harness.host.ledger import MOST_LINES, Figure, Mine, Owned, Reckoning, reckon
from harness.host.names import domain_name
from harness.host.owners import Owner, Owners, Whose, domain_uuid
from harness.storage.names import golden_tags, scratch_name, scratch_tags

RUN, JOB, OTHER_JOB = "smoke-1", "boot-a", "boot-b"
DOMID = 5
VOLUME, DOMAIN = scratch_name(RUN, JOB), domain_name(RUN, JOB)
JOBS: dict[str, list[int]] = {JOB: [DOMID], OTHER_JOB: []}


def of_job(owner: Owner) -> bool:
    return owner == Owner(Whose.JOB, JOB)


def of_flight(owner: Owner) -> bool:
    return owner.whose in (Whose.JOB, Whose.FLIGHT)


class Bench:
    """A host before and after."""

    def __init__(self) -> None:
        self.fake = FakeHost(volumes={"data": set(), "xf-golden-aa": set(golden_tags("aa"))})
        self.fake.domains["db1"] = 2
        self.before = self.census()

    def census(self) -> Census:
        return take_census(self.fake.host)

    def compare(self, mine: Mine = of_job) -> Reckoning:
        after = self.census()
        owners = Owners(RUN, JOBS, [self.before, after])
        return reckon(self.before, after, owners, mine, RUN)

    def guest(self, job: str = JOB, domid: int = DOMID, *more: str) -> None:
        """All that a running guest has on the host."""
        name = domain_name(RUN, job)
        self.fake.domains[name] = domid
        self.fake.volumes[scratch_name(RUN, job)] = {*scratch_tags(RUN, job), *more}
        self.fake.interfaces.append(f"vif{domid}.0")
        self.fake.census.processes[90 + domid] = f"/usr/lib/xen-4.17/bin/xenconsole {domid}"
        self.fake.census.files.append(f"/run/xenflight/{name}.cfg")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def shown(owned: tuple[Owned, ...]) -> list[str]:
    return [f"{entry.kind} {entry.name}" for entry, _ in owned]


def domain(fake: FakeHost) -> None:
    fake.domains[DOMAIN] = 9


def zombie(fake: FakeHost) -> None:
    fake.domains["(null)"] = DOMID


def volume(fake: FakeHost) -> None:
    fake.volumes[VOLUME] = set(scratch_tags(RUN, JOB))


def volume_of_a_suite(fake: FakeHost) -> None:
    fake.volumes["spare"] = set(scratch_tags(RUN, JOB))


def mapper(fake: FakeHost) -> None:
    fake.census.mapped[f"vg0-{VOLUME.replace('-', '--')}"] = 40


def loop(fake: FakeHost) -> None:
    fake.census.mapped[f"vg0-{VOLUME.replace('-', '--')}"] = 40
    fake.census.loops["/dev/loop3"] = "/dev/dm-40"


def nbd(fake: FakeHost) -> None:
    fake.census.processes[77] = f"qemu-nbd --connect=/dev/nbd0 /dev/vg0/{VOLUME}"
    fake.census.nbds["nbd0"] = 77


def backend(fake: FakeHost) -> None:
    fake.census.xenstore.append(f"/local/domain/0/backend/vif/{DOMID}/0")


def interface(fake: FakeHost) -> None:
    fake.interfaces.append(f"vif{DOMID}.0")


def process(fake: FakeHost) -> None:
    fake.census.processes[88] = f"/usr/libexec/xen-qemu-system-i386 -xen-domid {DOMID} -nographic"


def watcher(fake: FakeHost) -> None:
    fake.census.processes[88] = f"xl create -p -q /run/xenflight/{DOMAIN}.cfg"


def xenstore(fake: FakeHost) -> None:
    fake.census.xenstore += [f"/libxl/{DOMID}", f"/vm/{domain_uuid(RUN, JOB)}"]


def mount(fake: FakeHost) -> None:
    fake.census.mounts["/mnt/x"] = f"/dev/mapper/vg0-{VOLUME.replace('-', '--')}"


def file(fake: FakeHost) -> None:
    fake.census.files.append(f"/run/xenflight/{DOMAIN}.cfg")


def build(fake: FakeHost) -> None:
    fake.census.files.append(f"/var/lib/xenflight/builds/{RUN}/{host_name(RUN, JOB)}")


@pytest.mark.parametrize(
    ("leave", "kinds"),
    [
        (domain, {Kind.DOMAIN, Kind.BACKEND, Kind.XENSTORE}),
        (zombie, {Kind.DOMAIN, Kind.BACKEND, Kind.XENSTORE}),
        (volume, {Kind.VOLUME, Kind.MAPPER}),
        (volume_of_a_suite, {Kind.VOLUME, Kind.MAPPER}),
        (mapper, {Kind.MAPPER}),
        (loop, {Kind.MAPPER, Kind.LOOP}),
        (nbd, {Kind.NBD, Kind.PROCESS}),
        (backend, {Kind.BACKEND}),
        (interface, {Kind.INTERFACE, Kind.PORT}),
        (process, {Kind.PROCESS}),
        (watcher, {Kind.PROCESS}),
        (xenstore, {Kind.XENSTORE}),
        (mount, {Kind.MOUNT}),
        (file, {Kind.FILE}),
        (build, {Kind.FILE}),
    ],
)
@pytest.mark.parametrize("mine", [of_job, of_flight])
def test_a_leak_of_every_kind_is_caught(
    bench: Bench, mine: Mine, leave: Callable[[FakeHost], None], kinds: set[Kind]
) -> None:
    leave(bench.fake)
    found = bench.compare(mine)
    assert found.leaked
    assert {entry.kind for entry, _ in found.left} == kinds
    assert not found.appeared
    assert str(found.left[0][0].name) in found.leaks
    assert found.text.startswith("left behind, ours:\n  + ")


def test_what_was_ours_before_already_is_left_all_the_same(bench: Bench) -> None:
    """A worker that died had begun this job on the host before."""
    volume(bench.fake)
    bench.before = bench.census()
    assert shown(bench.compare().left) == [f"LV {VOLUME}", "device-mapper vg0-xf--" + dm(VOLUME)]


def dm(name: str) -> str:
    return name.removeprefix("xf-").replace("-", "--")


def test_nothing_is_left_when_all_went(bench: Bench) -> None:
    found = bench.compare()
    assert (found.leaked, found.text, found.remarks, found.leaks) == (False, "", "", "")


def test_another_job_is_not_blamed_on_this_one(bench: Bench) -> None:
    bench.guest(OTHER_JOB, 6)
    found = bench.compare()
    assert not found.leaked
    assert not found.remarks, "it is at work, that is all"
    assert f"of others at work here: {len(found.appeared)} of job {OTHER_JOB}" in found.text
    assert bench.compare(of_flight).leaked, "the flight's it is, when that is over"


def test_another_flight_is_not_blamed_on_this_one(bench: Bench) -> None:
    bench.fake.domains[domain_name("nightly-7", JOB)] = 8
    bench.fake.volumes[scratch_name("nightly-7", JOB)] = set(scratch_tags("nightly-7", JOB))
    bench.fake.census.files.append("/run/xenflight/locks/nightly-7")
    for mine in (of_job, of_flight):
        found = bench.compare(mine)
        assert not found.leaked
        assert {owner for _, owner in found.appeared} == {Owner(Whose.OTHERS, "nightly-7")}
        assert "of other flight nightly-7" in found.text
        assert not found.remarks


def test_what_nobody_owns_is_told_and_is_no_leak(bench: Bench) -> None:
    bench.fake.census.loops["/dev/loop0"] = "/srv/backup.img"
    bench.fake.census.mounts["/mnt"] = "/dev/loop0"
    bench.fake.volumes["more-data"] = set()
    found = bench.compare(of_flight)
    assert not found.leaked
    assert found.remarks == (
        "appeared meanwhile, not ours: LV more-data, device-mapper vg0-more--data,"
        " loop /dev/loop0 and 1 more"
    )
    assert "appeared meanwhile, of nobody known:\n  + LV more-data\n" in found.text
    assert "  + loop /dev/loop0 (/srv/backup.img)\n" in found.text


def test_what_belongs_to_a_domain_of_others_is_told_with_its_name(bench: Bench) -> None:
    bench.fake.domains["db2"] = 12
    bench.fake.interfaces.append("vif12.0")
    bench.fake.census.processes[50] = "qemu-system-i386 -xen-domid 12 -vnc password=hunter2"
    found = bench.compare()
    assert not found.leaked
    assert "interface vif12.0, of domain db2" in found.text
    assert "process qemu-system-i386 50, of domain db2" in found.text
    assert "hunter2" not in found.text


def test_what_a_domain_left_that_is_gone_is_told_as_such(bench: Bench) -> None:
    bench.fake.interfaces.append("vif77.0")
    assert "interface vif77.0, of domain 77, which is gone" in bench.compare().text


def test_what_went_and_was_not_ours_is_told(bench: Bench) -> None:
    """Nothing of others is ever touched; if it is, it shall be seen."""
    del bench.fake.volumes["data"]
    del bench.fake.domains["db1"]
    del bench.fake.volumes["xf-golden-aa"]
    found = bench.compare()
    assert shown(found.gone) == ["domain db1", "LV data"]
    assert found.remarks == "gone meanwhile, not ours: domain db1, LV data"
    assert "gone meanwhile, not ours:\n  - domain db1" in found.text


def test_golden_volumes_stay_on_purpose(bench: Bench) -> None:
    bench.fake.volumes["xf-golden-bb"] = set(golden_tags("bb"))
    bench.fake.census.files += ["/run/xenflight/locks/golden-bb", "/run/xenflight/slots/1"]
    found = bench.compare(of_flight)
    assert not found.leaked
    assert found.remarks == "stays for later flights: LV xf-golden-bb"
    assert "stays on the host for later flights:\n  = LV xf-golden-bb" in found.text


def test_a_golden_volume_that_never_became_whole_is_a_leak_of_the_flight(bench: Bench) -> None:
    bench.fake.volumes["xf-golden-cc"] = set(scratch_tags(RUN, "xf-golden-cc"))
    assert not bench.compare().leaked
    assert shown(bench.compare(of_flight).left)[0] == "LV xf-golden-cc"


@pytest.mark.parametrize("mine", [of_job, of_flight])
def test_a_kept_guest_is_no_leak_and_is_told(bench: Bench, mine: Mine) -> None:
    bench.guest(JOB, DOMID, KEPT)
    bench.fake.census.files.append(f"/run/xenflight/flights/{RUN}/golden/xf-golden-aa")
    found = bench.compare(mine)
    assert not found.leaked
    assert found.remarks.startswith(f"kept for its operator: domain {DOMAIN}, LV {VOLUME}, ")
    assert f"  = interface vif{DOMID}.0, of {JOB}" in found.text


def test_beside_a_kept_guest_others_leak_all_the_same(bench: Bench) -> None:
    bench.guest(JOB, DOMID, KEPT)
    bench.guest(OTHER_JOB, 6)
    bench.fake.volumes["half"] = set(scratch_tags(RUN, "xf-golden-cc"))
    found = bench.compare(of_flight)
    assert {owner.name for _, owner in found.left} == {OTHER_JOB, RUN}
    assert {owner.name for _, owner in found.kept} == {JOB}


def test_what_another_flight_kept_is_not_ours(bench: Bench) -> None:
    bench.fake.volumes["x"] = {*scratch_tags("nightly-7", JOB), KEPT}
    assert not bench.compare().kept


def test_without_a_census_from_before_ours_is_known_and_nothing_appeared(bench: Bench) -> None:
    volume(bench.fake)
    bench.fake.volumes["more-data"] = set()
    after = bench.census()
    found = reckon(None, after, Owners(RUN, JOBS, [after]), of_job, RUN)
    assert shown(found.left)[0] == f"LV {VOLUME}"
    assert (found.appeared, found.gone, found.stays) == ((), (), ())


def test_a_long_list_is_cut_and_says_so(bench: Bench) -> None:
    bench.fake.census.files += [f"/tmp/{number:03}" for number in range(200)]
    text = bench.compare().text
    assert text.count("\n") == MOST_LINES + 1
    assert text.endswith(f"  + and {200 - MOST_LINES} more")


class TestFigures:
    """Memory and room: no marks, so what can't be accounted for must be large, and nobody there."""

    def figures(self, bench: Bench) -> dict[str, Figure]:
        after = bench.census()
        owners = Owners(RUN, JOBS, [bench.before, after])
        return {one.name: one for one in figures(bench.before, after, owners)}

    @pytest.fixture
    def alone(self, bench: Bench) -> Bench:
        bench.fake.domains.clear()
        bench.fake.volumes = {"xf-golden-aa": set(golden_tags("aa"))}
        bench.before = bench.census()
        return bench

    def test_nothing_changed(self, alone: Bench) -> None:
        found = self.figures(alone)
        assert found["memory of Xen"].text == "3000 MiB free before, 3000 MiB after"
        assert found["thin pool"].text == (
            "1.00 % (metadata 1.00 %) before, 1.00 % (metadata 1.00 %) after"
        )
        assert not any(one.leak for one in found.values())

    @pytest.mark.parametrize(("free", "leaked"), [("2984", False), ("2983", True)])
    def test_memory_that_is_nobodys(self, alone: Bench, free: str, leaked: bool) -> None:
        alone.fake.census.free_memory = free
        found = self.figures(alone)["memory of Xen"]
        assert bool(found.leak) is leaked
        if leaked:
            assert "17 MiB are missing that no domain has; 16 MiB may be" in found.leak

    def test_memory_of_a_kept_guest_is_accounted_for(self, alone: Bench) -> None:
        alone.guest(JOB, DOMID, KEPT)
        # 512 of its own; 1 for its vCPU, 4 for its page tables, 1 for rounding.
        alone.fake.census.free_memory = str(3000 - 512 - 16 - 6)
        assert not self.figures(alone)["memory of Xen"].leak
        alone.fake.census.free_memory = str(3000 - 512 - 16 - 7)
        assert self.figures(alone)["memory of Xen"].leak

    def test_memory_is_nobodys_fault_where_others_have_domains(self, bench: Bench) -> None:
        bench.fake.census.free_memory = "1000"
        found = self.figures(bench)["memory of Xen"]
        assert not found.leak
        assert found.text.endswith("16 MiB may be, and others were at work on the host")

    def test_room_that_no_volume_has(self, alone: Bench) -> None:
        alone.fake.pool_percent = "3.00"
        assert (
            "more are in use than its volumes account for" in self.figures(alone)["thin pool"].leak
        )

    def test_room_of_a_new_golden_volume_is_accounted_for(self, alone: Bench) -> None:
        alone.fake.volumes["xf-golden-bb"] = set(golden_tags("bb"))
        # All of the fake's volumes are as large as its pool, and 1 % of each is in use.
        alone.fake.pool_percent = "2.00"
        found = self.figures(alone)["thin pool"]
        assert not found.leak
        assert "golden volumes: 1 more, 0 fewer" in found.text
        alone.fake.pool_percent = "3.00"
        assert self.figures(alone)["thin pool"].leak

    @pytest.mark.parametrize("name", ["data", VOLUME])
    def test_room_is_not_judged_beside_volumes_that_are_written_to(
        self, alone: Bench, name: str
    ) -> None:
        alone.fake.volumes[name] = {*scratch_tags(RUN, JOB), KEPT} if name == VOLUME else set()
        alone.fake.pool_percent = "50.00"
        assert not self.figures(alone)["thin pool"].leak

    def test_they_are_told_and_make_a_leak(self, alone: Bench) -> None:
        alone.fake.census.free_memory = "100"
        after = alone.census()
        owners = Owners(RUN, JOBS, [alone.before, after])
        found = Reckoning(left=(), figures=figures(alone.before, after, owners))
        assert found.leaked
        assert found.leaks.startswith("memory of Xen: 2900 MiB are missing")
        assert "  ! memory of Xen: 2900 MiB" in found.text
        assert "thin pool: 1.00 %" in found.text
