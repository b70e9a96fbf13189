"""virsh on a simulated host. What it does to domains libxl does, so xl's own parts are asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.sim import devices, moves, xl
from harness.sim.host import SimHost
from harness.sim.request import Answer, Handler, Request

_NO_DOMAIN = "error: failed to get domain '{name}'\n"
_FAILED = "error: Failed to {verb} domain {name}\n"


def create(host: SimHost, request: Request) -> Answer:
    """The script of `harness.xen.libvirt.Libvirt.create_paused`: folder and name."""
    answer = xl.create(host, request)
    name = request.words[1]
    if answer.status:
        return replace(answer, stderr=f"error: Failed to create domain {name}\n{answer.stderr}")
    host.libvirt.add(name)
    return answer


def restore(host: SimHost, request: Request) -> Answer:
    """The script of `harness.xen.libvirtmoves.LibvirtMoves.restore`: name and file."""
    answer = moves.restore(host, request)
    if not answer.status:
        host.libvirt.add(request.words[0])
    return answer


def names(host: SimHost, request: Request) -> Answer:
    """``virsh list --name``."""
    del request
    there = {domain.name for domain in host.domains.values()}
    return Answer(
        stdout="".join(f"{name}\n" for name in ("Domain-0", *sorted(host.libvirt & there)))
    )


def _by(verb: str, handler: Handler, *, name_at: int = 0) -> Handler:
    """What xl does, of a domain that libvirt knows; options are left out."""

    def run(host: SimHost, request: Request) -> Answer:
        name = request.words[name_at]
        if name not in host.libvirt:
            return Answer(stderr=_NO_DOMAIN.format(name=name), status=1)
        answer = handler(host, request)
        if answer.status:
            said = _FAILED.format(verb=verb, name=name) + answer.stderr
            return replace(answer, stderr=said)
        return answer

    return run


def _set_memory(host: SimHost, request: Request) -> Answer:
    name, amount = request.rest
    words = (name, amount.replace("MiB", "m"))
    return devices.mem_set(host, replace(request, words=words))


def _attach_disk(host: SimHost, request: Request) -> Answer:
    name, path, vdev = request.words[:3]
    words = (name, f"format=raw,vdev={vdev},access=rw,target={path}")
    return devices.block_attach(host, replace(request, words=words))


def _attach_vif(host: SimHost, request: Request) -> Answer:
    name, _, bridge, _, mac = request.words[:5]
    words = (name, f"mac={mac}", f"bridge={bridge}")
    return devices.network_attach(host, replace(request, words=words))


def _detach_vif(host: SimHost, request: Request) -> Answer:
    name, _, _, mac = request.words[:4]
    return devices.network_detach(host, replace(request, words=(name, mac)))


PROGRAMS: Mapping[str, Handler] = {
    "virsh create": create,
    "virsh list": names,
    "virsh resume": _by("resume", xl.PROGRAMS["xl unpause"]),
    "virsh suspend": _by("suspend", xl.PROGRAMS["xl pause"]),
    "virsh shutdown": _by("shutdown", xl.PROGRAMS["xl shutdown"]),
    "virsh destroy": _by("destroy", xl.PROGRAMS["xl destroy"]),
    "virsh reboot": _by("reboot", moves.reboot),
    "virsh save": _by("save", moves.save),
    "virsh restore": restore,
    "virsh setvcpus": _by("set vcpus of", devices.vcpu_set),
    "virsh setmem": _by("set memory of", _set_memory),
    "virsh attach-disk": _by("attach disk to", _attach_disk),
    "virsh detach-disk": _by("detach disk from", devices.block_detach),
    "virsh attach-interface": _by("attach interface to", _attach_vif),
    "virsh detach-interface": _by("detach interface from", _detach_vif),
}
