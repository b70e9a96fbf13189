"""What xl says about domains and the host, as data.

The run state of a domain is only in the table of ``xl list``; its configuration is only in the
JSON of ``xl list -l``, which has no state (so in Xen 4.17 and 4.20). ``xl list -v`` adds the UUID
and the reason of a shutdown to the table.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.errors import LabError

TABLE = "xl list -v"
DETAILS = "xl list -l"
FACTS = "xl info"


class DomainState(StrEnum):
    """What a domain is doing, from the six letters of xl(1), "list"."""

    RUNNING = "running"
    BLOCKED = "blocked"
    """Waiting for something; what an idle guest does nearly all the time."""
    PAUSED = "paused"
    SHUTDOWN = "shutdown"
    """It has ended, and is kept because something still holds it."""
    CRASHED = "crashed"
    """It has crashed, and is kept because of ``on_crash="preserve"``."""
    DYING = "dying"
    """It is being destroyed."""


@dataclass(frozen=True, kw_only=True)
class DomainInfo:
    """One domain. *memory* is in MiB."""

    domid: int
    name: str
    """``(null)`` for one that is nearly gone: xenstore knows its name no more."""
    uuid: str
    memory: int
    vcpus: int
    state: DomainState


@dataclass(frozen=True, kw_only=True)
class XenInfo:
    """What ``xl info`` says of a host. Memory is in MiB."""

    version: str
    """``4.17.7``, as ``xen_version`` gives it."""
    major: int
    minor: int
    extra: str
    dom0_kernel: str
    """The release of dom0's kernel, as ``uname -r`` gives it."""
    nr_cpus: int
    total_memory: int
    free_memory: int
    virt_caps: tuple[str, ...]
    """Such as ``pv``, ``hvm`` and ``hap``."""
    xen_commandline: str


# Most serious first. A domain that is runnable but not on a processor just now shows no letter
# at all. The fifth letter says why one shut down (shutdown_reason_letters in tools/xl/xl_list.c):
# "r" reboot, "s" suspend, "c" crash, "w" watchdog, "-" power off.
_FLAGS = {
    "d": DomainState.DYING,
    "c": DomainState.CRASHED,
    "s": DomainState.SHUTDOWN,
    "p": DomainState.PAUSED,
    "b": DomainState.BLOCKED,
}

_LINE = re.compile(
    r"(?P<name>.*?)\s+(?P<domid>\d+)\s+(?P<memory>\d+)\s+(?P<vcpus>\d+)\s+"
    r"(?P<flags>[r-][b-][p-][s-][rscw?-][d-])\s+[\d.]+\s+(?P<uuid>[0-9a-f-]{36}|-)(?:\s|$)"
)


def parse_list(text: str) -> tuple[DomainInfo, ...]:
    """The table of ``xl list -v``; `LabError` for a line that cannot be read."""
    lines = text.splitlines()
    if not lines or not lines[0].startswith("Name"):
        raise _unreadable(TABLE, text)
    domains = []
    for line in lines[1:]:
        match = _LINE.match(line)
        if not match:
            raise _unreadable(TABLE, line)
        domains.append(
            DomainInfo(
                domid=int(match["domid"]),
                name=match["name"],
                uuid=match["uuid"],
                memory=int(match["memory"]),
                vcpus=int(match["vcpus"]),
                state=parse_state(match["flags"]),
            )
        )
    return tuple(domains)


def parse_state(flags: str) -> DomainState:
    """The state that six letters such as ``-b----`` stand for."""
    states = f"{flags[:4]}{'c' if flags[4] in 'cw' else '-'}{flags[5]}"
    found = (state for letter, state in _FLAGS.items() if letter in states)
    return next(found, DomainState.RUNNING)


def parse_configs(text: str) -> dict[int, dict[str, Any]]:
    """The JSON of ``xl list -l``: domid to its configuration as libxl keeps it."""
    try:
        return {entry["domid"]: entry["config"] for entry in json.loads(text)}
    except (ValueError, KeyError, TypeError) as error:
        raise _unreadable(DETAILS, text) from error


def parse_info(text: str) -> XenInfo:
    """The output of ``xl info``."""
    pairs = (line.partition(":") for line in text.splitlines())
    facts = {key.strip(): value.strip() for key, _, value in pairs}
    try:
        return XenInfo(
            version=facts["xen_version"],
            major=int(facts["xen_major"]),
            minor=int(facts["xen_minor"]),
            extra=facts["xen_extra"],
            dom0_kernel=facts["release"],
            nr_cpus=int(facts["nr_cpus"]),
            total_memory=int(facts["total_memory"]),
            free_memory=int(facts["free_memory"]),
            virt_caps=tuple(facts["virt_caps"].split()),
            xen_commandline=facts["xen_commandline"],
        )
    except (KeyError, ValueError) as error:
        raise _unreadable(FACTS, text) from error


def _unreadable(command: str, text: str) -> LabError:
    msg = f"{command} printed something that cannot be read: {text.strip()[:200]!r}"
    return LabError(msg)
