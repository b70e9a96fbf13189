"""Debian's installer: what it is given, where it comes from, how its console is read."""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from test_build_xentools import JOB

from harness.build.cpio import append_files, archive
from harness.build.debian_installer import debian_installer, installer_domain
from harness.build.install_watch import Asked, InstallWatcher
from harness.build.mirror import as_controller
from harness.build.model import BuildRequest
from harness.build.netboot import fetch_netboot
from harness.build.preseed import Answers, installer_files, kernel_arguments, preseed
from harness.console.fake import VirtualClock
from harness.errors import GuestFailure, LabError, UsageError
from harness.flight.axes import Arch, Boot, Builder, Dist
from harness.host.fake import FakeHost
from harness.host.names import domain_name
from harness.mirror.fake import FakeMirror, serve_mirror
from harness.mirror.mirror import Mirror
from harness.remote.fake import Call, FakeRunner, Reply
from harness.status import Status
from harness.steps import StepRecord
from harness.wait import Deadline

RUN, NAME = "smoke-20261122-114412-a1b2c3", "boot-bookworm-0a1b2c"
SPEC = replace(
    JOB,
    name="boot-bookworm-amd64-pv-pygrub",
    dist=Dist.BOOKWORM,
    arch=Arch.AMD64,
    boot=Boot.PYGRUB,
    builder=Builder.DEBIAN_INSTALLER,
    packages=("less",),
)
ANSWERS = Answers(
    suite="bookworm",
    hostname=NAME,
    mirror_url="http://10.0.2.2:3142/main",
    packages=("less",),
    swap_mib=512,
    root_hash="$2b$04$x",
)


def answer(text: str, question: str) -> str:
    """What *text* answers to *question*, the type of the answer first."""
    lines = [line.split(" ", 2) for line in text.splitlines()]
    (found,) = [line[2] for line in lines if line[1] == question]
    return found


def test_the_answers() -> None:
    text = preseed(ANSWERS)
    assert all(line.startswith("d-i ") for line in text.splitlines())
    assert answer(text, "mirror/http/hostname") == "string 10.0.2.2:3142"
    assert answer(text, "mirror/http/directory") == "string /main"
    assert answer(text, "mirror/suite") == "string bookworm"
    assert answer(text, "netcfg/get_hostname") == f"string {NAME}"
    assert answer(text, "debian-installer/exit/poweroff") == "boolean true"
    assert "openssh-server" in answer(text, "pkgsel/include")
    assert answer(text, "pkgsel/include").endswith(" less")
    recipe = answer(text, "partman-auto/expert_recipe")
    assert recipe.index("mountpoint{ / }") < recipe.index("512 512 512 linux-swap")
    late = answer(text, "preseed/late_command")
    assert late.index("in-target update-grub && ") < late.index("xenflight-phase: installed")


def test_a_guest_without_swap_is_not_asked_about_it() -> None:
    text = preseed(replace(ANSWERS, swap_mib=0))
    assert "linux-swap" not in text
    assert answer(text, "partman-basicfilesystems/no_swap") == "boolean false"


@pytest.mark.parametrize("url", ["https://host/debian", "host/debian", "file:///debian"])
def test_a_mirror_that_it_cannot_use(url: str) -> None:
    with pytest.raises(UsageError, match="cannot use the mirror"):
        preseed(replace(ANSWERS, mirror_url=url))


def test_an_archive_that_the_kernel_unpacks(tmp_path: Path) -> None:
    """Read back by the format's own rules; the tools are tried in selftests/contract."""
    data = archive({"/preseed.cfg": "d-i x\n", "/usr/lib/x.d/00y": "#!/bin/sh\n"})
    found: dict[str, tuple[int, bytes]] = {}
    at = 0
    while data[at : at + 6] == b"070701":
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        name = data[at + 110 : at + 110 + fields[11] - 1].decode()
        begin = (at + 110 + fields[11] + 3) // 4 * 4
        found[name] = (fields[1], data[begin : begin + fields[6]])
        at = (begin + fields[6] + 3) // 4 * 4
    assert list(found) == [
        *("preseed.cfg", "usr", "usr/lib", "usr/lib/x.d", "usr/lib/x.d/00y", "TRAILER!!!"),
    ]
    assert found["preseed.cfg"] == (0o100644, b"d-i x\n")
    assert found["usr/lib"] == (0o040755, b"")
    assert found["usr/lib/x.d/00y"][0] == 0o100755
    assert append_files(b"12345", {}).startswith(b"12345\0\0\0\x1f\x8b"), "padded to four bytes"


def test_the_installers_console_is_read() -> None:
    clock = VirtualClock()
    watcher, step = InstallWatcher(clock), StepRecord(job="j", testid="t", clock=clock)
    for line in ("[    0.0] Linux", "xenflight-phase: components", "Retrieving x", "50%"):
        clock.sleep(10)
        watcher.line(line)
    with pytest.raises(Asked, match="Press enter"):
        watcher.line("[Press enter to continue]")
    watcher.record(step)
    assert [(phase.name, phase.status) for phase in step.phases] == [
        ("install-boot", Status.PASS),
        ("install-components", Status.FAIL),
    ]
    assert step.phases[0].duration == 20


@pytest.mark.parametrize("line", ["Prompt: '?' for help> ", "[Press enter to continue]"])
def test_what_the_text_front_end_asks(line: str) -> None:
    with pytest.raises(Asked):
        InstallWatcher(VirtualClock()).line(line)


def test_the_controllers_own_view_of_a_mirror() -> None:
    assert as_controller("http://10.0.2.2:3142/main") == "http://127.0.0.1:3142/main"
    assert as_controller("http://mirror.example/debian") == "http://mirror.example/debian"


# -- where it comes from ---------------------------------------------------------------------


class Installer:
    """A mirror with an installer on it, and a gpgv that believes what it is told."""

    KERNEL, INITRD = b"kernel", b"initramfs"

    def __init__(self, mirror: FakeMirror) -> None:
        self.mirror = mirror
        self.files = {
            "main/debian-installer/binary-amd64/Packages.xz": lzma.compress(
                b"Package: big\nFilename: pool/main/b/big/big_1_amd64.udeb\nSize: 99999\n\n"
                b"Package: anna\nFilename: pool/main/a/anna/anna_1_amd64.udeb\nSize: 9\n"
            ),
            "main/installer-amd64/current/images/SHA256SUMS": (
                f"{hashlib.sha256(self.KERNEL).hexdigest()}  ./netboot/xen/vmlinuz\n"
                f"{hashlib.sha256(self.INITRD).hexdigest()}  ./netboot/xen/initrd.gz\n"
            ).encode(),
        }
        mirror.files["/debian/pool/main/a/anna/anna_1_amd64.udeb"] = b"x"
        images = "/debian/dists/bookworm/main/installer-amd64/current/images/netboot/xen"
        mirror.files[f"{images}/vmlinuz"] = self.KERNEL
        mirror.files[f"{images}/initrd.gz"] = self.INITRD
        self.gpgv = FakeRunner()
        self.gpgv.on_call("^gpgv ", lambda _: Reply(stdout=self.release()))
        mirror.files["/debian/dists/bookworm/InRelease"] = b"signed"
        for path, data in self.files.items():
            mirror.files[f"/debian/dists/bookworm/{path}"] = data

    def release(self) -> str:
        lines = ["SHA256:"]
        for path, data in self.files.items():
            lines.append(f" {hashlib.sha256(data).hexdigest()} {len(data):>8} {path}")
        return "\n".join(lines)

    def fetch(self) -> tuple[bytes, bytes]:
        mirror = Mirror(main=self.mirror.url)
        found = fetch_netboot(mirror, "bookworm", "amd64", self.gpgv)
        return found.kernel.read_bytes(), found.initrd.read_bytes()


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installer]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with serve_mirror() as mirror:
        yield Installer(mirror)


def test_the_installer_is_fetched_once(installer: Installer) -> None:
    assert installer.fetch() == (b"kernel", b"initramfs")
    installer.fetch()
    asked = [line for line in installer.mirror.asked if line.endswith("/vmlinuz")]
    assert len(asked) == 1


def test_one_in_the_cache_that_was_changed_is_fetched_again(installer: Installer) -> None:
    found = fetch_netboot(Mirror(main=installer.mirror.url), "bookworm", "amd64", installer.gpgv)
    found.kernel.write_bytes(b"changed")
    assert installer.fetch() == (b"kernel", b"initramfs")


def test_a_release_that_nobody_signed(installer: Installer) -> None:
    gpgv = FakeRunner()
    gpgv.on("^gpgv ", exit_status=1, stderr="gpgv: Can't check signature: No public key\n")
    with pytest.raises(LabError, match=r"cannot check the signature of .*No public key"):
        fetch_netboot(Mirror(main=installer.mirror.url), "bookworm", "amd64", gpgv)
    with pytest.raises(LabError, match="gpgv is not installed"):
        fetch_netboot(Mirror(main=installer.mirror.url), "bookworm", "amd64", FakeRunner())


def test_files_that_are_not_those_that_were_signed(installer: Installer) -> None:
    for path in list(installer.mirror.files):
        if path.endswith("/vmlinuz"):
            installer.mirror.files[path] = b"other"
    with pytest.raises(LabError, match="vmlinuz is not what its signed list says"):
        installer.fetch()


def test_a_mirror_of_packages_only(installer: Installer) -> None:
    """It has the lists, but neither the installer nor its components."""
    del installer.mirror.files["/debian/pool/main/a/anna/anna_1_amd64.udeb"]
    with pytest.raises(
        LabError, match=r"lists Debian's installer, but does not have all of it: .*anna"
    ):
        installer.fetch()


def test_a_mirror_without_the_installers_kernel(installer: Installer) -> None:
    for path in list(installer.mirror.files):
        if path.endswith("/vmlinuz"):
            del installer.mirror.files[path]
    with pytest.raises(LabError, match=r"does not have all of it: .*404.*vmlinuz"):
        installer.fetch()


def test_a_suite_without_an_installer(installer: Installer) -> None:
    del installer.files["main/installer-amd64/current/images/SHA256SUMS"]
    with pytest.raises(LabError, match="there is no installer for it"):
        installer.fetch()


# -- the whole -------------------------------------------------------------------------------

CONSOLE = b"""Linux version 6.1\r
xenflight-phase: components\r
xenflight-phase: disk\r
xenflight-phase: base\r
xenflight-phase: packages\r
xenflight-phase: installed\r
reboot: Power down\r
"""


class Bench:
    """A fake host whose domains say what they are told to."""

    def __init__(self, installer: Installer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fake = FakeHost(flights={RUN}, locked={RUN})
        self.console = CONSOLE
        self.sent: dict[str, bytes] = {}
        self.config = ""
        self.log = folder / "installer.log"
        self.url = installer.mirror.url
        runner = self.fake.runner
        monkeypatch.setattr("harness.build.debian_installer.LocalRunner", lambda: installer.gpgv)
        runner.on(" look ", "release 6.1\nprogram partx\nprogram debugfs\n")
        runner.on_call(r"cat >/var/lib/xenflight/builds", self._receive)
        runner.on_call("xl create -p", self._create)
        runner.on_call("^xl unpause ", self._unpause)
        runner.on("^partx ", "1 2048\n2 8000000\n")
        runner.on("^debugfs -f - ", "Inode: 1\nInode: 2\n")

    def _receive(self, call: Call) -> Reply:
        self.fake.builds.add(f"{RUN}/{NAME}")
        self.sent[call.command.argv[-1].rpartition("/")[2]] = call.stdin
        return Reply()

    def _create(self, call: Call) -> Reply:
        self.config = call.stdin.decode()
        self.fake.domains[domain_name(RUN, SPEC.name)] = 5
        self.fake.runner._streams.clear()
        self.fake.runner.on_open("^xl console ", [None, self.console])
        return Reply(stdout="5\n")

    def _unpause(self, call: Call) -> Reply:
        del call
        if b"Power down" in self.console:
            self.fake.domains.clear()
        return Reply()

    def request(self) -> BuildRequest:
        return BuildRequest(
            host=self.fake.host,
            spec=SPEC,
            run=RUN,
            hostname=NAME,
            mac="00:16:3e:00:00:01",
            mirror_url=self.url,
            step=StepRecord(job=SPEC.name, testid="guest-create"),
            log=self.log,
            deadline=Deadline.after(timedelta(minutes=1)),
        )

    @property
    def left(self) -> tuple[object, ...]:
        return self.fake.volumes, self.fake.domains, self.fake.builds


@pytest.fixture
def bench(installer: Installer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(installer, tmp_path, monkeypatch)


def test_a_guest_is_installed(bench: Bench) -> None:
    request = bench.request()
    built = debian_installer(request)
    assert (built.root, built.root_partition, built.root_offset) == (f"{NAME}-disk", 1, 1 << 20)
    assert (built.root_device, built.swap_device, built.kernel) == ("xvda1", "xvda2", "")
    assert built.remarks == ("installed with 1G of memory",)
    assert set(bench.fake.volumes) == {f"{NAME}-disk"}
    assert "xenflight.role=scratch" in bench.fake.volumes[f"{NAME}-disk"]
    assert (bench.fake.domains, bench.fake.builds) == ({}, set())
    assert bench.sent["vmlinuz"] == b"kernel"
    assert bench.sent["initrd"].startswith(b"initramfs")
    assert bench.log.read_bytes() == CONSOLE
    assert [phase.name for phase in request.step.phases][:2] == [
        "install-boot",
        "install-components",
    ]
    assert all(phase.status is Status.PASS for phase in request.step.phases)


def test_its_domain_is_the_jobs_and_never_runs_twice(bench: Bench) -> None:
    config = installer_domain(bench.request(), "/k", "/i").to_xl()
    assert f'name = "{domain_name(RUN, SPEC.name)}"' in config
    assert 'on_reboot = "destroy"' in config
    assert "memory = 1024" in config
    assert kernel_arguments() in config


def test_one_that_asks_is_not_waited_for(bench: Bench) -> None:
    bench.console = b"xenflight-phase: disk\r\n!! No root file system\r\n[Press enter to continue] "
    with pytest.raises(GuestFailure, match="waits for an answer in its phase 'disk'") as caught:
        debian_installer(bench.request())
    assert caught.value.failure_class == "image-build-failed"
    assert "No root file system" in caught.value.evidence
    assert bench.left == ({}, {}, set())


def test_that_it_got_nothing_from_the_mirror_is_the_labs(bench: Bench) -> None:
    bench.console = (
        b"xenflight-phase: components\r\n!! ERROR: Bad archive mirror\r\n\r\n"
        b"An error has been detected.\r\n[Press enter to continue] "
    )
    with pytest.raises(LabError, match="the mirror: !! ERROR: Bad archive mirror"):
        debian_installer(bench.request())
    assert bench.left == ({}, {}, set())


def test_one_that_ends_too_soon(bench: Bench) -> None:
    bench.console = b"xenflight-phase: base\r\nreboot: Power down\r\n"
    with pytest.raises(GuestFailure, match="ended in its phase 'base'"):
        debian_installer(bench.request())
    assert bench.left == ({}, {}, set())


def test_what_it_cannot_make(bench: Bench) -> None:
    request = bench.request()
    for wrong in (replace(SPEC, boot=Boot.DIRECT), replace(SPEC, boot=Boot.UEFI)):
        with pytest.raises(UsageError, match="for pygrub and pvgrub, not for pv and"):
            debian_installer(replace(request, spec=wrong))


def test_installer_files_are_scripts_and_answers() -> None:
    files = installer_files(ANSWERS)
    assert set(files) == {
        "/preseed.cfg",
        "/usr/lib/base-installer.d/00xenflight",
        "/usr/lib/post-base-installer.d/00xenflight",
    }
    assert "xenflight-phase: base" in files["/usr/lib/base-installer.d/00xenflight"]
