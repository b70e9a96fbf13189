"""The census of a host with two guests, as a real one printed it."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HostLost, LabError
from harness.host.census import Census, Entry, Kind
from harness.host.censustaking import COMMANDS, census_command, read_census, take_census
from harness.host.fake import FakeHost

SAID = (Path(__file__).parents[1] / "data/host/census-4.17-two-guests.txt").read_text()


@pytest.fixture(scope="module")
def census() -> Census:
    return read_census(SAID)


def names(census: Census, kind: Kind) -> list[str]:
    return sorted(entry.name for entry in census.entries if entry.kind is kind)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.INTERFACE, ["eth0", "lo", "vif8.0", "vif9.0", "xenbr0"]),
        (Kind.PORT, ["vif8.0", "vif9.0"]),
        (Kind.LOOP, []),
        (Kind.NBD, []),
        (
            Kind.BACKEND,
            ["console/8/0", "console/9/0", "vbd/8/51712", "vbd/9/51712", "vif/8/0", "vif/9/0"],
        ),
        (
            Kind.PROCESS,
            ["xenconsole 2579", "xenconsole 2693", "xl 2576", "xl 2689"],
        ),
        (
            Kind.VOLUME,
            [
                "pool",
                "xf-2631ece0467c-root",
                "xf-41ebbd314eb5-root",
                "xf-golden-24e43e1794badba3",
            ],
        ),
    ],
)
def test_what_there_is(census: Census, kind: Kind, expected: list[str]) -> None:
    found = names(census, kind)
    if kind is Kind.PROCESS:
        # dom0 has a device model of its own, for disks that it attaches to itself.
        found = [name for name in found if not name.startswith("xen-qemu")]
    assert found == expected


def test_xenstore_is_told_by_whom_it_knows_and_not_by_every_key(census: Census) -> None:
    found = names(census, Kind.XENSTORE)
    assert {"/local/domain/8", "/libxl/8", "/vm/8f8533d3-6d75-40f8-849a-2ff802bad99e"} <= {*found}
    assert len(found) < 12


def test_whose_a_pci_device_is_and_what_nobody_took() -> None:
    text = SAID.replace(
        "=== claims\n", "=== claims\n/run/xenflight/devices/0000:03:00.0 xf.run.0123456789/e1000e\n"
    )
    free, taken = (f"/sys/bus/pci/drivers/pciback/0000:0{n}:00.0\n" for n in (5, 3))
    text = text.replace("=== assignable\n", f"=== assignable\n{free}{taken}")
    found = [entry for entry in read_census(text).entries if entry.kind is Kind.PCI]
    assert sorted((entry.name, entry.detail) for entry in found) == [
        ("0000:03:00.0", "xf.run.0123456789"),
        ("0000:05:00.0", ""),
    ]


def test_figures_of_the_host(census: Census) -> None:
    assert census.free_memory == 1997
    assert census.pool
    assert 0 < (census.pool.data_percent or 0) < 100
    assert [domain.domid for domain in census.domains] == [0, 8, 9]


def test_one_that_was_cut_short_is_no_census() -> None:
    with pytest.raises(LabError, match="ends before files"):
        read_census(SAID.partition("=== files")[0])


def with_lines(part: str, *lines: str) -> Census:
    """The recorded one with more lines in one part."""
    heading = f"=== {part}\n"
    assert heading in SAID
    return read_census(SAID.replace(heading, heading + "".join(f"{line}\n" for line in lines)))


def details(census: Census, kind: Kind) -> dict[str, str]:
    return {entry.name: entry.detail for entry in census.entries if entry.kind is kind}


def test_names_of_domains_are_known_by_number_and_uuid(census: Census) -> None:
    name = "xf.matrix-20261122-223523-05c958.41ebbd314e"
    assert census.names[8] == census.uuids["8f8533d3-6d75-40f8-849a-2ff802bad99e"] == name
    assert set(census.names) == {8, 9}


def test_a_domain_that_began_after_the_table_is_known_from_xenstore() -> None:
    more = with_lines(
        "xenstore",
        '/local/domain/10/name = "late"',
        '/local/domain/10/vm = "/vm/11111111-2222-3333-4444-555555555555"',
    )
    assert more.names[10] == more.uuids["11111111-2222-3333-4444-555555555555"] == "late"


def test_domains_that_have_lost_their_names_are_told_apart() -> None:
    line = "(null) {} 0 1 --ps-d 1.0 8f8533d3-6d75-40f8-849a-2ff802bad99e - -"
    said = SAID.replace("=== memory", f"{line.format(11)}\n{line.format(12)}\n=== memory")
    found = read_census(said)
    assert {"(null) 11", "(null) 12"} <= {*names(found, Kind.DOMAIN)}
    assert 11 not in found.names


def test_loop_devices_and_nbd() -> None:
    assert details(with_lines("loop", "/dev/loop0 /srv/a b.img"), Kind.LOOP) == {
        "/dev/loop0": "/srv/a b.img"
    }
    served = with_lines("nbd", "/sys/block/nbd3/pid 281")
    assert details(served, Kind.NBD)["nbd3"].startswith("pid 281 /usr/lib/xen-4.17/bin/xenconsoled")
    assert details(with_lines("nbd", "/sys/block/nbd3/pid 4711"), Kind.NBD) == {"nbd3": "pid 4711"}


def test_the_kernels_names_of_volumes_are_made_telling() -> None:
    said = with_lines("loop", "/dev/loop0 /dev/dm-5", "/dev/loop1 /dev/dm-77")
    assert details(said, Kind.LOOP) == {
        "/dev/loop0": "/dev/mapper/xenflight-xf--41ebbd314eb5--root",
        "/dev/loop1": "/dev/dm-77",
    }


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("/usr/bin/qemu-system-i386 -xen-domid 8", True),
        ("qemu-nbd --connect /dev/nbd0 a.qcow2", True),
        ("/usr/lib/xen-4.17/bin/xl restore -p saved", True),
        ("xl list -v", False),
        ("/usr/bin/qemu-img create -f qcow2 a", False),
        ("grep qemu-system-i386", False),
        ("/usr/sbin/xenconsoled --pid-file x", False),
    ],
)
def test_processes_that_last_as_long_as_a_domain(line: str, seen: bool) -> None:
    found = details(with_lines("processes", f"   4711 {line}"), Kind.PROCESS)
    assert any(name.endswith(" 4711") for name in found) is seen


def test_a_device_model_that_xenstore_still_knows() -> None:
    found = with_lines("xenstore", '/local/domain/0/device-model/7/state = "running"')
    assert "/local/domain/0/device-model/7" in names(found, Kind.XENSTORE)


def test_no_free_memory_is_told() -> None:
    with pytest.raises(LabError, match="no free memory"):
        read_census(SAID.replace("=== memory\n1997\n", "=== memory\n\n"))


def test_what_others_name_is_no_heading() -> None:
    """A file of /tmp, or a process, called like the heading of a part."""
    fake = FakeHost()
    fake.census.files = ["/tmp/a", "=== volumes", "/tmp/b"]
    found = take_census(fake.host)
    assert {"/tmp/a", "/tmp/b"} <= {*names(found, Kind.FILE)}
    assert names(found, Kind.VOLUME) == ["pool"]


def test_it_is_one_command_and_its_script_does_not_fill_messages() -> None:
    fake = FakeHost(domains={"db1": 3}, volumes={"data": set()})
    found = take_census(fake.host)
    (call,) = fake.runner.calls
    assert re.fullmatch(r"census '=== [0-9a-f]{12} ' vg0", call.command.brief)
    assert Entry(Kind.BACKEND, "vbd/3/51712") in found.entries
    assert Entry(Kind.MAPPER, "vg0-data") in found.entries
    script = census_command("vg0", "=== x ").argv[2]
    assert all(command in script for command in COMMANDS.values())


def test_a_part_that_cannot_be_listed_is_told() -> None:
    fake = FakeHost()
    fake.census.fails = "loop"
    with pytest.raises(LabError, match=r"`census .* vg0` ended with exit status 1: loop: no"):
        take_census(fake.host)
    fake.census.raises = HostLost("the line is dead")
    with pytest.raises(HostLost):
        take_census(fake.host)


@given(st.data())
def test_whatever_a_host_says_is_read_or_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(SAID)))
    some = data.draw(st.integers(0, 200))
    odd = st.text(st.sampled_from('=\n\t /()"x0 \x00'), max_size=30)
    said = SAID[:at] + data.draw(odd) + SAID[at + some :]
    with suppress(LabError):
        read_census(said)
