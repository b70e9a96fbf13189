"""Finding flights, and checking them against the suites."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import harness
from harness.errors import UsageError
from harness.flight.check import check_project
from harness.flight.find import (
    flight_files,
    flights_dir,
    hosts_file,
    resolve_flight,
    suites_dir,
)
from harness.flight.inventory import load_hosts
from harness.flight.jsonschema import flight_schema
from harness.flight.loader import load_flight

ROOT = Path(harness.__file__).parent.parent
FLIGHT = """\
flight: smoke
hosts: [box]
defaults: {suite: boot}
matrix: {dist: [bookworm], arch: [amd64], virt: [pv], boot: [direct]}
"""
HOSTS = "default: box\nhosts: {box: {testbox: {release: bookworm}}}\n"
TEST = "def test_boot():\n    raise SystemExit('never imported')\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project with nothing wrong in it."""
    put(tmp_path, "flights/smoke.yaml", FLIGHT)
    put(tmp_path, "flights/hosts.yaml", HOSTS)
    put(tmp_path, "suites/conftest.py", "x = 1\n")
    put(tmp_path, "suites/boot/test_boot.py", TEST)
    return tmp_path


def put(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def findings(root: Path) -> list[str]:
    found = check_project(root / "flights", root / "suites")
    return [str(finding).replace(f"{root}{os.sep}", "") for finding in found]


def test_suites_that_came_with_xenflight_need_no_flight_of_ours(
    project: Path, tmp_path: Path
) -> None:
    theirs = tmp_path / "installed"
    put(theirs, "suites/boot/test_boot.py", TEST)
    put(theirs, "suites/other/test_other.py", TEST)
    assert check_project(project / "flights", theirs / "suites") == []
    assert len(check_project(project / "flights", project / "suites")) == 0
    put(project, "suites/other/test_other.py", TEST)
    assert ["no flight uses" in line for line in findings(project)] == [True]


def test_no_suite_is_unused_while_a_flight_cannot_be_read(project: Path) -> None:
    put(project, "suites/other/test_other.py", TEST)
    put(project, "flights/other.yaml", "flight: other\nmatrix: {\n")
    (line,) = findings(project)
    assert line.startswith("flights/other.yaml:")


def test_what_is_called_like_a_test_and_is_no_file_is_told(project: Path) -> None:
    (project / "suites/boot/test_folder.py").mkdir()
    os.mkfifo(project / "suites/boot/test_fifo.py")
    (project / "suites/boot/test_gone.py").symlink_to("nowhere")
    assert findings(project) == [
        f"suites/boot/test_{name}.py: this is not a file" for name in ("fifo", "folder", "gone")
    ]


def test_a_good_project_has_no_findings(project: Path) -> None:
    assert findings(project) == []


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "flights/other.yaml",
            FLIGHT.replace("boot}", "bot}").replace("smoke", "other"),
            "flights/other.yaml:3:19: unknown suite 'bot'; did you mean 'boot'?",
        ),
        (
            "flights/other.yaml",
            FLIGHT.replace("[box]", "[bxo]").replace("smoke", "other"),
            "flights/other.yaml:2:9: unknown host 'bxo'; did you mean 'box'?",
        ),
        (
            "flights/other.yaml",
            FLIGHT,
            "flights/other.yaml:1:9: the flight is called 'smoke', its file other.yaml; "
            "call them the same",
        ),
        (
            "flights/other.yaml",
            FLIGHT.replace("smoke", "other") + "hosts: [box]\n",
            "flights/other.yaml:5:1: duplicate key 'hosts'; it was given on line 2",
        ),
        ("flights/other.yaml", "", "flights/other.yaml: the file is empty"),
        (
            "suites/disk/test_disk.py",
            "class TestDisk:\n    async def test_it(self): ...\n",
            "suites/disk: no flight uses the suite 'disk': its 1 test(s) never run",
        ),
        (
            "suites/test_stray.py",
            "x = 1\ndef test_it(): ...\n",
            "suites/test_stray.py:2: this test is in no suite: tests are in "
            "suites/<suite>/test_*.py",
        ),
        (
            "suites/boot/steps.py",
            "def test_lost(): ...\n",
            "suites/boot/steps.py:1: pytest never reads this test: its file is not called "
            "test_*.py",
        ),
        (
            "suites/boot/test_bad.py",
            "x = 1\ndef test_x(:\n",
            "suites/boot/test_bad.py:2: this is not Python: invalid syntax",
        ),
    ],
)
def test_each_mistake_is_one_finding(project: Path, name: str, text: str, expected: str) -> None:
    put(project, name, text)
    assert findings(project) == [expected]


def test_a_suite_named_by_a_cell_is_told_at_the_cell(project: Path) -> None:
    cell = "dist: trixie, arch: amd64, virt: pv, boot: direct, suite: none"
    put(project, "flights/smoke.yaml", f"{FLIGHT}jobs:\n  - {{{cell}}}\n")
    assert findings(project) == [
        "flights/smoke.yaml:6:64: unknown suite 'none'; accepted: boot",
    ]


def test_a_suite_named_by_an_override_or_another_file_is_told_there(project: Path) -> None:
    put(
        project,
        "flights/smoke.yaml",
        f"{FLIGHT}overrides: [{{where: {{virt: pv}}, set: {{suite: bot}}}}]\n",
    )
    put(project, "flights/_base.yaml", FLIGHT.replace("boot}", "bxot}"))
    put(project, "flights/other.yaml", "flight: other\nextends: _base.yaml\n")
    assert findings(project) == [
        "flights/_base.yaml:3:19: unknown suite 'bxot'; did you mean 'boot'?",
        "flights/smoke.yaml:5:46: unknown suite 'bot'; did you mean 'boot'?",
        "suites/boot: no flight uses the suite 'boot': its 1 test(s) never run",
    ]


def test_files_to_be_extended_are_no_flights_of_their_own(project: Path) -> None:
    put(project, "flights/_base.yaml", "memory: 1G\n")
    assert list(flight_files(project / "flights")) == ["smoke"]
    assert findings(project) == []


def test_a_flight_with_several_mistakes_of_the_new_kind(project: Path) -> None:
    text = FLIGHT + (
        "stripe: [memory]\n"
        "exclude: [{where: {dist: sid}, reason: x}]\n"
        "overrides: [{where: {dist: sid}, set: {vcpus: 2}}]\n"
    )
    put(project, "flights/smoke.yaml", text)
    assert findings(project)[0] == (
        "flights/smoke.yaml:5:10: stripe: the matrix has no axis 'memory'"
    )
    put(project, "flights/smoke.yaml", text.replace("stripe: [memory]", ""))
    assert findings(project)[:2] == [
        "flights/smoke.yaml:6:19: this matches no job of the flight",
        "flights/smoke.yaml:7:21: this matches no job of the flight",
    ]


def test_a_folder_without_tests_is_no_suite(project: Path) -> None:
    put(project, "suites/boot/test_boot.py", "x = 1\n")
    assert findings(project) == ["flights/smoke.yaml:3:19: unknown suite 'boot'; accepted: nothing"]


def test_a_missing_inventory_and_no_flights_are_findings(tmp_path: Path) -> None:
    (tmp_path / "flights").mkdir()
    (tmp_path / "suites").mkdir()
    assert findings(tmp_path) == [
        "flights: there is no flight here",
        "flights/hosts.yaml: there is no such file",
    ]


def test_flights_are_found_beside_the_user_first(project: Path) -> None:
    assert flights_dir(project) == project / "flights"
    assert suites_dir(project) == project / "suites"
    assert list(flight_files(project / "flights")) == ["smoke"]
    assert resolve_flight("smoke", project) == project / "flights" / "smoke.yaml"
    assert resolve_flight("flights/smoke.yaml", project) == project / "flights" / "smoke.yaml"


def test_elsewhere_those_that_came_with_the_package_are_found(tmp_path: Path) -> None:
    assert resolve_flight("smoke", tmp_path).is_file()
    assert hosts_file(resolve_flight("smoke", tmp_path), tmp_path).is_file()


def test_hosts_beside_a_flight_win_over_the_usual_ones(project: Path) -> None:
    put(project, "mine/smoke.yaml", FLIGHT)
    flight = project / "mine" / "smoke.yaml"
    assert hosts_file(flight, project) == project / "flights" / "hosts.yaml"
    put(project, "mine/hosts.yaml", HOSTS)
    assert hosts_file(flight, project) == project / "mine" / "hosts.yaml"


def test_no_hosts_anywhere_is_an_error(project: Path) -> None:
    (project / "flights" / "hosts.yaml").unlink()
    with pytest.raises(UsageError, match=r"there is no hosts\.yaml beside"):
        hosts_file(project / "flights" / "smoke.yaml", project)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("smok", "unknown flight 'smok'; did you mean 'smoke'?"),
        ("zzz", "are: smoke"),
        ("hosts", "unknown flight 'hosts'"),
        ("flights/zzz.yaml", "there is no flight file flights/zzz.yaml"),
        ("flights/hosts.yaml", "lists hosts; it is no flight"),
        ("flights/", "there is no flight file flights/"),
        ("", "unknown flight ''"),
    ],
)
def test_an_unknown_flight_is_an_error(project: Path, name: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_flight(name, project)
    assert told in str(caught.value)


def test_the_committed_schema_is_current() -> None:
    committed = (ROOT / "flights" / "schema.json").read_text(encoding="utf-8")
    assert committed == flight_schema(), "run: python -m harness.flight.jsonschema > FILE"


@pytest.mark.parametrize("path", sorted((ROOT / "flights").glob("*.yaml")), ids=lambda p: p.name)
def test_shipped_flights_load_and_name_the_schema(path: Path) -> None:
    if path.name == "hosts.yaml":
        inventory = load_hosts(path)
        assert inventory.get().testbox is not None
        assert inventory.get("rack1").ssh is not None
        return
    assert load_flight(path).name == path.stem
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=schema.json"


def test_a_package_finds_its_bundled_copy_before_what_is_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "harness"
    monkeypatch.setattr("harness.flight.find._PACKAGE", package)
    with pytest.raises(UsageError, match="there is no folder flights here"):
        flights_dir(tmp_path)
    put(tmp_path, "site/flights/smoke.yaml", FLIGHT)
    assert flights_dir(tmp_path) == tmp_path / "site" / "flights"
    put(package, "_bundled/flights/smoke.yaml", FLIGHT)
    assert flights_dir(tmp_path) == package / "_bundled" / "flights"
