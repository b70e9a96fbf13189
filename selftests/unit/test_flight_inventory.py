"""hosts.yaml."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.flight.hostcare import (
    CanarySpec,
    CanaryWhen,
    IpmiSpec,
    PowerCommands,
    PowerCycle,
    PowerSpec,
)
from harness.flight.inventory import Inventory, load_hosts
from harness.flight.model import BoxBoot, BoxIommu, HostSpec, SshSpec, TestboxSpec
from harness.flight.planhost import host_dict, host_from
from harness.units import Size

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
SSH = (
    "address: rack1.example, key_file: ~/.ssh/id, vg: vg0, thin_pool: pool, bridge: xenbr0, "
    f"host_key: {KEY}"
)


def load(tmp_path: Path, text: str) -> Inventory:
    path = tmp_path / "hosts.yaml"
    path.write_text(text, encoding="utf-8")
    return load_hosts(path)


def told(tmp_path: Path, text: str) -> str:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, text)
    return str(caught.value)


def test_both_kinds_of_hosts(tmp_path: Path) -> None:
    inventory = load(
        tmp_path,
        "default: box\n"
        "hosts:\n"
        "  box: {slots: 2, timeout_factor: 4, slot_timeout: 90s, vcpu_overcommit: 1.5, "
        "disk_overcommit: 1, dom0_memory: 768M, "
        "testbox: {release: trixie, memory: 2G}}\n"
        f"  rack: {{ssh: {{{SSH}}}}}\n",
    )
    box = TestboxSpec(release="trixie", memory=Size.parse("2G"), vcpus=2, disk=Size.parse("16G"))
    ssh = SshSpec(
        address="rack1.example",
        port=22,
        user="root",
        key_file="~/.ssh/id",
        host_key=KEY,
        vg="vg0",
        thin_pool="pool",
        bridge="xenbr0",
    )
    assert inventory.get("rack") == HostSpec(name="rack", slots=1, timeout_factor=1.0, ssh=ssh)
    assert inventory.get() == HostSpec(
        name="box",
        slots=2,
        timeout_factor=4.0,
        slot_timeout=timedelta(seconds=90),
        vcpu_overcommit=1.5,
        disk_overcommit=1.0,
        dom0_memory=Size.parse("768M"),
        testbox=box,
    )


def test_a_host_that_may_be_rebooted(tmp_path: Path) -> None:
    inventory = load(
        tmp_path,
        "default: box\n"
        "hosts:\n"
        "  box: {may_reboot: true, testbox: {release: trixie, boot: disk}}\n"
        f"  rack: {{may_reboot: true, serial: [console, rack1], ssh: {{{SSH}}}}}\n",
    )
    box, rack = inventory.get(), inventory.get("rack")
    assert box.testbox
    assert (box.may_reboot, box.testbox.boot) == (True, BoxBoot.DISK)
    assert (rack.may_reboot, rack.serial) == (True, ("console", "rack1"))
    for host in (box, rack):
        assert host_from(json.loads(json.dumps(host_dict(host)))) == host


def test_devices_that_may_be_given_away(tmp_path: Path) -> None:
    inventory = load(
        tmp_path,
        "default: box\n"
        "hosts:\n"
        "  box: {testbox: {release: trixie, iommu: intel, spare_nics: 2}}\n"
        f"  rack: {{passthrough: ['0000:03:00.0'], ssh: {{{SSH}}}}}\n"
        f"  bare: {{ssh: {{{SSH}}}}}\n",
    )
    box, rack = inventory.get(), inventory.get("rack")
    assert box.testbox
    assert box.testbox.iommu is BoxIommu.INTEL
    assert box.devices == ("0000:00:10.0", "0000:00:12.0")
    assert rack.devices == ("0000:03:00.0",)
    assert inventory.get("bare").devices == ()
    for host in (box, rack):
        assert host_from(json.loads(json.dumps(host_dict(host)))) == host


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"default: a\nhosts: {{a: {{passthrough: ['03:00.0'], ssh: {{{SSH}}}}}}}\n",
            "'03:00.0' is not a PCI address with its domain",
        ),
        (
            f"default: a\nhosts: {{a: {{passthrough: {{}}, ssh: {{{SSH}}}}}}}\n",
            "this is a list of PCI addresses",
        ),
        (
            "default: a\nhosts: {a: {passthrough: ['0000:03:00.0'], testbox: {release: trixie}}}\n",
            "a testbox gives its spare cards",
        ),
        (
            "default: a\nhosts: {a: {testbox: {release: trixie, iommu: intl}}}\n",
            "unknown box iommu 'intl'; did you mean 'intel'?",
        ),
        (
            "default: a\nhosts: {a: {may_rebot: true, testbox: {release: trixie}}}\n",
            "unknown key 'may_rebot'; did you mean 'may_reboot'?",
        ),
        (
            "default: a\nhosts: {a: {testbox: {release: trixie, boot: disc}}}\n",
            "unknown box boot 'disc'; did you mean 'disk'?",
        ),
        (
            "default: a\nhosts: {a: {serial: [x], testbox: {release: trixie}}}\n",
            "a testbox's serial line is known",
        ),
        ("default: a\nhosts: {a: {}}\n", ":2:12: hosts.a: a host is either a 'testbox' or"),
        (f"default: a\nhosts: {{a: {{testbox: {{release: trixie}}, ssh: {{{SSH}}}}}}}\n", "either"),
        (
            "default: bx\nhosts: {box: {testbox: {release: trixie}}}\n",
            "the default host 'bx' is not among the hosts; did you mean 'box'?",
        ),
        (
            "default: a\nhosts: {a: {testbox: {release: trixy}}}\n",
            "hosts.a.testbox.release: unknown dist 'trixy'; did you mean 'trixie'?",
        ),
        (
            "default: a\nhosts: {a: {slot: 2, testbox: {release: trixie}}}\n",
            ":2:13: unknown key 'slot'; did you mean 'slots'?",
        ),
        (
            f"default: a\nhosts: {{a: {{ssh: {{{SSH}, adress: x}}}}}}\n",
            "unknown key 'adress'; did you mean 'address'?",
        ),
        ("default: a\nhosts: {a: {slots: 0, testbox: {release: trixie}}}\n", "1 to 256"),
        (
            "default: a\nhosts: {a: {timeout_factor: 0, testbox: {release: trixie}}}\n",
            "0.1 to 100",
        ),
        (
            "default: a\nhosts: {a: {slot_timeout: soon, testbox: {release: trixie}}}\n",
            "hosts.a.slot_timeout: 'soon' is not a duration",
        ),
        (
            "default: a\nhosts: {a: {slot_timout: 1h, testbox: {release: trixie}}}\n",
            "unknown key 'slot_timout'; did you mean 'slot_timeout'?",
        ),
        (
            "default: a\nhosts: {a: {vcpu_overcommit: 0.5, testbox: {release: trixie}}}\n",
            "hosts.a.vcpu_overcommit: 0.5 is out of bounds; accepted: 1 to 100",
        ),
        (
            "default: a\nhosts: {a: {disk_overcomit: 2, testbox: {release: trixie}}}\n",
            "unknown key 'disk_overcomit'; did you mean 'disk_overcommit'?",
        ),
        (
            "default: a\nhosts: {a: {dom0_memory: 1, testbox: {release: trixie}}}\n",
            "hosts.a.dom0_memory: 1 bytes (a number without a unit) is too small",
        ),
        ("default: A\nhosts: {A: {testbox: {release: trixie}}}\n", ":2:9: hosts.A: 'A' is not a"),
        (
            f"default: a\nhosts: {{a: {{ssh: {{{SSH.replace(KEY, 'nokey')}}}}}}}\n",
            "this is not a public host key",
        ),
        (
            f"default: a\nhosts: {{a: {{ssh: {{{SSH.replace('ssh-ed25519', 'ssh-rsa')}}}}}}}\n",
            "this is not a public host key",
        ),
        (
            f"default: a\nhosts: {{a: {{ssh: {{{SSH.replace('rack1.example', '-oX=1')}}}}}}}\n",
            "is not a host name or IP address",
        ),
        (f"default: a\nhosts: {{a: {{ssh: {{{SSH.replace('vg0', 'a/b')}}}}}}}\n", "LVM accepts"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in told(tmp_path, text)


def power(text: str) -> str:
    return f"default: a\nhosts: {{a: {{ssh: {{{SSH}}}, {text}}}}}\n"


IPMI = "address: bmc.example, user: admin"


def test_power_and_canary(tmp_path: Path) -> None:
    known = load(
        tmp_path,
        f"default: a\nhosts:\n  a: {{ssh: {{{SSH}}}, canary: {{interval: 1h, timeout: 90s}},\n"
        f"    power: {{cycle: always, boot_timeout: 15m, ipmi: {{{IPMI}, password_env: BMC}}}}}}\n"
        f"  b: {{ssh: {{{SSH}}}, power: {{command: {{cycle: pdu -o '7 8', status: [pdu, -s]}}}}}}\n"
        f"  c: {{ssh: {{{SSH}}}, canary: {{when: never}}}}\n"
        "  d: {testbox: {release: trixie}}\n"
        "  e: {testbox: {release: trixie}, power: {cycle: never}}\n",
    )
    assert known.get("a").power_terms == PowerSpec(
        cycle=PowerCycle.ALWAYS,
        boot_timeout=timedelta(minutes=15),
        ipmi=IpmiSpec(address="bmc.example", user="admin", password_env="BMC"),
    )
    assert known.get("a").canary == CanarySpec(
        interval=timedelta(hours=1), timeout=timedelta(seconds=90)
    )
    commands = PowerCommands(cycle=("pdu", "-o", "7 8"), status=("pdu", "-s"))
    assert known.get("b").power_terms == PowerSpec(cycle=PowerCycle.ALONE, command=commands)
    assert known.get("c").power_terms is None
    assert known.get("c").canary.when is CanaryWhen.NEVER
    assert known.get("d").power_terms == PowerSpec()
    assert known.get("e").power_terms == PowerSpec(cycle=PowerCycle.NEVER)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("power: {}", "give one of 'ipmi' and 'command'"),
        (f"power: {{ipmi: {{{IPMI}, password_env: X}}, command: {{cycle: x}}}}", "give one of"),
        (f"power: {{ipmi: {{{IPMI}}}}}", "give one of 'password_file' and 'password_env'"),
        (
            f"power: {{ipmi: {{{IPMI}, password_file: x, password_env: X}}}}",
            "give one of 'password_file' and 'password_env'",
        ),
        (f"power: {{ipmi: {{{IPMI}, password: s3cret}}}}", "does not stand in hosts.yaml"),
        (f"power: {{ipmi: {{{IPMI}, password_env: $X}}}}", "name of an environment variable"),
        (f"power: {{ipmi: {{{IPMI}, password_file: ''}}}}", "the path of a file"),
        (f"power: {{ipmi: {{{IPMI}, pasword_env: X}}}}", "did you mean 'password_env'?"),
        ("power: {ipmi: {address: -x, user: a, password_env: X}}", "is not a host name"),
        ("power: {command: {cycle: 'pdu \"'}}", "can't be split into words: No closing"),
        ("power: {command: {cycle: ''}}", "this is no command"),
        ("power: {command: {cycle: []}}", "this is no command"),
        ("power: {command: {cycle: 7}}", "a command is one line of text"),
        ("power: {command: {cycle: [x, 7]}}", "a command is one line of text"),
        ("power: {command: {status: x}}", "the key 'cycle' is missing"),
        ("power: {cycle: allways, command: {cycle: x}}", "did you mean 'always'?"),
        ("power: {boot_timout: 1m, command: {cycle: x}}", "did you mean 'boot_timeout'?"),
        ("power: {command: {cycle: x}}, canary: {wen: never}", "did you mean 'when'?"),
        ("canary: {when: nevr}", "did you mean 'never'?"),
        ("canary: {timeout: 0s}", "it must be more than zero"),
    ],
)
def test_mistakes_in_power_and_canary(tmp_path: Path, text: str, expected: str) -> None:
    said = told(tmp_path, power(text))
    assert expected in said
    assert "hosts.yaml:2:" in said
    assert "s3cret" not in said


def test_a_testbox_has_no_other_power(tmp_path: Path) -> None:
    text = "default: a\nhosts: {a: {testbox: {release: trixie}, power: {command: {cycle: x}}}}\n"
    assert "a testbox is power-cycled through its QEMU: it has no 'command'" in told(tmp_path, text)


@pytest.mark.parametrize("address", ["192.0.2.10", "2001:db8::1", "rack-1.example"])
def test_addresses(tmp_path: Path, address: str) -> None:
    text = f"default: a\nhosts: {{a: {{ssh: {{{SSH.replace('rack1.example', repr(address))}}}}}}}\n"
    spec = load(tmp_path, text).get("a").ssh
    assert spec is not None
    assert spec.address == address
