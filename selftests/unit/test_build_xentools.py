"""xen-create-image's command line, and whose fault its failures are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.build.domain_file import devices
from harness.build.mirror import mirror_for_host
from harness.build.verdict import verdict
from harness.build.xentools import Place, check_options, plan_call, without_pygrub
from harness.errors import GuestFailure, LabError, UsageError
from harness.flight.axes import Arch, Boot, Builder, Dist, Virt
from harness.flight.model import DEFAULT_TIMEOUTS, HostSpec, JobSpec, SshSpec, TestboxSpec
from harness.mirror.mirror import Mirror
from harness.mirror.proxy import AptCache, Running
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.units import Size

PLACE = Place(vg="field-cricket", pool="pool", kernel="6.1.0-50-amd64")
URL = "http://10.80.16.196/debian"
JOB = JobSpec(
    name="boot-squeeze-i386-pv-direct",
    suite="boot",
    dist=Dist.SQUEEZE,
    arch=Arch.I386,
    virt=Virt.PV,
    boot=Boot.DIRECT,
    variant=None,
    memory=Size.parse("512M"),
    vcpus=1,
    disk=Size.parse("4G"),
    kernel_args="",
    packages=(),
    timeouts=DEFAULT_TIMEOUTS,
    builder=Builder.XEN_CREATE_IMAGE,
    kernel="dom0",
    swap=Size.parse("1000M"),
)


def line(job: JobSpec, *, mirror: str = URL) -> str:
    call = plan_call(
        job, hostname="guest-1", mac="00:16:3e:00:00:01", mirror_url=mirror, place=PLACE
    )
    return " ".join(call.argv)


def test_the_users_own_line() -> None:
    """As in the example: its kernel and initramfs are those of an older dom0."""
    job = replace(JOB, kernel="2.6.32.57")
    assert line(job) == (
        "xen-create-image --dhcp --mac 00:16:3e:00:00:01 --memory 512M --swap 1000M"
        " --dist squeeze --mirror http://10.80.16.196/debian --hostname guest-1"
        " --lvm field-cricket --lvm_thin pool --force"
        " --kernel /boot/vmlinuz-2.6.32.57 --initrd /boot/initrd.img-2.6.32.57"
        " --arch i386 --size 4096M --cache no --verbose"
    )


def test_dom0s_own_kernel_is_the_one_that_runs() -> None:
    call = plan_call(JOB, hostname="g", mac="m", mirror_url=URL, place=PLACE)
    assert (call.kernel, call.initrd) == (
        "/boot/vmlinuz-6.1.0-50-amd64",
        "/boot/initrd.img-6.1.0-50-amd64",
    )
    named = plan_call(
        replace(JOB, kernel="5.10.0-1-amd64"), hostname="g", mac="m", mirror_url=URL, place=PLACE
    )
    assert named.initrd == "/boot/initrd.img-5.10.0-1-amd64"


def test_a_guest_that_boots_its_own_kernel_gets_none() -> None:
    job = replace(JOB, boot=Boot.PYGRUB, swap=None)
    call = plan_call(job, hostname="g", mac="m", mirror_url=URL, place=PLACE)
    assert (call.kernel, call.initrd) == ("", "")
    assert "--pygrub" in call.argv
    assert "--noswap" in call.argv
    assert not {"--kernel", "--initrd", "--swap"} & set(call.argv)


def test_more_options_come_last() -> None:
    job = replace(JOB, builder_options=(("fs", "ext3"), ("keep", None), ("cache", "yes")))
    assert line(job).endswith("--size 4096M --verbose --fs ext3 --keep --cache yes")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("memory", "256M", "'memory'"),
        ("hostname", "web", "names and numbers them"),
        ("lvm", "other", "the host's own volume group"),
        ("config", "/root/x", "overrides"),
        ("force", None, "makes the volumes"),
        ("role", "x; rm -rf /", "would give that to a shell"),
        ("role-args", "$(id)", "would give that to a shell"),
        ("x;y", None, "would give that to a shell"),
    ],
)
def test_options_that_cannot_be_are_refused(option: str, value: str | None, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_options(((option, value),))
    assert said in str(caught.value)


def test_what_it_cannot_make() -> None:
    with pytest.raises(UsageError, match="no disk that uefi could boot"):
        line(replace(JOB, boot=Boot.UEFI))
    with pytest.raises(UsageError, match="to a shell"):
        line(replace(JOB, kernel="$(id)"))


def test_a_mirror_that_a_shell_would_take_apart() -> None:
    with pytest.raises(UsageError, match="to a shell"):
        line(JOB, mirror="http://host/$(id)")


TABLE = """\
stretch      = debian pygrub
bookworm     = debian pygrub
bookworm-x   = debian pygrub
 sid = debian pygrub dont-test
"""


def test_pygrub_is_hidden_for_one_suite_only(tmp_path: Path) -> None:
    """Run for real, on a table like that of xen-tools."""
    table = tmp_path / "distributions.conf"
    table.write_text(TABLE)
    for dist, number in (("bookworm", 1), ("sid", 3)):
        script = without_pygrub(dist).replace("/etc/xen-tools/distributions.conf", str(table))
        changed = LocalRunner().run(Command.shell(script)).stdout.splitlines()
        expected = TABLE.splitlines()
        expected[number] = expected[number].replace("pygrub", "")
        assert changed == expected


DOMAIN = """\
#  Disk device(s).
root        = '/dev/xvda2 ro'
disk        = [
                  'phy:/dev/vg0/guest-1-disk,xvda2,w',
                  'phy:/dev/vg0/guest-1-swap,xvda1,w',
              ]
name        = 'guest-1'
vif         = [ 'mac=00:16:3e:00:00:01' ]
"""


def test_the_devices_it_chose() -> None:
    assert devices(DOMAIN) == {"guest-1-disk": "xvda2", "guest-1-swap": "xvda1"}
    with pytest.raises(GuestFailure, match="no disks"):
        devices("name = 'guest-1'\n")


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("Unknown option: colour\n", UsageError, "Unknown option: colour"),
        (
            "ERROR: 'size' argument takes a suffixed (mb, MB, G, etc.) integer.\n",
            UsageError,
            "'size' argument",
        ),
        (
            "I: Retrieving InRelease \nE: Failed getting release file http://m/dists/x/Release\n",
            LabError,
            "the mirror: E: Failed getting release file",
        ),
        ("E: Couldn't download packages: libc6 dpkg\n", LabError, "the mirror"),
        ("E: Invalid Release signature (key id 1)\n", LabError, "the mirror"),
        ('  Volume group "vg" not found\n', LabError, "the host"),
        ("  Free space in pool vg/pool reached threshold.\n", LabError, "the host"),
        ("tar: write error: No space left on device\n", LabError, "the host"),
        ("hook 80-install-kernel failed: 256\n", GuestFailure, "ended with status 127"),
        ("System installation failed: /bin/ls missing.  Aborting.\n", GuestFailure, "127"),
        ("", GuestFailure, "127"),
    ],
)
def test_whose_fault_it_is(text: str, error: type[Exception], said: str, tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_text(f"General Information\n{text}Aborting\n")
    found = verdict("xen-create-image", log, "ended with status 127", 127)
    assert type(found) is error
    assert said in str(found)


def test_a_failure_of_its_own_has_a_class_and_evidence(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_text("hook 80 failed: 256\n")
    found = verdict("xen-create-image", log, "ended with status 127", 127)
    assert isinstance(found, GuestFailure)
    assert (found.phase, found.failure_class) == ("build", "image-build-failed")
    assert found.evidence == "hook 80 failed: 256"


def test_one_that_was_killed_is_the_labs(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    assert isinstance(verdict("xen-create-image", log, "ended with status 137", 137), LabError)


def host(*, testbox: bool) -> HostSpec:
    box = TestboxSpec(release="bookworm", memory=Size(1), vcpus=1, disk=Size(1))
    ssh = SshSpec(
        address="a",
        port=22,
        user="root",
        key_file="k",
        host_key="h",
        vg="v",
        thin_pool="p",
        bridge="b",
    )
    return HostSpec(
        name="h",
        slots=1,
        timeout_factor=1,
        testbox=box if testbox else None,
        ssh=None if testbox else ssh,
    )


def test_the_mirror_as_a_host_sees_it(tmp_path: Path) -> None:
    mirror = Mirror(main="http://mirror.example/debian", security=None)
    cache = AptCache(mirror, LocalRunner(), base=tmp_path)
    running = Running(pid=1, port=4321)
    inside = mirror_for_host(host(testbox=True), mirror, cache, running)
    assert inside == "http://10.0.2.2:4321/main"
    assert mirror_for_host(host(testbox=False), mirror, cache, running) == mirror.main
    own = Mirror(main="http://127.0.0.1:8000/debian", security=None)
    with pytest.raises(UsageError, match="loopback"):
        mirror_for_host(host(testbox=False), own, cache, running)
