"""Asking a host what it has room for: what is used, and what jobs have claimed.

Domains are asked for twice, before and after free memory. A domain counts as having only what both
say that it has, so that what was made or ended meanwhile is never taken for memory that is free.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from harness.errors import LabError
from harness.host.room import Claimed, DomainNow, HostRoom, Want
from harness.host.roomshell import FIND
from harness.host.slots import SLOT_DIRECTORY, SlotHolder, parse_holder, printable
from harness.remote.command import Command, Runner
from harness.storage.reports import lvs_command, parse_lvs, parse_pool, pool_command
from harness.xen.listing import DomainInfo, DomainState, parse_info, parse_list
from harness.xen.memory import MIB, balloons

TIMEOUT = timedelta(minutes=2)
_SECTION = "=== "
_SETTING = "sed -n 's/^[[:space:]]*autoballoon[[:space:]]*=//p' /etc/xen/xl.conf 2>/dev/null"
_END = "end"


def look_script(group: str, pool: str) -> str:
    """Shell: say what the host is and has, in sections; it ends early when it can't."""
    commands = {
        "autoballoon": f"{_SETTING} | tail -n 1",
        "before": "xl list -v",
        "info": "xl info",
        "after": "xl list -v",
        "pool": str(pool_command(group, pool)),
        "volumes": str(lvs_command(group)),
        _END: ":",
    }
    return "\n".join(f"echo '{_SECTION}{name}'\n{run} || exit" for name, run in commands.items())


def find_room(runner: Runner, look: str, directory: str = SLOT_DIRECTORY) -> HostRoom:
    """What there is room for on the runner's host, in one command; `LabError` when it can't tell.

    *look* is a `look_script`. Nobody is kept from taking it meanwhile: for that there is
    `harness.host.admission`.
    """
    command = Command.script("find-room", FIND, directory, look)
    result = runner.run(command, timeout=TIMEOUT, check=False)
    return read_room(result.stdout.splitlines(), runner.name, result.stderr)


def read_room(lines: Iterable[str], where: str, noise: str = "") -> HostRoom:
    """The room in what the shell's ``facts`` said; `LabError` when it is not all there."""
    held, wants, parts = _split(lines)
    if _END not in parts:
        ended = list(parts)[-1] if parts else "the beginning"
        why = printable(" ".join(noise.split())) or "nothing more was said"
        msg = f"{where} cannot tell what it has room for, it ended at {ended}: {why}"
        raise LabError(msg, hint="it is asked with xl and lvs, for the thin pool of hosts.yaml")
    info = parse_info(parts["info"])
    dom0, domains = _both(parse_list(parts["before"]), parse_list(parts["after"]))
    shape, volumes = parse_pool(parts["pool"]), parse_lvs(parts["volumes"])
    pool = next((volume for volume in volumes if volume.name == shape.name), None)
    if pool is None:
        msg = f"{where}: thin pool {shape.group.name}/{shape.name} was removed just now"
        raise LabError(msg)
    return HostRoom(
        total_memory=info.total_memory * MIB,
        free_memory=info.free_memory * MIB,
        dom0_memory=dom0 * MIB,
        balloons=balloons(parts["autoballoon"], info.xen_commandline),
        cpus=info.nr_cpus,
        domains=domains,
        shape=shape,
        pool=pool,
        volumes=volumes,
        held=tuple(held[slot] for slot in sorted(held)),
        claims=tuple(
            Claimed(holder=held.get(slot, SlotHolder(slot=slot)), want=Want.parse(text))
            for slot, text in sorted(wants.items())
        ),
    )


def _split(lines: Iterable[str]) -> tuple[dict[int, SlotHolder], dict[int, str], dict[str, str]]:
    """Holders and what they want, by slot, and sections by name."""
    held: dict[int, SlotHolder] = {}
    wants: dict[int, str] = {}
    parts: dict[str, list[str]] = {}
    for line in lines:
        word, _, rest = line.partition(" ")
        match word:
            case "held":
                holder = parse_holder(rest)
                held[holder.slot] = holder
            case "want":
                wants[parse_holder(rest).slot] = rest.partition(" ")[2]
            case "|" if rest.startswith(_SECTION):
                parts[rest.removeprefix(_SECTION)] = []
            case "|" if parts:
                parts[list(parts)[-1]].append(rest)
            case _:
                pass
    return held, wants, {name: "\n".join(said) for name, said in parts.items()}


def _both(
    before: Iterable[DomainInfo], after: Iterable[DomainInfo]
) -> tuple[int, tuple[DomainNow, ...]]:
    """dom0's memory in MiB, and the other domains, as far as both lists agree.

    One that was made anew in between has the same name, and another number.
    """
    first = {domain.domid: domain for domain in before}
    second = {domain.domid: domain for domain in after}
    dom0 = min(domains[0].memory if 0 in domains else 0 for domains in (first, second))
    found = []
    for domid in sorted((first.keys() | second.keys()) - {0}):
        seen = [domains[domid] for domains in (first, second) if domid in domains]
        if all(domain.state is DomainState.DYING for domain in seen):
            continue
        agreed = len(seen) == 2 and seen[0].name == seen[1].name
        found.append(
            DomainNow(
                name=seen[-1].name,
                memory=min(domain.memory for domain in seen) * MIB if agreed else 0,
                vcpus=max(domain.vcpus for domain in seen),
            )
        )
    return dom0, tuple(found)
