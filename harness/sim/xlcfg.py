"""The part of xl.cfg(5) that the harness writes, read back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_LINE = re.compile(r"(?P<key>\w+) = (?P<value>.*)")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
Value = str | int | list[str]


class BadConfigError(Exception):
    """A configuration that xl would not take."""


@dataclass(frozen=True, kw_only=True)
class DiskConfig:
    """A ``disk=`` entry."""

    vdev: str
    target: str
    format: str
    writable: bool


@dataclass(frozen=True, kw_only=True)
class VifConfig:
    """A ``vif=`` entry."""

    mac: str
    bridge: str


@dataclass(frozen=True, kw_only=True)
class GuestConfig:
    """One domain's configuration. *memory* in MiB."""

    values: Mapping[str, Value]
    disks: tuple[DiskConfig, ...]
    vifs: tuple[VifConfig, ...]

    @property
    def pci(self) -> tuple[str, ...]:
        """The addresses of the host's devices that it has."""
        return tuple(_list(self.values.get("pci")))

    def text(self, key: str, default: str = "") -> str:
        """A value that is text."""
        return str(self.values.get(key, default))

    @property
    def name(self) -> str:
        """The domain's."""
        return self.text("name")

    @property
    def memory(self) -> int:
        """In MiB."""
        return int(str(self.values["memory"]))

    @property
    def vcpus(self) -> int:
        """How many."""
        return int(str(self.values.get("vcpus", 1)))


def read_config(text: str) -> GuestConfig:
    """What `DomainConfig.to_xl` wrote; `BadConfigError` for anything else."""
    values: dict[str, Value] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = _LINE.fullmatch(line)
        if not match:
            msg = f"config parsing error near line {number}: syntax error"
            raise BadConfigError(msg)
        values[match["key"]] = _value(match["value"])
    if not {"name", "memory"} <= values.keys():
        msg = "Domain name or memory must be specified."
        raise BadConfigError(msg)
    return GuestConfig(
        values=values,
        disks=tuple(map(read_disk, _list(values.get("disk")))),
        vifs=tuple(map(_vif, _list(values.get("vif")))),
    )


def _value(text: str) -> Value:
    if text.startswith("["):
        return [_plain(match[1]) for match in _STRING.finditer(text)]
    if match := _STRING.fullmatch(text):
        return _plain(match[1])
    return int(text)


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _list(value: Value | None) -> list[str]:
    return value if isinstance(value, list) else []


def _pairs(text: str) -> dict[str, str]:
    # "target" comes last, and all that follows it is the path, commas and all.
    head, _, target = text.partition("target=")
    pairs = (part.partition("=") for part in head.split(",") if part)
    return {key: value for key, _, value in pairs} | ({"target": target} if target else {})


def read_disk(text: str) -> DiskConfig:
    """A disk as `Disk` writes it."""
    pairs = _pairs(text)
    return DiskConfig(
        vdev=pairs["vdev"],
        target=pairs["target"],
        format=pairs["format"],
        writable=pairs["access"] == "rw",
    )


def _vif(text: str) -> VifConfig:
    pairs = _pairs(text)
    return VifConfig(mac=pairs["mac"], bridge=pairs["bridge"])
