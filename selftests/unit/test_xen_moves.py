"""The scripts by which domains are moved, with an xl that is none; and who cannot be moved live."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from harness.errors import CommandFailed
from harness.host.names import own_name, passing_names, run_of_domain, saved_file
from harness.remote.local import LocalRunner
from harness.units import Size
from harness.xen.files import NO_ROOM
from harness.xen.listing import XenInfo, parse_info
from harness.xen.moves import PASSING, XlMoves, why_not_live
from harness.xen.refusal import of_the_host

DATA = Path(__file__).parent.parent / "data"
SECONDS = timedelta(seconds=30)
XL = """\
#!/bin/sh
echo "$@" >>"$XL_LOG"
case $1 in
    save)
        [ -f "$3" ] || exit 9
        [ "$2" != deaf ] || { echo refused >&2; exit 4; }
        printf 12345 >"$3"
        ;;
    restore) [ -s "$3" ] || { echo "no such file" >&2; exit 2; } ;;
    domid) echo 17 ;;
    migrate) [ "$2 $3" = "-s " ] && sh -c "$5" ;;
    migrate-receive) [ "$2" = -p ] ;;
esac
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What xl is called with."""
    program = tmp_path / "bin" / "xl"
    program.parent.mkdir()
    program.write_text(XL)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("XL_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def test_saved_and_restored(tmp_path: Path, log: Path) -> None:
    moves, path = XlMoves(LocalRunner()), tmp_path / "run" / "web.save"
    assert moves.save("web", str(path), Size.parse("1M"), SECONDS) == 5
    assert path.read_text() == "12345"
    assert path.stat().st_mode & 0o077 == 0, "it holds the guest's memory"
    assert moves.restore("web", str(path), SECONDS) == 17
    assert not path.exists()
    assert log.read_text().splitlines() == [
        f"save web {path}",
        f"restore -p {path}",
        "domid web",
    ]


@pytest.mark.usefixtures("log")
def test_what_is_refused_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "run" / "deaf.save"
    with pytest.raises(CommandFailed, match="refused") as caught:
        XlMoves(LocalRunner()).save("deaf", str(path), Size.parse("1M"), SECONDS)
    assert (caught.value.exit_status, path.exists()) == (4, False)
    with pytest.raises(CommandFailed, match="no such file"):
        XlMoves(LocalRunner()).restore("deaf", str(path), SECONDS)


def test_without_room_nothing_is_begun(tmp_path: Path, log: Path) -> None:
    path = tmp_path / "run" / "web.save"
    with pytest.raises(CommandFailed, match="No space left on device") as caught:
        XlMoves(LocalRunner()).save("web", str(path), Size.parse("4096T"), SECONDS)
    assert caught.value.exit_status == NO_ROOM
    assert of_the_host(caught.value.stderr)
    assert not path.parent.exists()
    assert not log.exists()


def test_migrated_over_a_pipe_and_left_paused(log: Path) -> None:
    assert XlMoves(LocalRunner()).migrate("web", SECONDS) == 17
    assert log.read_text().splitlines() == [
        "migrate -s  web exec xl migrate-receive -p",
        "migrate-receive -p",
        "domid web",
    ]


def test_a_file_that_is_forgotten_takes_its_directory_along(tmp_path: Path) -> None:
    one, two = (tmp_path / "run" / name for name in ("a.save", "b.save"))
    one.parent.mkdir()
    one.touch()
    two.touch()
    moves = XlMoves(LocalRunner())
    moves.forget(str(one))
    assert two.exists()
    moves.forget(str(two))
    assert not two.parent.exists()
    moves.forget(str(two))


def info(caps: str, minor: int = 17) -> XenInfo:
    found = parse_info((DATA / "xl" / "info-4.17.txt").read_text(encoding="utf-8"))
    return replace(found, minor=minor, virt_caps=tuple(caps.split()))


@pytest.mark.parametrize(
    ("caps", "minor", "pv", "why"),
    [
        ("pv hvm hap", 17, True, "no 'shadow'"),
        ("pv hvm hap", 17, False, ""),
        ("pv hvm hap shadow", 17, True, ""),
        ("pv hvm shadow", 17, False, ""),
        ("pv hvm", 17, False, "no 'hap'"),
        ("pv hvm", 11, True, ""),
    ],
)
def test_what_cannot_be_moved_live(caps: str, minor: int, pv: bool, why: str) -> None:
    said = why_not_live(info(caps, minor), pv=pv)
    assert why in said
    assert bool(why) == bool(said)


def test_a_name_is_ours_while_it_passes() -> None:
    name = "xf.smoke-20261122-123939-4a2307.0123456789"
    assert passing_names(name) == tuple(name + ending for ending in (*PASSING, "--neighbour"))
    for one in (name, *passing_names(name)):
        assert run_of_domain(one) == "smoke-20261122-123939-4a2307"
        assert own_name(one) == name
    for other in (f"{name}--other", f"{name}--incoming--incoming", "web--incoming"):
        assert run_of_domain(other) is None
        assert own_name(other) == other
    assert saved_file("f-1", name) == f"/var/lib/xenflight/builds/f-1/{name}.save"
    with pytest.raises(ValueError, match="can't name"):
        saved_file("../..", name)
