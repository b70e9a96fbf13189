"""Building a guest with xen-create-image on a fake host: all that can go wrong, and what stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from test_build_xentools import JOB, URL

from harness.build.fake import FakeXenTools
from harness.build.model import BuildRequest
from harness.build.remove import remove_built
from harness.build.xen_create_image import xen_create_image
from harness.errors import (
    DeadlineExceeded,
    GuestFailure,
    HostLost,
    LabError,
    UsageError,
    XenflightError,
)
from harness.flight.axes import Boot, Dist
from harness.flight.model import JobSpec
from harness.host.fake import FakeHost
from harness.host.names import BUILDS_FOR_RUN, BUILDS_GUEST
from harness.host.reaper import inventory, reap_dead
from harness.steps import StepRecord
from harness.storage.names import scratch_tags
from harness.wait import Deadline

RUN, OTHER = "smoke-20261122-114412-a1b2c3", "smoke-20261122-114413-d4e5f6"
NAME = "boot-squeeze-0a1b2c"
DISK, SWAP = f"{NAME}-disk", f"{NAME}-swap"


class Bench:
    """One fake host, one job, one builder."""

    def __init__(self, folder: Path) -> None:
        self.fake = FakeHost(flights={RUN}, locked={RUN})
        self.tools = FakeXenTools(self.fake, JOB.name)
        self.log = folder / "build.log"

    def request(self, job: JobSpec = JOB, *, seconds: float = 600) -> BuildRequest:
        return BuildRequest(
            host=self.fake.host,
            spec=job,
            run=RUN,
            hostname=NAME,
            mac="00:16:3e:00:00:01",
            mirror_url=URL,
            step=StepRecord(job=job.name, testid="guest-create"),
            log=self.log,
            deadline=Deadline.after(timedelta(seconds=seconds)),
        )

    def fails(self, job: JobSpec = JOB) -> XenflightError:
        with pytest.raises(XenflightError) as caught:
            xen_create_image(self.request(job))
        return caught.value


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_guest_is_built(bench: Bench) -> None:
    built = xen_create_image(bench.request())
    assert (built.root, built.swap) == (DISK, SWAP)
    assert (built.root_device, built.swap_device) == ("xvda2", "xvda1")
    assert (built.root_partition, built.root_offset) == (0, 0)
    assert built.kernel == "/boot/vmlinuz-6.1.0-50-amd64"
    assert built.arguments == "root=/dev/xvda2 ro"
    assert bench.fake.builds == set(), "what it worked in is gone"
    assert "Installation Summary" in bench.log.read_text()
    assert bench.log.read_text().startswith("# xen-create-image --dhcp --mac 00:16:3e:00:00:01 ")
    assert 590 <= bench.tools.seconds <= 600, "the host itself ends it at the deadline"


def test_its_volumes_are_tagged_when_they_are_made(bench: Bench) -> None:
    """By the lvcreate that it finds first; nothing else tells whose they are."""
    xen_create_image(bench.request())
    (made,) = [call for call in bench.fake.runner.lines if "make-sandbox" in call]
    assert "PATH=${PATH#*:}" in made
    for tag in scratch_tags(RUN, JOB.name):
        assert f"--addtag {tag}" in made


def test_pygrub_is_hidden_only_when_dom0s_kernel_is_booted(bench: Bench) -> None:
    direct = xen_create_image(bench.request(replace(JOB, dist=Dist.BOOKWORM)))
    assert any("pygrub hidden" in remark for remark in direct.remarks)
    (made,) = [call for call in bench.fake.runner.lines if "make-sandbox" in call]
    assert "files/%etc%xen-tools%distributions.conf" in made
    bench.fake.volumes.clear()
    bench.fake.runner.calls.clear()
    pygrub = xen_create_image(bench.request(replace(JOB, boot=Boot.PYGRUB)))
    assert not any("pygrub hidden" in remark for remark in pygrub.remarks)
    assert not any("distributions.conf" in call for call in bench.fake.runner.lines)
    assert (pygrub.kernel, pygrub.initrd) == ("", "")


def test_a_guest_that_would_rename_its_interface(bench: Bench) -> None:
    built = xen_create_image(bench.request(replace(JOB, dist=Dist.BOOKWORM)))
    assert built.arguments == "root=/dev/xvda2 ro net.ifnames=0"
    assert any("eth0" in remark for remark in built.remarks)


def test_without_swap_the_root_is_the_first_device(bench: Bench) -> None:
    built = xen_create_image(bench.request(replace(JOB, boot=Boot.PYGRUB, swap=None)))
    assert (built.swap, built.swap_device) == (None, "")
    assert built.root_device == "xvda1"
    assert built.arguments.startswith("root=/dev/xvda1")
    assert any("without swap" in remark for remark in built.remarks)


def test_a_mount_that_it_leaves_is_told(bench: Bench) -> None:
    bench.tools.mounts = ("/tmp/zpJq1xXX2f",)
    built = xen_create_image(bench.request())
    assert any("left a mount behind on /tmp/zpJq1xXX2f" in remark for remark in built.remarks)


def test_after_a_failure_nothing_is_left_and_its_mount_is_told(bench: Bench) -> None:
    bench.tools.status = 127
    bench.tools.says = "E: Failed getting release file http://m/debian/dists/squeeze/Release\n"
    bench.tools.mounts = ("/tmp/zpJq1xXX2f",)
    error = bench.fails()
    assert isinstance(error, LabError)
    assert "the mirror: E: Failed getting release file" in str(error)
    assert "left behind on /tmp/zpJq1xXX2f and was removed" in str(error)
    assert (bench.fake.volumes, bench.fake.builds) == ({}, set())


def test_a_failure_of_its_own_is_the_tests(bench: Bench) -> None:
    bench.tools.status = 127
    bench.tools.says = "hook 70-install-ssh failed: 256\n"
    error = bench.fails()
    assert isinstance(error, GuestFailure)
    assert error.failure_class == "image-build-failed"
    assert "70-install-ssh" in error.evidence
    assert bench.fake.volumes == {}


def test_an_option_that_it_does_not_know_ends_it_with_0(bench: Bench) -> None:
    """Getopt complains, and the script exits as if all were well."""
    bench.tools.says, bench.tools.makes_volumes = "Unknown option: colour\n", False
    error = bench.fails(replace(JOB, builder_options=(("colour", "red"),)))
    assert isinstance(error, UsageError)
    assert "Unknown option: colour" in str(error)


def test_all_went_well_it_says_but_there_is_no_sshd(bench: Bench) -> None:
    bench.tools.not_on_disk = ("/usr/sbin/sshd",)
    error = bench.fails()
    assert isinstance(error, GuestFailure)
    assert "there is no /usr/sbin/sshd" in str(error)
    assert bench.fake.volumes == {}


def test_that_the_mirror_had_no_sshd_is_not_its_fault(bench: Bench) -> None:
    bench.tools.not_on_disk = ("/usr/sbin/sshd",)
    bench.tools.says = "E: Failed to fetch http://m/openssh-server.deb  Connection failed\n"
    assert type(bench.fails()) is LabError


def test_volumes_of_others_are_never_put_before_force(bench: Bench) -> None:
    bench.fake.volumes = {DISK: {"precious"}, "root": set()}
    error = bench.fails()
    assert type(error) is LabError
    assert "is there already" in str(error)
    assert bench.fake.volumes == {DISK: {"precious"}, "root": set()}
    assert bench.tools.calls == []


def test_removing_takes_only_what_this_flight_made(bench: Bench) -> None:
    theirs = set(scratch_tags(OTHER, JOB.name))
    bench.fake.volumes = {
        DISK: set(scratch_tags(RUN, JOB.name)),
        SWAP: theirs,
        f"{NAME}-data": set(scratch_tags(RUN, JOB.name)),
    }
    bench.fake.builds = {f"{RUN}/{NAME}", f"{OTHER}/{NAME}"}
    bench.fake.builders = [{BUILDS_FOR_RUN: RUN, BUILDS_GUEST: NAME}, {BUILDS_GUEST: "another"}]
    for _ in range(2):  # it may be done twice
        remove_built(bench.fake.host, RUN, NAME, Deadline.after(timedelta(seconds=5)))
        assert set(bench.fake.volumes) == {SWAP, f"{NAME}-data"}
        assert bench.fake.builds == {f"{OTHER}/{NAME}"}
        assert bench.fake.builders == [{BUILDS_GUEST: "another"}]


def test_what_cannot_be_removed_is_told_with_the_failure(bench: Bench) -> None:
    bench.tools.status = 127
    bench.fake.stuck[DISK] = "Cannot process volume group"
    error = bench.fails()
    assert isinstance(error, GuestFailure)
    assert "Cannot process volume group" in str(error)
    assert set(bench.fake.volumes) == {DISK}, "the swap went all the same"


@pytest.mark.parametrize(
    ("missing", "said"), [("xen-create-image", "xen-tools"), ("debugfs", "e2fsprogs")]
)
def test_a_host_without_the_tools(bench: Bench, missing: str, said: str) -> None:
    bench.tools.missing_programs = (missing,)
    error = bench.fails()
    assert type(error) is LabError
    assert missing in str(error)
    assert said in str(error)


def test_a_kernel_that_dom0_does_not_have(bench: Bench) -> None:
    bench.tools.missing_files = ("/boot/initrd.img-2.6.32.57",)
    error = bench.fails(replace(JOB, kernel="2.6.32.57"))
    assert "there is no /boot/initrd.img-2.6.32.57" in str(error)
    assert bench.tools.calls == []


def test_one_that_takes_too_long_is_the_labs(bench: Bench) -> None:
    bench.tools.status = 124
    bench.tools.says = "I: Retrieving libc6\n"
    error = bench.fails()
    assert type(error) is DeadlineExceeded
    assert "Retrieving libc6" in str(error)
    assert bench.fake.volumes == {}


def test_one_that_is_ended_by_somebody(bench: Bench) -> None:
    bench.tools.status = None
    error = bench.fails()
    assert type(error) is LabError
    assert "ended by somebody" in str(error)


def test_a_host_that_is_lost_keeps_what_the_next_flight_reaps(bench: Bench) -> None:
    bench.tools.status = None
    bench.fake.runner.alive = False
    assert type(bench.fails()) is HostLost
    assert set(bench.fake.volumes) == {DISK, SWAP}
    bench.fake.locked.clear()
    (left,) = reap_dead(bench.fake.host)
    assert left.builds
    assert (bench.fake.volumes, bench.fake.builds) == ({}, set())


def test_what_is_being_built_is_a_leftover_of_its_flight(bench: Bench) -> None:
    bench.fake.builds = {f"{OTHER}/guest"}
    assert inventory(bench.fake.host)[OTHER].builds
    assert not inventory(bench.fake.host)[RUN].builds
