"""Which volumes a guest gets, and how it sees them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_job_flight import FLIGHTS

from harness.build.model import BuiltDisks
from harness.flight.axes import Builder, DiskFormat
from harness.flight.build import build_plan
from harness.flight.model import JobSpec
from harness.host.fake import FakeHost
from harness.job.disks import make_rest, make_root, plan_disks
from harness.job.prepared import PreparedImage
from harness.storage.names import golden_tags, tag_value
from harness.units import Size

RUN = "smoke-1"
BARE = PreparedImage(golden="xf-golden-k", kernel="/boot/k", initrd="/boot/i")
WHOLE = BARE.model_copy(update={"root_partition": 3, "root_offset": 99 << 20})


@pytest.fixture
def job() -> JobSpec:
    return build_plan(str(FLIGHTS / "smoke.yaml")).jobs[0]


@pytest.fixture
def fake() -> FakeHost:
    made = FakeHost(volumes={"xf-golden-k": set(golden_tags("k"))})
    made.runner.on("^qemu-img create")
    made.runner.on("^mkswap")
    return made


def attached(job: JobSpec, image: PreparedImage, fake: FakeHost) -> list[str]:
    return [str(disk) for disk in plan_disks(job, RUN, image).attached(fake.host)]


def test_a_bare_file_system_is_seen_as_a_partition(job: JobSpec, fake: FakeHost) -> None:
    disks = plan_disks(job, RUN, BARE)
    assert disks.root_device == "xvda1"
    assert attached(job, BARE, fake) == [
        f"format=raw,vdev=xvda1,access=rw,target=/dev/vg0/{disks.root}"
    ]


def test_a_whole_disk_is_seen_as_one(job: JobSpec, fake: FakeHost) -> None:
    assert plan_disks(job, RUN, WHOLE).root_device == "xvda3"
    assert "vdev=xvda,access" in attached(job, WHOLE, fake)[0]


def test_all_that_a_job_may_ask_for(job: JobSpec, fake: FakeHost) -> None:
    more = replace(
        job,
        swap=Size.parse("1G"),
        extra_disks=(Size.parse("1G"), Size.parse("2G")),
        disk_format=DiskFormat.QCOW2,
    )
    disks = plan_disks(more, RUN, WHOLE)
    assert [text.split(",")[:2] for text in attached(more, WHOLE, fake)] == [
        ["format=qcow2", "vdev=xvda"],
        ["format=raw", "vdev=xvdb"],
        ["format=raw", "vdev=xvdc"],
        ["format=raw", "vdev=xvdd"],
    ]
    make_root(fake.host, disks, more, RUN, WHOLE.golden)
    make_rest(fake.host, disks, more, RUN)
    made = set(fake.volumes) - {"xf-golden-k"}
    assert made == set(disks.volumes)
    assert len(made) == 5
    assert all(tag_value(fake.volumes[name], "run") == RUN for name in made)
    assert disks.volumes[-1] == disks.root, "the overlay needs it as long as it is there"
    line = next(line for line in fake.runner.lines if line.startswith("qemu-img"))
    assert line.endswith(f"-b /dev/vg0/{disks.root} -F raw /dev/vg0/{disks.overlay}")
    assert any(line.startswith("mkswap") for line in fake.runner.lines)


def test_two_jobs_share_no_volume(job: JobSpec) -> None:
    other = replace(job, name="boot-other")
    one, two = (
        plan_disks(replace(spec, swap=Size.parse("1G")), RUN, BARE) for spec in (job, other)
    )
    assert not set(one.volumes) & set(two.volumes)


def test_what_a_builder_made_on_the_host_takes_their_places(job: JobSpec, fake: FakeHost) -> None:
    built = BuiltDisks(
        root="guest-disk",
        swap="guest-swap",
        root_partition=0,
        root_offset=0,
        kernel="/boot/k",
        initrd="/boot/i",
        root_device="xvda2",
        swap_device="xvda1",
        arguments="root=/dev/xvda2",
        remarks=(),
    )
    more = replace(job, swap=Size.parse("1G"), builder=Builder.XEN_CREATE_IMAGE)
    disks = plan_disks(more, RUN, PreparedImage()).on(built)
    assert [str(disk) for disk in disks.attached(fake.host)] == [
        "format=raw,vdev=xvda2,access=rw,target=/dev/vg0/guest-disk",
        "format=raw,vdev=xvda1,access=rw,target=/dev/vg0/guest-swap",
    ]
    make_rest(fake.host, disks, more, RUN)
    assert set(fake.volumes) == {"xf-golden-k"}, "its swap space is there already"
    assert disks.volumes == ("guest-swap", "guest-disk")
