"""A testbox that gets another dom0 kernel from the mirror, and is taken back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from diskbox import MINUTE, disk_box, disk_lab, dom0
from lab import Lab

from harness.status import EXIT_CODES, Status
from harness.testbox.machine import Testbox

FLIGHT = 60 * MINUTE
WRONG_ROOT = "variant: wrong-root, kernel_args: root=/dev/nowhere"
pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def box() -> Iterator[Testbox]:
    with disk_box() as found:
        yield found


@pytest.fixture(scope="module")
def lab(box: Testbox, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """On whose host a guest has passed."""
    made = disk_lab(tmp_path_factory.mktemp("lab"), box)
    assert made.xenflight("run", "smoke", timeout=FLIGHT).exit_status == 0
    return made


def as_it_was(box: Testbox) -> str:
    """What must not be otherwise after a flight."""
    return dom0(
        box,
        "uname -r; ls /boot /lib/modules /var/lib/xenflight; dpkg-query -W | sha256sum;"
        " sha256sum /boot/grub/grub.cfg; ls /boot/grub/custom.cfg 2>&1 || :",
    )


def test_there_and_back(box: Testbox, lab: Lab) -> None:
    before = as_it_was(box)
    done = lab.xenflight("run", "host-upgrade", timeout=FLIGHT)
    found = lab.steps()
    statuses = {name: step.status for name, step in found.items()}
    assert done.exit_status == 0, (statuses, done.stdout[-2000:])
    own = [name for name in statuses if not name.startswith("leak-")]
    assert len(own) == 8
    assert {statuses[name] for name in own} == {Status.PASS}
    (job,) = lab.results().jobs
    kernels = job.runvars["kernel_before"], job.runvars["kernel_after"]
    assert kernels[0] != kernels[1]
    console = next(lab.latest.glob("jobs/*/console.log")).read_text(errors="replace")
    assert all(f"Linux version {one} " in console for one in kernels)
    assert as_it_was(box) == before


def test_a_kernel_that_does_not_boot_fails_and_the_host_is_taken_back(
    box: Testbox, lab: Lab
) -> None:
    """The suite can fail."""
    before = as_it_was(box)
    flight = lab.folder / "flights" / "host-upgrade.yaml"
    text = flight.read_text(encoding="utf-8")
    flight.write_text(text.replace("boot: bios}", f"boot: bios, {WRONG_ROOT}}}"))
    try:
        done = lab.xenflight("run", "host-upgrade", timeout=FLIGHT)
    finally:
        flight.write_text(text)
    assert done.exit_status == EXIT_CODES[Status.FAIL]
    boot = lab.steps()["upgrade-boot"]
    assert (boot.status, boot.failure_class) == (Status.FAIL, "root-not-found")
    assert lab.steps()["upgrade-guest.after"].status is Status.BLOCKED
    assert as_it_was(box) == before
