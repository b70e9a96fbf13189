"""Who has a device of a host: the real scripts, with a sysfs and an xl of their own."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from harness.errors import LabError, Starved
from harness.host.iommu import NONE, UNKNOWN, parse_iommu
from harness.host.pci import (
    CLAIMS,
    LIST_CLAIMS,
    DeviceClaim,
    PciDevice,
    assign_device,
    forget_backends,
    read_claims,
    return_device,
    take_device,
)
from harness.job.pcifacts import parse_cards, read_device
from harness.remote.command import DEFAULT_TIMEOUT, Command, CommandResult, Stream
from harness.remote.local import LocalRunner
from harness.wait import Deadline

CARD, OTHER = "0000:03:00.0", "0000:04:00.0"
MAC = "52:54:00:78:66:00"
XENSTORE = {"list": "ls", "read": "cat", "rm": "rm -r"}
# What libxl does to sysfs, and what it says.
XL = """\
#!/bin/sh
bus=ROOT/sys/bus/pci
case $1 in
domname) [ "$2" = 9 ] ;;
pci-assignable-add)
    ln -sfn "$bus/drivers/pciback" "$bus/devices/$2/driver"
    rm -rf "$bus/devices/$2/net" ;;
pci-assignable-remove)
    for last; do :; done
    rm "$bus/devices/$last/driver"
    [ ! -e ROOT/forgets ] || exit 0
    ln -sfn "$bus/drivers/e1000e" "$bus/devices/$last/driver" ;;
pci-assignable-list)
    for one in "$bus"/devices/*; do
        case $(readlink "$one/driver") in */pciback) echo "${one##*/}" ;; esac
    done ;;
esac
"""


@dataclass
class Sandbox:
    """A runner whose commands see another /sys and /run."""

    root: Path
    name: str = "rack1"

    def run(
        self,
        command: Command,
        *,
        timeout: timedelta = DEFAULT_TIMEOUT,
        check: bool = True,
        stdin: bytes | BinaryIO | None = None,
    ) -> CommandResult:
        argv = [word.replace("/sys/", f"{self.root}/sys/") for word in command.argv]
        argv = [word.replace("/run/xenflight", f"{self.root}/run/xenflight") for word in argv]
        path = f"{self.root}/bin:{os.environ['PATH']}"
        moved = replace(command, argv=tuple(argv), env={"PATH": path})
        return LocalRunner().run(moved, timeout=timeout, check=check, stdin=stdin)

    def open(self, command: Command) -> Stream:
        raise NotImplementedError(command)

    def close(self) -> None:
        """Nothing is open."""

    def driver(self, address: str = CARD) -> str:
        return (self.root / "sys/bus/pci/devices" / address / "driver").readlink().name


@pytest.fixture
def host(tmp_path: Path) -> Sandbox:
    bus = tmp_path / "sys/bus/pci"
    for name in ("e1000e", "pciback"):
        (bus / "drivers" / name).mkdir(parents=True)
    for address in (CARD, OTHER):
        device = bus / "devices" / address
        (device / "net" / "eth9").mkdir(parents=True)
        for what, value in (("vendor", "0x8086"), ("device", "0x10d3"), ("class", "0x020000")):
            (device / what).write_text(f"{value}\n")
        (device / "net" / "eth9" / "address").write_text(f"{MAC}\n")
        (device / "driver").symlink_to(bus / "drivers" / "e1000e")
    xl, ip = tmp_path / "bin" / "xl", tmp_path / "bin" / "ip"
    xl.parent.mkdir()
    xl.write_text(XL.replace("ROOT", str(tmp_path)))
    ip.write_text("#!/bin/sh\n")
    modprobe = tmp_path / "bin" / "modprobe"
    modprobe.write_text("#!/bin/sh\n")
    others = [xl.with_name(f"xenstore-{verb}") for verb in XENSTORE]
    for other, words in zip(others, XENSTORE.values(), strict=True):
        other.write_text(f"#!/bin/sh\n{words} {tmp_path}/xenstore$1\n")
    for program in (xl, ip, modprobe, *others):
        program.chmod(0o755)
    return Sandbox(tmp_path)


def take(host: Sandbox, domain: str, *addresses: str, seconds: float = 1) -> PciDevice:
    deadline = Deadline.after(timedelta(seconds=seconds))
    return take_device(host, addresses or (CARD,), domain, deadline)


def claims(host: Sandbox) -> list[DeviceClaim]:
    said = host.run(Command.script("list-claims", LIST_CLAIMS)).stdout
    return read_claims(said.replace(f"{host.root}/run", "/run"))


def test_it_is_taken_lent_and_given_back(host: Sandbox) -> None:
    found = take(host, "xf.a.1")
    assert found == PciDevice(
        address=CARD,
        driver="e1000e",
        vendor="0x8086",
        device="0x10d3",
        pci_class="0x020000",
        interface="eth9",
        mac=MAC,
    )
    assert claims(host) == [DeviceClaim(address=CARD, domain="xf.a.1")]
    assign_device(host, found)
    assert host.driver() == "pciback"
    assert read_device(host, CARD)["assignable"] == "yes"
    return_device(host, CARD)
    assert host.driver() == "e1000e"
    assert claims(host) == []
    return_device(host, CARD)


def test_only_one_can_have_it_and_the_next_takes_another(host: Sandbox) -> None:
    take(host, "xf.a.1")
    assert take(host, "xf.a.1").address == CARD, "the same one asks again"
    with pytest.raises(Starved, match=r"0000:03:00\.0 is xf\.a\.1's"):
        take(host, "xf.b.2")
    assert take(host, "xf.b.2", CARD, OTHER).address == OTHER


def test_one_whose_driver_xl_has_forgotten(host: Sandbox) -> None:
    """xenstore had it: it is given to the driver that the link names."""
    assign_device(host, take(host, "xf.a.1"))
    (host.root / "forgets").touch()
    bind = host.root / "sys/bus/pci/drivers/e1000e/bind"
    with pytest.raises(LabError, match="its driver is none, and was e1000e"):
        return_device(host, CARD)
    assert bind.read_text() == f"{CARD}\n", "the kernel was asked"
    assert claims(host), "so that the next one tries again"


def test_one_that_was_pcibacks_already_stays_so(host: Sandbox) -> None:
    host.run(Command.of("xl", "pci-assignable-add", CARD))
    found = take(host, "xf.a.1")
    assert (found.driver, found.mac) == ("pciback", "")
    assign_device(host, found)
    return_device(host, CARD)
    assert host.driver() == "pciback"
    assert claims(host) == []


@pytest.mark.parametrize(
    ("uses", "said"),
    [("brport", "eth9 is a port of a bridge"), ("address", "eth9 has an address")],
)
def test_one_that_dom0_uses_is_left_alone(host: Sandbox, uses: str, said: str) -> None:
    if uses == "brport":
        (host.root / "sys/bus/pci/devices" / CARD / "net/eth9/brport").mkdir()
    else:
        (host.root / "bin/ip").write_text("#!/bin/sh\necho 2: eth9 inet 192.0.2.1/24\n")
    with pytest.raises(LabError, match=said):
        take(host, "xf.a.1")
    assert claims(host) == []
    assert host.driver() == "e1000e"


def test_one_that_is_not_there(host: Sandbox) -> None:
    with pytest.raises(LabError, match=r"there is no PCI device 0000:09:00\.0"):
        take(host, "xf.a.1", "0000:09:00.0")


def test_xl_that_refuses_is_quoted(host: Sandbox) -> None:
    words = "libxl: error: failed to quarantine"
    (host.root / "bin/xl").write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 1\n")
    with pytest.raises(LabError, match=words):
        assign_device(host, take(host, "xf.a.1"))


def test_what_libxl_leaves_of_a_guest_that_ended_by_itself(host: Sandbox) -> None:
    backends = host.root / "xenstore/local/domain/0/backend/pci"
    seen = {"2": (CARD, "6"), "3": (CARD, "4"), "4": (OTHER, "6"), "9": (CARD, "6")}
    for domid, (address, state) in seen.items():
        (backends / domid / "0").mkdir(parents=True)
        (backends / domid / "0" / "dev-0").write_text(f"{address}\n")
        (backends / domid / "0" / "state").write_text(f"{state}\n")
    assert forget_backends(host, CARD) == (2,), "closed, of that device, and its domain is gone"
    assert sorted(path.name for path in backends.iterdir()) == ["3", "4", "9"]
    assert forget_backends(host, CARD) == ()


def test_what_is_no_claim() -> None:
    assert read_claims(f"{CLAIMS}/{CARD} nobody\n/run/xenflight/locks/a\n\n") == []
    assert read_claims(f"{CLAIMS}/.. xf.a.1/e1000e\n{CLAIMS}/x;reboot xf.a.1/e1000e\n") == []


# -- what Xen says, as it was seen ---------------------------------------------------------------

VTD = """\
virt_caps pv hvm hvm_directio pv_directio hap iommu_hap_pt_share gnttab-v1 gnttab-v2
(XEN) Intel VT-d iommu 0 supported page sizes: 4kB, 2MB, 1GB
(XEN) Intel VT-d Interrupt Remapping enabled.
(XEN) I/O virtualisation enabled
(XEN)  - Dom0 mode: Relaxed
(XEN) Interrupt remapping enabled
groups 0
"""


def test_an_iommu_that_xen_uses() -> None:
    found = parse_iommu(VTD)
    assert (found.used, found.kind, found.mode, found.remapping, found.groups) == (
        True,
        "Intel VT-d",
        "Relaxed",
        "yes",
        0,
    )
    assert "- Dom0 mode: Relaxed" in found.said


def test_none() -> None:
    found = parse_iommu("virt_caps pv hvm hap\n(XEN) I/O virtualisation disabled\ngroups 0\n")
    assert (found.used, found.kind, found.mode, found.remapping) == (False, NONE, NONE, NONE)


def test_one_of_which_the_log_says_nothing_any_more() -> None:
    found = parse_iommu("virt_caps pv hvm hvm_directio\ngroups 0\n")
    assert (found.used, found.kind, found.mode, found.remapping) == (True, *[UNKNOWN] * 3)


def test_cards_that_a_guest_sees() -> None:
    text = (
        f"0000:00:00.0 0x8086 0x10d3 e1000e enp0s0 {MAC}\n"
        "0000:00:01.1 0x8086 0x7010 none\nls: cannot access\n"
    )
    one, two = parse_cards(text)
    assert (one.driver, one.interface, one.mac) == ("e1000e", "enp0s0", MAC)
    assert (two.address, two.driver, two.interface) == ("0000:00:01.1", "", "")
