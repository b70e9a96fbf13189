"""``xenflight gate`` over a store: history from it, and the gate's word into it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from storelab import JOB, OTHER, flight, job, step, url_of

from harness.cli import main
from harness.gate.policy import Policy
from harness.gate.run import keep_verdict
from harness.gate.verdict import VerdictFile
from harness.results.recorder import to_json
from harness.status import Status
from harness.store.faults import StoreError
from harness.store.look import list_flights
from harness.store.names import find_flight
from harness.store.store import Store
from harness.store.tables import FlightRow, WaiverUseRow
from harness.store.url import VARIABLE

FAIL = Status.FAIL
RUNS = Path("reports/runs")
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Flights of its own to stand in, and a store that is not there yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    path = tmp_path / "history.db"
    monkeypatch.setenv(VARIABLE, str(path))
    Path("flights/policy").mkdir(parents=True)
    jobs = ", ".join(
        f"{{dist: bookworm, arch: amd64, virt: {virt}, boot: direct}}" for virt in ("pv", "pvh")
    )
    Path("flights/smoke.yaml").write_text(f"flight: smoke\njobs: [{jobs}]\n", encoding="utf-8")
    return path


def run(number: int, bad: bool = False, xen: str = "4.17.5", **beside: str) -> Path:
    """A flight's directory; the job OTHER may fail to boot."""
    panic = step("guest-boot", FAIL, reason="Kernel panic", failure_class="kernel-panic")
    steps = (step("guest-create"), panic, step("guest-ssh", Status.BLOCKED))
    failed = job(OTHER, steps=steps, status=FAIL)
    result = flight(number, job(), failed if bad else job(OTHER), xen=xen)
    directory = RUNS / result.flight_id
    directory.mkdir(parents=True)
    (directory / "results.json").write_text(to_json(result), encoding="ascii")
    if beside:
        said = {"branch": "smoke", "blessing": "adhoc", **beside}
        (directory / "history.json").write_text(json.dumps(said))
    return directory


def import_runs(*more: str) -> None:
    assert main(["db", "import", str(RUNS), *more]) == 0


def gates(path: Path) -> dict[str, str | None]:
    with Store(url_of(path)) as store, store.reading() as connection:
        lines = list_flights(connection, now=flight(1).started)
    return {line.flight_id: line.gate for line in lines}


def ask(capsys: Captured, *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["gate", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_history_is_read_from_the_store_though_directories_are_gone(
    path: Path, capsys: Captured
) -> None:
    first = run(1)
    import_runs()
    assert ask(capsys, str(first))[0] == 0
    shutil.rmtree(first)
    second = run(2, bad=True, xen="4.20.0")
    import_runs()
    code, out, err = ask(capsys, str(second))
    assert code == 5
    assert "baseline: smoke-000001, the last whose gate opened" in out
    assert f"{OTHER}  guest-boot  fail REGR. vs smoke-000001" in out
    assert err == ""
    assert json.loads((second / "verdict.json").read_text())["gate"] == "shut"
    assert gates(path) == {"smoke-000001": "open", "smoke-000002": "shut"}


def test_where_there_is_no_store_yet_directories_are_read(path: Path, capsys: Captured) -> None:
    run(1)
    assert ask(capsys, "smoke-000001")[0] == 0
    second = run(2, bad=True, xen="4.20.0")
    code, out, _ = ask(capsys, str(second))
    assert (code, "REGR. vs smoke-000001" in out) == (5, True)
    assert not path.exists()


def test_a_flight_that_only_the_store_has(path: Path, capsys: Captured, tmp_path: Path) -> None:
    run(1)
    import_runs()
    ask(capsys, "smoke-000001")
    run(2, bad=True, xen="4.20.0")
    import_runs()
    shutil.rmtree(RUNS)
    for name in ("smoke-000002", "2"):
        code, out, _ = ask(capsys, name)
        assert (code, "REGR. vs smoke-000001" in out) == (5, True)
    assert gates(path)["smoke-000002"] == "shut"
    assert not RUNS.exists()
    assert ask(capsys, "2", "--output", "what-if.json")[0] == 5
    assert json.loads(Path("what-if.json").read_text())["flight"] == "smoke-000002"
    code, _, err = ask(capsys, "smoke-000007")
    assert (code, "no flight 'smoke-000007' is in the store" in err) == (2, True)


def test_its_directory_elsewhere_gets_the_verdict(
    path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = run(1).resolve()
    import_runs()
    monkeypatch.chdir(path.parent / "flights")
    assert ask(capsys, "smoke-000001")[0] == 0
    assert (directory / "verdict.json").is_file()
    # Another flight's directory that has taken its place is not touched.
    (directory / "verdict.json").unlink()
    results = directory / "results.json"
    results.write_text(results.read_text().replace("smoke-000001", "smoke-000009"))
    assert ask(capsys, "smoke-000001")[0] == 0
    assert not (directory / "verdict.json").exists()


def test_a_store_that_cannot_be_read_gives_no_verdict(path: Path, capsys: Captured) -> None:
    """Less history might open a gate."""
    directory = run(1)
    path.write_text("this was a database once\n" * 300)
    code, out, err = ask(capsys, str(directory))
    assert (code, out) == (4, "")
    assert "history.db is damaged" in err or "is no database" in err
    assert not (directory / "verdict.json").exists()
    code, _, err = ask(capsys, str(directory), "--history", str(RUNS))
    assert code == 0
    assert "the store does not know what the gate said: " in err
    assert f"xenflight db import {directory.resolve()}" in err
    code, _, err = ask(capsys, str(directory), "--store", "none")
    assert (code, err) == (0, "")


def test_a_word_that_could_not_be_kept_comes_with_an_import(path: Path, capsys: Captured) -> None:
    directory = run(1)
    import_runs()
    assert ask(capsys, str(directory), "--store", "none")[0] == 0
    verdict = VerdictFile.model_validate_json((directory / "verdict.json").read_text(), strict=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        late = Store(url_of(path), patience=timedelta(milliseconds=20))
        with late, pytest.raises(StoreError, match="is locked by another program"):
            keep_verdict(late, verdict, Policy())
        other.execute("ROLLBACK")
    assert gates(path) == {"smoke-000001": None}
    import_runs()
    assert gates(path) == {"smoke-000001": "open"}


def test_output_leaves_the_record_alone(path: Path, capsys: Captured) -> None:
    directory = run(1)
    import_runs()
    assert ask(capsys, str(directory), "--output", "what-if.json")[0] == 0
    assert gates(path) == {"smoke-000001": None}
    assert not (directory / "verdict.json").exists()


def test_flights_that_are_not_in_the_store_are_told_of(path: Path, capsys: Captured) -> None:
    run(1)
    import_runs()
    for number in (2, 3, 4):
        run(number)
    code, _, err = ask(capsys, "smoke-000004")
    assert code == 0
    assert "left out of history: smoke-000002 and 1 more, not in the store" in err
    assert "xenflight db import" in err
    assert "the store does not know what the gate said: flight smoke-000004 is not in it" in err


def test_branch_and_blessing_beside_the_results_count(path: Path, capsys: Captured) -> None:
    first = run(1, branch="xen-unstable", blessing="real")
    import_runs()
    code, out, _ = ask(capsys, str(first))
    assert (code, "[xen-unstable] flight smoke-000001" in out) == (0, True)
    second = run(2, bad=True, xen="4.20.0", branch="xen-unstable", blessing="real")
    for words in ([], ["--history", str(RUNS)], ["--store", "none"]):
        code, out, _ = ask(capsys, str(second), *words)
        assert (code, "REGR. vs smoke-000001" in out) == (5, True), words
    # What is given goes before that: nothing is known of another branch.
    code, out, _ = ask(capsys, str(second), "--branch", "other", "--output", "what-if.json")
    assert "[other] flight smoke-000002" in out
    assert "REGR. vs" not in out


def test_a_damaged_history_json_is_said_with_its_place(capsys: Captured) -> None:
    directory = run(1, branch="a b")
    code, _, err = ask(capsys, str(directory))
    assert code == 2
    assert "history.json: 'a b' can't name a branch" in err


@pytest.mark.parametrize("name", ["1", "smoke-000001", "elsewhere/smoke-000001"])
def test_a_named_baseline(capsys: Captured, name: str) -> None:
    run(1)
    import_runs()
    shutil.copytree(RUNS / "smoke-000001", "elsewhere/smoke-000001")
    second = run(2, bad=True, xen="4.20.0")
    code, out, _ = ask(capsys, str(second), "--baseline", name)
    assert code == 5
    assert "baseline: smoke-000001, as named" in out
    code, _, err = ask(capsys, str(second), "--baseline", "smoke-000007")
    assert (code, "no flight 'smoke-000007' to compare with" in err) == (2, True)


def test_waivers_that_excused_something_are_kept(path: Path, capsys: Captured) -> None:
    run(1)
    import_runs()
    ask(capsys, "smoke-000001")
    second = run(2, bad=True, xen="4.20.0")
    import_runs()
    Path("flights/policy/release.yaml").write_text(
        f"policy: release\nbranches: smoke\nallow:\n  - jobs: {OTHER}\n    steps: guest-boot\n"
        "    owner: jane@example.org\n    reason: known\n    expires: 2199-12-31\n"
    )
    code, out, _ = ask(capsys, str(second))
    assert (code, "allowed" in out) == (0, True)
    with Store(url_of(path)) as store, store.reading() as connection:
        number = find_flight(connection, "smoke-000002")
        uses: list[Any] = list(connection.execute(WaiverUseRow.__table__.select()))
        opened = connection.execute(FlightRow.__table__.select()).all()
    assert [(use.flight, use.job, use.testid) for use in uses] == [(number, OTHER, "guest-boot")]
    assert {row.flight_id: row.gate for row in opened}["smoke-000002"] == "open"
    assert JOB not in {use.job for use in uses}
