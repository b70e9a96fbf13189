"""The host of a plan as values that JSON knows, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from harness.flight.faults import Fault, FaultKind
from harness.flight.hostcare import (
    CanarySpec,
    CanaryWhen,
    IpmiSpec,
    PowerCommands,
    PowerCycle,
    PowerSpec,
)
from harness.flight.model import BoxBoot, BoxIommu, HostSpec, SimSpec, SshSpec, TestboxSpec
from harness.units import Size


def host_dict(host: HostSpec) -> dict[str, Any]:
    """*host*: sizes in bytes, durations in seconds."""
    power, canary = host.power, host.canary
    found = asdict(host)
    # Hosts that are none do not change what a plan looks like.
    sim = found.pop("sim")
    return {
        **found,
        **({"sim": _sim_dict(sim)} if sim else {}),
        "slot_timeout": host.slot_timeout.total_seconds(),
        "power": power and {**asdict(power), "boot_timeout": power.boot_timeout.total_seconds()},
        "canary": {
            "when": canary.when,
            "interval": canary.interval.total_seconds(),
            "timeout": canary.timeout.total_seconds(),
        },
    }


def host_from(data: Mapping[str, Any]) -> HostSpec:
    """What `host_dict` made; `KeyError`, `TypeError` or `ValueError` when it is none of that."""
    testbox, ssh, power = data["testbox"], data["ssh"], data["power"]
    sim = data.get("sim")
    if testbox:
        testbox = TestboxSpec(
            **{
                **testbox,
                "memory": Size(testbox["memory"]),
                "disk": Size(testbox["disk"]),
                "boot": BoxBoot(testbox["boot"]),
                "iommu": BoxIommu(testbox["iommu"]),
            }
        )
    return HostSpec(
        **{
            **data,
            "slot_timeout": timedelta(seconds=data["slot_timeout"]),
            "dom0_memory": Size(data["dom0_memory"]),
            "testbox": testbox,
            "ssh": SshSpec(**ssh) if ssh else None,
            "sim": _sim(sim) if sim else None,
            "power": _power(power) if power else None,
            "canary": _canary(data["canary"]),
            "serial": tuple(data["serial"]),
            "passthrough": tuple(data["passthrough"]),
        }
    )


def _power(data: Mapping[str, Any]) -> PowerSpec:
    ipmi, command = data["ipmi"], data["command"]
    words = {name: tuple(line) for name, line in command.items()} if command else {}
    return PowerSpec(
        cycle=PowerCycle(data["cycle"]),
        boot_timeout=timedelta(seconds=data["boot_timeout"]),
        ipmi=IpmiSpec(**ipmi) if ipmi else None,
        command=PowerCommands(**words) if command else None,
    )


def _canary(data: Mapping[str, Any]) -> CanarySpec:
    return CanarySpec(
        when=CanaryWhen(data["when"]),
        interval=timedelta(seconds=data["interval"]),
        timeout=timedelta(seconds=data["timeout"]),
    )


def _sim_dict(sim: dict[str, Any]) -> dict[str, Any]:
    for fault in sim["faults"]:
        fault["after"] = fault["after"].total_seconds()
        fault["lasts"] = fault["lasts"] and fault["lasts"].total_seconds()
    return sim


def _sim(data: Mapping[str, Any]) -> SimSpec:
    sizes = {name: Size(data[name]) for name in ("memory", "disk")}
    return SimSpec(**{**data, **sizes, "faults": tuple(_fault(one) for one in data["faults"])})


def _fault(data: Mapping[str, Any]) -> Fault:
    after, lasts = timedelta(seconds=data["after"]), data["lasts"]
    until = None if lasts is None else timedelta(seconds=lasts)
    return Fault(**{**data, "kind": FaultKind(data["kind"]), "after": after, "lasts": until})
