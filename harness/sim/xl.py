"""xl on a simulated host, in the words of Xen 4.17 (selftests/data/xl)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.flight.faults import FaultKind
from harness.sim.domains import DOM0_MEMORY, SimDomain, State
from harness.sim.host import SimHost
from harness.sim.request import Answer, Handler, Request
from harness.sim.xlcfg import BadConfigError, GuestConfig, read_config

DOM0_KERNEL = "6.1.0-56-amd64"
_NO_UUID = "00000000-0000-0000-0000-000000000000"
_SHUTDOWN_CRASH = "3"
_HEAD = "Name                                        ID   Mem VCPUs\tState\tTime(s)"
_VERBOSE = "   UUID                            Reason-Code\tSecurity Label"
_NO_MEMORY = """\
xc: error: panic: xg_dom_boot.c:119: xc_dom_boot_mem_init: can't allocate low memory for domain: \
Out of memory
libxl: error: libxl_dom.c:586:libxl__build_dom: xc_dom_boot_mem_init failed: Cannot allocate memory
"""
_NO_BRIDGE = """\
libxl: error: libxl_exec.c:117:libxl_report_child_exitstatus: /etc/xen/scripts/vif-bridge online \
[1484] exited with error status 1
libxl: error: libxl_device.c:1337:device_hotplug_child_death_cb: script: Could not find bridge \
device {bridge}
"""
_EXISTS = """\
libxl: error: libxl_domain.c:81:libxl__domain_rename: Domain {domid}:Domain with name "{name}" \
already exists.
libxl: error: libxl_create.c:1296:initiate_domain_create: Domain {domid}:cannot make domain: -6
libxl: error: libxl_domain.c:1183:libxl__destroy_domid: Domain {domid}:Non-existant domain
libxl: error: libxl_domain.c:1137:domain_destroy_callback: Domain {domid}:Unable to destroy guest
"""
_NO_DISK = """\
libxl: error: libxl_device.c:270:libxl__device_disk_set_backend: Disk vdev={vdev} failed to stat: \
{target}: No such file or directory
"""
_BAD_KERNEL = """\
xc: error: panic: xg_dom_core.c:689: xc_dom_find_loader: no loader found: Invalid kernel
libxl: error: libxl_dom.c:540:libxl__build_dom: xc_dom_parse_image failed
"""
_BAD_LOADER = """\
libxl: error: libxl_bootloader.c:649:bootloader_finished: Domain {domid}:bootloader failed - \
consult logfile /var/log/xen/bootloader.{domid}.log
libxl: error: libxl_exec.c:117:libxl_report_child_exitstatus: bootloader [4711] exited with error \
status 1
"""
_FOUND_NOTHING = "RuntimeError: Unable to find partition containing kernel\n"
_INFO = """\
host                   : {host}
release                : {release}
version                : #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)
machine                : x86_64
nr_cpus                : {cpus}
max_cpu_id             : {last_cpu}
nr_nodes               : 1
cores_per_socket       : {cpus}
threads_per_core       : 1
cpu_mhz                : 2599.997
virt_caps              : pv hvm {directio}hap gnttab-v1 gnttab-v2
total_memory           : {total}
free_memory            : {free}
sharing_freed_memory   : 0
sharing_used_memory    : 0
outstanding_claims     : 0
free_cpus              : 0
xen_major              : 4
xen_minor              : 17
xen_extra              : .7
xen_version            : 4.17.7
xen_caps               : xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64
xen_scheduler          : credit2
xen_pagesize           : 4096
platform_params        : virt_start=0xffff800000000000
xen_changeset          :
xen_commandline        : dom0_mem=1024M,max:1024M loglvl=info guest_loglvl=info
xend_config_format     : 4
"""


def list_domains(host: SimHost, request: Request) -> Answer:
    """``xl list``, with -v or -l."""
    if "-l" in request.words:
        return Answer(stdout=json.dumps(_details(host), indent=4) + "\n")
    verbose = "-v" in request.words
    lines = [_HEAD + (_VERBOSE if verbose else "")]
    seconds = host.clock.monotonic() - host.began
    dom0 = _line("Domain-0", 0, DOM0_MEMORY, 2, "r-----", seconds / 10)
    lines.append(dom0 + (_more(_NO_UUID, "-") if verbose else ""))
    for one in host.domains.values():
        used = (host.clock.monotonic() - one.began) / 10
        line = _line(one.name, one.domid, one.memory, one.vcpus, one.state, used)
        reason = _SHUTDOWN_CRASH if one.state is State.CRASHED else "-"
        lines.append(line + (_more(one.uuid, reason) if verbose else ""))
    return Answer(stdout="".join(f"{line}\n" for line in lines))


def info(host: SimHost, request: Request) -> Answer:
    """``xl info``."""
    del request
    text = _INFO.format(
        host=host.name,
        directio="pv_directio hvm_directio " if host.pci.iommu else "",
        release=DOM0_KERNEL,
        cpus=host.sim.cpus,
        last_cpu=host.sim.cpus - 1,
        total=host.sim.memory.mib,
        free=host.free_memory,
    )
    return Answer(stdout=text)


def create(host: SimHost, request: Request) -> Answer:
    """The script of `Xl.create_paused`: folder and name; the configuration is its input."""
    folder, name = request.words
    path = f"{folder}/{name}.cfg"
    host.files.write(path, request.stdin)
    try:
        config = read_config(request.stdin.decode())
    except BadConfigError as error:
        host.files.remove(path)
        return Answer(stderr=f"{path}: {error}\n", status=1)
    if refused := _refusal(host, request, config):
        host.files.remove(path)
        return Answer(stderr=refused, status=1, seconds=0.6)
    host.owns(name, request.job)
    domain = host.create(config)
    hangs = host.faults.strike(FaultKind.CREATE_HANGS, job=request.job) is not None
    return Answer(stdout=f"{domain.domid}\n", seconds=0.8, hangs=hangs)


def _refusal(host: SimHost, request: Request, config: GuestConfig) -> str:
    """Why xl will not make it; empty when it will."""

    def strikes(kind: FaultKind) -> bool:
        return host.faults.strike(kind, job=request.job, command=request.name) is not None

    domid = host.next_domid
    if host.find(config.name):
        return _EXISTS.format(domid=domid, name=config.name)
    for disk in config.disks:
        if host.behind(disk.target) is None:
            return _NO_DISK.format(vdev=disk.vdev, target=disk.target)
    if strikes(FaultKind.BOOTLOADER_FAILS):
        host.files.write(f"/var/log/xen/bootloader.{domid}.log", _FOUND_NOTHING.encode())
        return _BAD_LOADER.format(domid=domid)
    if config.memory > host.free_memory or strikes(FaultKind.NO_MEMORY):
        return _NO_MEMORY
    kernel = config.text("kernel")
    if (kernel and not host.files.exists(kernel)) or strikes(FaultKind.KERNEL_UNLOADABLE):
        return _BAD_KERNEL
    bridges = {vif.bridge for vif in config.vifs}
    if bridges - {host.bridge} or strikes(FaultKind.NO_BRIDGE):
        return _NO_BRIDGE.format(bridge=next(iter(bridges), "?"))
    return ""


def domid(host: SimHost, request: Request) -> Answer:
    """``xl domid``."""
    found = host.find(request.words[0])
    return Answer(stdout=f"{found.domid}\n") if found else unknown(request)


def unpause(host: SimHost, request: Request) -> Answer:
    """``xl unpause``."""
    domain = host.find(request.words[0])
    if domain is None:
        return unknown(request)
    host.unpause(domain)
    return Answer()


def pause(host: SimHost, request: Request) -> Answer:
    """``xl pause``."""
    domain = host.find(request.words[0])
    if domain is None:
        return unknown(request)
    domain.state = State.PAUSED
    return Answer()


def shutdown(host: SimHost, request: Request) -> Answer:
    """``xl shutdown``: asks, and does not wait."""
    domain = host.find(request.rest[0])
    if domain is None:
        return unknown(request)
    domain.guest.power_off()
    return Answer(stdout=f"Shutting down domain {domain.domid}\n")


def destroy(host: SimHost, request: Request) -> Answer:
    """``xl destroy``."""
    domain = host.find(request.words[0])
    if domain is None:
        return unknown(request)
    domain.guest.stop()
    domain.state = State.DYING
    stays = host.faults.strike(FaultKind.DOMAIN_STAYS, job=request.job, command=request.name)
    if stays is None:
        host.remove_domain(domain)
    elif stays.lasts:
        host.clock.after(stays.lasts.total_seconds(), lambda: host.remove_domain(domain))
    return Answer(seconds=0.4)


def dmesg(host: SimHost, request: Request) -> Answer:
    """``xl dmesg``."""
    del request
    crashed = [one for one in host.domains.values() if one.state is State.CRASHED]
    lines = ["(XEN) Xen version 4.17.7 (Debian 4.17.7+2-1)", "(XEN) *** Serial input to DOM0"]
    lines += [f"(XEN) d{one.domid}v0 Domain {one.domid} crashed on cpu#0" for one in crashed]
    return Answer(stdout="".join(f"{line}\n" for line in lines))


def vcpu_list(host: SimHost, request: Request) -> Answer:
    """``xl vcpu-list``."""
    del request
    lines = ["Name                                ID  VCPU   CPU State   Time(s)"]
    for one in host.domains.values():
        for vcpu in range(one.config.vcpus):
            lines.append(f"{one.name:<35} {one.domid:>3} {vcpu:>5} {vcpu:>5}   -b-       1.0")
    return Answer(stdout="".join(f"{line}\n" for line in lines))


def _line(name: str, domid: int, memory: int, vcpus: int, state: str, used: float) -> str:
    return f"{name:<40} {domid:>5} {memory:>5} {vcpus:>5}     {state}  {used:>8.1f}"


def _more(uuid: str, reason: str) -> str:
    return f" {uuid}{reason:>9}{'-':>17}"


def unknown(request: Request) -> Answer:
    """There is no such domain."""
    said = f"{request.words[0]} is an invalid domain identifier (rc=-6)\n"
    return Answer(stderr=said, status=1)


def _details(host: SimHost) -> list[dict[str, Any]]:
    dom0 = {
        "c_info": {"type": "pv", "name": "Domain-0"},
        "b_info": {"max_memkb": DOM0_MEMORY << 10, "target_memkb": (DOM0_MEMORY << 10) - 1},
    }
    found: list[dict[str, Any]] = [{"domid": 0, "config": dom0}]
    found += [{"domid": one.domid, "config": _config(one)} for one in host.domains.values()]
    return found


def _config(domain: SimDomain) -> dict[str, Any]:
    config = domain.config
    built = {"max_vcpus": config.vcpus, "avail_vcpus": list(range(config.vcpus))}
    built |= {"max_memkb": config.memory << 10, "target_memkb": config.memory << 10}
    started = {key: config.text(key) for key in ("kernel", "cmdline", "ramdisk")}
    disks = [
        {
            "pdev_path": disk.target,
            "vdev": disk.vdev,
            "format": disk.format,
            "readwrite": int(disk.writable),
        }
        for disk in config.disks
    ]
    nics = [
        {"devid": index, "mac": vif.mac, "bridge": vif.bridge, "nictype": "vif"}
        for index, vif in enumerate(config.vifs)
    ]
    return {
        "c_info": {"type": config.text("type"), "name": domain.name, "uuid": domain.uuid},
        "b_info": built | {key: value for key, value in started.items() if value},
        "disks": disks,
        "nics": nics,
        "on_reboot": config.text("on_reboot"),
        "on_crash": config.text("on_crash"),
    }


PROGRAMS: Mapping[str, Handler] = {
    "xl list": list_domains,
    "xl info": info,
    "xl create": create,
    "xl domid": domid,
    "xl unpause": unpause,
    "xl pause": pause,
    "xl shutdown": shutdown,
    "xl destroy": destroy,
    "xl dmesg": dmesg,
    "xl vcpu-list": vcpu_list,
}
