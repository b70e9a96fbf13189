"""What xl says about domains, as Xen 4.17 really said it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import LabError
from harness.xen.listing import (
    DomainState,
    parse_configs,
    parse_info,
    parse_list,
    parse_state,
)

DATA = Path(__file__).parents[1] / "data" / "xl"


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("paused", DomainState.PAUSED),
        ("blocked", DomainState.BLOCKED),
        ("crashed", DomainState.CRASHED),
    ],
)
def test_table(name: str, state: DomainState) -> None:
    dom0, guest = parse_list((DATA / f"list-v-4.17-{name}.txt").read_text())
    assert (dom0.domid, dom0.name, dom0.state) == (0, "Domain-0", DomainState.RUNNING)
    assert dom0.memory == 1024
    assert guest.state is state
    assert guest.domid > 0
    assert guest.name.startswith("xft-")
    assert guest.vcpus == 1
    assert len(guest.uuid) == 36


@pytest.mark.parametrize(
    ("flags", "state"),
    [
        ("r-----", DomainState.RUNNING),
        ("------", DomainState.RUNNING),
        ("-b----", DomainState.BLOCKED),
        ("--p---", DomainState.PAUSED),
        ("-bp---", DomainState.PAUSED),
        ("---s--", DomainState.SHUTDOWN),
        ("---sc-", DomainState.CRASHED),
        ("---sw-", DomainState.CRASHED),
        ("--psr-", DomainState.SHUTDOWN),
        ("---sr-", DomainState.SHUTDOWN),
        ("--ps-d", DomainState.DYING),
    ],
)
def test_states(flags: str, state: DomainState) -> None:
    assert parse_state(flags) is state
    line = f"xf-guest 5 512 1 {flags} 59.7 c5219dc8-bb9f-446b-875f-fc4f2bcbcc5c 1 -"
    assert [info.state for info in parse_list(f"Name ID\n{line}\n")] == [state]


def test_domain_that_is_nearly_gone_and_a_long_name() -> None:
    text = (
        "Name                                        ID   Mem VCPUs\tState\tTime(s)   UUID"
        "                            Reason-Code\tSecurity Label\n"
        "(null)                                       7     0     1     --ps-d      12.3 "
        "94cd58c9-c777-4a6c-9d7f-147e4206972a        0                -\n"
        "xf-a-name-that-is-longer-than-forty-characters-is     8   256     2     r-----      12.3 "
        "94cd58c9-c777-4a6c-9d7f-147e4206972b        -                -\n"
    )
    zombie, guest = parse_list(text)
    assert (zombie.name, zombie.domid, zombie.state) == ("(null)", 7, DomainState.DYING)
    assert (guest.name[-3:], guest.domid, guest.vcpus) == ("-is", 8, 2)


@pytest.mark.parametrize("text", ["", "xl: command not found", "Name ID Mem\nwhatever\n"])
def test_table_that_is_none(text: str) -> None:
    with pytest.raises(LabError, match="xl list -v printed something that cannot be read"):
        parse_list(text)


def test_configurations() -> None:
    configs = parse_configs((DATA / "list-l-4.17.json").read_text())
    guest = next(config for domid, config in configs.items() if domid)
    assert guest["c_info"]["name"] == "xft-b"
    assert guest["nics"][0]["mac"] == "00:16:3e:00:00:01"
    assert guest["b_info"]["target_memkb"] == 256 * 1024


@pytest.mark.parametrize("text", ["", "{}", "[{}]", "[1]"])
def test_configurations_that_are_none(text: str) -> None:
    if text == "{}":
        assert parse_configs(text) == {}
        return
    with pytest.raises(LabError, match="xl list -l printed"):
        parse_configs(text)


def test_info() -> None:
    info = parse_info((DATA / "info-4.17.txt").read_text())
    assert (info.version, info.major, info.minor, info.extra) == ("4.17.7", 4, 17, ".7")
    assert info.dom0_kernel == "6.1.0-56-amd64"
    assert (info.nr_cpus, info.total_memory) == (2, 4095)
    assert 0 < info.free_memory < info.total_memory
    assert {"pv", "hvm", "hap"} <= set(info.virt_caps)
    # The value has colons of its own nowhere, but equals signs and commas.
    assert info.xen_commandline.startswith("console=com1 com1=115200,8n1 dom0_mem=1024M")


@pytest.mark.parametrize("text", ["", "xen_version : 4.17.7\nxen_major : four\n"])
def test_info_that_is_none(text: str) -> None:
    with pytest.raises(LabError, match="xl info printed"):
        parse_info(text)
