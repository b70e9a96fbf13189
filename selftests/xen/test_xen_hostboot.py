"""A testbox that boots from its own disk: rebooted, in an emergency, and where it cannot boot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from diskbox import MINUTE, disk_box, disk_lab, dom0
from lab import Lab

from harness.hostboot.facts import MENU
from harness.status import EXIT_CODES, Status
from harness.testbox.machine import Testbox
from harness.testbox.paths import base_directory
from harness.testbox.warm import warm_states

FLIGHT = 45 * MINUTE
pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def box() -> Iterator[Testbox]:
    with disk_box() as found:
        yield found


@pytest.fixture(scope="module")
def lab(box: Testbox, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return disk_lab(tmp_path_factory.mktemp("lab"), box)


def test_it_boots_as_a_machine_does(box: Testbox) -> None:
    """By its own GRUB, from its own disk."""
    record = box.record()
    assert record
    logs = [one.boot_log.read_bytes() for one in warm_states(base_directory(), record.key)]
    assert any(b"GNU GRUB" in log and b"Xen version" in log for log in logs)
    assert dom0(box, "findmnt -no SOURCE /") == "/dev/mapper/vg00-lv01"
    assert "multiboot2\t/xen-" in dom0(box, f"cat {MENU}")


def test_the_whole_suite(box: Testbox, lab: Lab) -> None:
    done = lab.xenflight("run", "host-boot", timeout=FLIGHT)
    found = lab.steps()
    statuses = {name: step.status for name, step in found.items()}
    assert done.exit_status == 0, (statuses, done.stdout[-2000:])
    own = [name for name in statuses if name.startswith("host-")]
    assert len(own) == 8
    assert {statuses[name] for name in own} == {Status.PASS}
    console = next(lab.latest.glob("jobs/*/console.log")).read_bytes()
    for word in (b"GNU GRUB", b"Xen version", b"Linux version", b"login:", b"Panic on CPU"):
        assert word in console
    # It is as it was found.
    assert dom0(box, "ls /boot/grub/custom.cfg /var/lib/xenflight/drained 2>&1 | grep -c No") == "2"


def test_a_host_that_does_not_boot_by_its_own_entry_fails(box: Testbox, lab: Lab) -> None:
    """The suite can fail: the host's own menu has a root that is not there."""
    dom0(box, f"cp {MENU} /root/good.cfg")
    dom0(box, f"sed -i '/^\\tmodule2/s|root=[^ ]*|root=/dev/mapper/vg00-lost|' {MENU}; sync")
    try:
        done = lab.xenflight("run", "host-boot", timeout=FLIGHT)
        assert done.exit_status == EXIT_CODES[Status.FAIL]
        menu = lab.steps()["host-menu"]
        assert (menu.status, menu.failure_class) == (Status.FAIL, "stale-menu")
        assert lab.steps()["host-boot"].status is Status.BLOCKED
    finally:
        dom0(box, f"cp /root/good.cfg {MENU}; sync")
