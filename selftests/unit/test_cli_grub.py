"""``xenflight grub lint``: text, JSON, exit codes, and wrong input."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from grub_samples import GRUB2, LEGACY, read, xen

from harness.cli import complete, main
from harness.grub import sources

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, text: str) -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def test_each_finding_has_its_place_and_rule(capsys: Captured) -> None:
    name = write("menu.lst", read("notes-legacy.lst"))
    assert main(["grub", "lint", name]) == 5
    said = capsys.readouterr().out
    lines = [line for line in said.splitlines() if not line.startswith(" ")]
    assert all(
        re.match(r"menu\.lst:\d+: (error|warning|note): .* \[[a-z0-9-]+\]$", line)
        for line in lines[:-1]
    )
    assert lines[-1] == "3 errors, 2 warnings, 1 note in 1 file; 1 entry boots Xen"
    assert "menu.lst:4: warning: there are two options in 'console_to_ringcom1=19200,8n1'" in said
    assert "\x1b" not in said


def test_nothing_wrong(capsys: Captured) -> None:
    names = [write("grub.cfg", GRUB2), write("menu.lst", LEGACY)]
    assert main(["grub", "lint", *names, "--strict"]) == 0
    assert capsys.readouterr().out == "nothing is wrong in 2 files; 2 entries boot Xen\n"


@pytest.mark.parametrize(
    ("options", "plain", "strict"),
    [("sync_consol", 0, 5), ("dom0_mem=1G", 0, 0), ("dom0_mem=1", 5, 5)],
)
def test_exit_codes(options: str, plain: int, strict: int) -> None:
    name = write("grub.cfg", xen(options))
    assert main(["grub", "lint", name]) == plain
    assert main(["grub", "lint", "--strict", name]) == strict


def test_several_lines_of_one_finding(capsys: Captured) -> None:
    write("grub.cfg", GRUB2 + xen("sync_consol") * 12)
    assert main(["grub", "lint", "grub.cfg"]) == 0
    said = capsys.readouterr().out
    assert "grub.cfg:13: warning: Xen has no option 'sync_consol'" in said
    assert "also in lines 21, 29, 37, 45, 53, 61, 69, 77 and 3 more" in said


def test_json(capsys: Captured) -> None:
    write("grub.cfg", xen("sync_consol") * 2)
    assert main(["grub", "lint", "--json", "grub.cfg"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "schema": 1,
        "files": {"grub.cfg": "grub2"},
        "xen_entries": 2,
        "counts": {"error": 0, "warning": 1, "note": 0},
        "more": False,
        "findings": [
            {
                "file": "grub.cfg",
                "line": 5,
                "severity": "warning",
                "rule": "misspelt",
                "message": "Xen has no option 'sync_consol'; did you mean 'sync_console'?",
                "hint": "as it stands Xen ignores it",
                "entry": "Xen",
                "also": [13],
            }
        ],
    }


def test_a_snippet_can_be_pasted() -> None:
    read_ = sources.read_all([Path("-")], io.BytesIO(GRUB2.encode()))
    assert read_ == {"-": GRUB2}


def test_files_below_root(capsys: Captured, at_home: Path) -> None:
    write("grub.cfg", GRUB2)
    assert main(["grub", "lint", "--root", ".", "grub.cfg"]) == 5
    assert "grub.cfg:5: error: /boot/xen-4.17-amd64.gz is not there" in capsys.readouterr().out
    boot = at_home / "boot"
    boot.mkdir()
    for name in re.findall(r"/boot/(\S+)", GRUB2):
        (boot / name).write_text("x")
    assert main(["grub", "lint", "--root", ".", "grub.cfg"]) == 0


def test_the_form_can_be_named(capsys: Captured) -> None:
    write("notes", LEGACY.replace("loglvl=all", "sync_consol") + GRUB2)
    assert main(["grub", "lint", "notes", "--form", "legacy"]) == 5
    assert "did you mean 'sync_console'?" in capsys.readouterr().out
    assert main(["grub", "lint", "notes"]) == 0
    assert "an entry of GRUB legacy begins here" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing.cfg"], "nothing.cfg: there is no such file"),
        (["."], "this is no ordinary file"),
        (["/dev/null"], "this is no ordinary file"),
        (["hello"], "hello: this is no configuration of GRUB"),
        (["grub.cfg", "hello"], "hello: this is no configuration of GRUB"),
        (["grub.cfg", "--form", "grub3"], "there is no form 'grub3'; did you mean 'grub2'?"),
        (["grub.cfg", "--root", "nowhere"], "--root nowhere is no directory"),
        (["grub.cfg", "big"], "big: this is no configuration of GRUB: with it there are more than"),
        ([], "Missing argument 'FILE...'"),
    ],
)
def test_wrong_use(arguments: list[str], said: str, capsys: Captured) -> None:
    write("grub.cfg", GRUB2)
    write("hello", "hello\n")
    write("big", "#" * (sources.MOST + 1))
    assert main(["grub", "lint", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert "Traceback" not in err


def test_what_a_menu_says_cannot_act_on_a_terminal(capsys: Captured) -> None:
    write("grub.cfg", xen("sync\x1b[31mconsole\u202e[bold]x[/bold]"))
    assert main(["grub", "lint", "grub.cfg"]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert "[bold]" in said


def test_bytes_that_are_no_text_are_read_all_the_same(capsys: Captured) -> None:
    Path("grub.cfg").write_bytes(b"# \xff\xfe\n" + xen("sync_consol").encode("latin-1"))
    assert main(["grub", "lint", "grub.cfg"]) == 0
    assert "grub.cfg:6: warning" in capsys.readouterr().out


def test_help_has_examples_and_forms_are_completed(capsys: Captured) -> None:
    assert main(["grub", "lint", "--help"]) == 0
    assert "xenflight grub lint /boot/grub/grub.cfg" in capsys.readouterr().out
    assert complete.grub_forms("l") == ["legacy"]
    assert complete.grub_forms("") == ["grub2", "legacy", "defaults"]
