"""xenstore on a simulated host: the keys of its domains (selftests/data/xenstore), and others'."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from harness.sim.domains import DOM0_MEMORY, Backend, Device, SimDomain, State
from harness.sim.host import SimHost
from harness.sim.request import Answer, Handler, Request

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ABSENT = "No such file or directory"
_CONNECTED, _WAITING = "4", "1"
_BEGUN = {"console": "1", "vbd": "2", "qdisk": "2", "vif": "2"}
_DISKS = {"vbd": "phy", "qdisk": "qdisk"}
"""How libxl calls what serves a disk, by the kind of its back end."""


def tree(host: SimHost) -> dict[str, str]:
    """Every path and its value, in the order in which `xenstore-ls -f` prints them."""
    found = dict(_always())
    for domain in host.domains.values():
        found |= dict(_of_domain(domain))
    for backend in host.backends:
        found |= dict(_backend(backend.domid, backend.device, connected=False))
    found |= host.xenstore
    for path in list(found):
        for parent in _parents(path):
            found.setdefault(parent, "")
    return dict(sorted(found.items(), key=lambda item: item[0].split("/")))


def xenstore_ls(host: SimHost, request: Request) -> Answer:
    """``xenstore-ls -f``: what is below a path."""
    path = next(iter(request.rest), "/").rstrip("/")
    found = tree(host)
    if path and path not in found:
        return Answer(stderr=f"xenstore-ls: xs_directory ({path}): {_ABSENT}\n", status=1)
    rights = "   . (n0,r0)" if "-fp" in request.words else ""
    lines = [
        f'{key} = "{escape(value)}"{rights}'
        for key, value in found.items()
        if key.startswith(f"{path}/")
    ]
    return Answer(stdout="".join(f"{line}\n" for line in lines))


def xenstore_read(host: SimHost, request: Request) -> Answer:
    """``xenstore-read``."""
    found = tree(host)
    if request.rest[0] not in found:
        return Answer(stderr=f"xenstore-read: couldn't read path {request.rest[0]}\n", status=1)
    return Answer(stdout=f"{escape(found[request.rest[0]])}\n")


def xenstore_exists(host: SimHost, request: Request) -> Answer:
    """``xenstore-exists``: says nothing."""
    return Answer(status=0 if request.rest[0] in tree(host) else 1)


def xenstore_write(host: SimHost, request: Request) -> Answer:
    """``xenstore-write``: makes the path, too."""
    path, text = request.words
    for parent in _parents(path):
        host.xenstore.setdefault(parent, "")
    host.xenstore[path] = _ESCAPE.sub(_meant, text)
    return Answer()


def xenstore_rm(host: SimHost, request: Request) -> Answer:
    """``xenstore-rm``: with all below it."""
    path = request.rest[0]
    if path not in tree(host):
        said = f"xenstore-rm: couldn't remove path {path}: {_ABSENT}\n"
        return Answer(stderr=said, status=1)
    kept = {key: value for key, value in host.xenstore.items() if not _is_in(key, path)}
    host.xenstore = kept
    host.backends = [one for one in host.backends if not _is_in(_place(one), path)]
    return Answer()


def _meant(escape: re.Match[str]) -> str:
    """What the tool takes *escape* for; a letter that means nothing means itself."""
    return {"n": "\n", "t": "\t", "r": "\r"}.get(escape[1], escape[1])


def escape(value: str) -> str:
    """As the tools print a value: every byte that is not plain ASCII as an escape."""
    letters = {10: "\\n", 9: "\\t", 13: "\\r", 92: "\\\\"}
    return "".join(
        letters.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}")
        for byte in value.encode()
    )


def _always() -> Iterator[tuple[str, str]]:
    yield from (("/@introduceDomain", ""), ("/@releaseDomain", ""), ("/libxl", ""), ("/vm", ""))
    yield "/local/domain/0/backend", ""
    for word in ("poweroff", "reboot", "suspend"):
        yield f"/local/domain/0/control/feature-{word}", "1"
    yield "/local/domain/0/domid", "0"
    for word in ("static-max", "target"):
        yield f"/local/domain/0/memory/{word}", str(DOM0_MEMORY << 10)
    yield "/local/domain/0/name", "Domain-0"
    yield "/local/pool/0/name", "Pool-0"
    yield "/tool/xenstored", "/usr/lib/xen-4.17/bin/oxenstored"


def _of_domain(domain: SimDomain) -> Iterator[tuple[str, str]]:
    config, own, libxl = domain.config, f"/local/domain/{domain.domid}", f"/libxl/{domain.domid}"
    runs = domain.state is not State.PAUSED
    yield f"{libxl}/dm-version", "qemu_xen"
    yield f"{libxl}/type", config.text("type", "pv")
    for device in domain.devices:
        yield from _backend(domain.domid, device, connected=runs)
        yield from _frontend(domain.domid, device, connected=runs)
        yield from _libxl_device(domain.domid, device)
    for word in ("attr", "data", "drivers", "error", "feature", "device/suspend/event-channel"):
        yield f"{own}/{word}", ""
    yield f"{own}/console/tty", f"/dev/pts/{domain.domid}"
    yield f"{own}/console/type", "xenconsoled"
    yield f"{own}/control/shutdown", ""
    yield f"{own}/cpu/0/availability", "online"
    yield f"{own}/domid", str(domain.domid)
    yield f"{own}/memory/static-max", str(config.memory << 10)
    yield f"{own}/memory/target", str(config.memory << 10)
    yield f"{own}/name", domain.name
    yield f"{own}/store/port", "1"
    yield f"{own}/vm", f"/vm/{domain.uuid}"
    yield f"/vm/{domain.uuid}/image/ostype", "linux"
    for word in ("cmdline", "kernel", "ramdisk"):
        if value := config.text(word):
            yield f"/vm/{domain.uuid}/image/{word}", value
    yield f"/vm/{domain.uuid}/name", domain.name
    yield f"/vm/{domain.uuid}/uuid", domain.uuid


def _paths(domid: int, device: Device) -> tuple[str, str]:
    back = f"/local/domain/0/backend/{device.kind}/{domid}/{device.number}"
    own = f"/local/domain/{domid}"
    if device.kind == "console":
        return back, f"{own}/console"
    return back, f"{own}/device/{_front_kind(device)}/{device.number}"


def _front_kind(device: Device) -> str:
    """A guest sees all disks alike."""
    return "vbd" if device.kind in _DISKS else device.kind


def _place(backend: Backend) -> str:
    return _paths(backend.domid, backend.device)[0]


def _backend(domid: int, device: Device, *, connected: bool) -> Iterator[tuple[str, str]]:
    back, front = _paths(domid, device)
    yield f"{back}/frontend", front
    yield f"{back}/frontend-id", str(domid)
    yield f"{back}/online", "1"
    yield f"{back}/state", _CONNECTED if connected else _BEGUN[device.kind]
    if device.kind in _DISKS:
        yield f"{back}/hotplug-status", "connected"
        yield f"{back}/mode", "w"
        yield f"{back}/type", _DISKS[device.kind]
    for key, value in device.config.items():
        yield f"{back}/{key}", value


def _frontend(domid: int, device: Device, *, connected: bool) -> Iterator[tuple[str, str]]:
    back, front = _paths(domid, device)
    yield f"{front}/backend", back
    yield f"{front}/backend-id", "0"
    if device.kind != "console":
        yield f"{front}/state", _CONNECTED if connected else _WAITING
    if device.kind in _DISKS:
        yield f"{front}/virtual-device", str(device.number)
    if device.kind == "vif":
        yield f"{front}/mac", device.config["mac"]


def _libxl_device(domid: int, device: Device) -> Iterator[tuple[str, str]]:
    back, front = _paths(domid, device)
    place = f"/libxl/{domid}/device/{_front_kind(device)}/{device.number}"
    yield f"{place}/backend", back
    yield f"{place}/frontend", front
    yield f"{place}/frontend-id", str(domid)
    yield f"{place}/state", _WAITING
    for key, value in device.config.items():
        yield f"{place}/{key}", value


def _parents(path: str) -> Iterator[str]:
    while (path := path.rpartition("/")[0]) != "":
        yield path


def _is_in(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory}/")


PROGRAMS: Mapping[str, Handler] = {
    "xenstore-ls": xenstore_ls,
    "xenstore-read": xenstore_read,
    "xenstore-exists": xenstore_exists,
    "xenstore-write": xenstore_write,
    "xenstore-rm": xenstore_rm,
}
