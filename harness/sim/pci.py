"""PCI devices of a simulated host: those that its hosts.yaml gives away, each a network card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from harness.host.pci import NO_DRIVER, PCIBACK
from harness.sim.cards import IDS
from harness.sim.host import SimHost
from harness.sim.inside import Inside
from harness.sim.request import Answer, Handler, Request

_XEN_SAYS = """\
virt_caps pv hvm pv_directio hvm_directio hap
(XEN) Intel VT-d iommu 0 supported page sizes: 4kB
(XEN) Intel VT-d Interrupt Remapping enabled.
(XEN) I/O virtualisation enabled
(XEN)  - Dom0 mode: Relaxed
(XEN) Interrupt remapping enabled
groups 0
"""
_NO_IOMMU = """\
virt_caps pv hvm hap
(XEN) I/O virtualisation disabled
groups 0
"""


def claim_device(host: SimHost, request: Request) -> Answer:
    """The script of `harness.host.pci`: directory, address and the domain that is to have it."""
    _, address, domain = request.words
    driver = host.pci.drivers.get(address)
    if driver is None:
        return Answer(stderr=f"there is no PCI device {address}\n", status=1)
    owner = host.pci.owners.setdefault(address, f"{domain}/{driver}")
    if owner.rpartition("/")[0] != domain:
        return Answer(stdout=f"busy={owner}\n")
    facts = dict(zip(("vendor", "device", "class"), IDS, strict=True))
    facts["driver"] = owner.rpartition("/")[2]
    if driver not in (PCIBACK, NO_DRIVER):
        facts |= {"interface": "eth1", "mac": host.pci.mac(address)}
    return Answer(stdout=_lines(f"{name}={value}" for name, value in facts.items()))


def assign_device(host: SimHost, request: Request) -> Answer:
    """The script of `harness.host.pci`."""
    address = request.words[1]
    host.pci.drivers[address] = PCIBACK
    return Answer(stdout=f"driver={PCIBACK}\nassignable={' '.join(host.pci.assignable)}\n")


def return_device(host: SimHost, request: Request) -> Answer:
    """The script of `harness.host.pci`."""
    address = request.words[1]
    if address not in host.pci.owners:
        return Answer()
    if any(address in one.config.pci for one in host.domains.values()):
        return Answer(stderr="libxl: error: device is in use by a domain\n", status=1)
    host.pci.drivers[address] = host.pci.owners.pop(address).rpartition("/")[2]
    return Answer()


def forget_backends(host: SimHost, request: Request) -> Answer:
    """The script of `harness.host.pci`: its libxl leaves none."""
    del host, request
    return Answer()


def show_device(host: SimHost, request: Request) -> Answer:
    """The script of `harness.job.pciproof` in dom0."""
    address = request.words[1]
    driver = host.pci.drivers[address]
    lines = [f"driver={driver}"]
    if driver not in (PCIBACK, NO_DRIVER):
        lines.append(f"mac={host.pci.mac(address)}")
    if address in host.pci.assignable:
        lines.append("assignable=yes")
    if owner := host.pci.owners.get(address):
        lines.append(f"claim={owner}")
    return Answer(stdout=_lines(lines))


def show_iommu(host: SimHost, request: Request) -> Answer:
    """The script of `harness.host.iommu`."""
    del request
    return Answer(stdout=_XEN_SAYS if host.pci.iommu else _NO_IOMMU)


def _show_counters(it: Inside) -> Answer:
    count = it.host.next_process()
    return Answer(stdout=f"driver e1000e\nbytes {count << 21} {count << 21}\ninterrupts {count}\n")


def _show_bounce(it: Inside) -> Answer:
    if "swiotlb=noforce" in it.machine.cmdline:
        return Answer()
    log = "log software IO TLB: mapped [mem 0x000000001a200000-0x000000001e200000] (64MB)\n"
    if "iommu=soft" not in it.machine.cmdline:
        # Made for the card when it came: debugfs has nothing of it.
        return Answer(stdout=log)
    forced = "swiotlb=force" in it.machine.cmdline and it.host.pci.bounces
    return Answer(stdout=f"{log}slots 32768\nused {24 if forced else 0}\n")


def _lines(found: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in found)


def _show_interfaces(it: Inside) -> Answer:
    del it
    return Answer(stdout="enX0\nlo\n")


IN_GUEST_PCI: Mapping[str, Callable[[Inside], Answer]] = {
    "show-interfaces": _show_interfaces,
    "show-counters": _show_counters,
    "show-bounce": _show_bounce,
}

PROGRAMS: Mapping[str, Handler] = {
    "claim-device": claim_device,
    "assign-device": assign_device,
    "return-device": return_device,
    "forget-backends": forget_backends,
    "show-device": show_device,
    "show-iommu": show_iommu,
}
