"""Options that a flight may hand on to xen-create-image, and those that it may not."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, PlainValidator, WithJsonSchema

from harness.flight.hints import did_you_mean

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*")
_STORAGE = "the harness makes the volumes, on the host's own volume group"
_NETWORK = "guests get their addresses by DHCP; the harness names and numbers them"
_CONFIGURATION = "the harness writes the domain's configuration itself"

OWNED: dict[str, str] = {
    **{name: f"the flight's key for it is '{name}'" for name in ("memory", "mirror", "dist")},
    **{name: f"the flight's key for it is '{name}'" for name in ("arch", "swap", "vcpus")},
    "maxmem": "the flight's key for it is 'memory'",
    "noswap": "leave out the flight's key 'swap'",
    "size": "the flight's key for it is 'disk'",
    "kernel": "the flight's key for it is 'kernel', such as kernel: dom0",
    "initrd": "it goes with the flight's key 'kernel', such as kernel: dom0",
    "pygrub": "the flight's key for it is 'boot'",
    "nopygrub": "the flight's key for it is 'boot'",
    **dict.fromkeys(("hostname", "mac", "randommac", "dhcp", "ip", "bridge"), _NETWORK),
    **dict.fromkeys(("gateway", "netmask", "broadcast", "vifname", "vlan"), _NETWORK),
    **dict.fromkeys(("lvm", "lvm_thin", "evms", "dir", "image", "image-dev", "swap-dev"), _STORAGE),
    **dict.fromkeys(("zpool", "partitions", "force", "dontformat"), _STORAGE),
    **dict.fromkeys(("output", "extension", "template", "disk_device"), _CONFIGURATION),
    **dict.fromkeys(("serial_device", "boot", "ide", "scsi"), _CONFIGURATION),
    **dict.fromkeys(("password", "passwd", "genpass"), "each flight has a password of its own"),
    "config": "write its options into the flight",
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
        case str() if value and value.isprintable():
            return value
        case str():
            msg = "the value of an option is text on one line"
            raise ValueError(msg)
        case _:
            msg = "the value of an option is text, a number or true"
            raise ValueError(msg)


KNOWN: tuple[str, ...] = (
    *("accounts", "admins", "apt_proxy", "cache", "cachedir", "copyhosts", "debootstrap-cmd"),
    *("finalrole", "fs", "hash_method", "hooks", "install", "install-method", "install-source"),
    *("keep", "keyring", "modules", "nameserver", "no-hosts", "nohosts", "role", "role-args"),
    *("roledir", "verbose"),
)
"""Options that are known to be of use here; for suggestions, others are handed on as well."""

_ANY: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "number"}, {"const": True}]}
OptionName = Annotated[str, AfterValidator(_name)]
OptionValue = Annotated[str | None, PlainValidator(_value), WithJsonSchema(_ANY)]
