"""hosts.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.flight.inventory import Inventory, load_hosts
from harness.flight.model import HostSpec, SshSpec, TestboxSpec
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
        "  box: {slots: 2, timeout_factor: 4, testbox: {release: trixie, memory: 2G}}\n"
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
    assert inventory.get() == HostSpec(name="box", slots=2, timeout_factor=4.0, testbox=box)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
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


@pytest.mark.parametrize("address", ["192.0.2.10", "2001:db8::1", "rack-1.example"])
def test_addresses(tmp_path: Path, address: str) -> None:
    text = f"default: a\nhosts: {{a: {{ssh: {{{SSH.replace('rack1.example', repr(address))}}}}}}}\n"
    spec = load(tmp_path, text).get("a").ssh
    assert spec is not None
    assert spec.address == address
