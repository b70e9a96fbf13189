"""How much patience the guest of a job needs on a host."""

from __future__ import annotations

from dataclasses import replace

from harness.flight.axes import Virt
from harness.flight.model import JobSpec
from harness.host.capabilities import Capabilities
from harness.host.xenhost import XenHost


def as_fast_as(spec: JobSpec, host: XenHost, capabilities: Capabilities) -> XenHost:
    """*host* with the patience that the guest of *spec* needs on it."""
    if spec.virt is Virt.PV or capabilities.hvm_slowdown == 1:
        return host
    return replace(host, timeout_factor=host.timeout_factor * capabilities.hvm_slowdown)
