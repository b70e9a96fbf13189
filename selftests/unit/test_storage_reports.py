"""LVM's reports, as LVM 2.03.16 really wrote them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import LabError
from harness.storage.reports import lvs_command, parse_lvs, parse_vgs, vgs_command
from harness.units import Size

DATA = Path(__file__).parents[1] / "data" / "lvm"
RUN = "xf-5e860f464fbc-root"


def recorded(name: str) -> str:
    """A recorded report."""
    return (DATA / name).read_text()


def test_volumes() -> None:
    found = {volume.name: volume for volume in parse_lvs(recorded("lvs-2.03.16.json"))}
    golden, scratch, pool = found["xf-golden-0123456789abcdef"], found[RUN], found["pool"]
    assert len(found) == 3
    assert golden.size == Size.parse("64M")
    assert golden.path == "/dev/xenflight/xf-golden-0123456789abcdef"
    assert (golden.pool, golden.origin, golden.writable) == ("pool", None, False)
    assert golden.tags[0] == "xenflight"
    assert "xenflight.role=golden" in golden.tags
    assert not golden.in_use
    assert (scratch.origin, scratch.size) == (golden.name, Size.parse("128M"))
    assert (scratch.in_use, scratch.active, scratch.writable) == (True, True, True)
    assert scratch.minor == 5
    assert scratch.metadata_percent is None
    assert pool.is_thin_pool
    assert not scratch.is_thin_pool
    assert pool.tags == ()
    assert pool.metadata_percent == pytest.approx(10.3, abs=0.1)


def test_group() -> None:
    (group,) = parse_vgs(recorded("vgs-2.03.16.json"))
    assert group.name == "xenflight"
    assert group.size == 42945478656
    assert group.free == 2147483648
    assert group.extent_size == 4 << 20


def test_empty_report() -> None:
    assert parse_lvs('{"report": [{"lv": []}]}') == ()


def test_newer_format_has_numbers_and_lists() -> None:
    row = """{"report": [{"lv": [{"vg_name": "vg", "lv_name": "a", "lv_uuid": "u",
        "lv_size": 1048576, "lv_attr": "Vwi-a-tz--", "pool_lv": "pool", "origin": "",
        "lv_tags": ["x", "y"], "lv_active": "active", "lv_device_open": 1,
        "lv_permissions": "writeable", "lv_kernel_minor": 7, "data_percent": 1.5,
        "metadata_percent": null}]}], "log": []}"""
    (volume,) = parse_lvs(row)
    assert (volume.size, volume.tags, volume.in_use) == (1 << 20, ("x", "y"), True)
    assert (volume.minor, volume.data_percent, volume.metadata_percent) == (7, 1.5, None)


def test_inactive_volume_has_no_device() -> None:
    row = """{"report": [{"lv": [{"vg_name": "vg", "lv_name": "a", "lv_uuid": "u",
        "lv_size": "1048576", "lv_attr": "Vwi---tz-k", "pool_lv": "pool", "origin": "",
        "lv_tags": "", "lv_active": "", "lv_device_open": "", "lv_permissions": "writeable",
        "lv_kernel_minor": "-1", "data_percent": "", "metadata_percent": ""}]}]}"""
    (volume,) = parse_lvs(row)
    assert (volume.active, volume.minor, volume.data_percent) == (False, None, None)


@pytest.mark.parametrize(
    "text",
    ["", "LV VG Attr", "[]", "{}", '{"report": [{"lv": [{"lv_name": "a"}]}]}', '{"report": [1]}'],
)
def test_text_that_is_no_report(text: str) -> None:
    with pytest.raises(LabError, match="cannot read LVM's report"):
        parse_lvs(text)


def test_group_without_sizes() -> None:
    with pytest.raises(LabError, match="cannot read LVM's report"):
        parse_vgs('{"report": [{"vg": [{"vg_name": "x"}]}]}')


def test_commands_ask_for_bytes() -> None:
    assert "--units b --nosuffix" in str(lvs_command("vg"))
    assert str(vgs_command("vg")).endswith(" vg")
