"""Reading what a host has room for, from what xl and LVM really printed."""

from __future__ import annotations

from pathlib import Path

import pytest
from room_samples import GIB, MIB, want

from harness.errors import LabError
from harness.host.fake import POOL, VG, FakeHost
from harness.host.roomlook import find_room, look_script, read_room
from harness.host.slots import Claim
from harness.storage.names import golden_name, golden_tags
from harness.storage.reports import parse_pool, pool_command

DATA = Path(__file__).parent.parent / "data"
# In the form of the recorded reports, with the fields that were not asked for then.
POOL_REPORT = """\
  {
      "report": [
          {
              "lv": [
                  {"vg_name":"xenflight", "vg_size":"42945478656", "vg_free":"2147483648", \
"vg_extent_size":"4194304", "lv_name":"pool", "lv_size":"40663777280", "chunk_size":"262144", \
"lv_metadata_size":"67108864"}
              ]
          }
      ]
  }
"""


def said(**changes: str) -> list[str]:
    """What a testbox with Xen 4.17 and LVM 2.03.16 says; *changes* are other sections."""
    listed = (DATA / "xl" / "list-v-4.17-blocked.txt").read_text()
    sections = {
        "autoballoon": '"auto"\n',
        "before": listed,
        "info": (DATA / "xl" / "info-4.17.txt").read_text(),
        "after": listed,
        "pool": POOL_REPORT,
        "volumes": (DATA / "lvm" / "lvs-2.03.16.json").read_text(),
        "end": "",
        **changes,
    }
    lines = [
        f"| {line}"
        for name, text in sections.items()
        for line in (f"=== {name}", *text.splitlines())
    ]
    return ["held 1 7 1800000000 " + CLAIM, *lines]


CLAIM = Claim(holder="ada@ci1", flight="smoke-1", job="job").to_json()


def test_what_a_real_host_says() -> None:
    found = read_room([f"want 1 {want().to_json()}", *said()], "rack1")
    assert (found.total_memory, found.free_memory) == (4095 * MIB, 3028 * MIB)
    assert (found.dom0_memory, found.balloons, found.cpus) == (1024 * MIB, False, 2)
    (guest,) = found.domains
    assert (guest.name, guest.memory, guest.vcpus) == ("xft-b", 256 * MIB, 1)
    assert (found.shape.size, found.shape.chunk) == (40663777280, 256 << 10)
    assert found.shape.metadata_size == 64 * MIB
    assert (found.shape.group.size, found.shape.group.free) == (42945478656, 2 * GIB)
    assert found.data_used == round(40663777280 * 0.0003)
    assert found.metadata_used == round(64 * MIB * 0.103)
    assert len(found.volumes) == 3
    (claimed,) = found.claims
    assert (claimed.holder.slot, claimed.holder.job, claimed.want) == (1, "job", want())


def test_a_dom0_without_a_fixed_size_balloons() -> None:
    info = (DATA / "xl" / "info-4.17.txt").read_text()
    loose = info.replace("dom0_mem=1024M,max:1024M ", "")
    assert loose != info
    assert read_room(said(info=loose), "rack1").balloons
    assert not read_room(said(info=loose, autoballoon='"off"\n'), "rack1").balloons


def test_without_a_setting_it_is_decided_by_xens_line() -> None:
    assert not read_room(said(autoballoon=""), "rack1").balloons


def test_a_claim_without_words_of_who_has_it_counts() -> None:
    lines = [line for line in said() if not line.startswith("held")]
    found = read_room([f"want 3 {want().to_json()}", *lines], "rack1")
    assert [claim.holder.slot for claim in found.claims] == [3]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], r"rack1 cannot tell .* ended at the beginning: xl: not found"),
        (said()[:6], "it ended at before"),
        (said()[:-1], "it ended at volumes"),
        (said(info="garbage"), "xl info printed something that cannot be read"),
        (said(before="garbage"), "xl list -v printed something"),
        (said(pool="{}"), "cannot read LVM's report"),
        (said(pool='{"report": [{"lv": []}]}'), "cannot read LVM's report"),
        (said(pool=POOL_REPORT.replace("262144", "0")), "xenflight/pool is not a thin pool"),
        (said(volumes='{"report": [{"lv": []}]}'), "xenflight/pool was removed just now"),
        (["want x {}", *said()], "this is no slot"),
        (["want 1 {}", *said()], "what a job on the host claims cannot be read"),
        (["held x", *said()], "this is no slot"),
    ],
)
def test_what_cannot_be_read_is_an_error_and_not_room(lines: list[str], why: str) -> None:
    with pytest.raises(LabError, match=why):
        read_room(lines, "rack1", "xl: not found")


def test_the_newer_format_of_reports_has_numbers() -> None:
    text = POOL_REPORT.replace(':"262144"', ":262144").replace(':"67108864"', ":67108864")
    assert parse_pool(text) == parse_pool(POOL_REPORT)


def test_a_pool_is_asked_for_by_its_name() -> None:
    assert str(pool_command("vg0", "pool")).endswith("chunk_size,lv_metadata_size vg0/pool")


def test_names_of_the_inventory_do_not_reach_the_shell() -> None:
    script = look_script("vg;reboot", "$(reboot)")
    assert "'vg;reboot/$(reboot)'" in script
    assert "'vg;reboot'" in script


def test_a_fake_host_tells_it_like_a_real_one() -> None:
    fake = FakeHost(volumes={golden_name("a" * 16): set(golden_tags("a" * 16))})
    fake.domains["xf.a"] = 3
    found = find_room(fake.runner, look_script(VG, POOL))
    assert found.free_memory == (3028 - 518) * MIB
    assert [domain.name for domain in found.domains] == ["xf.a"]
    assert len(fake.runner.calls) == 1


def test_a_host_that_fails_is_told_with_its_words() -> None:
    fake = FakeHost()
    fake.runner.before("find-room", raises=LabError("gone"))
    with pytest.raises(LabError, match="gone"):
        find_room(fake.runner, look_script(VG, POOL))
