"""How a host of hosts.yaml is reached."""

from __future__ import annotations

import ast
from dataclasses import fields, replace
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.flight.model import HostSpec, SshSpec
from harness.job.reach import ssh_endpoint
from harness.remote.sshlink import SshEndpoint

HARNESS = Path(__file__).parents[2] / "harness"
KEY = "ssh-ed25519 AAAA"
SSH = SshSpec(
    address="rack1.example",
    port=22,
    user="root",
    key_file="/k",
    host_key=KEY,
    vg="xen",
    thin_pool="pool",
    bridge="xenbr0",
)


def host(key_file: str) -> HostSpec:
    return HostSpec(name="rack1", slots=1, timeout_factor=1.0, ssh=replace(SSH, key_file=key_file))


def test_its_host_key_is_the_one_in_the_inventory() -> None:
    assert ssh_endpoint(host("/k")).host_key == KEY


def test_a_home_of_nobody_is_a_mistake_of_the_users() -> None:
    with pytest.raises(UsageError, match="there is no such user"):
        ssh_endpoint(host("~nobody-of-that-name/key"))


def test_nothing_in_the_harness_takes_whoever_answers() -> None:
    """Each endpoint is made with a host key, and nowhere is that None."""
    made = [
        keyword.value
        for path in HARNESS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "SshEndpoint"
        for keyword in node.keywords
        if keyword.arg in {"host_key", None}
    ]
    assert len(made) >= 4
    assert not [value for value in made if isinstance(value, ast.Constant)]
    (pinned,) = [one for one in fields(SshEndpoint) if one.name == "host_key"]
    assert pinned.default is not None
