"""What xl does to a whole domain on a simulated host: save, restore, migrate, rename, reboot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.flight.faults import FaultKind
from harness.sim.host import SimHost
from harness.sim.request import Answer, Handler, Request
from harness.sim.xl import unknown
from harness.xen.files import NO_ROOM
from harness.xen.moves import INCOMING

_SECONDS = 6.0
"""What it takes to write or to read a guest of 512 MiB."""
_FREE = 8192
"""MiB of dom0's disk."""
DEAF_WORDS = """\
libxl: error: libxl_dom_suspend.c:335:domain_suspend_common_pvcontrol_suspending: Domain {domid}:\
guest didn't acknowledge suspend, cancelling request
libxl: error: libxl_dom_save.c:178:domain_save_done: Domain {domid}:saving domain: domain \
responded to suspend request: Resource temporarily unavailable
Failed to save domain, resuming domain
"""
NOT_RESTORED = """\
xc: error: Failed to read Record Header from stream (0 = Success): Internal error
libxl: error: libxl_stream_read.c:850:libxl__xc_domain_restore_done: restoring domain: Success
libxl: error: libxl_create.c:1586:domcreate_rebuild_done: Domain {domid}:cannot (re-)build \
domain: -3
"""
_NO_LOGDIRTY = """\
xc: error: Failed to enable logdirty: 95,22,95: Internal error
xc: error: Save failed (95 = Operation not supported): Internal error
migration sender: libxl_domain_suspend failed (rc=-3)
"""


def save(host: SimHost, request: Request) -> Answer:
    """The script of `harness.xen.moves.XlMoves.save`: name, file, room."""
    name, path, room = request.words
    if int(room) > _FREE:
        said = f"No space left on device: {path} has {_FREE} MiB, and {room} are needed\n"
        return Answer(stderr=said, status=NO_ROOM)
    domain = host.find(name)
    if domain is None:
        return unknown(request)
    if not domain.guest.hears or _strikes(host, FaultKind.SAVE_REFUSED, request):
        return Answer(stderr=DEAF_WORDS.format(domid=domain.domid), status=1, seconds=60.0)
    data = f"Xen saved domain, xl format: {name}\n".encode()
    host.files.write(path, data)
    host.saved[path] = (domain.config, host.take_out(domain))
    return Answer(stdout=f"{len(data)}\n", seconds=_SECONDS, disk=True)


def restore(host: SimHost, request: Request) -> Answer:
    """The script of `harness.xen.moves.XlMoves.restore`: name and file."""
    _, path = request.words
    if host.files.read(path) is None or path not in host.saved:
        return Answer(stderr=f"Can't open: {path}: No such file or directory\n", status=2)
    if _strikes(host, FaultKind.RESTORE_FAILS, request):
        return Answer(stderr=NOT_RESTORED.format(domid=host.next_domid), status=3, seconds=1.0)
    domain = host.put_in(*host.saved.pop(path))
    host.files.remove(path)
    return Answer(stdout=f"{domain.domid}\n", seconds=_SECONDS, disk=True)


def migrate(host: SimHost, request: Request) -> Answer:
    """The script of `harness.xen.moves.XlMoves.migrate`: name."""
    domain = host.find(request.words[0])
    if domain is None:
        return unknown(request)
    if domain.config.text("type") == "pv":
        return Answer(stderr=_NO_LOGDIRTY, status=1, seconds=1.0)
    if _strikes(host, FaultKind.MIGRATE_HANGS, request):
        values = {**domain.config.values, "name": domain.name + INCOMING}
        host.create(replace(domain.config, values=values))
        return Answer(hangs=True)
    if not domain.guest.hears:
        return Answer(stderr=DEAF_WORDS.format(domid=domain.domid), status=1, seconds=60.0)
    config = domain.config
    arrived = host.put_in(config, host.take_out(domain))
    return Answer(stdout=f"{arrived.domid}\n", seconds=_SECONDS)


def forget_saved(host: SimHost, request: Request) -> Answer:
    """The script of `harness.xen.moves.XlMoves.forget`."""
    host.files.remove(request.words[0])
    host.saved.pop(request.words[0], None)
    return Answer()


def rename(host: SimHost, request: Request) -> Answer:
    """``xl rename``."""
    domain = host.find(request.words[0])
    if domain is None:
        return unknown(request)
    host.rename(domain, request.words[1])
    return Answer()


def reboot(host: SimHost, request: Request) -> Answer:
    """``xl reboot``: asks, and does not wait."""
    domain = host.find(request.words[0])
    if domain is None:
        return unknown(request)
    if domain.guest.hears:
        domain.guest.reboot()
    return Answer(stdout=f"Rebooting domain {domain.domid}\n")


def sysrq(host: SimHost, request: Request) -> Answer:
    """``xl sysrq``."""
    domain = host.find(request.words[0])
    if domain is None:
        return unknown(request)
    if request.words[1] == "c":
        domain.guest.panic()
    return Answer()


def _strikes(host: SimHost, kind: FaultKind, request: Request) -> bool:
    return host.faults.strike(kind, job=request.job, command=request.name) is not None


PROGRAMS: Mapping[str, Handler] = {
    "xl save": save,
    "xl restore": restore,
    "xl migrate": migrate,
    "xl rename": rename,
    "xl reboot": reboot,
    "xl sysrq": sysrq,
    "forget-saved": forget_saved,
}
