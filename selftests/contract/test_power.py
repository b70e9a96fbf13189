"""Switching power by real programs: an ipmitool that writes down what it was given, and commands.

What the ipmitool of these tests says is what ipmitool 1.8.19 said to OpenIPMI's simulated BMC.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import CommandFailed, LabError
from harness.flight.hostcare import IpmiSpec, PowerCommands, PowerSpec
from harness.flight.model import HostSpec, TestboxSpec
from harness.power.choose import power_of
from harness.power.command import CommandPower
from harness.power.fake import FakePower
from harness.power.ipmi import IpmiPower
from harness.power.model import Power, PowerState
from harness.power.testbox import TestboxPower
from harness.remote.local import LocalRunner
from harness.secret import mask
from harness.units import Size

PASSWORD = "s3cret of the BMC's owner"
SPEC = IpmiSpec(address="bmc.example", user="admin", password_file="never")
NOISE = "Unable to Get Channel Cipher Suites"
IPMITOOL = f"""\
#!/bin/sh
# One line for each call: its words, then what tells of a password in its environment.
printf '%s|' "$0" "$@" "env=${{IPMI_PASSWORD-}}" >>"$FOLDER/calls"
echo >>"$FOLDER/calls"
echo '{NOISE}' >&2
given=${{IPMI_PASSWORD-}}
state=$FOLDER/state
while [ $# -gt 0 ]; do
    case $1 in
    -f) given=$(head -n 1 "$2"); shift ;;
    -E) ;;
    -*) shift ;;
    *) break ;;
    esac
    shift
done
if [ "$given" != "$(cat "$FOLDER/password")" ]; then
    echo 'Error: Unable to establish IPMI v2 / RMCP+ session' >&2
    exit 1
fi
case "$*" in
"chassis power status") echo "Chassis Power is $(cat "$state")" ;;
"chassis power cycle") echo 'Chassis Power Control: Cycle' ;;
"chassis power on") echo on >"$state"; echo 'Chassis Power Control: Up/On' ;;
"sel elist last 100") echo '   1 | 11/22/26 | 01:04:00 | Watchdog2 #0xca | Hard reset | Asserted' ;;
*) exit 2 ;;
esac
"""


class Bmc:
    """A folder with a program called ipmitool, and what it was called with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        program = folder / "ipmitool"
        program.write_text(IPMITOOL)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        (folder / "password").write_text(PASSWORD)
        self.state("on")

    def state(self, word: str) -> None:
        (self.folder / "state").write_text(word)

    @property
    def calls(self) -> list[list[str]]:
        lines = (self.folder / "calls").read_text().splitlines()
        return [line.rstrip("|").split("|")[1:] for line in lines]

    @property
    def asked(self) -> list[str]:
        return [" ".join(call[call.index("chassis") : -1]) for call in self.calls]


@pytest.fixture
def bmc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bmc:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("FOLDER", str(tmp_path))
    monkeypatch.setenv("BMC_PASSWORD", PASSWORD)
    return Bmc(tmp_path)


def by_file(folder: Path) -> IpmiPower:
    file = folder / "bmc"
    file.write_text(f"{PASSWORD}\nnot this\n")
    return IpmiPower(replace(SPEC, password_file=str(file)), LocalRunner())


def by_variable(folder: Path) -> IpmiPower:
    spec = replace(SPEC, password_file=None, password_env="BMC_PASSWORD")
    return IpmiPower(spec, LocalRunner())


Make = Callable[[Path], IpmiPower]
both = pytest.mark.parametrize("make", [by_file, by_variable])


@both
def test_no_password_on_the_command_line(bmc: Bmc, tmp_path: Path, make: Make) -> None:
    power = make(tmp_path)
    power.cycle()
    power.log()
    assert len(bmc.calls) == 3
    for call in bmc.calls:
        *words, environment = call
        assert not [word for word in words if PASSWORD in word]
        assert words[:8] == ["-I", "lanplus", "-H", "bmc.example", "-p", "623", "-U", "admin"]
        expected = PASSWORD if make is by_variable else ""
        assert environment == f"env={expected}"


@both
def test_the_power_is_seen_and_cycled(bmc: Bmc, tmp_path: Path, make: Make) -> None:
    power = make(tmp_path)
    assert power.status() is PowerState.ON
    power.cycle()
    assert bmc.asked == ["chassis power status", "chassis power status", "chassis power cycle"]
    assert b"Watchdog2" in power.log()


def test_a_host_without_power_gets_it(bmc: Bmc, tmp_path: Path) -> None:
    bmc.state("off")
    power = by_file(tmp_path)
    power.cycle()
    assert bmc.asked[-1] == "chassis power on"
    assert power.status() is PowerState.ON


def test_words_that_nobody_knows(bmc: Bmc, tmp_path: Path) -> None:
    bmc.state("upside down")
    assert by_file(tmp_path).status() is PowerState.UNKNOWN


@both
def test_a_bmc_that_refuses_says_why_and_tells_no_password(
    bmc: Bmc, tmp_path: Path, make: Make
) -> None:
    power = make(tmp_path)
    (tmp_path / "password").write_text("another")
    with pytest.raises(CommandFailed, match="Unable to establish IPMI v2") as caught:
        power.cycle()
    assert PASSWORD not in f"{caught.value} {caught.value!r}"
    assert "ipmitool -I lanplus -H bmc.example" in str(caught.value)
    assert mask(f"a log with {PASSWORD} in it") == "a log with [secret] in it"


def test_no_ipmitool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandFailed, match="is ipmitool installed on localhost"):
        by_file(tmp_path).status()


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ({"password_env": "NOT_SET_AT_ALL"}, "variable NOT_SET_AT_ALL, which is empty or not set"),
        ({"password_env": "EMPTY"}, "variable EMPTY, which is empty or not set"),
        ({"password_file": "/nonexistent/bmc"}, "from /nonexistent/bmc: No such file"),
        ({"password_file": "/dev/null"}, "the first line of /dev/null is empty"),
        ({"password_file": "~nobody-of-that-name/bmc"}, "there is no such user"),
    ],
)
def test_a_password_that_is_not_there(
    bmc: Bmc, monkeypatch: pytest.MonkeyPatch, named: dict[str, str], told: str
) -> None:
    monkeypatch.setenv("EMPTY", "")
    spec = replace(SPEC, password_file=None)
    with pytest.raises(LabError, match=re.escape(told)):
        IpmiPower(replace(spec, **named), LocalRunner()).status()  # type: ignore[arg-type]
    assert not (bmc.folder / "calls").exists(), "ipmitool would ask for one"


def switch(folder: Path, **commands: str) -> CommandPower:
    words = {name: ("sh", "-c", script, "sh", str(folder)) for name, script in commands.items()}
    return CommandPower("rack1", PowerCommands(**{"cycle": ("true",), **words}), LocalRunner())


def test_commands_of_the_users(tmp_path: Path) -> None:
    power = switch(
        tmp_path,
        cycle='echo "$XENFLIGHT_HOST" >>"$1/cycled"',
        status="echo 'outlet 7: ON'",
        log='cat "$1/cycled"',
    )
    assert power.status() is PowerState.ON
    power.cycle()
    assert power.log() == b"rack1\n"


@pytest.mark.parametrize("said", ["", "on off", "once", "0"])
def test_a_status_that_says_nothing(tmp_path: Path, said: str) -> None:
    assert switch(tmp_path, status=f"echo '{said}'").status() is PowerState.UNKNOWN


def test_commands_that_are_not_given(tmp_path: Path) -> None:
    power = switch(tmp_path)
    assert power.status() is PowerState.UNKNOWN
    assert power.log() == b""


def test_a_command_that_fails(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="exit status 3: no such outlet"):
        switch(tmp_path, cycle="echo no such outlet >&2; exit 3").cycle()
    missing = CommandPower("rack1", PowerCommands(cycle=("pdu-of-nobody",)), LocalRunner())
    with pytest.raises(CommandFailed, match="is pdu-of-nobody installed"):
        missing.cycle()


def test_a_command_gets_no_terminal_to_ask_at(tmp_path: Path) -> None:
    power = switch(tmp_path, status='read -r answer || echo "nobody to ask: off"')
    assert power.status() is PowerState.OFF


@pytest.mark.parametrize("kind", ["ipmi", "command", "fake"])
def test_all_do_the_same(bmc: Bmc, tmp_path: Path, kind: str) -> None:
    """The contract: a host without power has it after a cycle, and each can be asked."""
    state = tmp_path / "state"
    powers: dict[str, Power] = {
        "ipmi": by_file(tmp_path),
        "command": switch(
            tmp_path, cycle='echo on >"$1/state"', status='cat "$1/state"', log="echo Xen"
        ),
        "fake": FakePower(state=PowerState.OFF, said=b"Xen"),
    }
    power = powers[kind]
    state.write_text("off")
    assert power.status() is PowerState.OFF
    power.cycle()
    assert power.status() is PowerState.ON
    assert power.log()
    assert power.name


def test_which_host_has_which() -> None:
    box = TestboxSpec(release="bookworm", memory=Size.parse("4G"), vcpus=2, disk=Size.parse("16G"))
    bare = HostSpec(name="rack1", slots=1, timeout_factor=1.0)
    assert power_of(bare) is None
    assert isinstance(power_of(replace(bare, testbox=box)), TestboxPower)
    command = PowerCommands(cycle=("true",))
    assert isinstance(power_of(replace(bare, power=PowerSpec(command=command))), CommandPower)
    assert isinstance(power_of(replace(bare, power=PowerSpec(ipmi=SPEC))), IpmiPower)


def test_a_testbox_that_is_not_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    box = TestboxSpec(release="bookworm", memory=Size.parse("4G"), vcpus=2, disk=Size.parse("16G"))
    power = power_of(HostSpec(name="box", slots=1, timeout_factor=1.0, testbox=box))
    assert power
    assert power.status() is PowerState.OFF
    assert power.log() == b""
    with pytest.raises(LabError, match="was not up"):
        power.cycle()
