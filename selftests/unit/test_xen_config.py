"""xl configuration files: the text we write, and what xl 4.17 understood of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.xen.config import (
    Action,
    Disk,
    DomainConfig,
    DomainType,
    Firmware,
    Vif,
    check_domain_name,
    quote,
)

DATA = Path(__file__).parents[1] / "data" / "xl"

PV = DomainConfig(
    name="xf-boot-bookworm-amd64-pv",
    type=DomainType.PV,
    memory=512,
    kernel="/run/xenflight/vmlinuz",
    ramdisk="/run/xenflight/initrd.img",
    cmdline="root=/dev/xvda ro console=hvc0",
    disks=(Disk(path="/dev/xenflight/xf-5e860f464fbc-root"),),
    vifs=(Vif(mac="00:16:3e:12:34:56", bridge="xenbr0"),),
)
ODD = DomainConfig(
    name="odd_name.1+2",
    uuid="94cd58c9-c777-4a6c-9d7f-147e4206972a",
    type=DomainType.PVH,
    memory=128,
    vcpus=2,
    kernel="/srv/a b/vmlinuz",
    cmdline="a\"b 'c\\d\\\\e $x #hash ; [1, 2] = é",
    disks=(
        Disk(path="/dev/vg/a,b=c"),
        Disk(path='/srv/"q".qcow2', vdev="xvdb", format="qcow2", writable=False),
    ),
    vifs=(
        Vif(mac="00:16:3e:00:00:01", bridge="xenbr0"),
        Vif(mac="00:16:3E:00:00:02", bridge="br-lan"),
    ),
    on_poweroff=Action.PRESERVE,
    on_reboot=Action.DESTROY,
    on_crash=Action.DESTROY,
)
HVM = DomainConfig(
    name="xf-hvm",
    type=DomainType.HVM,
    memory=512,
    firmware=Firmware.OVMF,
    disks=(Disk(path="/dev/vg/disk"),),
)
PYGRUB = DomainConfig(
    name="xf-pygrub",
    type=DomainType.PVH,
    memory=512,
    bootloader="pygrub",
    disks=(Disk(path="/dev/vg/disk"),),
)
LEAST = DomainConfig(name="least", type=DomainType.PV, memory=64, kernel="/k")
CONFIGS = {"pv": PV, "odd": ODD, "least": LEAST, "hvm": HVM, "pygrub": PYGRUB}


@pytest.mark.parametrize("name", CONFIGS)
def test_text_is_the_recorded_one(name: str) -> None:
    assert CONFIGS[name].to_xl() == (DATA / f"{name}.cfg").read_text()


@pytest.mark.parametrize("name", CONFIGS)
def test_xl_understood_what_was_meant(name: str) -> None:
    config = CONFIGS[name]
    parsed: dict[str, Any] = json.loads((DATA / f"{name}.parsed-4.17.json").read_text())
    built = parsed["b_info"]
    assert parsed["c_info"]["name"] == config.name
    assert parsed["c_info"]["type"] == config.type
    assert config.uuid in (None, parsed["c_info"]["uuid"])
    assert built["max_memkb"] == config.memory * 1024
    assert built["max_vcpus"] == config.vcpus
    assert built.get("kernel") == config.kernel
    assert built.get("bootloader") == config.bootloader
    hvm = built.get("type.hvm", {})
    assert hvm.get("bios") == config.firmware
    assert hvm.get("serial") == ("pty" if config.type is DomainType.HVM else None)
    assert built.get("ramdisk") == config.ramdisk
    assert built.get("cmdline", "") == config.cmdline
    disks = [(disk["pdev_path"], disk["vdev"], disk["format"]) for disk in parsed.get("disks", [])]
    assert disks == [(disk.path, disk.vdev, disk.format) for disk in config.disks]
    writable = [bool(disk.get("readwrite")) for disk in parsed.get("disks", [])]
    assert writable == [disk.writable for disk in config.disks]
    vifs = [(vif["mac"], vif["bridge"]) for vif in parsed.get("nics", [])]
    assert vifs == [(vif.mac.lower(), vif.bridge) for vif in config.vifs]
    # libxl leaves out what is its own default.
    assert parsed.get("on_poweroff", "destroy") == config.on_poweroff
    assert parsed.get("on_reboot", "destroy") == config.on_reboot
    assert parsed.get("on_crash", "destroy") == config.on_crash


@given(
    st.text(st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs"]))
)
def test_quoting_can_be_undone(text: str) -> None:
    quoted = quote(text)
    assert quoted[0] == quoted[-1] == '"'
    assert "\n" not in quoted
    letters = iter(quoted[1:-1])
    assert "".join(next(letters) if letter == "\\" else letter for letter in letters) == text


@pytest.mark.parametrize("text", ["a\nb", "a\0", "\t", "\x7f"])
def test_control_characters_have_no_place(text: str) -> None:
    with pytest.raises(UsageError, match="cmdline cannot be written"):
        replace(LEAST, cmdline=text).to_xl()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"name": "17"}, "would take it for a domid"),
        ({"name": ""}, "not the name of a domain"),
        ({"name": "a b"}, "not the name of a domain"),
        ({"name": "../x"}, "not the name of a domain"),
        ({"memory": 0}, "memory is 0"),
        ({"vcpus": -1}, "vcpus is -1"),
        ({"uuid": "1234"}, "not a UUID"),
        ({"cpus": "all the fast ones"}, "not a list of processors"),
        ({"disks": (Disk(path="/a"), Disk(path="/b"))}, "more than one disk is xvda"),
        ({"kernel": None}, "neither a kernel nor anything that finds one"),
        ({"bootloader": "pygrub"}, "without a kernel of their own"),
        ({"type": DomainType.HVM, "kernel": None, "bootloader": "pygrub"}, "for PV and PVH"),
        ({"firmware": Firmware.OVMF}, "only HVM domains have firmware"),
        ({"pci": ("03:00.0",)}, "not the address of a PCI device"),
        ({"pci": ("0000:03:00.0",), "type": DomainType.PVH}, "no PCI devices to PVH"),
        ({"platform_pci": False}, "only HVM domains can do without Xen's platform device"),
    ],
)
def test_values_that_xl_would_not_take(change: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        replace(LEAST, **change)


@pytest.mark.parametrize(
    "change", [{"path": "vg/lv"}, {"vdev": "disk0"}, {"format": "zip"}, {"vdev": "xvda,x=y"}]
)
def test_disks_that_xl_would_not_take(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        replace(Disk(path="/a"), **change)


@pytest.mark.parametrize("change", [{"mac": "00:16:3e"}, {"bridge": "a,b"}, {"bridge": "x" * 16}])
def test_vifs_that_xl_would_not_take(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        replace(Vif(mac="00:16:3e:00:00:01", bridge="xenbr0"), **change)


def test_a_device_of_the_hosts() -> None:
    assert 'pci = [ "0000:03:00.0" ]\n' in replace(PV, pci=("0000:03:00.0",)).to_xl()
    assert "pci" not in PV.to_xl()


def test_domain_name_with_a_newline() -> None:
    with pytest.raises(UsageError):
        check_domain_name("a\n")
