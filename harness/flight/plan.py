"""A plan: everything that is decided before a host is touched, as a value and as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

from harness.errors import UsageError
from harness.flight.axes import (
    Arch,
    Boot,
    Builder,
    Devices,
    DiskFormat,
    Dist,
    Keep,
    Layout,
    Peer,
    Pocket,
    Toolstack,
    Virt,
)
from harness.flight.expected import UNKNOWN, Expectation, expected_dict, expected_from
from harness.flight.inventory import Inventory
from harness.flight.model import (
    Flight,
    HostSpec,
    ImageSource,
    JobSpec,
    MirrorSpec,
)
from harness.flight.planhost import host_dict, host_from
from harness.flight.selector import select
from harness.units import Size

SCHEMA_VERSION = 5
"""5: what is expected of jobs, and which devices they see."""
_TOKEN = re.compile(r"[0-9a-f]{6}")
_ENCODE = json.JSONEncoder(ensure_ascii=False).encode
_WORDS: Mapping[str, type[StrEnum]] = {
    "dist": Dist,
    "arch": Arch,
    "virt": Virt,
    "boot": Boot,
    "builder": Builder,
    "layout": Layout,
    "disk_format": DiskFormat,
    "toolstack": Toolstack,
    "devices": Devices,
}


@dataclass(frozen=True, kw_only=True)
class ShardSpec:
    """Which part of a flight a plan is."""

    index: int
    """From 1."""
    count: int
    of: str
    """Stands for all jobs of the whole flight."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run of a flight."""

    schema_version: int
    flight_id: str
    """Such as ``smoke-20261122-114412-a1b2c3``: the time is UTC, the end is random. Lower-case
    letters, digits and dashes only, so that it fits LV tags, domain names and file names."""
    flight: str
    source: str
    """The flight's file, as it was given."""
    hosts: tuple[HostSpec, ...]
    """At least one. A job runs on any of them that can run it."""
    mirror: MirrorSpec
    jobs: tuple[JobSpec, ...]
    keep: Keep
    created: datetime
    keep_for: timedelta | None = None
    """After which a kept guest may be reaped; None: only when its operator says so."""
    dump_core: bool = False
    """Whether the memory of a guest that fails is wanted among its evidence."""
    retry: bool = True
    """Whether jobs that our lab broke are tried once more."""
    fail_fast: bool = False
    """Whether no more jobs begin once one failed."""
    power_cycle: bool = True
    """Whether the host may be power-cycled, where its own terms allow it."""
    expected: Mapping[str, Expectation] = field(default_factory=dict, hash=False)
    """By job; of a job that is not there nothing is known."""
    shard: ShardSpec | None = None
    """None: it is the whole flight."""

    def expectation(self, job: str) -> Expectation:
        """What is expected of the job of that name."""
        return self.expected.get(job, UNKNOWN)

    @cached_property
    def kinds(self) -> tuple[tuple[JobSpec, ...], ...]:
        """The jobs that are not skipped, together those that differ in nothing but their names:
        what is asked of each on each host is asked once of all of them."""
        found: dict[JobSpec, list[JobSpec]] = {}
        for job in self.jobs:
            if not job.skip:
                found.setdefault(replace(job, name="", variant=None), []).append(job)
        return tuple(map(tuple, found.values()))

    @property
    def slots(self) -> int:
        """How many jobs its hosts may run at once, all together."""
        return sum(host.slots for host in self.hosts)

    @property
    def simulated(self) -> bool:
        """Whether its hosts are none: all of them, or none of them."""
        return any(host.sim for host in self.hosts)

    def host_named(self, name: str) -> HostSpec:
        """The host of that name, which must be one of its own."""
        return next(host for host in self.hosts if host.name == name)


def make_plan(
    flight: Flight,
    inventory: Inventory,
    *,
    now: datetime,
    token: str,
    only: Iterable[str] = (),
    hosts: Iterable[str] = (),
    keep: Keep = Keep.NEVER,
    keep_for: timedelta | None = None,
) -> Plan:
    """Decide what runs where. *token* is six random hexadecimal digits, *now* an aware time.

    The hosts are *hosts*, names and lists of them with commas, if there are any; else those that
    the flight names; else the inventory's default. `UsageError` when one is unknown or a glob of
    *only* matches no job.
    """
    if not _TOKEN.fullmatch(token) or now.tzinfo is None:
        msg = "a plan needs an aware time and a token of six hexadecimal digits"
        raise ValueError(msg)
    created = now.astimezone(UTC)
    given = [name.strip() for entry in hosts for name in entry.split(",")]
    # Each once, however often it is named.
    names = tuple(dict.fromkeys(given or flight.hosts)) or (None,)
    found = tuple(inventory.get(name) for name in names)
    _require_one_world(found)
    return Plan(
        schema_version=SCHEMA_VERSION,
        flight_id=f"{flight.name}-{created:%Y%m%d-%H%M%S}-{token}",
        flight=flight.name,
        source=flight.source,
        hosts=found,
        mirror=flight.mirror,
        jobs=select(flight.jobs, only),
        keep=keep,
        keep_for=keep_for,
        created=created,
    )


def _require_one_world(hosts: Iterable[HostSpec]) -> None:
    """A verdict is worth something, or nothing."""
    kinds = {host.name: bool(host.sim) for host in hosts}
    if len(set(kinds.values())) > 1:
        only = ", ".join(name for name, simulated in kinds.items() if simulated)
        msg = f"a flight is not on simulated hosts ({only}) and on others at once"
        raise UsageError(msg)


def to_json(plan: Plan) -> str:
    """*plan* as text: sizes in bytes, durations in seconds, the time in ISO 8601.

    A job is one line: a plan of ten thousand can still be searched, and is written at once.
    """
    head = {
        **to_dict(replace(plan, jobs=(), expected={})),
        "jobs": "@jobs",
        "expected": "@expected",
    }
    text = json.dumps(head, indent=2, ensure_ascii=False)
    jobs = ",\n".join(f"    {_ENCODE(job_dict(job))}" for job in plan.jobs)
    known = expected_dict(plan.expected).items()
    expected = ",\n".join(f"    {_ENCODE(job)}: {_ENCODE(one)}" for job, one in known)
    text = _insert(text, '"@jobs"', f"[\n{jobs}\n  ]")
    return _insert(text, '"@expected"', f"{{\n{expected}\n  }}") + "\n"


def _insert(text: str, mark: str, part: str) -> str:
    """*text* with *part* in place of the last *mark*: names that are alike come before."""
    before, _, after = text.rpartition(mark)
    return f"{before}{part}{after}"


def to_dict(plan: Plan) -> dict[str, Any]:
    """*plan* as values that JSON knows."""
    return {
        **{f.name: getattr(plan, f.name) for f in fields(plan)},
        "hosts": [host_dict(host) for host in plan.hosts],
        "mirror": _mirror_dict(plan.mirror),
        "jobs": [job_dict(job) for job in plan.jobs],
        "created": plan.created.isoformat(),
        "keep_for": plan.keep_for and plan.keep_for.total_seconds(),
        "expected": expected_dict(plan.expected),
        "shard": plan.shard and dict(plan.shard.__dict__),
    }


def job_dict(job: JobSpec) -> dict[str, Any]:
    """*job* as values that JSON knows."""
    # Not asdict: it copies every value on its way, and plans may have very many jobs.
    return {
        **job.__dict__,
        "timeouts": {phase: t.total_seconds() for phase, t in job.timeouts.items()},
        "image": job.image.__dict__ if job.image else None,
        "mirror": _mirror_dict(job.mirror),
    }


def _mirror_dict(mirror: MirrorSpec) -> dict[str, Any]:
    return dict(mirror.__dict__)


def from_json(text: str) -> Plan:
    """The plan written by `to_json`. `UsageError` when it is not one, or of another version."""
    try:
        data = json.loads(text)
        version = data["schema_version"]
        if version != SCHEMA_VERSION:
            msg = f"this plan has schema version {version}; this xenflight knows {SCHEMA_VERSION}"
            raise UsageError(msg)
        return _plan(data)
    except KeyError as error:
        why = f"it has no {error}; it may be of another version of xenflight"
    except (ValueError, TypeError) as error:
        why = f"{type(error).__name__}: {error}"
    msg = f"this is not a plan: {why}"
    raise UsageError(msg, hint="make it again with `xenflight plan --json`")


def _plan(data: Mapping[str, Any]) -> Plan:
    keep_for = data["keep_for"]
    return Plan(
        **{
            **data,
            "hosts": tuple(host_from(host) for host in data["hosts"]),
            "mirror": _mirror(data["mirror"]),
            "jobs": tuple(job_from(job) for job in data["jobs"]),
            "keep": Keep(data["keep"]),
            "created": datetime.fromisoformat(data["created"]),
            "keep_for": None if keep_for is None else timedelta(seconds=keep_for),
            "expected": expected_from(data["expected"]),
            "shard": ShardSpec(**data["shard"]) if data["shard"] else None,
        }
    )


def _mirror(data: Mapping[str, Any]) -> MirrorSpec:
    return MirrorSpec(**{**data, "omit": tuple(Pocket(pocket) for pocket in data["omit"])})


def job_from(data: Mapping[str, Any]) -> JobSpec:
    """What `job_dict` made; `KeyError`, `TypeError` or `ValueError` when it is none of that."""
    swap, image = data["swap"], data["image"]
    return JobSpec(
        **{
            **data,
            **{name: axis(data[name]) for name, axis in _WORDS.items()},
            "memory": Size(data["memory"]),
            "disk": Size(data["disk"]),
            "packages": tuple(data["packages"]),
            "timeouts": {phase: timedelta(seconds=s) for phase, s in data["timeouts"].items()},
            "swap": None if swap is None else Size(swap),
            "extra_disks": tuple(Size(size) for size in data["extra_disks"]),
            "neighbour": None if (other := data["neighbour"]) is None else Size(other),
            "peer": Peer(data["peer"]) if data["peer"] else None,
            "image": ImageSource(**image) if image else None,
            "builder_options": tuple((name, value) for name, value in data["builder_options"]),
            "mirror": _mirror(data["mirror"]),
        }
    )
