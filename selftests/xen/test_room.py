"""What a real Xen has room for, and that domains take no more of it than was reckoned."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from realhost import RealHost

from harness.host.room import HostRoom
from harness.host.roomlook import find_room, look_script
from harness.remote.command import Command
from harness.testbox.volumes import THIN_POOL, VOLUME_GROUP
from harness.units import Size
from harness.xen.config import DomainConfig, DomainType, Firmware
from harness.xen.memory import MIB, overhead
from harness.xen.toolstack import Xl

NAME = "selftest-room"
MEMORY = Size.parse("256M")


def look(testbox: RealHost) -> HostRoom:
    return find_room(testbox.runner, look_script(VOLUME_GROUP, THIN_POOL))


@pytest.fixture
def xl(testbox: RealHost) -> Iterator[Xl]:
    found = Xl(testbox.runner)
    yield found
    found.destroy(NAME)


def test_a_testbox_tells_what_it_is_and_has(testbox: RealHost) -> None:
    room = look(testbox)
    spec = testbox.testbox.spec
    assert (room.cpus, room.dom0_memory, room.balloons) == (spec.vcpus, 1024 * MIB, False)
    assert spec.memory - 8 * MIB < room.total_memory <= spec.memory
    assert 0 < room.free_memory < room.total_memory - room.dom0_memory
    assert (room.shape.chunk, room.shape.metadata_size) == (256 << 10, 64 * MIB)
    assert 0.8 * spec.disk < room.shape.size < room.shape.group.size < spec.disk
    assert room.pool.name == THIN_POOL
    assert 0 <= room.data_used < room.shape.size
    assert 0 < room.metadata_used < room.shape.metadata_size


@pytest.mark.parametrize("kind", DomainType)
def test_a_domain_takes_no_more_than_was_reckoned(
    testbox: RealHost, xl: Xl, kind: DomainType
) -> None:
    """Paused, so that nothing of it runs; all of its memory is there by then."""
    kernel = "/boot/vmlinuz-" + testbox.runner.run(Command.of("uname", "-r")).stdout.strip()
    hvm = kind is DomainType.HVM
    config = DomainConfig(
        name=NAME,
        type=kind,
        memory=MEMORY.mib,
        vcpus=2,
        kernel=None if hvm else kernel,
        firmware=Firmware.SEABIOS if hvm else None,
    )
    before = look(testbox)
    xl.create_paused(config.to_xl(), NAME)
    after = look(testbox)
    taken = before.free_memory - after.free_memory
    assert 0.9 * MEMORY < taken <= MEMORY + overhead(kind, MEMORY, 2), taken // MIB
    (domain,) = [one for one in after.domains if one.name == NAME]
    assert domain.memory >= 0.9 * MEMORY
