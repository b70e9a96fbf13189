"""Whose is it: on a recorded host with two guests of one flight, and on a fake one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.guest.identity import host_name
from harness.host.census import Census, Entry, Kind
from harness.host.censustaking import read_census, take_census
from harness.host.fake import FakeHost
from harness.host.names import domain_name
from harness.host.owners import (
    NOBODY,
    Marks,
    Owner,
    Owners,
    Whose,
    domain_uuid,
    domid_of,
    marks_of_job,
)
from harness.storage.names import golden_tags, scratch_name, scratch_tags

SAID = (Path(__file__).parents[1] / "data/host/census-4.17-two-guests.txt").read_text()
RUN = "matrix-20261122-223523-05c958"
EIGHT = Marks(
    names=frozenset({f"xf.{RUN}.41ebbd314e", "xf-41ebbd314eb5"}),
    domids=frozenset({8}),
    uuids=frozenset({"8f8533d3-6d75-40f8-849a-2ff802bad99e"}),
)
JOB = "boot-bookworm-amd64-pv-direct"
OTHER_JOB = f"{JOB}-panic"
MINE, ITS_OTHER = Owner(Whose.JOB, JOB), Owner(Whose.JOB, OTHER_JOB)


@pytest.fixture(scope="module")
def census() -> Census:
    return read_census(SAID)


def told(found: list[Entry]) -> list[str]:
    ordered = sorted(found, key=lambda entry: entry.place)
    return [f"{entry.kind} {entry.name}" for entry in ordered]


def test_all_of_one_guest_and_nothing_of_the_other(census: Census) -> None:
    assert told([entry for entry in census.entries if EIGHT.fit(entry)]) == [
        f"domain xf.{RUN}.41ebbd314e",
        "LV xf-41ebbd314eb5-root",
        "device-mapper xenflight-xf--41ebbd314eb5--root",
        "back end console/8/0",
        "back end vbd/8/51712",
        "back end vif/8/0",
        "interface vif8.0",
        "bridge port vif8.0",
        "process xenconsole 2579",
        "process xl 2576",
        "xenstore /libxl/8",
        "xenstore /local/domain/8",
        "xenstore /vm/8f8533d3-6d75-40f8-849a-2ff802bad99e",
        f"file /run/xenflight/xf.{RUN}.41ebbd314e.cfg",
        "file /var/lib/xen/userdata-d.8.8f8533d3-6d75-40f8-849a-2ff802bad99e.libxl-json",
    ]


def test_who_asks_from_outside_sees_all_of_the_flight_as_one_others(census: Census) -> None:
    owners = Owners("smoke-20261122-000000-000000", {}, [census])
    found: dict[Whose, list[Entry]] = {}
    for entry in census.entries:
        found.setdefault(owners.of(entry).whose, []).append(entry)
    assert {"interface vif8.0", "interface vif9.0", "xenstore /libxl/9"} <= {
        *told(found[Whose.OTHERS])
    }
    assert f"file /run/xenflight/locks/{RUN}" in told(found[Whose.OTHERS])
    names = {owners.of(entry).name for entry in found[Whose.OTHERS]}
    assert names == {RUN}
    assert "LV xf-golden-24e43e1794badba3" in told(found[Whose.HOST])
    assert "file /run/xenflight/locks/golden-24e43e1794badba3" in told(found[Whose.HOST])
    assert told(found[Whose.DOMAIN]) == ["domain Domain-0"]
    assert {"LV pool", "interface eth0", "mount /"} <= {*told(found[Whose.NOBODY])}


def test_the_flight_itself_sees_its_own(census: Census) -> None:
    owners = Owners(RUN, {}, [census])
    lock = Entry(Kind.FILE, f"/run/xenflight/locks/{RUN}")
    assert owners.of(lock) == owners.of(Entry(Kind.INTERFACE, "vif9.0")) == Owner(Whose.FLIGHT, RUN)


def test_look_alikes_are_nobodys_business() -> None:
    for other in (
        Entry(Kind.DOMAIN, "xf.matrix-20261122-223523-05c959.41ebbd314e", "domid 80"),
        Entry(Kind.DOMAIN, "my own 8", "domid 80"),
        Entry(Kind.VOLUME, "xf-41ebbd314eb6-root", "xenflight"),
        Entry(Kind.BACKEND, "vbd/80/51712"),
        Entry(Kind.INTERFACE, "vif80.0"),
        Entry(Kind.INTERFACE, "vif8"),
        Entry(Kind.INTERFACE, "myvif8.0"),
        Entry(Kind.PROCESS, "xenconsole 8", "88 --num 0 --type pv"),
        Entry(Kind.PROCESS, "qemu-system-i386 8", "-xen-domid 80"),
        Entry(Kind.XENSTORE, "/local/domain/81"),
        Entry(Kind.FILE, "/var/lib/xen/userdata-d.18.0-1.libxl-json"),
        Entry(Kind.FILE, "/tmp/8"),
    ):
        assert not EIGHT.fit(other), other


@pytest.mark.parametrize(
    ("entry", "domid"),
    [
        (Entry(Kind.DOMAIN, "(null) 8"), 8),
        (Entry(Kind.BACKEND, "qdisk/8/51712"), 8),
        (Entry(Kind.XENSTORE, "/libxl/8"), 8),
        (Entry(Kind.XENSTORE, "/local/domain/8"), 8),
        (Entry(Kind.XENSTORE, "/local/domain/0/device-model/8"), 8),
        (Entry(Kind.XENSTORE, "/local/domain/0"), None),
        (Entry(Kind.INTERFACE, "vif8.0-emu"), 8),
        (Entry(Kind.PORT, "tap8.1"), 8),
        (Entry(Kind.PROCESS, "qemu-system-i386 99", "-xen-domid 8 -no-shutdown"), 8),
        (Entry(Kind.PROCESS, "xen-qemu-system-i386 9", "-xen-domid 0 -xen-attach"), None),
        (Entry(Kind.PROCESS, "xenconsole 9", "8 --num 0 --type pv"), 8),
        (Entry(Kind.FILE, "/run/xen/qmp-libxl-8"), 8),
        (Entry(Kind.FILE, "/var/lib/xen/qemu-save.8"), 8),
        (Entry(Kind.MOUNT, "/8"), None),
    ],
)
def test_the_number_that_a_thing_bears(entry: Entry, domid: int | None) -> None:
    assert domid_of(entry) == domid


def test_an_empty_name_would_own_everything() -> None:
    with pytest.raises(AssertionError):
        Marks(names=frozenset({""}))


def test_uuids_are_the_jobs_own_and_the_same_in_every_process() -> None:
    assert domain_uuid(RUN, JOB) == domain_uuid(RUN, JOB)
    assert len({domain_uuid(RUN, JOB), domain_uuid(RUN, OTHER_JOB), domain_uuid("x", JOB)}) == 3


class Host(FakeHost):
    """One with a guest of ours, one of another flight, and a domain that is none of xenflight's."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.domains = {
            domain_name(RUN, JOB): 5,
            domain_name(RUN, OTHER_JOB): 6,
            domain_name("smoke-1", JOB): 7,
            "db1": 8,
        }
        self.volumes = {
            scratch_name(RUN, JOB): set(scratch_tags(RUN, JOB)),
            "named-by-a-suite": set(scratch_tags(RUN, JOB)),
            "half-made": set(scratch_tags(RUN, "xf-golden-0123456789abcdef")),
            scratch_name("smoke-1", JOB): set(scratch_tags("smoke-1", JOB)),
            "xf-golden-aaaa": set(golden_tags("aaaa")),
            "xf-0123456789ab-root": set(),
            "data": set(),
        }

    def owner(self, entry: Entry) -> Owner:
        return Owners(RUN, {JOB: [], OTHER_JOB: []}, [take_census(self.host)]).of(entry)


@pytest.mark.parametrize(
    ("entry", "owner"),
    [
        # By its own name, or the name of what it stands on.
        (Entry(Kind.DOMAIN, domain_name(RUN, JOB), "domid 5"), MINE),
        (Entry(Kind.VOLUME, scratch_name(RUN, JOB)), MINE),
        (Entry(Kind.VOLUME, "named-by-a-suite"), MINE),
        (Entry(Kind.MAPPER, "vg0-named--by--a--suite"), MINE),
        (Entry(Kind.MOUNT, "/mnt", "/dev/mapper/vg0-named--by--a--suite"), MINE),
        (Entry(Kind.MOUNT, "/mnt", "/dev/mapper/vg0-named--by--a--suite2"), NOBODY),
        (Entry(Kind.LOOP, "/dev/loop0", "/dev/vg0/named-by-a-suite"), MINE),
        (Entry(Kind.NBD, "nbd0", "pid 9 qemu-nbd -c /dev/nbd0 /dev/vg0/named-by-a-suite"), MINE),
        (Entry(Kind.PROCESS, "qemu-nbd 9", "-c /dev/nbd0 /dev/vg0/named-by-a-suite"), MINE),
        (Entry(Kind.MAPPER, f"vg0-{scratch_name(RUN, JOB, 'gone').replace('-', '--')}1"), MINE),
        (Entry(Kind.MOUNT, f"/mnt/{domain_name(RUN, JOB)}", "tmpfs"), MINE),
        (Entry(Kind.FILE, f"/var/lib/xenflight/builds/{RUN}/{host_name(RUN, JOB)}"), MINE),
        (Entry(Kind.VOLUME, f"{host_name(RUN, JOB)}-disk"), MINE),
        # By the number or UUID of its domain, also when that is gone.
        (Entry(Kind.INTERFACE, "vif5.0"), MINE),
        (Entry(Kind.XENSTORE, f"/vm/{domain_uuid(RUN, JOB)}"), MINE),
        (Entry(Kind.INTERFACE, "vif6.0"), ITS_OTHER),
        (Entry(Kind.DOMAIN, domain_name(RUN, OTHER_JOB), "domid 6"), ITS_OTHER),
        # The flight's, and no job's.
        (Entry(Kind.VOLUME, "half-made"), Owner(Whose.FLIGHT, RUN)),
        (Entry(Kind.FILE, f"/run/xenflight/flights/{RUN}/golden/x"), Owner(Whose.FLIGHT, RUN)),
        # Another flight's.
        (Entry(Kind.VOLUME, scratch_name("smoke-1", JOB)), Owner(Whose.OTHERS, "smoke-1")),
        (Entry(Kind.BACKEND, "vbd/7/51712"), Owner(Whose.OTHERS, "smoke-1")),
        (Entry(Kind.FILE, "/run/xenflight/locks/smoke-1"), Owner(Whose.OTHERS, "smoke-1")),
        (Entry(Kind.FILE, "/var/lib/xenflight/builds/smoke-1/x"), Owner(Whose.OTHERS, "smoke-1")),
        (Entry(Kind.MAPPER, "vg0-xf--0123456789ab--root"), Owner(Whose.OTHERS)),
        # The host's.
        (Entry(Kind.VOLUME, "xf-golden-aaaa"), Owner(Whose.HOST, "golden volume")),
        (Entry(Kind.MAPPER, "vg0-xf--golden--aaaa"), Owner(Whose.HOST, "golden volume")),
        (Entry(Kind.FILE, "/run/xenflight/slots/1.lock"), Owner(Whose.HOST, "for all flights")),
        (Entry(Kind.FILE, "/run/xen/domid-history"), Owner(Whose.HOST, "for all flights")),
        # Somebody else's, and nobody's.
        (Entry(Kind.DOMAIN, "db1", "domid 8"), Owner(Whose.DOMAIN, "db1")),
        (Entry(Kind.INTERFACE, "vif8.0"), Owner(Whose.DOMAIN, "db1")),
        (Entry(Kind.VOLUME, "data"), NOBODY),
        (Entry(Kind.VOLUME, "xf-0123456789ab-root"), NOBODY),
        (Entry(Kind.LOOP, "/dev/loop0", "/srv/a.img"), NOBODY),
        (Entry(Kind.FILE, "/run/xenflight/locks/../x"), NOBODY),
        (Entry(Kind.INTERFACE, "vif99.0"), Owner(Whose.NOBODY, "of domain 99, which is gone")),
    ],
)
def test_whose_it_is(entry: Entry, owner: Owner) -> None:
    host = Host()
    if entry.name == "vg0-xf--0123456789ab--root":
        del host.volumes["xf-0123456789ab-root"]
    assert host.owner(entry) == owner


def test_numbers_that_a_job_is_known_to_have_had_are_its_own_for_good() -> None:
    census = take_census(FakeHost().host)
    marks = marks_of_job(RUN, JOB, [census], domids=[3, 4])
    assert marks.fit(Entry(Kind.INTERFACE, "vif4.0"))
    before = take_census(Host().host)
    assert marks_of_job(RUN, JOB, [before, census]).domids == {5}, "of an earlier census"
    assert replace(marks, domids=frozenset()).fit(Entry(Kind.INTERFACE, "vif4.0")) is False
