"""What is on a simulated host, as the commands of `harness.host.census` print it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.host.censustaking import COMMANDS
from harness.host.names import BUILD_DIRECTORY, RUN_DIRECTORY
from harness.host.pci import PCIBACK
from harness.sim.host import SimHost
from harness.sim.lvm import lvs
from harness.sim.request import Answer, Handler, Request
from harness.sim.xenstore import xenstore_ls
from harness.sim.xl import list_domains
from harness.storage.reports import lvs_command

_DIRECTORIES = (RUN_DIRECTORY, "/run/xen", "/var/lib/xen", BUILD_DIRECTORY, "/tmp", "/var/tmp")
"""Whose files are listed."""
_MOUNTS = "/dev/vda / ext4 rw,relatime 0 0\ntmpfs /run tmpfs rw,nosuid,nodev 0 0\n"


def census(host: SimHost, request: Request) -> Answer:
    """All of it, each part under its name."""
    mark, group = request.words
    report = lvs_command(group).argv[1:]
    volumes = lvs(host, Request(name="lvs", words=report))
    if volumes.status:
        return Answer(stderr=f"{volumes.stderr}volumes: no answer\n", status=1)
    parts = {
        "domains": list_domains(host, Request(name="xl list", words=("-v",))).stdout,
        "memory": f"{host.free_memory}\n",
        "mapper": _mapper(host),
        "loop": "",
        "nbd": "",
        "xenstore": xenstore_ls(host, Request(name="xenstore-ls", words=("-f", "/"))).stdout,
        "interfaces": _lines(host.interfaces),
        "ports": _lines(f"/sys/class/net/{one}/brport" for one in host.interfaces if "vif" in one),
        "processes": _lines(processes(host)),
        "claims": _lines(host.pci.claims()),
        "assignable": _lines(
            f"/sys/bus/pci/drivers/{PCIBACK}/{one}" for one in host.pci.assignable
        ),
        "mounts": _MOUNTS,
        "files": _lines(path for where in _DIRECTORIES for path in host.files.below(where)),
        "volumes": volumes.stdout,
    }
    text = "".join(f"{mark}{name}\n{parts[name]}" for name in (*COMMANDS, "volumes"))
    return Answer(stdout=text, seconds=0.3)


def processes(host: SimHost) -> list[str]:
    """The processes in dom0 that have to do with domains, and some that have not."""
    found = {1: "/sbin/init", 412: "/usr/sbin/sshd -D", 501: "/usr/lib/xen-4.17/bin/oxenstored"}
    for one in host.domains.values():
        found[one.watcher] = f"xl create -p -q /run/xenflight/{one.name}.cfg"
    for process, domid in host.consoles.items():
        found[process] = f"/usr/lib/xen-4.17/bin/xenconsole {domid} --num 0 --type pv"
    return [f"{process:>7} {words}" for process, words in sorted(found.items())]


def _mapper(host: SimHost) -> str:
    group = host.group.name
    pool = f"{group}-{host.group.pool}"
    parts = {f"{pool}_tmeta": 0, f"{pool}_tdata": 1, f"{pool}-tpool": 2, pool: 3}
    lines = [f"{name}\t(253:{minor})" for name, minor in parts.items()]
    lines += [
        f"{group}-{name.replace('-', '--')}\t(253:{one.minor})"
        for name, one in sorted(host.group.volumes.items())
    ]
    return _lines(lines)


def _lines(found: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in found)


PROGRAMS: Mapping[str, Handler] = {"census": census}
