"""The site as a directory: whole or not at all, and nothing of others touched."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from site_samples import (
    MUST_FAIL,
    NOW,
    RUNS,
    SMOKE,
    TWO,
    Page,
    flight,
    job,
    recorded_site,
    step,
)

from harness.cli import main
from harness.errors import LabError, UsageError
from harness.results.heard import SILENCE
from harness.results.layout import FlightDirectory
from harness.results.model import HostFacts
from harness.results.recorder import to_json
from harness.site import paths
from harness.site.archive import Head
from harness.site.directories import DirectoryArchive, Known
from harness.site.site import Site
from harness.site.write import MARKER, write_site
from harness.status import Status

Captured = pytest.CaptureFixture[str]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_all_files_are_written_and_a_site_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "site"
    written = write_site(recorded_site(), out)
    assert files(out) == {MARKER, *(path for path, _ in recorded_site().outputs())}
    assert written.files == len(files(out)) - 1
    log = RUNS / SMOKE / "jobs/boot-bookworm-amd64-pv-direct/console.log"
    copy = out / paths.JobPaths(SMOKE, "boot-bookworm-amd64-pv-direct").file("console.log")
    assert copy.read_bytes() == log.read_bytes()
    write_site(recorded_site(SMOKE), out)
    assert not [name for name in files(out) if MUST_FAIL in name]
    assert [path.name for path in out.parent.iterdir()] == ["site"], "nothing is left beside it"


def test_what_is_no_site_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(UsageError, match="is no site of xenflight's, and is not empty"):
        write_site(recorded_site(), tmp_path)
    file = tmp_path / "thesis.tex"
    with pytest.raises(UsageError, match="is no directory"):
        write_site(recorded_site(), file)
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(UsageError, match="is a link: name the directory"):
        write_site(recorded_site(), link)
    assert file.read_text() == "precious"


@pytest.mark.parametrize("name", ["", ".", "../empty", "here/.."])
def test_where_one_stands_is_not_replaced(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(UsageError, match="is where you are"):
        write_site(recorded_site(), Path(name))
    assert not list(folder.iterdir())


def test_an_empty_directory_will_do(tmp_path: Path) -> None:
    write_site(recorded_site(SMOKE), tmp_path)
    assert (tmp_path / "index.html").is_file()


def test_when_it_cannot_be_written_the_old_one_stays(tmp_path: Path) -> None:
    out = tmp_path / "site"
    write_site(recorded_site(SMOKE), out)
    before = files(out)
    runs = tmp_path / "runs"
    shutil.copytree(RUNS, runs)
    site = Site(DirectoryArchive.below(runs, now=NOW), [SMOKE, MUST_FAIL], made=NOW)
    # It goes away after the flights were looked at.
    (runs / MUST_FAIL / "results.json").unlink()
    with pytest.raises(UsageError, match="there are no results here"):
        write_site(site, out)
    assert files(out) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs", "site"]


def test_a_place_that_cannot_be_written_to_is_the_lab_s_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match="cannot write the site to"):
        write_site(recorded_site(SMOKE), tmp_path / "file" / "site")


def archive_of(runs: Path, known: Known | None = None) -> DirectoryArchive:
    return DirectoryArchive.below(runs, now=NOW, known=known)


def head(archive: DirectoryArchive, flight: str) -> Head:
    return next(head for head in archive.heads() if head.flight == flight)


def test_flights_are_the_newest_first_and_what_is_damaged_is_told_of(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(RUNS, runs)
    (runs / SMOKE / "results.json").write_text("{")
    archive = archive_of(runs)
    assert [one.flight for one in archive.heads()] == [MUST_FAIL, TWO]
    (said,) = archive.unread
    assert f"{SMOKE}/results.json:1:2: the file is damaged" in said
    with pytest.raises(UsageError, match="there is no flight"):
        archive.result(SMOKE)
    assert archive.directory(SMOKE) is None
    assert archive.verdict(SMOKE) is None


def test_a_flight_that_has_not_ended_runs_until_it_is_silent_for_long(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(RUNS, runs)
    results = runs / SMOKE / "results.json"
    text = results.read_text()
    ended = text[text.index('"ended": ') : text.index(",", text.index('"ended": '))]
    results.write_text(
        text.replace(ended, '"ended": null').replace(
            '"pass",\n  "started"', '"aborted",\n  "started"'
        )
    )
    events = FlightDirectory(runs / SMOKE).events
    events.write_text("not even JSON\n")
    for silent, running in ((timedelta(minutes=1), True), (SILENCE, False)):
        at = (NOW - silent).timestamp()
        os.utime(events, (at, at))
        found = head(archive_of(runs), SMOKE)
        assert (found.running, found.status) == (running, Status.ABORTED)


def test_only_what_changed_is_read_again(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(RUNS, runs)
    known: Known = {}
    archive_of(runs, known)
    first = dict(known)
    (runs / SMOKE / "verdict.json").write_text('{"gate": "open"}')
    archive = archive_of(runs, known)
    same = {path.name for path in known if known[path] is first[path]}
    assert same == {MUST_FAIL, TWO}
    assert head(archive, SMOKE).gate_open is True


# -- the verb ----------------------------------------------------------------------------


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the recorded flights in reports/runs, to stand in."""
    shutil.copytree(RUNS, tmp_path / "reports" / "runs")
    (tmp_path / "reports/runs/latest").symlink_to(MUST_FAIL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_newest_flight_is_taken_and_the_page_to_open_is_told(
    at_home: Path, capsys: Captured
) -> None:
    assert main(["report"]) == 0
    said = capsys.readouterr().out
    page = Path(said.split("open ")[1].strip())
    assert page == Path("reports/site") / paths.flight(MUST_FAIL)
    assert page.is_file()
    assert not (at_home / "reports/site" / paths.flight(SMOKE)).exists()


def test_named_flights_and_all(at_home: Path, capsys: Captured) -> None:
    assert main(["report", SMOKE, f"reports/runs/{TWO}", "--out", "some"]) == 0
    pages = {name for name in (SMOKE, TWO, MUST_FAIL) if Path("some", paths.flight(name)).is_file()}
    assert pages == {SMOKE, TWO}
    assert main(["report", "--all", "--out", "all"]) == 0
    assert capsys.readouterr().out.strip().endswith("open all/index.html")
    assert Path("all", paths.flight(MUST_FAIL)).is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope"], "there is no flight 'nope' in reports/runs"),
        (["--all", "--runs", "empty"], "there are no flights in empty"),
        (["--out", "reports"], "reports is no site of xenflight's"),
    ],
)
def test_wrong_input_is_told_and_nothing_written(
    at_home: Path, capsys: Captured, arguments: list[str], said: str
) -> None:
    before = files(at_home)
    assert main(["report", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert files(at_home) == before


def test_a_flight_that_cannot_be_read_is_left_out_and_told_of(
    at_home: Path, capsys: Captured
) -> None:
    Path("reports/runs", SMOKE, "results.json").write_text("{")
    assert main(["report", "--all"]) == 0
    assert "left out: reports/runs/smoke" in capsys.readouterr().err
    assert "Could not be read" in Path("reports/site/index.html").read_text()
    assert main(["report", SMOKE]) == 2


def test_what_the_gate_said_stands_on_the_first_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flights").mkdir()
    (tmp_path / "flights" / "night.yaml").write_text(
        "flight: night\njobs: [{dist: bookworm, arch: amd64, virt: pv, boot: direct}]\n"
    )
    ends = {1: Status.PASS, 2: Status.FAIL}
    for number, status in ends.items():
        boot = step(number, "guest-boot", status, reason=None if number == 1 else "it did not boot")
        hosts = (HostFacts(name="rack1", kind="ssh", xen_version=f"4.17.{number}"),)
        result = flight(number, [job(number, boot)], hosts=hosts)
        place = Path("reports/runs", f"f{number}")
        place.mkdir(parents=True)
        (place / "results.json").write_text(to_json(result))
        assert main(["gate", f"f{number}"]) == (0 if number == 1 else 5)
    assert main(["report", "f2"]) == 0
    text = Page((Path("reports/site") / paths.flight("f2")).read_text()).text
    assert "gate shut : regressions, compared with f1" in text
    assert "fail REGR. vs f1 (blocks)" in text
    assert "New here. Last passed in f1" in text
    assert "What changed since the last good flight" in text
    assert "Xen 4.17.1 4.17.2" in text
    text = Page((Path("reports/site") / paths.JobPaths("f2", "j").page).read_text()).text
    assert "fail REGR. vs f1 (blocks)" in text
    assert "What it tests otherwise than when it passed last what then now Xen 4.17.1" in text
