"""Taking a census of a host: one command, and the reading of what it says."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from harness.errors import LabError
from harness.host.census import Census, Entry, Kind
from harness.host.names import BUILD_DIRECTORY, RUN_DIRECTORY
from harness.host.pci import LIST_CLAIMS, PCIBACK, read_claims
from harness.host.xenhost import XenHost
from harness.remote.command import Command
from harness.storage.reports import LogicalVolume, lvs_command, parse_lvs
from harness.xen.domain import NAMELESS
from harness.xen.listing import DomainInfo, parse_list
from harness.xen.xenstore import parse_tree

TIMEOUT = timedelta(minutes=2)
MARK = "=== "

# In this order: what belongs to a domain is looked for after the table of domains and before
# xenstore, so that one which ends meanwhile is known from the first and one which begins from the
# last. Nothing fails because somebody else removed a thing while it was being listed.
COMMANDS: Mapping[str, str] = {
    "domains": "xl list -v",
    "memory": "xl info | sed -n 's/^free_memory *: *//p'",
    "mapper": "dmsetup ls 2>/dev/null || :",
    "loop": "losetup --list --noheadings --raw --output NAME,BACK-FILE",
    "nbd": (
        "for f in /sys/block/nbd*/pid; do { read -r p <$f && echo $f $p; } 2>/dev/null || :; done"
    ),
    "interfaces": "ls /sys/class/net",
    "ports": "ls -d /sys/class/net/*/brport 2>/dev/null || :",
    "processes": "ps -eo pid=,args=",
    "claims": LIST_CLAIMS,
    "assignable": f"ls -d /sys/bus/pci/drivers/{PCIBACK}/*:* 2>/dev/null || :",
    "mounts": "cat /proc/self/mounts",
    # What a guest's disks hold is not walked through: no file system of a guest is ever mounted.
    # Names may hold a line feed, and shall not pass for two.
    "files": (
        f"{{ find {RUN_DIRECTORY} /run/xen /var/lib/xen ! -type d -print0; "
        f"find {BUILD_DIRECTORY} -mindepth 1 -maxdepth 2 -print0; "
        "find /tmp /var/tmp -mindepth 1 -maxdepth 1 -print0; } 2>/dev/null | tr '\\n\\0' '?\\n'"
    ),
    "xenstore": "xenstore-ls -f /",
}
_VOLUMES = "volumes"
# $1 is what headings begin with, $2 the volume group.
_SCRIPT = "\n".join(
    f"echo \"$1\"{name}\n{{ {run}; }} || {{ echo '{name}: no answer' >&2; exit 1; }}"
    for name, run in {**COMMANDS, _VOLUMES: f'{Command(lvs_command("").argv[:-1])} "$2"'}.items()
)

_BACKEND = re.compile(r"/local/domain/0/backend/(?P<name>[^/]+/\d+/[^/]+)")
_SUBJECT = re.compile(
    r"/local/domain/0/device-model/[1-9]\d*|/local/domain/\d+|/vm/[^/]+|/libxl/\d+"
)
_NAMED = re.compile(r"/local/domain/([1-9]\d*)/(name|vm)")
_MAPPED = re.compile(r"(?P<name>[^\t]+)\t\(\d+[:,] *(?P<minor>\d+)\)")
_DM = re.compile(r"/dev/dm-\d+\b")
# Those that serve a domain for as long as it lives: device models, console clients, xl's own
# watchers. Other calls of xl, and qemu-img, are over in a moment, and somebody's all the time.
_PROGRAMS = re.compile(
    r"(?:\S*/)?(?:(?:xen-)?qemu(?!-(?:img|io)\b)(?:-\S*)?|xenconsole|tapdisk"
    r"|xl (?:create|restore|migrate-receive))(?: |$)"
)


def take_census(host: XenHost) -> Census:
    """What is on *host* now, in one round trip; `LabError` when it can't be asked or read.

    A few tenths of a second on hardware, about two seconds in an emulated dom0.
    """
    # Others choose the names of files and processes: none of these shall pass for a heading.
    mark = f"{MARK}{secrets.token_hex(6)} "
    command = census_command(host.volumes.group, mark)
    return read_census(host.runner.run(command, timeout=TIMEOUT).stdout, mark)


def census_command(group: str, mark: str) -> Command:
    """The command whose answer `read_census` reads; *group* is the VG with the thin pool."""
    return Command.script("census", _SCRIPT, mark, group)


def read_census(said: str, mark: str = MARK) -> Census:
    """The census in what the command said; `LabError` when it is none."""
    parts = _parts(said, mark)
    missing = [name for name in (*COMMANDS, _VOLUMES) if name not in parts]
    if missing:
        msg = f"the census of the host ends before {missing[0]}"
        raise LabError(msg)
    try:
        memory = int(parts["memory"])
    except ValueError as error:
        msg = f"xl info told no free memory: {parts['memory'].strip()[:80]!r}"
        raise LabError(msg) from error
    domains = parse_list(parts["domains"])
    volumes = parse_lvs(parts[_VOLUMES])
    tree = parse_tree(parts["xenstore"])
    names, uuids = _names(domains, tree)
    try:
        others = [*_of_blocks(parts), *_of_network(parts), *_processes(_by_pid(parts))]
    except (ValueError, IndexError) as error:
        msg = f"the census of the host has a line that cannot be read: {error}"
        raise LabError(msg) from error
    return Census(
        entries=frozenset(
            (
                *map(_domain, domains),
                *(Entry(Kind.VOLUME, volume.name, " ".join(volume.tags)) for volume in volumes),
                *others,
                *_of_pci(parts),
                *_of_xenstore(tree),
                *(Entry(Kind.FILE, path) for path in parts["files"].splitlines()),
            )
        ),
        domains=domains,
        volumes=volumes,
        names=names,
        uuids=uuids,
        free_memory=memory,
    )


def device_name(volume: LogicalVolume) -> str:
    """What device-mapper calls a volume: hyphens doubled (lvm(8), "VALID NAMES")."""
    return "-".join(part.replace("-", "--") for part in (volume.vg, volume.name))


def _parts(said: str, mark: str) -> dict[str, str]:
    parts = re.split(rf"^{re.escape(mark)}(\w+)\n", said, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _names(
    domains: Iterable[DomainInfo], tree: Mapping[str, str]
) -> tuple[dict[int, str], dict[str, str]]:
    """Names by domid and by UUID: of the table, and of xenstore, which was asked later."""
    names = {one.domid: one.name for one in domains if one.domid and one.name != NAMELESS}
    uuids = {one.uuid: names[one.domid] for one in domains if one.domid in names}
    for path, value in tree.items():
        match = _NAMED.fullmatch(path)
        if match and match[2] == "name" and value:
            names.setdefault(int(match[1]), value)
    for path, value in tree.items():
        match = _NAMED.fullmatch(path)
        if match and match[2] == "vm" and int(match[1]) in names:
            uuids.setdefault(value.removeprefix("/vm/"), names[int(match[1])])
    uuids.pop("-", None)
    return names, uuids


def _domain(domain: DomainInfo) -> Entry:
    # One that something still holds has lost its name, and there may be several of them.
    name = f"{domain.name} {domain.domid}" if domain.name == NAMELESS else domain.name
    return Entry(Kind.DOMAIN, name, f"domid {domain.domid}, {domain.state}, {domain.uuid}")


def _of_blocks(parts: Mapping[str, str]) -> Iterator[Entry]:
    mapped = [match for line in parts["mapper"].splitlines() if (match := _MAPPED.match(line))]
    devices = {f"/dev/dm-{match['minor']}": f"/dev/mapper/{match['name']}" for match in mapped}

    def named(text: str) -> str:
        # The kernel tells "/dev/dm-5", which says nothing of whose that is.
        return _DM.sub(lambda match: devices.get(match[0], match[0]), text)

    for match in mapped:
        yield Entry(Kind.MAPPER, match["name"])
    for line in parts["loop"].splitlines():
        name, _, backing = line.partition(" ")
        yield Entry(Kind.LOOP, name, named(backing))
    args = _by_pid(parts)
    for line in parts["nbd"].splitlines():
        path, pid = line.rsplit(" ", 1)
        yield Entry(Kind.NBD, path.split("/")[3], named(f"pid {pid} {args.get(pid, '')}".strip()))
    for line in parts["mounts"].splitlines():
        source, target, *_ = line.split(" ")
        yield Entry(Kind.MOUNT, target, named(source))


def _of_network(parts: Mapping[str, str]) -> Iterator[Entry]:
    for name in parts["interfaces"].split():
        yield Entry(Kind.INTERFACE, name)
    for path in parts["ports"].split():
        yield Entry(Kind.PORT, path.split("/")[4])


def _of_pci(parts: Mapping[str, str]) -> Iterator[Entry]:
    """Those that are assignable, and those that a job has taken, whatever came of that."""
    owners = {claim.address: claim.domain for claim in read_claims(parts["claims"])}
    there = [path.rpartition("/")[2] for path in parts["assignable"].splitlines()]
    for address in sorted({*owners, *there}):
        yield Entry(Kind.PCI, address, owners.get(address, ""))


def _of_xenstore(tree: Mapping[str, str]) -> Iterator[Entry]:
    """Back ends, and whom else it knows: one entry for each, not for each of its keys."""
    for path in {match["name"] for path in tree if (match := _BACKEND.match(path))}:
        yield Entry(Kind.BACKEND, path)
    for path in {match[0] for path in tree if (match := _SUBJECT.match(path))}:
        yield Entry(Kind.XENSTORE, path)


def _by_pid(parts: Mapping[str, str]) -> dict[str, str]:
    lines = (line.strip().partition(" ") for line in parts["processes"].splitlines())
    return {pid: args.strip() for pid, _, args in lines}


def _processes(args: Mapping[str, str]) -> Iterator[Entry]:
    for pid, line in args.items():
        if _PROGRAMS.match(line):
            program, _, rest = line.partition(" ")
            yield Entry(Kind.PROCESS, f"{program.rpartition('/')[2]} {pid}", rest)
