"""Which power a host has."""

from __future__ import annotations

from harness.flight.model import HostSpec
from harness.power.command import CommandPower
from harness.power.ipmi import IpmiPower
from harness.power.model import Power
from harness.power.testbox import TestboxPower
from harness.remote.local import LocalRunner
from harness.testbox.machine import Testbox


def power_of(spec: HostSpec) -> Power | None:
    """What switches the host of *spec*; None when nothing does. Nothing is asked for that."""
    terms = spec.power_terms
    if spec.testbox:
        return TestboxPower(Testbox(spec.name, spec.testbox))
    if terms and terms.ipmi:
        return IpmiPower(terms.ipmi, LocalRunner())
    if terms and terms.command:
        return CommandPower(spec.name, terms.command, LocalRunner())
    return None
