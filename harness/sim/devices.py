"""What xl changes in a domain of a simulated host: processors, memory, disks, interfaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.flight.faults import FaultKind
from harness.sim.domains import Device, SimDomain
from harness.sim.host import SimHost
from harness.sim.request import Answer, Handler, Request
from harness.sim.xl import unknown
from harness.sim.xlcfg import VifConfig, read_disk


def vcpu_set(host: SimHost, request: Request) -> Answer:
    """``xl vcpu-set``."""
    name, count = request.rest
    domain = host.find(name)
    if domain is None:
        return unknown(replace(request, words=request.rest))
    domain.vcpus = min(int(count), domain.config.vcpus)
    return Answer()


def mem_set(host: SimHost, request: Request) -> Answer:
    """``xl mem-set``, in MiB; the guest does it at once, or never."""
    domain = host.find(request.words[0])
    if domain is None:
        return unknown(request)
    if not host.faults.strike(FaultKind.BALLOON_STAYS, job=request.job):
        domain.memory = min(int(request.words[1].removesuffix("m")), domain.config.memory)
    return Answer()


def block_attach(host: SimHost, request: Request) -> Answer:
    """``xl block-attach``."""
    domain = host.find(request.words[0])
    if domain is None:
        return unknown(request)
    disk = read_disk(request.words[1])
    domain.config = replace(domain.config, disks=(*domain.config.disks, disk))
    return Answer(seconds=0.3)


def block_detach(host: SimHost, request: Request) -> Answer:
    """``xl block-detach``."""
    domain = host.find(request.words[0])
    if domain is None:
        return unknown(request)
    disks = domain.config.disks
    left = tuple(disk for disk in disks if disk.vdev != request.words[1])
    if left == disks:
        said = f"libxl: error: Domain {domain.domid}:disk {request.words[1]} not connected\n"
        return Answer(stderr=said, status=1)
    if _hangs(host, request):
        return Answer(hangs=True)
    before = domain.devices
    domain.config = replace(domain.config, disks=left)
    _let_go(host, domain, before)
    return Answer(seconds=0.3)


def network_attach(host: SimHost, request: Request) -> Answer:
    """``xl network-attach``: each of its settings is a word."""
    domain = host.find(request.words[0])
    if domain is None:
        return unknown(request)
    pairs = dict(word.split("=", 1) for word in request.words[1:])
    vif = VifConfig(mac=pairs["mac"], bridge=pairs["bridge"])
    domain.config = replace(domain.config, vifs=(*domain.config.vifs, vif))
    return Answer(seconds=0.3)


def network_detach(host: SimHost, request: Request) -> Answer:
    """``xl network-detach``, by MAC address."""
    domain = host.find(request.words[0])
    if domain is None:
        return unknown(request)
    vifs = domain.config.vifs
    left = tuple(vif for vif in vifs if vif.mac != request.words[1])
    if left == vifs:
        return Answer(stderr=f"Unknown device {request.words[1]}.\n", status=1)
    if _hangs(host, request):
        return Answer(hangs=True)
    before = domain.devices
    domain.config = replace(domain.config, vifs=left)
    _let_go(host, domain, before)
    return Answer(seconds=0.3)


def count_packets(host: SimHost, request: Request) -> Answer:
    """The script of `harness.job.guestchanging`: those that came of an interface."""
    name = f"vif{request.words[0]}.{request.words[1]}"
    if name not in host.interfaces:
        path = f"/sys/class/net/{name}/statistics/rx_packets"
        return Answer(stderr=f"cat: {path}: No such file or directory\n", status=1)
    return Answer(stdout="7\n")


def read_block(host: SimHost, request: Request) -> Answer:
    """The script of `harness.job.witness`: the first bytes of a volume."""
    path, count = request.words
    volume = host.group.at(path)
    if volume is None:
        said = f"dd: failed to open '{path}': No such file or directory\n"
        return Answer(stderr=said, status=1)
    return Answer(stdout=volume.contents.files.get("", b"").decode()[: int(count)])


def _hangs(host: SimHost, request: Request) -> bool:
    kind = FaultKind.DETACH_HANGS
    return host.faults.strike(kind, job=request.job, command=request.name) is not None


def _let_go(host: SimHost, domain: SimDomain, before: tuple[Device, ...]) -> None:
    for device in before:
        if device not in domain.devices:
            host.let_linger(domain, device)


PROGRAMS: Mapping[str, Handler] = {
    "xl vcpu-set": vcpu_set,
    "xl mem-set": mem_set,
    "xl block-attach": block_attach,
    "xl block-detach": block_detach,
    "xl network-attach": network_attach,
    "xl network-detach": network_detach,
    "count-packets": count_packets,
    "read-block": read_block,
}
