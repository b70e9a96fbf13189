"""What a host can do, from what is found on it."""

from __future__ import annotations

import dataclasses

import pytest
from test_job_flight import FLIGHTS

from harness.errors import LabError
from harness.flight.axes import Boot, Virt
from harness.flight.build import build_plan
from harness.flight.needs import HostFlag, unmet
from harness.host.capabilities import Capabilities, _all_but_the_first, find_capabilities, flags_of
from harness.host.fake import FakeHost
from harness.remote.fake import Reply

EVERYTHING = {
    name: f"/usr/lib/{name}"
    for name in (
        *("hvmloader", "pygrub", "device-model", "seabios", "ovmf"),
        *("pvgrub-pv", "pvgrub-pvh", "xen-create-image", "kernel", "initrd"),
        *("virsh", "libvirt-xen", "qemu-nbd", "nbd-module", "python3", "pciback"),
    )
}

CAPS = ["pv", "hvm", "hvm_directio", "pv_directio", "hap"]


def test_a_host_with_everything_has_every_flag() -> None:
    assert flags_of([*CAPS, "gnttab-v1", "gnttab-v2"], EVERYTHING) == set(HostFlag)


@pytest.mark.parametrize(
    ("missing", "lost"),
    [
        ("hvmloader", {HostFlag.HVM, HostFlag.BIOS, HostFlag.UEFI}),
        ("device-model", {HostFlag.HVM, HostFlag.BIOS, HostFlag.UEFI, HostFlag.QDISK}),
        ("seabios", {HostFlag.BIOS}),
        ("ovmf", {HostFlag.UEFI}),
        ("pygrub", {HostFlag.PYGRUB}),
        ("pvgrub-pv", {HostFlag.PVGRUB_PV}),
        ("pvgrub-pvh", {HostFlag.PVGRUB_PVH}),
        ("xen-create-image", {HostFlag.XEN_TOOLS}),
        ("virsh", {HostFlag.LIBVIRT}),
        ("libvirt-xen", {HostFlag.LIBVIRT}),
        ("qemu-nbd", {HostFlag.NBD}),
        ("nbd-module", {HostFlag.NBD}),
        ("python3", {HostFlag.NBD}),
        ("pciback", {HostFlag.PCIBACK}),
        ("kernel", set()),
    ],
)
def test_a_thing_that_is_missing_takes_its_flags_along(missing: str, lost: set[HostFlag]) -> None:
    paths = {name: path for name, path in EVERYTHING.items() if name != missing}
    assert flags_of(CAPS, paths) == set(HostFlag) - lost


@pytest.mark.parametrize(
    ("caps", "lost"),
    [
        ("pv hvm hap hvm_directio", set()),
        ("pv hvm hap", {HostFlag.IOMMU}),
        ("hvm hvm_directio hap", {HostFlag.PV}),
        ("pv hvm pv_directio", {HostFlag.HAP, HostFlag.PVH}),
        (
            "pv pv_directio",
            {HostFlag.HAP, HostFlag.PVH, HostFlag.HVM, HostFlag.BIOS, HostFlag.UEFI},
        ),
    ],
)
def test_what_the_hypervisor_cannot_do(caps: str, lost: set[HostFlag]) -> None:
    assert flags_of(caps.split(), EVERYTHING) == set(HostFlag) - lost


def test_the_host_is_asked() -> None:
    fake = FakeHost()
    answer = "pygrub /usr/lib/xen-4.17/bin/pygrub\nkernel /boot/vmlinuz-6.1\n"
    fake.runner.on_call(r"xen-dir", lambda _: Reply(stdout=answer))
    found = find_capabilities(fake.host)
    assert found.flags == {HostFlag.PV, HostFlag.PYGRUB}
    assert found.path("kernel") == "/boot/vmlinuz-6.1"


@pytest.mark.parametrize(
    ("said", "cpus", "slow"),
    [("emulated plain\n", "1", True), ("emulated mended\n", "", True), ("", "", False)],
)
def test_guests_of_an_emulated_processor_keep_off_its_first_and_are_slow(
    said: str, cpus: str, slow: bool
) -> None:
    fake = FakeHost()
    fake.runner.on_call(r"xen-dir", lambda _: Reply(stdout=said))
    found = find_capabilities(fake.host)
    assert found.hvm_cpus == cpus
    assert (found.hvm_slowdown > 1) is slow
    assert "emulated" not in found.paths


def test_an_emulated_processor_has_no_uefi_and_says_why() -> None:
    fake = FakeHost()
    there = "hvmloader /h\ndevice-model /d\novmf /o\nseabios /s\n"
    fake.runner.on_call(r"xen-dir", lambda _: Reply(stdout=there + "emulated plain\n"))
    found = find_capabilities(fake.host)
    assert HostFlag.BIOS in found.flags
    assert HostFlag.UEFI not in found.flags
    job = build_plan(str(FLIGHTS / "smoke.yaml")).jobs[0]
    uefi = dataclasses.replace(job, virt=Virt.HVM, boot=Boot.UEFI)
    assert "can end that QEMU" in unmet(uefi, found.flags, "box", found.because)


def test_a_thing_it_does_not_have_is_named() -> None:
    with pytest.raises(LabError, match="no ovmf"):
        Capabilities(flags=frozenset()).path("ovmf")


def test_a_look_that_fails_is_no_host_without_anything() -> None:
    """Its jobs would be skipped, and a flight of skips passes."""
    fake = FakeHost()
    fake.runner.on_call(r"xen-dir", lambda _: Reply(exit_status=127, stderr="sh: not found"))
    with pytest.raises(LabError, match="sh: not found"):
        find_capabilities(fake.host)


@pytest.mark.parametrize(("count", "cpus"), [(1, ""), (2, "1"), (4, "1-3")])
def test_all_processors_but_the_first(count: int, cpus: str) -> None:
    assert _all_but_the_first(count) == cpus


def test_a_mended_emulator_has_uefi() -> None:
    fake = FakeHost()
    there = "hvmloader /h\ndevice-model /d\novmf /o\nemulated mended\n"
    fake.runner.on_call(r"xen-dir", lambda _: Reply(stdout=there))
    assert HostFlag.UEFI in find_capabilities(fake.host).flags
