"""A Xen host for contract tests: a simulated one, and the testbox of the session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from realhost import RealHost

from harness.flight.model import HostSpec, SimSpec
from harness.host.xenhost import XenHost
from harness.sim.request import Answer
from harness.sim.world import SimWorld
from harness.storage.volumes import VolumeManager
from harness.testbox.volumes import BRIDGE, THIN_POOL, VOLUME_GROUP
from harness.wait import SYSTEM_CLOCK
from harness.xen.toolstack import Xl
from harness.xen.xenstore import Xenstore

KINDS = ("sim", pytest.param("testbox", marks=pytest.mark.testbox))
SPEC = HostSpec(name="sim1", slots=2, timeout_factor=1, sim=SimSpec())


@contextmanager
def host_of(kind: str, request: pytest.FixtureRequest) -> Iterator[XenHost]:
    """A host of that *kind*, and the time that belongs to it."""
    if kind == "testbox":
        box: RealHost = request.getfixturevalue("testbox")
        yield XenHost(
            name=box.testbox.name,
            runner=box.runner,
            volumes=VolumeManager(box.runner, VOLUME_GROUP, THIN_POOL),
            xl=Xl(box.runner),
            xenstore=Xenstore(box.runner),
            bridge=BRIDGE,
            timeout_factor=4.0,
        )
        return
    world = SimWorld()
    # Of a script of a test: a simulated host knows scripts by their names.
    world.host(SPEC).programs["say-86"] = lambda host, request: Answer(status=86)
    with SYSTEM_CLOCK.driven_by(world.clock):
        yield world.connect(SPEC)
