"""xen-create-image on a real Xen host, as far as that takes a minute.

It installs nothing here: a whole Debian takes many minutes of an emulated processor, and
``flights/xen-create-image.yaml`` does that. What is proved is all around it: its volumes have an
owner from the start, and nothing of it is left behind whatever becomes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from lab import inventory
from realhost import RealHost

from harness.build.model import BuildRequest
from harness.build.remove import remove_built
from harness.build.sandbox import Sandbox
from harness.build.xen_create_image import tagging_lvcreate, xen_create_image
from harness.build.xentools import Place, plan_call
from harness.errors import DeadlineExceeded, GuestFailure, LabError
from harness.flight.axes import Arch, Boot, Builder, Dist, Virt
from harness.flight.model import DEFAULT_TIMEOUTS, JobSpec
from harness.host.names import BUILDS_GUEST
from harness.host.reaper import reap_dead
from harness.host.xenhost import XenHost
from harness.remote.command import Command
from harness.remote.ssh import SshRunner
from harness.steps import StepRecord
from harness.storage.volumes import VolumeManager
from harness.testbox.volumes import BRIDGE, THIN_POOL, VOLUME_GROUP
from harness.units import Size
from harness.wait import Deadline, NotYet, wait_for
from harness.xen.toolstack import Xl
from harness.xen.xenstore import Xenstore

MINUTE = timedelta(minutes=1)
RUN, NAME = "selftest-20261122-114412-a1b2c3", "selftest-guest-0a1b2c"
NO_MIRROR = "http://127.0.0.1:9/debian"
JOB = JobSpec(
    name="boot-bookworm-amd64-pv-direct",
    suite="boot",
    dist=Dist.BOOKWORM,
    arch=Arch.AMD64,
    virt=Virt.PV,
    boot=Boot.DIRECT,
    variant=None,
    memory=Size.parse("512M"),
    vcpus=1,
    disk=Size.parse("1G"),
    kernel_args="",
    packages=(),
    timeouts=DEFAULT_TIMEOUTS,
    builder=Builder.XEN_CREATE_IMAGE,
    kernel="dom0",
    swap=Size.parse("100M"),
)


def as_host(runner: SshRunner) -> XenHost:
    return XenHost(
        name="testbox",
        runner=runner,
        volumes=VolumeManager(runner, VOLUME_GROUP, THIN_POOL),
        xl=Xl(runner),
        xenstore=Xenstore(runner),
        bridge=BRIDGE,
        timeout_factor=4.0,
    )


@pytest.fixture
def host(testbox: RealHost) -> Iterator[XenHost]:
    """The session's testbox; what a test left there is a failure."""
    found = as_host(testbox.runner)
    before = leavings(found)
    yield found
    remove_built(found, RUN, NAME, Deadline.after(MINUTE))
    assert leavings(found) == before


def leavings(host: XenHost) -> dict[str, list[str]]:
    """What builders could leave in dom0."""
    script = "awk '{print $5}' /proc/self/mountinfo; ls -A /etc/xen"
    # The directory for its logs is made when it is first needed, and stays, empty.
    script += "; find /var/log/xen-tools/* /var/lib/xenflight/builds/* 2>/dev/null"
    found = host.runner.run(Command(("sh", "-c", script)), check=False).stdout.splitlines()
    return {**inventory(host.runner), "more": found}


def request(host: XenHost, folder: Path, job: JobSpec, seconds: float = 300) -> BuildRequest:
    return BuildRequest(
        host=host,
        spec=job,
        run=RUN,
        hostname=NAME,
        mac="00:16:3e:00:00:01",
        mirror_url=NO_MIRROR,
        step=StepRecord(job=job.name, testid="guest-create"),
        log=folder / "build.log",
        deadline=Deadline.after(timedelta(seconds=seconds)),
    )


def test_one_that_installs_nothing_is_found_out(host: XenHost, tmp_path: Path) -> None:
    """Its volumes, its file system and its configuration are made, and then removed.

    It dies at its very end, when it looks for host keys in a directory that is not there; that is
    before it unmounts (xen-create-image, ``END``), and so whenever debootstrap fails.
    """
    job = replace(JOB, builder_options=(("install", "0"),))
    with pytest.raises(GuestFailure, match=r"left behind on /tmp/.* and was removed") as caught:
        xen_create_image(request(host, tmp_path, job))
    assert caught.value.failure_class == "image-build-failed"
    said = (tmp_path / "build.log").read_text()
    assert f"-T {VOLUME_GROUP}/{THIN_POOL} -V 1024M -n {NAME}-disk" in said
    assert "All done" in said


def test_a_mirror_that_does_not_answer_is_the_labs(host: XenHost, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="the mirror: E: Failed getting release file") as caught:
        xen_create_image(request(host, tmp_path, JOB))
    assert not isinstance(caught.value, GuestFailure)


def test_one_that_runs_out_of_time(host: XenHost, tmp_path: Path) -> None:
    with pytest.raises(DeadlineExceeded):
        xen_create_image(request(host, tmp_path, JOB, seconds=2))


def marked_processes(host: XenHost) -> str:
    script = f"grep -lzxF {BUILDS_GUEST}={NAME} /proc/[0-9]*/environ 2>/dev/null || :"
    return host.runner.run(Command.shell(script)).stdout


def test_a_controller_that_dies_leaves_only_what_is_reaped(
    host: XenHost, testbox: RealHost
) -> None:
    """Its processes end with its connection; its volumes have tags from the start."""
    place = Place(vg=VOLUME_GROUP, pool=THIN_POOL, kernel="none")
    job = replace(JOB, boot=Boot.PYGRUB, builder_options=(("install", "0"),))
    call = plan_call(job, hostname=NAME, mac="00:16:3e:00:00:01", mirror_url="x", place=place)
    other = as_host(SshRunner.connect(testbox.testbox.endpoint(), Deadline.after(MINUTE)))
    sandbox = Sandbox(host=other, run=RUN, hostname=NAME)
    # Here it stops, with its volumes made and the file system mounted.
    stop = {"bin/xt-create-xen-config": "#!/bin/sh\nsleep 600\n"}
    sandbox.make({"bin/lvcreate": tagging_lvcreate(RUN, JOB.name), **stop})
    sandbox.start(call.argv, "mark", 600)

    def mounted() -> None:
        script = "cat /proc/[0-9]*/mountinfo 2>/dev/null | grep -c 'guest--0a1b2c--disk' || :"
        if host.runner.run(Command(("sh", "-c", script))).stdout.strip() in ("", "0"):
            msg = "it has mounted nothing"
            raise NotYet(msg)

    def gone() -> None:
        if left := marked_processes(host):
            raise NotYet(left)

    wait_for(mounted, what="xen-create-image", deadline=Deadline.after(2 * MINUTE))
    assert marked_processes(host)
    other.close()
    wait_for(gone, what="its processes to end by themselves", deadline=Deadline.after(MINUTE))
    (left,) = reap_dead(host)
    assert left.builds
    assert sorted(left.volumes) == [f"{NAME}-disk", f"{NAME}-swap"]
