"""What is written on a host by shell scripts, written and read here with a real shell."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest

from harness.evidence.after import AFTER
from harness.host.health import MOST, EventKind, HealthEvent, Verdict, note_health, read_health
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.xen.toolstack import Xl

HERE = LocalRunner()


def event(reason: str, kind: EventKind = EventKind.CANARY) -> HealthEvent:
    return HealthEvent(kind=kind, by="ada@ctl", reason=reason, verdict=Verdict.PASS)


def test_a_history_is_written_and_read(tmp_path: Path) -> None:
    history = str(tmp_path / "lib" / "xenflight" / "health")
    note_health(HERE, event("first"), history)
    note_health(HERE, event('it\'s "quoted" $HOME `id` \\n %s'), history)
    found = read_health(HERE, history).canary
    assert found
    assert found.reason == 'it\'s "quoted" $HOME `id` \\n %s'
    assert found.verdict is Verdict.PASS
    assert found.at is not None
    assert read_health(HERE, str(tmp_path / "none")).canary is None


def test_files_of_domains_that_are_gone_go_and_no_others(tmp_path: Path) -> None:
    configs, userdata = tmp_path / "run", tmp_path / "lib"
    mine, others = "xf.f-1.0123456789", "xf.f-1-2.0123456789"
    for folder in (configs, userdata):
        folder.mkdir()
    for number, name in enumerate((mine, others, "web")):
        (configs / f"{name}.cfg").touch()
        (userdata / f"userdata-d.{number}.0-1.libxl-json").write_text(
            f'{{\n    "c_info": {{\n        "type": "pv",\n        "name": "{name}"\n'
        )
    (userdata / "domid-history").write_text(f'"{mine}"')
    for _ in range(2):
        Xl(HERE).forget("xf.f-1.", None, str(configs), str(userdata))
    assert {path.name for path in configs.iterdir()} == {f"{others}.cfg", "web.cfg"}
    left = {path.name for path in userdata.iterdir()}
    assert left == {*(f"userdata-d.{n}.0-1.libxl-json" for n in (1, 2)), "domid-history"}
    Xl(HERE).forget(others, None, str(configs), str(tmp_path / "none"))
    assert {path.name for path in configs.iterdir()} == {"web.cfg"}


def test_a_file_of_libxls_that_was_not_written_out_goes_by_its_name(tmp_path: Path) -> None:
    """The host lost power a moment after it was made: there is nothing in it."""
    mine, other = UUID(int=1), UUID(int=2)
    for number, uuid in enumerate((mine, other)):
        (tmp_path / f"userdata-d.{number}.{uuid}.libxl-json").touch()
    Xl(HERE).forget("xf.f-1.0123456789", mine, str(tmp_path), str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [f"userdata-d.1.{other}.libxl-json"]
    Xl(HERE).forget("xf.f-1.0123456789", None, str(tmp_path), str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 1


def test_half_a_line_spoils_no_other(tmp_path: Path) -> None:
    """A writer was killed, or the disk was full."""
    history = tmp_path / "health"
    history.write_text('1800000000 {"kind": "can')
    note_health(HERE, event("after"), str(history))
    found = read_health(HERE, str(history)).canary
    assert found
    assert found.reason == "after"


def test_it_does_not_grow_for_ever(tmp_path: Path) -> None:
    history = tmp_path / "health"
    history.write_text("".join(f"1800000000 {n}\n" for n in range(MOST)))
    note_health(HERE, event("newest"), str(history))
    lines = history.read_text().splitlines()
    assert len(lines) == MOST // 2
    assert "newest" in lines[-1]
    assert lines[0] == f"1800000000 {MOST - MOST // 2 + 1}"


def test_several_write_at_once(tmp_path: Path) -> None:
    history = str(tmp_path / "health")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: note_health(HERE, event(str(n)), history), range(12)))
    lines = Path(history).read_text().splitlines()
    found = [HealthEvent.parse(line) for line in lines]
    assert {one.reason for one in found if one} == {str(n) for n in range(12)}


@pytest.mark.parametrize("item", AFTER, ids=lambda item: item.file)
def test_what_is_asked_after_a_reboot_is_valid_shell(item: object) -> None:
    script = item.script  # type: ignore[attr-defined]
    HERE.run(Command.of("sh", "-n", "-c", script))


def test_what_the_kernel_left_is_read_and_stays(tmp_path: Path) -> None:
    """The script names fixed places: here they are moved to a folder of the test's."""
    (script,) = (item.script for item in AFTER if item.file == "pstore.txt")
    places = {place: tmp_path / place.replace("/", "_") for place in _PLACES}
    for place, there in places.items():
        there.mkdir()
        script = script.replace(place, str(there))
    oops = places["/var/lib/systemd/pstore"] / "dmesg.txt"
    oops.write_text("Oops#1 Part1\n" + "x" * 100_000 + "\nend of the oops\n")
    (places["/sys/fs/pstore"] / "a name\twith blanks").write_text("console of the last boot\n")
    said = HERE.run(Command(("sh", "-c", script, "evidence", "xf.f.1", "75"))).stdout
    assert "end of the oops" in said
    assert "console of the last boot" in said
    assert len(said) < 80_000, "the end of each"
    assert oops.exists()
    assert os.listdir(places["/sys/fs/pstore"])  # noqa: PTH208


_PLACES = ("/sys/fs/pstore", "/var/lib/systemd/pstore", "/var/crash")
