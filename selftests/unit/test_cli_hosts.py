"""``xenflight hosts``: what is shown of hosts, and keeping jobs off one."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import ClassVar

import pytest
from rich.console import Console

from harness.cli import main
from harness.cli.healthview import short
from harness.cli.hostcheck import check_host
from harness.cli.hostview import (
    HostState,
    HostStatus,
    drain_host,
    look_at,
    remarks,
    status_table,
    undrain_host,
)
from harness.errors import HostLost, UsageError
from harness.flight.find import HOSTS_FILE
from harness.flight.inventory import load_hosts
from harness.flight.model import HostSpec
from harness.host.fake import FakeHost
from harness.host.health import EventKind, Health, HealthEvent, Verdict, note_health
from harness.host.room import Want
from harness.host.slots import Claim
from harness.job.canary import Canary, CanaryResult, Occasion
from harness.remote.command import Runner

HOSTS = """
default: box
hosts:
  box: {slots: 2, testbox: {release: bookworm}}
  rack1: {slots: 2, ssh: {address: rack1.example, key_file: ~/.ssh/id, vg: vg0,
    thin_pool: pool, bridge: xenbr0, host_key: ssh-ed25519
    AAAAC3NzaC1lZDI1NTE5AAAAIEeCITrgnuhPBioSvNiALPt+joE71slsu8Lz1oR4fWbQ}}
"""
GIB = 1 << 30
CLAIM = Claim(holder="bob@ci2", flight="nightly-1", job="boot-x").to_json()
HEAD = ["host", "state", "slots", "memory", "vcpus", "data", "metadata", "canary"]
Captured = pytest.CaptureFixture[str]


class Lab:
    """A testbox that is down, a host, and one that can't be reached."""

    def __init__(self) -> None:
        self.fake = FakeHost(name="rack1")
        self.specs = [
            HostSpec(name=name, slots=2, timeout_factor=1) for name in ("box", "rack1", "off")
        ]

    def reach(self, spec: HostSpec) -> Runner | None:
        if spec.name == "off":
            msg = "off cannot be reached over SSH"
            raise HostLost(msg)
        return None if spec.name == "box" else self.fake.runner

    def look(self) -> list[HostStatus]:
        return look_at(self.specs, self.reach)


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=80)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_all_hosts_are_shown_whatever_their_state(lab: Lab, console: Console) -> None:
    lab.fake.slots.held = {1: CLAIM, 3: CLAIM}
    found = lab.look()
    assert [one.state for one in found] == [HostState.DOWN, HostState.UP, HostState.UNREACHABLE]
    console.print(status_table(found))
    head, box, rack, off = (line.split() for line in text_of(console).splitlines())
    assert head == HEAD
    assert box == ["box", "down", "-/2", *"-----"]
    assert rack[:3] == ["rack1", "up", "2/2"], "slot 3 is one's who counts more of them"
    assert rack[3:] == ["3.0", "GiB", "free", "0/8", "1", "%", "1", "%", "-"]
    assert off == ["off", "unreachable", "-/2", *"-----"]
    told = remarks(found)
    assert told[0].startswith("rack1, slot 1: bob@ci2, flight nightly-1, job boot-x, since 20")
    assert told[2:] == ["off: off cannot be reached over SSH"]
    assert lab.fake.runner.closed


def test_all_of_it_as_json(lab: Lab) -> None:
    lab.fake.slots.held = {1: CLAIM}
    drain_host(lab.specs[1], "new RAM", Console(file=io.StringIO()), lab.reach)
    box, rack, off = json.loads(json.dumps([one.to_dict() for one in lab.look()]))
    assert (box["state"], box["held"], box["free"]) == ("down", None, None)
    assert (rack["state"], rack["used"], rack["free"]) == ("drained", 1, 1)
    (holder,) = rack["held"]
    assert holder["since"].startswith("2027-01-15T08:00:00")
    assert (holder["holder"], holder["slot"], holder["job"]) == ("bob@ci2", 1, "boot-x")
    assert rack["drained"]["reason"] == "new RAM"
    assert "@" in rack["drained"]["by"]
    assert off["why"] == "off cannot be reached over SSH"


def test_what_there_is_room_for_is_shown(lab: Lab, console: Console) -> None:
    lab.fake.domains = {"a": 1, "b": 2}
    lab.fake.slots.held = {1: CLAIM}
    wanted = Want(domain="xf.x", memory=GIB, overhead=0, vcpus=3, disks=2 * GIB, data=GIB)
    lab.fake.slots.wants = {1: wanted.to_json()}
    _, rack, _ = lab.look()
    console.print(status_table([rack]))
    # 3028 MiB less two domains of 518, and 1024 promised.
    assert text_of(console).split()[len(HEAD) + 3 :] == [
        "968",
        "MiB",
        "free",
        "5/8",
        "1",
        "%",
        "1",
        "%",
        "-",
    ]
    found = json.loads(json.dumps(rack.to_dict()))
    mib = 1 << 20
    assert found["memory"] == {
        "total": 4095 * mib,
        "dom0": 1024 * mib,
        "balloons": False,
        "free": 968 * mib,
        "promised": 1024 * mib,
    }
    assert found["vcpus"] == {"most": 8, "used": 5, "promised": 0, "free": 3, "cpus": 2}
    assert (found["data"]["promised"], found["data"]["group_free"]) == (GIB, GIB)
    assert found["metadata"]["size"] == 64 * mib
    assert found["claims"] == [{"slot": 1, **json.loads(wanted.to_json())}]
    assert remarks([rack])[0].startswith("rack1, slot 1: bob@ci2")


def test_a_host_whose_xen_does_not_answer_still_shows_its_slots(lab: Lab, console: Console) -> None:
    lab.fake.slots.held = {1: CLAIM}
    lab.fake.look = lambda: "looked\n"  # type: ignore[method-assign]
    _, rack, _ = lab.look()
    assert rack.state is HostState.UP
    console.print(status_table([rack]))
    assert text_of(console).split()[len(HEAD) :] == ["rack1", "up", "1/2", *"-----"]
    assert remarks([rack])[0].startswith("rack1: rack1 cannot tell what it has room for")
    assert rack.to_dict()["memory"] is None


def test_a_dom0_that_gives_its_memory_to_guests_is_told_of(lab: Lab) -> None:
    lab.fake.commandline = "loglvl=info"
    assert "rack1: dom0 has no fixed size, and gives" in remarks(lab.look())[0]


def test_draining_tells_what_still_runs(lab: Lab, console: Console) -> None:
    lab.fake.slots.held = {2: CLAIM}
    rack = lab.specs[1]
    drain_host(rack, "new RAM", console, lab.reach)
    drain_host(rack, "more", console, lab.reach)
    lines = text_of(Console(file=console.file)).replace("\n", " ")
    assert "rack1 is drained now: no job begins there, on any controller" in lines
    assert "still running: slot 2: bob@ci2" in lines
    assert ": new RAM rack1 is drained now" in lines, "the second says what it replaces"
    (status,) = look_at([rack], lab.reach)
    assert status.state is HostState.DRAINED
    assert "drained by" in remarks([status])[0]


def test_undraining(lab: Lab, console: Console) -> None:
    rack = lab.specs[1]
    drain_host(rack, "new RAM", Console(file=io.StringIO()), lab.reach)
    undrain_host(rack, console, lab.reach)
    undrain_host(rack, console, lab.reach)
    first, second = text_of(console).splitlines()
    assert first.endswith(": new RAM; jobs may begin there")
    assert second == "rack1 was not drained; jobs may begin there"


def test_a_testbox_that_is_down_cannot_be_drained(lab: Lab, console: Console) -> None:
    box, why = lab.specs[0], r"box is a testbox, and down.*testbox up box"
    with pytest.raises(UsageError, match=why):
        drain_host(box, "x", console, lab.reach)
    with pytest.raises(UsageError, match=why):
        undrain_host(box, console, lab.reach)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "flights").mkdir()
    (tmp_path / "flights" / HOSTS_FILE).write_text(HOSTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert set(load_hosts(tmp_path / "flights" / HOSTS_FILE).hosts) == {"box", "rack1"}
    return tmp_path


def test_one_host_only(project: Path, capsys: Captured) -> None:
    assert main(["hosts", "--host", "box"]) == 0
    assert capsys.readouterr().out.split()[len(HEAD) :] == ["box", "down", "-/2", *"-----"]
    assert main(["hosts", "--host", "box", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["host"], found["kind"], found["state"]) == ("box", "testbox", "down")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["hosts", "--host", "bax"], "unknown host 'bax'; did you mean 'box'?"),
        (["hosts", "drain", "bax", "--reason", "x"], "unknown host 'bax'; did you mean 'box'?"),
        (["hosts", "undrain", "bax"], "unknown host 'bax'; did you mean 'box'?"),
        (["hosts", "drain", "box"], "Missing option '--reason'"),
        (["hosts", "drain", "box", "--reason", "x"], "box is a testbox, and down"),
        (["hosts", "drian", "box"], "drian"),
    ],
)
def test_mistakes_are_told_and_touch_nothing(
    project: Path, capsys: Captured, line: list[str], told: str
) -> None:
    assert main(line) == 2
    assert told in capsys.readouterr().err


EVENTS = (
    HealthEvent(
        kind=EventKind.CANARY,
        by="ada@ctl",
        verdict=Verdict.FAIL,
        seconds=70.2,
        job="boot-x",
        reason="guest-boot: it panicked",
    ),
    HealthEvent(
        kind=EventKind.BROKEN, by="ada@ctl", flight="nightly-1", job="boot-y", reason="lost"
    ),
    HealthEvent(kind=EventKind.POWER, by="ada@ctl", reason="it was power-cycled by x"),
)


def test_health_is_shown(lab: Lab, console: Console) -> None:
    for event in EVENTS:
        note_health(lab.fake.runner, event)
    statuses = lab.look()
    console.print(status_table(statuses))
    rack = text_of(console).splitlines()[2]
    assert rack.split()[-1] == "fail"
    told = remarks(statuses)
    assert re.match(
        r"rack1, last canary at 2027-01-15 \d\d:\d\d: fail in 1 m 10 s \(boot-x, by ada@ctl\): "
        r"guest-boot: it panicked",
        told[0],
    )
    assert "last broken job at 2027" in told[1]
    assert told[1].endswith(": boot-y of flight nightly-1, by ada@ctl: lost")
    assert told[2].endswith(": it was power-cycled by x, by ada@ctl")
    found = json.loads(json.dumps([one.to_dict() for one in statuses]))
    assert [one["health"] is None for one in found] == [True, False, True]
    health = found[1]["health"]
    assert health["canary"]["verdict"] == "fail"
    assert health["canary"]["seconds"] == 70.2
    assert health["canary"]["at"].startswith("2027-01-15T08:00:00")
    assert health["broken"]["flight"] == "nightly-1"
    assert health["power"]["reason"] == "it was power-cycled by x"


def test_a_host_without_a_canary() -> None:
    assert short(Health()) == "-"


class StandIn(Canary):
    """It says what it was told to."""

    found = CanaryResult(verdict=Verdict.PASS, reason="it booted", ran=True, seconds=70, job="b")
    occasions: ClassVar[list[Occasion]] = []

    def check(self, occasion: Occasion) -> CanaryResult:
        self.occasions.append(occasion)
        self._directory.mkdir(parents=True)
        return self.found


@pytest.mark.parametrize(
    ("verdict", "ran", "code"),
    [
        (Verdict.PASS, True, 0),
        (Verdict.FAIL, True, 4),
        (Verdict.FAIL, False, 4),
        (Verdict.UNKNOWN, False, 3),
    ],
)
@pytest.mark.parametrize("drained", [True, False])
def test_a_canary_by_hand(
    lab: Lab,
    console: Console,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    verdict: Verdict,
    ran: bool,
    code: int,
    drained: bool,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rack = lab.specs[1]
    if drained:
        drain_host(rack, "new RAM", Console(file=io.StringIO()), lab.reach)

    class Made(StandIn):
        found = CanaryResult(verdict=verdict, reason="so it is", ran=ran, seconds=70, job="b")

    assert check_host(rack, lambda: lab.fake.host, console, Made) == code
    said = text_of(console)
    assert f"rack1: {verdict}" in said
    assert ("in 1 m 10 s" in said) == ran
    assert Made.occasions[-1].by_hand
    assert ("hosts undrain rack1" in said) == (drained and verdict is Verdict.PASS)
    advised = verdict is Verdict.FAIL and ran and not drained
    assert ("hosts drain rack1 --reason" in said) == advised
    assert (str(tmp_path / "xenflight" / "canary" / "rack1") in said.replace("\n", "")) == (
        verdict is not Verdict.PASS
    )


def test_a_testbox_that_is_down_is_not_checked(project: Path, capsys: Captured) -> None:
    assert main(["hosts", "check"]) == 2
    assert "box is a testbox, and down: there is nothing to check" in capsys.readouterr().err
    assert main(["hosts", "check", "bax"]) == 2
    assert "did you mean 'box'?" in capsys.readouterr().err
