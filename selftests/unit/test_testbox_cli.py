"""The testbox verbs, as far as they go without a QEMU."""

from __future__ import annotations

import io
import json
import shlex
from pathlib import Path

import pytest
from rich.console import Console

import harness
from harness.cli import main
from harness.cli.boxes import find_testbox, ssh_command, tell_started
from harness.cli.progress import plain_lines, shown_progress
from harness.remote.keys import make_keypair
from harness.remote.sshlink import SshEndpoint
from harness.testbox.accel import Accel
from harness.testbox.machine import Started, Testbox
from harness.testbox.paths import base_directory
from harness.testbox.record import InstanceRecord, Stage
from harness.testbox.warm import SavedState

ROOT = Path(harness.__file__).parent.parent
Captured = pytest.CaptureFixture[str]


def qemu(place: Path, version: str) -> str:
    """A QEMU, as far as it only says its version."""
    program = place / "qemu"
    program.write_text(f"#!/bin/sh\necho 'QEMU emulator version 7.2.22 ({version})'\n")
    program.chmod(0o755)
    return str(program)


@pytest.fixture(autouse=True)
def at_root(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("XENFLIGHT_QEMU", qemu(tmp_path_factory.mktemp("qemu"), "Debian"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("XENFLIGHT_ACCEL", "tcg")


@pytest.fixture
def box() -> Testbox:
    found = find_testbox(None)
    found.paths.top.mkdir(parents=True)
    return found


def seal(box: Testbox) -> None:
    """A saved state, as far as anyone can tell without reading it."""
    state = SavedState(directory=box.paths.top, key="k")
    state.memory.touch()
    state.seal()


def test_status_where_nothing_was_ever_built(capsys: Captured, tmp_path: Path) -> None:
    assert main(["testbox", "status"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split()[:2] == ["testbox", "state"]
    assert out[1].split()[:3] == ["testbox", "down", "tcg"]
    assert "there is no dom0 image yet" in out[1]
    assert list(tmp_path.iterdir()) == []


def test_status_as_json(capsys: Captured) -> None:
    assert main(["testbox", "status", "--json"]) == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert found["testbox"]["release"] == "bookworm"
    assert found["testbox-trixie"]["xen"] == "4.20"
    assert found["testbox"]["up"] is False
    assert found["testbox"]["warm"] == "no"
    assert found["testbox"]["pid"] is None
    assert "rack1" not in found


def test_a_saved_testbox_and_a_stray_one_are_shown(box: Testbox, capsys: Captured) -> None:
    seal(box)
    (base_directory() / "run" / "forgotten").mkdir()
    assert main(["testbox", "status", "--json"]) == 0
    found = {one["name"]: one["state"] for one in json.loads(capsys.readouterr().out)}
    assert found == {
        "testbox": "saved",
        "testbox-2": "down",
        "testbox-trixie": "down",
        "testbox-disk": "down",
        "testbox-iommu": "down",
        "forgotten": "down",
    }


@pytest.mark.parametrize("verb", ["up", "down", "ssh", "console", "rebuild"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("testbx", "unknown host 'testbx'; did you mean 'testbox'?"),
        (
            "rack1",
            "the host 'rack1' is no testbox; accepted: testbox, testbox-2, testbox-trixie, "
            "testbox-disk, testbox-iommu",
        ),
    ],
)
def test_a_host_that_is_no_testbox_is_bad_usage(
    capsys: Captured, verb: str, name: str, said: str
) -> None:
    assert main(["testbox", verb, name]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("verb", [["ssh"], ["ssh", "testbox", "--", "true"], ["console"]])
def test_entering_what_is_down_says_how_to_start_it(capsys: Captured, verb: list[str]) -> None:
    assert main(["testbox", *verb]) == 4
    err = capsys.readouterr().err
    assert err == "error: testbox testbox is down (xenflight testbox up testbox)\n"


def test_a_command_needs_its_dashes(capsys: Captured) -> None:
    assert main(["testbox", "ssh", "testbox", "xl", "list"]) == 2
    assert "xl list" in capsys.readouterr().err


def test_the_console_log_of_what_never_ran(capsys: Captured) -> None:
    assert main(["testbox", "console", "--log"]) == 2
    assert "it was not started yet" in capsys.readouterr().err


def test_the_console_log_is_printed_byte_for_byte(
    box: Testbox, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    box.paths.files.console_log.write_bytes(b"(XEN) \xff\r\n")
    assert main(["testbox", "console", "--log"]) == 0
    assert capfdbinary.readouterr().out == b"(XEN) \xff\r\n"


def test_stopping_what_is_down(box: Testbox, capsys: Captured) -> None:
    assert main(["testbox", "down"]) == 0
    assert capsys.readouterr().out == "testbox: was down\n"


def test_discarding_what_was_saved(box: Testbox, capsys: Captured) -> None:
    seal(box)
    assert main(["testbox", "down"]) == 0
    assert main(["testbox", "down", "--discard"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "testbox: was down; its state is saved",
        "testbox: was down; its saved state is gone",
    ]
    assert not box.paths.top.exists()


def test_stopping_all_stops_strays_and_the_package_cache_too(
    box: Testbox, capsys: Captured
) -> None:
    (base_directory() / "run" / "forgotten").mkdir()
    assert main(["testbox", "down", "--all", "--discard"]) == 0
    captured = capsys.readouterr()
    assert "forgotten: was down" in captured.out
    assert "package cache: " in captured.out + captured.err
    assert not (base_directory() / "run" / "forgotten").exists()


def test_a_name_and_all_is_one_too_many(capsys: Captured) -> None:
    assert main(["testbox", "down", "testbox", "--all"]) == 2


def test_rebuilding_asks_before_guests_are_lost(box: Testbox, capsys: Captured) -> None:
    seal(box)
    assert main(["testbox", "rebuild"]) == 2
    err = capsys.readouterr().err
    assert "throws away its guests" in err
    assert "--yes" in err
    assert SavedState(directory=box.paths.top, key="").sealed


@pytest.mark.parametrize("tool", ["up", "rebuild"])
def test_without_qemu_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path, tool: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("XENFLIGHT_QEMU")
    assert main(["testbox", tool]) == 4
    assert capsys.readouterr().err == (
        "error: qemu-system-x86_64 is not installed (apt install qemu-system-x86 qemu-utils)\n"
    )


def test_the_ssh_line_trusts_only_the_testboxs_own_key(
    box: Testbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    image = base_directory() / "dom0-bookworm-x"
    host_key = make_keypair(tmp_path / "host")
    make_keypair(image / "id_ed25519")
    (image / "manifest.json").write_text(json.dumps({"host_key": host_key}))
    record = InstanceRecord(
        marker="m", ssh_port=2222, accel=Accel.TCG, started=0.0, how="booted", image=image.name
    )
    monkeypatch.setattr(InstanceRecord, "alive", True)
    record.write(box.paths.record)
    words = ssh_command(box, []).argv
    assert words[-1] == "root@127.0.0.1"
    assert ssh_command(box, ["xl list | wc -l"]).argv[len(words) :] == ("--", "xl list | wc -l")
    assert ssh_command(box, ["ls", "a b"]).argv[len(words) :] == ("--", "ls 'a b'")
    known = box.paths.top / "known_hosts"
    assert known.read_text() == f"testbox {host_key}\n"
    assert shlex.join(words) == (
        "ssh -F none -o IdentitiesOnly=yes "
        f"-o 'UserKnownHostsFile=\"{known}\"' -o GlobalKnownHostsFile=/dev/null "
        "-o StrictHostKeyChecking=yes -o HostKeyAlias=testbox -o LogLevel=ERROR "
        f"-i {image}/id_ed25519 -p 2222 root@127.0.0.1"
    )


def test_a_testbox_that_only_starts_can_not_be_entered(
    box: Testbox, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(InstanceRecord, "alive", True)
    InstanceRecord(
        marker="m",
        ssh_port=1,
        accel=Accel.TCG,
        started=0.0,
        how="booted",
        stage=Stage.STARTING,
    ).write(box.paths.record)
    assert main(["testbox", "ssh"]) == 4
    assert "is down" in capsys.readouterr().err


def test_progress_in_a_pipe_is_a_line_for_each_stage() -> None:
    stream = io.StringIO()
    tell = plain_lines(Console(file=stream))
    for text in ("installing", "installing: libc6", "installing: xen", "[b]", "box: up"):
        tell(text, 0.1)
    assert stream.getvalue() == "installing\n[b]\nbox: up\n"


def test_progress_on_a_terminal_is_a_bar_that_goes_away() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80)
    with shown_progress(console) as tell:
        tell("resuming")
        tell("dom0's [kernel] starts", 0.2)
    assert "dom0's [kernel] starts" in stream.getvalue()
    assert stream.getvalue().endswith(("\x1b[2K", "\x1b[1A\x1b[2K"))


@pytest.mark.parametrize(
    ("accel", "mended", "words"),
    [
        (Accel.TCG, True, "in a QEMU mended for PVH, HVM and UEFI guests"),
        (Accel.TCG, False, "PVH and HVM guests may die in this QEMU, see testbox mend"),
        (Accel.KVM, False, "because\n"),
    ],
)
def test_what_it_runs_in_is_told(
    box: Testbox, capsys: Captured, accel: Accel, mended: bool, words: str
) -> None:
    endpoint = SshEndpoint(name="b", address="127.0.0.1", port=1, key_file=Path("k"), host_key=None)
    started = Started(
        endpoint=endpoint, accel=accel, accel_reason="because", how="h", mended=mended, seconds=1
    )
    tell_started(box, started)
    assert words in capsys.readouterr().out


def test_status_tells_a_mended_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    assert main(["testbox", "status"]) == 0
    assert "mended" not in capsys.readouterr().out
    monkeypatch.setenv("XENFLIGHT_QEMU", qemu(tmp_path, "xenflight 1"))
    assert main(["testbox", "status"]) == 0
    assert "tcg, mended" in capsys.readouterr().out
