"""What a guest sees of its machine, and what is made of that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from bench_samples import Bench, failure_of, guest_bench
from test_job_flight import FLIGHTS

from harness.errors import GuestFailure
from harness.flight.axes import Devices, Virt
from harness.flight.loader import load_flight
from harness.flight.mode import Mode, mode_of
from harness.job.guest import GuestUnderTest
from harness.modes.expect import (
    EXPECTED,
    clock_differs,
    disk_differs,
    kernel_differs,
    net_differs,
)
from harness.modes.proof import prove_clock, prove_disk, prove_kernel, prove_net
from harness.modes.seen import Seen, look_command, parse_seen

PV = Seen(
    hypervisor="xen",
    guest_type="PV",
    kernel_says="Xen PV",
    unplugged="0",
    console="hvc0",
    clock="xen",
    clocks="xen tsc",
    disk_drivers="vbd",
    interface="enX0",
    net_drivers="vif",
    xen_devices="vbd-51712 vif-0",
    pci_devices="0",
    interrupts="xen-dyn",
)
PC = Seen(
    kernel_says="bare hardware",
    unplugged="0",
    console="tty0 ttyS0",
    clock="tsc",
    clocks="tsc hpet acpi_pm",
    disk_drivers="sd ahci",
    interface="ens4",
    net_drivers="8139cp",
    pci_devices="5",
    interrupts="IO-APIC PCI-MSI",
)
DIFFERS = (kernel_differs, disk_differs, net_differs, clock_differs)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with guest_bench(tmp_path, monkeypatch) as made:
        yield made


def text_of(seen: Seen) -> str:
    return "".join(f"{name}={value}\n" for name, value in asdict(seen).items())


@pytest.mark.parametrize("seen", [PV, PC])
def test_what_the_guest_says_is_read(seen: Seen) -> None:
    assert parse_seen(text_of(seen)) == seen


@pytest.mark.parametrize("said", ["", "sh: dmesg: not found", "clock=xen\nbogus=1\n", "clock=xen"])
def test_what_is_no_answer(said: str) -> None:
    with pytest.raises(GuestFailure, match="what machine it is on"):
        parse_seen(said)


def test_the_interface_is_named_by_its_address() -> None:
    assert look_command("00:16:3e:00:00:01").argv[-1] == "00:16:3e:00:00:01"


def test_each_job_of_the_flight_is_another_mode() -> None:
    jobs = load_flight(FLIGHTS / "modes.yaml").jobs
    assert [mode_of(job) for job in jobs] == list(Mode)
    assert not any(job.skip for job in jobs)
    assert {job.layout for job in jobs} == {"disk"}, "one image for all"


def test_a_machine_is_only_right_for_its_own_mode() -> None:
    for seen, right in ((PV, Mode.PV), (PC, Mode.EMULATED)):
        for mode in Mode:
            assert any(differs(mode, seen) for differs in DIFFERS) is (mode is not right)


@pytest.mark.parametrize(
    ("change", "differs", "said"),
    [
        ({"guest_type": "HVM"}, kernel_differs, "guest type: HVM"),
        ({"kernel_says": ""}, kernel_differs, "kernel's log: none"),
        ({"console": "ttyS0"}, kernel_differs, "consoles: ttyS0"),
        ({"disk_drivers": "sd ata_piix"}, disk_differs, "drivers of the root disk: sd ata_piix"),
        ({"net_drivers": "e1000"}, net_differs, "drivers of the interface: e1000"),
        ({"clocks": "tsc", "clock": "tsc"}, clock_differs, "clock sources: tsc of tsc"),
    ],
)
def test_what_differs_is_named(
    change: dict[str, str], differs: Callable[[Mode, Seen], list[str]], said: str
) -> None:
    assert differs(Mode.PV, PV) == []
    assert differs(Mode.PV, replace(PV, **change)) == [said]


def test_all_modes_are_expected() -> None:
    assert set(EXPECTED) == set(Mode)


class TestProofs:
    """Each passes on the guest of the smoke flight, which is PV, and fails on another."""

    def test_kernel(self, bench: Bench) -> None:
        bench.guest.over_ssh.on("hypervisor", text_of(PV))
        prove_kernel(bench.guest)
        facts = bench.guest.step.facts
        assert (facts["mode"], facts["clock"], facts["guest_type"]) == ("pv", "xen", "PV")

    @pytest.mark.parametrize("prove", [prove_kernel, prove_disk, prove_net, prove_clock])
    def test_another_machine(self, bench: Bench, prove: Callable[[GuestUnderTest], None]) -> None:
        bench.guest.over_ssh.on("hypervisor", text_of(PC))
        assert failure_of(prove, bench) == ("mode", "wrong-mode")

    def copied(self, bench: Bench, back: str) -> None:
        bench.guest.over_ssh.on("hypervisor", text_of(PV))
        times = "1000000000\n1500000000\n2000000000\n"
        bench.guest.over_ssh.on("drop_caches", f"{'a' * 64}  -\n{times}{back}  -\n4000000000\n")

    def test_disk(self, bench: Bench) -> None:
        self.copied(bench, "a" * 64)
        prove_disk(bench.guest)
        facts = bench.guest.step.facts
        assert facts["disk_write"].startswith("32 MiB in 0.5")
        assert facts["disk_read"].startswith("32 MiB in 2")

    def test_disk_that_changes_bytes(self, bench: Bench) -> None:
        self.copied(bench, "b" * 64)
        assert failure_of(prove_disk, bench) == ("mode", "corrupt-data")


def test_only_an_hvm_guest_can_be_without_xen() -> None:
    job = load_flight(FLIGHTS / "modes.yaml").jobs[0]
    assert (job.virt, job.devices) == (Virt.PV, Devices.PV)
    assert mode_of(replace(job, virt=Virt.HVM, devices=Devices.EMULATED)) is Mode.EMULATED
