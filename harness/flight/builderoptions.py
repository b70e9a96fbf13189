"""Options that a flight may hand on to xen-create-image, and those that it may not."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, PlainValidator, WithJsonSchema

from harness.flight.hints import did_you_mean

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*")
# It puts the values of most options into lines for a shell, as root, unquoted.
_SAFE = re.compile(r"[A-Za-z0-9_./:=,+@~ -]+")
_SEEDABLE = ("ext2", "ext3", "ext4")
_STORAGE = "the harness makes the volumes, on the host's own volume group"
_NETWORK = "guests get their addresses by DHCP; the harness names and numbers them"
_CONFIGURATION = "the harness writes the domain's configuration itself"
_OF_DOM0 = "the flight's key for it is 'kernel': dom0, or the version of one in dom0's /boot"

OWNED: dict[str, str] = {
    **{
        name: f"the flight's key for it is '{name}'"
        for name in ("memory", "mirror", "dist", "arch", "swap", "vcpus")
    },
    "maxmem": "the flight's key for it is 'memory'",
    "noswap": "leave out the flight's key 'swap'",
    "size": "the flight's key for it is 'disk'",
    **dict.fromkeys(("kernel", "initrd"), _OF_DOM0),
    **dict.fromkeys(("pygrub", "nopygrub"), "the flight's key for it is 'boot'"),
    **dict.fromkeys(("hostname", "mac", "randommac", "dhcp", "ip", "bridge"), _NETWORK),
    **dict.fromkeys(("gateway", "netmask", "broadcast", "vifname", "vlan"), _NETWORK),
    **dict.fromkeys(("lvm", "lvm_thin", "evms", "dir", "image", "image-dev", "swap-dev"), _STORAGE),
    **dict.fromkeys(("zpool", "partitions", "force", "dontformat"), _STORAGE),
    **dict.fromkeys(("output", "extension", "template", "admins", "disk_device"), _CONFIGURATION),
    **dict.fromkeys(("serial_device", "boot", "ide", "scsi"), _CONFIGURATION),
    **dict.fromkeys(("password", "passwd", "genpass"), "each flight has a password of its own"),
    **dict.fromkeys(
        ("help", "manual", "version", "dumpconfig", "debug"), "with it nothing would be built"
    ),
    "config": "it overrides the command line; write its options into the flight",
}
"""Options of xen-create-image(8) that the harness sets itself, and what to write instead."""


def _name(value: str) -> str:
    if value.startswith("-"):
        msg = f"write {value.lstrip('-')!r}, without the dashes"
        raise ValueError(msg)
    if value in OWNED:
        msg = f"{value!r} is not for a flight to set: {OWNED[value]}"
        raise ValueError(msg)
    if not _NAME.fullmatch(value) or len(value) > 40:
        msg = f"{value!r} is no option of xen-create-image{did_you_mean(value, KNOWN)}"
        raise ValueError(msg)
    return value


def _value(value: object) -> str | None:
    match value:
        case True:
            return None
        case False | None:
            msg = "write true for an option without a value; leave out one that is not meant"
            raise ValueError(msg)
        case int() | float():
            return str(value)
        case str() if _SAFE.fullmatch(value):
            return value
        case str():
            msg = (
                f"{value!r} would be read by a shell in dom0; letters, digits, spaces and "
                "_ . / : = , + @ ~ - are safe"
            )
            raise ValueError(msg)
        case _:
            msg = "the value of an option is text, a number or true"
            raise ValueError(msg)


KNOWN: tuple[str, ...] = (
    *("accounts", "apt_proxy", "cache", "cachedir", "copyhosts", "debootstrap-cmd"),
    *("finalrole", "fs", "hash_method", "hooks", "install", "install-method", "install-source"),
    *("keep", "keyring", "modules", "nameserver", "no-hosts", "nohosts", "role", "role-args"),
    *("roledir", "verbose"),
)
"""Options that are known to be of use here; for suggestions, others are handed on as well."""


def seedable(options: dict[str, str | None]) -> dict[str, str | None]:
    """The options themselves; `ValueError` for a file system that debugfs cannot write into."""
    if "fs" in options and options["fs"] not in _SEEDABLE:
        msg = (
            f"fs is {options['fs']!r}: the job's own files could not be written into it; "
            f"accepted: {', '.join(_SEEDABLE)}"
        )
        raise ValueError(msg)
    return options


_ANY: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "number"}, {"const": True}]}
OptionName = Annotated[str, AfterValidator(_name)]
OptionValue = Annotated[str | None, PlainValidator(_value), WithJsonSchema(_ANY)]
