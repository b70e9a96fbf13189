"""Real testboxes: what is in them, and how they come up after all that can go wrong.

The first test that needs one builds dom0 and boots it, unless that was done before; after
that a testbox resumes in seconds. The tests at the end use a cache of their own, since they
spoil what others share.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from realhost import BOX, RealHost, default_spec

from harness.cli.boxes import ssh_command
from harness.errors import LabError
from harness.mirror.mirror import machine_mirror
from harness.mirror.proxy import AptCache
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.remote.ssh import SshRunner
from harness.testbox.accel import ENVIRONMENT, Accel
from harness.testbox.dom0 import find_dom0
from harness.testbox.machine import Started, Testbox
from harness.testbox.paths import base_directory
from harness.testbox.qmp import connect
from harness.testbox.record import InstanceRecord, Stage, processes_with
from harness.testbox.stages import boot_stage
from harness.testbox.warm import SavedState
from harness.wait import Deadline, NotYet, wait_for

TICK = timedelta(milliseconds=5)
MINUTE = timedelta(minutes=1)
BOOT = 10 * MINUTE
"""For a cold boot on a machine that has other work."""
ROOT = Path(__file__).parents[2]
XEN_VERSION = "xl info | sed -n 's/^xen_version *: *//p'"


@pytest.fixture
def box() -> Iterator[Testbox]:
    """Another testbox of this session, down and without a past."""
    found = Testbox(f"{os.environ[BOX]}-other", default_spec())
    yield found
    found.remove()
    assert not processes_with(str(found.paths.files.qmp))


def say(started: Started, script: str) -> str:
    """What *script* prints in the dom0 of what was started."""
    with closing(SshRunner.connect(started.endpoint, Deadline.after(MINUTE))) as runner:
        return runner.run(Command.shell(script), timeout=2 * MINUTE).stdout.strip()


def record_of(box: Testbox) -> InstanceRecord:
    record = box.record()
    assert record, f"{box.name} does not run"
    return record


def kill_qemu(box: Testbox) -> InstanceRecord:
    """End its QEMU behind its back."""
    record = record_of(box)
    os.kill(record.pid, signal.SIGKILL)
    record.wait_gone(Deadline.after(MINUTE))
    return record


def qemus_of(box: Testbox) -> list[int]:
    return processes_with(str(box.paths.files.qmp))


def until(happened: Callable[[], bool], what: str) -> None:
    """Wait for it, looking often."""

    def look() -> None:
        if not happened():
            msg = "not so far"
            raise NotYet(msg)

    wait_for(look, what=what, deadline=Deadline.after(BOOT), interval=TICK)


# -- what is in one ------------------------------------------------------------------------


def test_dom0_runs_on_xen_and_can_have_all_kinds_of_guests(testbox: RealHost) -> None:
    info = testbox.runner.run(Command.of("xl", "info")).stdout
    pairs = [line.partition(":") for line in info.splitlines()]
    facts = {key.strip(): value.strip() for key, _, value in pairs}
    assert facts["xen_version"].startswith("4.17")
    assert {"pv", "hvm", "hap"} <= set(facts["virt_caps"].split())
    assert int(facts["free_memory"]) > 2500


def test_dom0_has_a_thin_pool_that_gives_and_takes(testbox: RealHost) -> None:
    script = (
        "lvcreate -qq -y -T xenflight/pool -V 1G -n selftest; "
        "lvcreate -qq -y -s -kn -n selftest-snap xenflight/selftest; "
        "lvs --noheadings -o lv_name,pool_lv,origin xenflight | grep selftest; "
        "lvremove -qq -y xenflight/selftest xenflight/selftest-snap"
    )
    lines = testbox.runner.run(Command.shell(script), timeout=2 * MINUTE).stdout.splitlines()
    assert sorted(line.split() for line in lines) == [
        ["selftest", "pool"],
        ["selftest-snap", "pool", "selftest"],
    ]


def test_guests_have_a_bridge_dhcp_and_a_way_out(testbox: RealHost) -> None:
    script = (
        "ip -br addr show xenbr0; systemctl is-active guest-net; "
        "sysctl -n net.ipv4.ip_forward; nft list table ip xenflight"
    )
    out = testbox.runner.run(Command.shell(script)).stdout
    assert "10.77.0.1/24" in out
    assert "\nactive\n1\n" in out
    assert "masquerade" in out


def test_nothing_failed_on_the_way_up(testbox: RealHost) -> None:
    command = Command.of("systemctl", "--failed", "--no-legend", "--plain")
    assert testbox.runner.run(command).stdout == ""


def test_nobody_gets_in_with_a_password(testbox: RealHost) -> None:
    script = "sshd -T | grep -i '^passwordauth'; grep '^root:' /etc/shadow"
    auth, shadow = testbox.runner.run(Command.shell(script)).stdout.splitlines()
    assert auth == "passwordauthentication no"
    assert shadow.split(":")[1].startswith(("!", "*"))


def test_the_clock_is_right_though_it_was_resumed(testbox: RealHost) -> None:
    before = time.time()
    there = float(testbox.runner.run(Command.of("date", "+%s.%N")).stdout)
    assert before - 5 < there < time.time() + 5


def test_the_ssh_client_gets_in_and_brings_out_the_exit_status(testbox: RealHost) -> None:
    def ssh(*command: str, said: str = "") -> subprocess.CompletedProcess[str]:
        argv = ssh_command(testbox.testbox, list(command)).argv
        return subprocess.run(argv, input=said, capture_output=True, text=True, check=False)

    assert ssh("cat", said="in and out").stdout == "in and out"
    assert ssh("sh", "-c", "echo 'two  words'; exit 7").stdout == "two  words\n"
    done = ssh("exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")


def test_the_serial_console_is_roots(testbox: RealHost) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(testbox.testbox.paths.files.serial))
        line.settimeout(60)
        line.sendall(b"echo $((40 + 2))-$(id -un)\r")
        seen = b""
        while b"42-root" not in seen:
            seen += line.recv(4096)


# -- coming up -----------------------------------------------------------------------------


def test_up_again_is_nothing_but_an_answer(testbox: RealHost) -> None:
    pid = record_of(testbox.testbox).pid
    again = testbox.testbox.up()
    assert again.how.startswith("was running")
    assert (again.seconds, again.notes) == (0.0, ())
    assert record_of(testbox.testbox).pid == pid
    assert again.endpoint == testbox.runner.endpoint


def test_a_saved_testbox_goes_on_where_it_was(box: Testbox) -> None:
    started = box.up()
    boot_id = say(started, "echo kept > /run/mark; cat /proc/sys/kernel/random/boot_id")
    assert box.down() is True
    assert box.record() is None
    assert box.down() is False
    again = box.up()
    assert again.how == "resumed as it was left"
    assert again.notes == ()
    assert say(again, "cat /run/mark /proc/sys/kernel/random/boot_id") == f"kept\n{boot_id}"
    # A second life of the same state would run on disks that have gone on since.
    kill_qemu(box)
    third = box.up()
    assert third.how == "resumed from the warm snapshot"
    assert third.notes == ("it had ended without being asked to, so its guests are gone",)
    assert say(third, "cat /run/mark || echo gone") == "gone"


def test_a_discarded_testbox_starts_anew(box: Testbox) -> None:
    say(box.up(), "touch /root/mark")
    box.down()
    assert box.down(save=False) is False
    started = box.up()
    assert started.how == "resumed from the warm snapshot"
    assert say(started, "ls /root") == ""


def spoil_memory(state: SavedState) -> None:
    with state.memory.open("r+b") as file:
        file.seek(state.memory.stat().st_size // 2)
        file.write(b"spoilt")


def spoil_manifest(state: SavedState) -> None:
    (state.directory / "manifest.json").write_text("{", encoding="utf-8")


def make_stale(state: SavedState) -> None:
    path = state.directory / "manifest.json"
    facts = json.loads(path.read_text(encoding="utf-8")) | {"key": "another"}
    path.write_text(json.dumps(facts), encoding="utf-8")


def lose_disk(state: SavedState) -> None:
    state.volumes.unlink()


def forge_memory(state: SavedState) -> None:
    """Whole by its digest, but nothing that QEMU can read."""
    state.memory.write_bytes(b"this is no migration stream")
    state.seal()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(spoil_memory, "its memory file is damaged", id="memory"),
        pytest.param(spoil_manifest, "its manifest is damaged", id="manifest"),
        pytest.param(make_stale, "it was made for another QEMU", id="stale"),
        pytest.param(lose_disk, "volumes.qcow2 is missing", id="disk"),
        pytest.param(forge_memory, "the saved state did not resume: ", id="forged"),
    ],
)
def test_a_bad_saved_state_falls_back_to_the_warm_one(
    box: Testbox, damage: Callable[[SavedState], None], said: str
) -> None:
    box.up()
    key = record_of(box).key
    box.down()
    damage(SavedState(directory=box.paths.top, key=key))
    started = box.up()
    assert started.how == "resumed from the warm snapshot"
    assert len(started.notes) == 1
    assert said in started.notes[0]
    assert say(started, "xl list | wc -l") == "2"


def test_a_recycled_pid_is_not_taken_for_it(box: Testbox) -> None:
    box.up()
    record = kill_qemu(box)
    text = box.paths.record.read_text().replace(f'"pid": {record.pid}', f'"pid": {os.getpid()}')
    box.paths.record.write_text(text)
    assert box.record() is None
    assert box.up().how == "resumed from the warm snapshot"


def test_a_taken_port_is_not_the_end(box: Testbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        taken = int(squatter.getsockname()[1])
        offered = iter([taken, taken])
        free = box.ports
        box.ports = lambda: next(offered, None) or free()
        started = box.up()
    assert next(offered, None) is None
    assert started.endpoint.port != taken
    assert started.notes == ()
    assert say(started, "echo in") == "in"


def in_another_process(box: Testbox, call: str = "up()") -> subprocess.Popen[str]:
    """Do it in a process of its own, as another user of the harness would."""
    code = (
        "from harness.testbox.machine import Testbox\n"
        "from realhost import default_spec\n"
        f"done = Testbox({box.name!r}, default_spec()).{call}\n"
        "print(getattr(done, 'how', done))\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT}/selftests"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_of_two_that_start_it_at_once_one_works_and_both_have_it(box: Testbox) -> None:
    both = [in_another_process(box) for _ in range(2)]
    said = sorted(process.communicate(timeout=BOOT.total_seconds())[0] for process in both)
    assert said == [
        "resumed from the warm snapshot\n",
        "was running (resumed from the warm snapshot)\n",
    ]
    assert qemus_of(box) == [record_of(box).pid]


def test_two_testboxes_run_side_by_side(testbox: RealHost, box: Testbox) -> None:
    started = box.up()
    assert started.endpoint.port != testbox.runner.endpoint.port
    say(started, "echo other > /run/mark")
    assert testbox.runner.run(Command.of("cat", "/run/mark"), check=False).exit_status == 1


def interrupt(process: subprocess.Popen[str], when: Callable[[], bool]) -> str:
    """Press Ctrl-C in it as soon as *when* says so; what it said on its way out."""
    until(lambda: process.poll() is not None or when(), "the right moment")
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=60)[1]


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_ctrl_c_while_saving_leaves_it_running(box: Testbox) -> None:
    started = box.up()
    saving = in_another_process(box, "down()")
    assert "KeyboardInterrupt" in interrupt(saving, (box.paths.top / "memory.state").exists)
    assert say(started, "echo in") == "in"
    assert not (box.paths.top / "memory.state").exists()
    assert box.up().how.startswith("was running")


def test_a_saver_killed_half_way_does_no_harm(box: Testbox) -> None:
    boot_id = say(box.up(), "cat /proc/sys/kernel/random/boot_id")
    saving = in_another_process(box, "down()")
    until((box.paths.top / "memory.state").exists, "it to save")
    kill(saving)
    again = box.up()
    assert again.how.startswith("was running")
    assert say(again, "cat /proc/sys/kernel/random/boot_id") == boot_id


def test_ctrl_c_while_resuming_leaves_nothing_that_nobody_owns(box: Testbox) -> None:
    resuming = in_another_process(box)
    assert "KeyboardInterrupt" in interrupt(resuming, lambda: bool(qemus_of(box)))
    left = box.record()
    assert left is None or left.stage is Stage.RESUMED
    assert qemus_of(box) == ([left.pid] if left else [])
    assert say(box.up(), "echo in") == "in"


def test_a_starter_killed_at_once_leaves_nothing_that_nobody_finds(box: Testbox) -> None:
    starting = in_another_process(box)
    until(box.paths.record.exists, "its record")
    kill(starting)
    started = box.up()
    assert say(started, "echo in") == "in"
    assert qemus_of(box) == [record_of(box).pid]


def test_a_qemu_that_was_stopped_goes_on(box: Testbox) -> None:
    started = box.up()
    with connect(box.paths.files.qmp, Deadline.after(MINUTE)) as qmp:
        qmp.execute("stop")
    assert box.up().how.startswith("was running")
    assert say(started, "echo in") == "in"


# -- booting, in a cache of its own --------------------------------------------------------


@pytest.fixture
def private(
    testbox: RealHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Testbox]:
    """A testbox in a cache of its own, which has a dom0 image and no warm state."""
    image = find_dom0(default_spec().release)
    assert image, "the session's testbox was made of one"
    # Beside the real cache, so that the image's files can have a second name: nobody writes
    # to them.
    cache = base_directory() / f"private-{os.getpid()}"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    shutil.copytree(image.directory, base_directory() / image.name, copy_function=os.link)
    found = Testbox("private", default_spec())
    yield found
    found.remove()
    shutil.rmtree(cache)
    assert not qemus_of(found)


def shows_xen(box: Testbox) -> Callable[[], bool]:
    """Whether its host's console shows that Xen has started."""
    log = box.paths.files.console_log
    return lambda: log.exists() and boot_stage(log.read_bytes())[1] >= 0.1


def warm_directories() -> list[Path]:
    return list(base_directory().glob("warm-*/"))


def test_a_boot_that_is_interrupted_dies_or_loses_its_starter(private: Testbox) -> None:
    """One long story, because each boot takes its time."""
    # Ctrl-C: QEMU is ended, and no half-made state is left.
    assert "KeyboardInterrupt" in interrupt(in_another_process(private), shows_xen(private))
    assert not qemus_of(private)
    assert private.record() is None
    assert warm_directories() == []

    # QEMU dies: that is said at once, with its last words.
    starting = in_another_process(private)
    until(lambda: bool(private.record()) and shows_xen(private)(), "Xen to start")
    kill_qemu(private)
    died = time.monotonic()
    assert "MachineDied: QEMU ended: it said nothing" in starting.communicate(timeout=60)[1]
    assert time.monotonic() - died < 30
    assert warm_directories() == []

    # Its starter is killed: the next one finds the QEMU, ends it, and boots.
    starting = in_another_process(private)
    until(lambda: bool(private.record()) and shows_xen(private)(), "Xen to start")
    kill(starting)
    orphan = record_of(private)
    assert orphan.stage is Stage.STARTING
    with pytest.raises(LabError, match="is down"):
        private.endpoint()
    stages: list[str] = []
    started = private.up(lambda text, fraction=None: stages.append(text))
    assert not orphan.alive
    assert started.notes == ("an earlier start was interrupted; it was ended",)
    assert {"Xen starts", "making the volume group"} <= set(stages)
    assert say(started, "vgs --noheadings -o vg_name") == "xenflight"


@pytest.mark.thorough  # two boots more
def test_a_damaged_warm_state_is_not_tried_twice(private: Testbox) -> None:
    """Booting makes another, and who runs from the damaged one keeps its disks."""
    started = private.up()
    whole = [path for path in warm_directories() if (path / "manifest.json").exists()]
    spoil_memory(SavedState(directory=whole[0], key=record_of(private).key))
    other = Testbox("private-other", default_spec())
    try:
        again = other.up()
        assert again.notes == ("the warm state was not used: its memory file is damaged",)
        assert again.how == "resumed from the warm snapshot"
        assert say(started, "echo 3 > /proc/sys/vm/drop_caches; ls /sbin/init") == "/sbin/init"
    finally:
        other.remove()


def test_trixie_is_a_host_too_beside_bookworm(testbox: RealHost) -> None:
    spec = replace(default_spec(), release="trixie")
    box = Testbox(f"{os.environ[BOX]}-trixie", spec)
    try:
        started = box.up()
        said = say(
            started,
            f"{XEN_VERSION}; systemctl --failed --plain --no-legend; "
            "systemctl is-active guest-net; sysctl -n net.ipv4.ip_forward; "
            "lvcreate -qq -y -T xenflight/pool -V 1G -n selftest; lvs --noheadings -o lv_name",
        )
        version, *rest = said.split()
        assert version.startswith("4.20")
        assert rest == ["active", "1", "pool", "selftest"]
        assert box.down()
        assert box.up().how == "resumed as it was left"
        assert testbox.runner.run(Command.shell(XEN_VERSION)).stdout.startswith("4.17")
    finally:
        box.remove()


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where dom0 is unpacked; unlike pytest's own directories others can reach it."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="xenflight-selftest-") as place:
        Path(place).chmod(0o755)
        monkeypatch.setenv("TMPDIR", place)
        yield Path(place)


def test_ctrl_c_while_dom0_is_built_leaves_nothing(private: Testbox, scratch: Path) -> None:
    before = set(base_directory().iterdir())
    building = in_another_process(private, "image(rebuild=True)")
    try:
        # In the middle of unpacking: there is a tree already.
        said = interrupt(building, lambda: any(scratch.glob("*/mmdebstrap.*/usr/bin")))
        assert "KeyboardInterrupt" in said
        assert list(scratch.iterdir()) == []
        left = set(base_directory().iterdir()) - before
        assert {path.suffix for path in left} <= {".lock"}
    finally:
        AptCache(machine_mirror(), LocalRunner()).stop()


@pytest.mark.thorough
def test_kvm_that_does_not_work_falls_back_to_emulation(
    private: Testbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        pytest.skip("there is no KVM here that could fail")
    if {"vmx", "svm"} & set(Path("/proc/cpuinfo").read_text().split()):
        pytest.skip("KVM works here")
    monkeypatch.setenv(ENVIRONMENT, "kvm")
    started = private.up()
    assert started.accel is Accel.TCG
    assert "KVM does not work here: " in started.notes[0]
    assert started.accel_reason == "kvm does not work here"
