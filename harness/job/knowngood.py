"""The guest that a host is known to run well: the canary's. It is written down on the host.

It is the last one that passed there: its golden LV, kernel and initramfs are on the host already,
so nothing has to be built or sent to find out whether the host is to blame (ADR 22).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from harness.errors import UsageError
from harness.flight.axes import Boot, Builder, Layout, Virt
from harness.flight.model import JobSpec
from harness.flight.plan import SCHEMA_VERSION, job_dict, job_from
from harness.host.xenhost import XenHost
from harness.job.prepared import PreparedImage
from harness.remote.command import Command
from harness.results.layout import safe_name
from harness.storage.names import Role, check_name, check_tag, tag_value

RECORD = "/var/lib/xenflight/canary"
"""On the host. It stays over a boot."""
_WRITE = """\
umask 022
mkdir -p "${1%/*}"
cat >"$1.new"
mv "$1.new" "$1"
"""
_READ = 'cat "$1" 2>/dev/null || :'
_THERE = '[ -e "$1" ] && [ -e "$2" ]'


@dataclass(frozen=True, kw_only=True)
class KnownGood:
    """A guest as it passed: the job, and its image on the host."""

    job: JobSpec
    image: PreparedImage


def fits(job: JobSpec, image: PreparedImage) -> bool:
    """Whether that guest, which has passed, makes a canary: small, and the host has all of it."""
    return (
        job.builder is Builder.MMDEBSTRAP
        and job.boot is Boot.DIRECT
        and job.layout is Layout.BARE
        and job.virt in (Virt.PV, Virt.PVH)
        and not job.swap
        and not job.extra_disks
        and not job.neighbour
        and not job.peer
        and not job.passthrough
        and job.image is None
        and image.seedable
        and bool(image.golden and image.kernel and image.initrd)
    )


def better(new: JobSpec, old: JobSpec) -> bool:
    """Whether *new* shall be the canary rather than *old*: PV first of all, then the smaller."""
    return _cost(new) <= _cost(old)


def note_known_good(host: XenHost, job: JobSpec, image: PreparedImage) -> bool:
    """*job* has passed on *host*: write that down, unless the guest there is a better canary.

    Whether it was written. `LabError` when the host does not answer.
    """
    if not fits(job, image):
        return False
    new, old = KnownGood(job=job, image=image), read_known_good(host)
    if old and (old == new or (not better(job, old.job) and is_there(host, old))):
        return False
    text = json.dumps(
        {"version": SCHEMA_VERSION, "job": job_dict(job), "image": image.model_dump(mode="json")}
    )
    command = Command.script("note-known-good", _WRITE, RECORD)
    host.runner.run(command, stdin=text.encode("ascii"))
    return True


def read_known_good(host: XenHost) -> KnownGood | None:
    """What is written there; None when nothing is, or nothing that this xenflight understands."""
    command = Command.script("read-known-good", _READ, RECORD)
    said = host.runner.run(command).stdout
    try:
        data: Any = json.loads(said)
        if data["version"] != SCHEMA_VERSION:
            return None
        good = KnownGood(
            job=job_from(data["job"]), image=PreparedImage.model_validate(data["image"])
        )
        # Others can write there: the names become paths here, and words of commands on the host.
        safe_name(good.job.name)
        check_tag(good.job.name)
        check_name(good.image.golden)
    except (ValueError, KeyError, TypeError, AttributeError, UsageError):
        return None
    return good if fits(good.job, good.image) else None


def is_there(host: XenHost, good: KnownGood) -> bool:
    """Whether the host still has what that guest is made of."""
    image = good.image
    golden = host.volumes.find(image.golden)
    if golden is None or tag_value(golden.tags, "role") != Role.GOLDEN:
        return False
    command = Command.script("known-good-there", _THERE, image.kernel, image.initrd)
    return host.runner.run(command, check=False).ok


def _cost(job: JobSpec) -> tuple[bool, int, int]:
    return job.virt is not Virt.PV, job.memory, job.vcpus
