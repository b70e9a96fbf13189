"""Names and tags of logical volumes: how ownership is written on the host.

Every volume of ours carries the tag ``xenflight``, its role, and what it belongs to. So any
controller can list what an owner left behind, and nothing without the tag is ever touched.

What LVM allows in names and tags: lvm(8), "VALID NAMES" and "TAGS".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from enum import StrEnum

from harness.errors import UsageError

TAG = "xenflight"
"""The tag that makes a volume ours."""

GOLDEN_KEY_LENGTH = 16
"""How much of an image's key stands in the name; the whole key is in a tag."""

_TAG_TEXT = re.compile(r"[A-Za-z0-9_+.\-/=!:&#]+")
_TAG_MOST = 1024
_NAME_TEXT = re.compile(r"[A-Za-z0-9_+.][A-Za-z0-9_+.\-]*")
_NAME_MOST = 127
_RESERVED_STARTS = ("snapshot", "pvmove")
_RESERVED_PARTS = re.compile(
    r"_cdata|_cmeta|_corig|_cpool|_cvol|_imeta|_iorig|_mimage|_mlog|_pmspare|_rimage|_rmeta"
    r"|_tdata|_tmeta|_vdata|_vorigin|_wcorig"
)


class Role(StrEnum):
    """What a volume is for."""

    GOLDEN = "golden"
    """A read-only origin, built once for each image."""
    SCRATCH = "scratch"
    """What one job may write; a snapshot of a golden volume, as a rule."""


def golden_name(key: str) -> str:
    """The name of the golden volume of the image with content key *key*."""
    return check_name(f"xf-golden-{key[:GOLDEN_KEY_LENGTH]}")


def golden_tags(key: str) -> tuple[str, ...]:
    """The tags of that golden volume."""
    return _tags(Role.GOLDEN, key=key)


def scratch_name(run: str, job: str, part: str = "root") -> str:
    """The name of a job's volume: short, the same every time, and no other job's."""
    digest = hashlib.sha256(f"{run}\0{job}".encode()).hexdigest()
    return check_name(f"xf-{digest[:12]}-{part}")


def scratch_tags(run: str, job: str) -> tuple[str, ...]:
    """The tags of a volume of *job* in the flight *run*."""
    return _tags(Role.SCRATCH, run=run, job=job)


def tag_value(tags: Iterable[str], name: str) -> str | None:
    """The value of ``xenflight.<name>=`` among *tags*, or None."""
    start = f"{TAG}.{name}="
    return next((tag[len(start) :] for tag in tags if tag.startswith(start)), None)


def check_tag(tag: str) -> str:
    """*tag* itself; `UsageError` if LVM would refuse it."""
    if not _TAG_TEXT.fullmatch(tag) or tag.startswith("-") or len(tag) > _TAG_MOST:
        msg = f"{tag[:80]!r} cannot be an LVM tag"
        hint = "allowed are letters, digits and _ + . - / = ! : & #, at most 1024 of them"
        raise UsageError(msg, hint=hint)
    return tag


def check_name(name: str) -> str:
    """*name* itself; `UsageError` if LVM would refuse it as a volume's name."""
    msg = f"{name[:140]!r} cannot be the name of a logical volume: "
    if not _NAME_TEXT.fullmatch(name) or name in (".", ".."):
        raise UsageError(msg + "allowed are letters, digits and _ + . -, not a hyphen at first")
    if len(name) > _NAME_MOST:
        raise UsageError(msg + f"it is longer than {_NAME_MOST} characters")
    reserved = [start for start in _RESERVED_STARTS if name.startswith(start)]
    reserved += _RESERVED_PARTS.findall(name)
    if reserved:
        raise UsageError(msg + f"LVM keeps {reserved[0]!r} for itself")
    return name


def _tags(role: Role, **values: str) -> tuple[str, ...]:
    tags = [TAG, f"{TAG}.role={role}"]
    tags += [f"{TAG}.{name}={value}" for name, value in values.items()]
    return tuple(check_tag(tag) for tag in tags)
