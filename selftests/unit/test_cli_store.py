"""The verbs over the store: what they say, their JSON and their exit codes."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from storelab import JOB, NOW, OTHER, START, Flying, about, flight, host, job, put, step, url_of

from harness.cli import complete, main
from harness.cli.fitted import Column, fitted_table
from harness.cli.storeview import flights_table, history_words
from harness.results.layout import FlightDirectory
from harness.status import Status
from harness.steps import LEAK_CHECK
from harness.store.look import job_lines, list_flights
from harness.store.schema import HEAD, VERSION_TABLE
from harness.store.spool import pending
from harness.store.store import Store
from harness.store.url import VARIABLE
from harness.store.writer import StoreWriter

DATA = Path(__file__).parents[1] / "data"
FAIL = Status.FAIL
PANIC = {"reason": "\x1b[31mthe kernel [red]panicked[/red]", "failure_class": "kernel-panic"}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    path = tmp_path / "history.db"
    monkeypatch.setenv(VARIABLE, str(path))
    monkeypatch.chdir(tmp_path)
    return path


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(url_of(path)) as found:
        put(found, flight(1))
        put(found, flight(2, job(statuses=[Status.PASS, FAIL]), job(OTHER)))
        yield found


class Said:
    """What a command line printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.code = 0
        self.out = self.err = ""

    def __call__(self, *words: str) -> str:
        self._capsys.readouterr()
        try:
            self.code = main(words)
        except SystemExit as stop:
            self.code = int(stop.code or 0)
        captured = self._capsys.readouterr()
        self.out, self.err = captured.out, captured.err
        return self.out

    def json(self, *words: str) -> Any:  # noqa: ANN401  # whatever it is
        return json.loads(self(*words, "--json"))


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Said:
    return Said(capsys)


# -- flights ---------------------------------------------------------------------------


def test_flights(store: Store, say: Said) -> None:
    lines = say("flights").splitlines()
    assert lines[0].split()[:4] == ["no", "status", "flight", "began"]
    assert lines[1].split()[:3] == ["2", "fail", "smoke-000002"]
    assert "1 fail, 1 pass" in lines[1]
    assert lines[2].split()[:3] == ["1", "pass", "smoke-000001"]
    (newest,) = say.json("flights", "-n", "1")
    assert newest["flight_id"] == "smoke-000002"
    assert newest["jobs"] == {"pass": 1, "fail": 1}
    assert newest["started"] == "2024-11-22T11:00:00+00:00"
    assert say.json("flights", "--branch", "other") == []
    assert say("flights", "--blessing", "adhoc") == "no such flight is in the store\n"
    assert say.code == 0


def test_flights_without_a_store(path: Path, say: Said) -> None:
    say("flights")
    assert say.code == 2
    assert f"there is no store yet: {path} (the first flight makes it" in say.err
    say("flights", "--store", "none")
    assert say.code == 2
    assert "there is no store to use" in say.err
    assert not path.exists()


def test_a_flight_that_flies(path: Path, say: Said, tmp_path: Path) -> None:
    writer = StoreWriter(Store(url_of(path)), about(), FlightDirectory(tmp_path / "f1"))
    flying = Flying(tmp_path / "f1", writer)
    flying.job(JOB)
    writer.close()
    (line,) = say.json("flights")
    assert (line["status"], line["running"]) == ("aborted", True)
    assert "running" in say("flights")
    assert "running" in say("show", "latest")


def test_a_narrow_terminal_keeps_what_matters(store: Store) -> None:
    with store.reading() as connection:
        lines = list_flights(connection, now=NOW)
    wide = [str(column.header) for column in flights_table(lines, 200).columns]
    narrow = [str(column.header) for column in flights_table(lines, 45).columns]
    assert wide == [
        *("no", "status", "flight", "began", "time", "jobs", "branch"),
        *("blessing", "host", "xen", "gate"),
    ]
    assert narrow == ["no", "status", "flight", "began"]
    tiny = fitted_table([Column(name="a-long-name", cells=[], least=4)], 3)
    assert len(tiny.columns) == 1


# -- history ---------------------------------------------------------------------------


def test_history(store: Store, say: Said) -> None:
    text = say("history", JOB)
    assert text.startswith(
        "2 runs: 1 pass, 1 fail; last pass 2024-11-22 10:00 in smoke-000001,"
        " since then first fail 2024-11-22 11:00 in smoke-000002\n"
    )
    assert "guest-boot" in text
    newest, oldest = say.json("history", JOB)
    assert (newest["status"], newest["testid"]) == ("fail", "guest-boot")
    assert (oldest["status"], oldest["xen"]) == ("pass", "4.17.5")
    step, _ = say.json("history", JOB, "guest-ssh")
    assert (step["status"], step["duration"]) == ("pass", 2.5)
    assert say.json("history", JOB, "--host", "other") == []
    assert "it did not run there" in say("history", JOB, "--host", "other")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("history", "boot-bookworm-amd64-pv-dierct"), f"did you mean '{JOB}'?"),
        (("history", JOB, "guest-bot"), "never had a step 'guest-bot'; did you mean 'guest-boot'?"),
        (("show", "smoke-9"), "no flight 'smoke-9' is in the store"),
        (("show", "smoke-0000"), "several flights begin with 'smoke-0000'"),
        (("show", "1", "boot-x"), "flight smoke-000001 has no job 'boot-x'"),
        (("db", "import", "nowhere"), "nowhere is not there"),
        (("db", "import", "--revision", "4.20"), "'4.20' is no TREE=REVISION"),
        (("db", "import", "--time", "soon", "x"), "'soon' is no time"),
        (("db", "prune", "--older-than", "soon"), "'soon' is no time; write it as 365d"),
        (("flights", "--store", "mysql://h/d"), "no kind of store"),
    ],
)
def test_wrong_usage(store: Store, say: Said, words: tuple[str, ...], said: str) -> None:
    say(*words)
    assert said in say.err
    assert say.code == 2


def test_what_a_guest_wrote_is_cleaned(store: Store, say: Said) -> None:
    steps = (job().steps[0], job().steps[1].model_copy(update={"status": FAIL, **PANIC}))
    put(store, flight(3, job(steps=steps, status=FAIL)))
    for words in (("history", JOB), ("show", "3"), ("show", "3", JOB)):
        text = say(*words)
        assert "\x1b" not in text
        assert "the kernel [red]panicked[/red]" in text


def test_history_in_words() -> None:
    assert history_words([]) == "it did not run there"


# -- show ------------------------------------------------------------------------------


def test_show_a_flight(store: Store, say: Said) -> None:
    result = flight(3, problems=("an LV is still there",))
    left = step(LEAK_CHECK, Status.BROKEN, reason="a domain is left")
    put(store, result.model_copy(update={"leak_check": left}))
    text = say("show", "smoke-000003")
    assert f"broken: {LEAK_CHECK}: a domain is left" in text
    assert "smoke-000003 (number 3)" in text
    assert "rack1, Xen 4.17.5, dom0 Linux 6.1.0-47-amd64" in text
    assert "broken: an LV is still there" in text
    data = say.json("show", "smoke-000003")
    assert data["schema_version"] == 3
    assert (data["branch"], data["blessing"], data["number"]) == ("smoke", "real", 3)
    assert data["revisions"][JOB]["xen"] == "4.17.5"


def test_show_a_job(store: Store, say: Said, path: Path, tmp_path: Path) -> None:
    writer = StoreWriter(
        store, about(directory=str(tmp_path / "f1")), FlightDirectory(tmp_path / "f1")
    )
    flying = Flying(tmp_path / "f1", writer)
    flying.step(JOB, "guest-create", facts={"domid": "7"})
    log = FlightDirectory(tmp_path / "f1").job(JOB).console_log
    log.parent.mkdir(parents=True)
    log.write_bytes(b"x" * 2048)
    flying.recorder.finish()
    writer.close()
    text = say("show", "f1", JOB)
    lines = [line.split() for line in text.splitlines()]
    assert ["domid", "7", "execution"] in lines
    assert ["memory", "512M", "definition"] in lines
    assert [f"jobs/{JOB}/console.log", "2", "KiB"] in lines
    data = say.json("show", "f1", JOB)
    assert data["artifacts"][0]["size"] == 2048
    assert data["runvars"] == {"memory": "512M", "domid": "7"}


def test_show_a_job_that_was_tried_again(store: Store, say: Said, tmp_path: Path) -> None:
    writer = StoreWriter(store, about(), FlightDirectory(tmp_path / "f1"))
    flying = Flying(tmp_path / "f1", writer)
    flying.recorder.host_known(host("4.20.0", "rack2"))
    flying.retried(JOB, "rack1")
    flying.job(JOB, "rack2")
    flying.recorder.finish()
    writer.close()
    text = say("show", "f1", JOB)
    assert "attempt 1: broken on rack1, 2024-11-22 09:00 UTC" in text
    assert "attempt 2: pass on rack2" in text
    assert "dom0 does not answer" in text
    assert "host    rack2, Xen 4.20.0" in text
    text = say("show", "f1")
    assert f"{JOB} (attempt 2)" in text
    assert [line.split()[:4] for line in text.splitlines() if "Xen" in line] == [
        ["hosts", "rack1,", "Xen", "4.17.5,"],
        ["rack2,", "Xen", "4.20.0,", "dom0"],
    ]
    data = say.json("show", "f1", JOB)
    assert (data["host"], data["attempts"][0]["host"]) == ("rack2", "rack1")
    text = say("history", JOB)
    assert text.startswith("4 runs: 2 pass, 1 fail, 1 broken")
    assert [line["attempt"] for line in say.json("history", JOB)] == [1, 1, 2, 1]
    newest = say.json("flights", "--branch", "smoke")[-1]
    assert (newest["hosts"], newest["xen"]) == (["rack1", "rack2"], ["4.17.5", "4.20.0"])


def test_a_note_is_shown_and_keeps_its_flight(store: Store, say: Said) -> None:
    assert say("note", "smoke-000001", "known\x1b[31m, see the journal", "--job", JOB) == ""
    assert say.code == 0
    text = say("show", "1")
    assert f"on {JOB}: known" in text
    assert "\x1b" not in text
    assert say.json("show", "1")["notes"][0]["job"] == JOB
    assert "nothing is that old" in say("db", "prune", "--older-than", "1d", "--keep", "1")
    for words, said in (
        (("note", "smoke-7", "x"), "no flight 'smoke-7' is in the store"),
        (("note", "1", " "), "a note has a text"),
        (("note", "1", "x", "--job", "boot-bookworm-amd64-pv-dierct"), f"did you mean '{JOB}'?"),
    ):
        say(*words)
        assert said in say.err
        assert say.code == 2


# -- db --------------------------------------------------------------------------------


def test_import_of_ours_of_all_ages_and_twice(path: Path, say: Said) -> None:
    assert say("db", "import", str(DATA / "results")) == "3 flights: 3 new\n"
    assert say("db", "import", str(DATA / "results")) == "3 flights: 3 there already\n"
    assert {line["branch"] for line in say.json("flights")} == {"smoke", "must-fail", "matrix"}
    assert {line["blessing"] for line in say.json("flights")} == {"adhoc"}


def test_import_says_what_it_refused_and_takes_the_rest(
    path: Path, say: Said, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    shutil.copytree(DATA / "results", folder)
    (folder / "a.json").write_text('{"schema_version": 99}')
    (folder / "b.xml").write_text("<html/>")
    (folder / "c.jsonl").write_text("nonsense\n")
    assert say("db", "import", str(folder)) == "3 flights: 3 new\n"
    assert say.code == 2
    refused = say.err.splitlines()
    assert sum(line.startswith("refused: ") for line in refused) == 3
    assert "written by a newer xenflight: schema 99" in say.err
    assert "this is no JUnit" in say.err


def test_a_simulated_flight_is_not_imported(path: Path, say: Said, tmp_path: Path) -> None:
    flying = Flying(tmp_path / "f1", None)
    flying.job(JOB)
    flying.recorder.finish()
    data = json.loads((tmp_path / "f1" / "results.json").read_text())
    data["hosts"] = [{"name": "sim1", "kind": "sim"}]
    (tmp_path / "sim.json").write_text(json.dumps(data))
    assert say("db", "import", str(tmp_path / "sim.json")) == "0 flights\n"
    assert say.code == 2
    assert "was on simulated hosts: it counts for nothing" in say.err
    assert not path.exists()


def test_import_of_junit_with_all_that_is_given(path: Path, say: Said) -> None:
    say(
        *("db", "import", str(DATA / "junit" / "pytest.xml"), "--branch", "staging"),
        *("--blessing", "real", "--revision", "xen=4.20.1", "--flight", "ci-8812"),
        *("--time", "2024-10-21T04:00", "--host", "godello0"),
    )
    assert say.code == 0
    data = say.json("show", "ci-8812")
    assert (data["branch"], data["blessing"], data["origin"]) == ("staging", "real", "junit")
    assert data["started"] == "2024-10-21T04:00:00Z"
    assert data["revisions"] == {"pytest": {"xen": "4.20.1"}}
    assert [host["name"] for host in data["hosts"]] == ["godello0"]


def test_import_of_a_run_knows_its_branch(path: Path, say: Said, tmp_path: Path) -> None:
    flying = Flying(tmp_path / "runs" / "f1", None)
    flying.job(JOB)
    flying.recorder.finish()
    beside = {"branch": "xen-unstable", "blessing": "real"}
    (tmp_path / "runs" / "f1" / "history.json").write_text(json.dumps(beside))
    assert say("db", "import", str(tmp_path / "runs")) == "1 flight: 1 new\n"
    data = say.json("show", "f1")
    assert (data["branch"], data["blessing"]) == ("xen-unstable", "real")
    assert data["directory"] == str(tmp_path / "runs" / "f1")


def test_import_where_the_flight_is_otherwise(store: Store, say: Said, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text(flight(1, job(statuses=[FAIL])).model_dump_json())
    say("db", "import", str(file))
    assert say.code == 2
    assert "smoke-000001 is in the store already, with other results" in say.err
    assert say("db", "import", str(file), "--replace") == "1 flight: 1 brought up to date\n"
    assert say.json("show", "1")["status"] == "fail"


def test_import_without_paths_delivers_what_was_kept(
    store: Store, path: Path, say: Said, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        late = Store(url_of(path), patience=timedelta(milliseconds=20))
        writer = StoreWriter(late, about(), FlightDirectory(tmp_path / "f1"))
        Flying(tmp_path / "f1", writer).recorder.finish()
        writer.close()
        other.execute("ROLLBACK")
    assert "1 kept results wait" in say("db", "stats")
    assert say("db", "import") == "1 flight: 1 new\n"
    assert pending(store.url.spool) == []
    assert say("db", "import") == "0 flights\n"


def test_one_id_for_many_files_is_refused(path: Path, say: Said) -> None:
    say("db", "import", str(DATA / "results"), "--flight", "x1")
    assert say.code == 2
    assert "--flight names one flight, and here are 3 files" in say.err
    say("db", "import", str(DATA / "results" / "schema1-smoke.json"), "--flight", "x1")
    assert "it says itself which flight it is" in say.err


def test_export_and_import(store: Store, say: Said, tmp_path: Path) -> None:
    say("db", "export", str(tmp_path / "all.jsonl.gz"))
    assert "2 flights written" in say.err
    other = ("--store", str(tmp_path / "other.db"))
    assert say("db", "import", str(tmp_path / "all.jsonl.gz"), *other) == "2 flights: 2 new\n"
    assert say("db", "export", "-", *other) == say("db", "export", "-")
    say("db", "export", str(tmp_path / "nowhere" / "x.jsonl"))
    assert say.code == 4
    assert "can't write" in say.err


def test_an_export_to_a_link_is_written_where_it_leads(
    store: Store, say: Said, tmp_path: Path
) -> None:
    link = tmp_path / "latest.jsonl"
    link.symlink_to("first.jsonl")
    say("db", "export", str(link))
    assert link.is_symlink()
    assert (tmp_path / "first.jsonl").read_text() == say("db", "export", "-")


def test_a_fifo_is_not_waited_for(store: Store, say: Said, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    say("db", "import", str(tmp_path / "fifo"))
    assert say.code == 2
    assert "is no ordinary file" in say.err


def test_an_export_without_flights_says_so_when_it_is_imported(
    store: Store, say: Said, tmp_path: Path
) -> None:
    file = tmp_path / "none.jsonl.gz"
    say("db", "export", str(file), "--branch", "nobodys")
    assert "0 flights written" in say.err
    assert say("db", "import", str(file)) == "0 flights\n"
    assert f"refused: {file}: the file is empty: there is no flight in it" in say.err


def test_stats(store: Store, path: Path, say: Said) -> None:
    text = say("db", "stats", "--check")
    assert text.startswith(f"{path}: SQLite ")
    assert ["smoke", "2"] in [line.split()[:2] for line in text.splitlines()]
    data = say.json("db", "stats")
    assert (data["version"], data["rows"]["flights"], data["rows"]["jobs"]) == (HEAD, 2, 3)


def test_prune(store: Store, say: Said) -> None:
    text = say("db", "prune", "--older-than", "1d", "--keep", "1")
    assert "1 flight would go; say --yes" in text
    assert len(say.json("flights")) == 2
    assert "1 flight removed" in say("db", "prune", "--older-than", "1d", "--keep", "1", "--yes")
    assert [line["flight_id"] for line in say.json("flights")] == ["smoke-000002"]
    said = say("db", "prune", "--older-than", "36500d", "--yes")
    assert said == "nothing is that old, or all of it is needed\n"


def test_upgrade_and_a_newer_store(store: Store, path: Path, say: Said) -> None:
    assert say("db", "upgrade").endswith(f"is up to date: version {HEAD}\n")
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9001'")
        other.commit()
    for words in (("flights",), ("db", "upgrade"), ("db", "stats"), ("db", "import")):
        say(*words)
        expected = 0 if words == ("db", "import") else 4
        assert say.code == expected, words
        assert expected == 0 or "newer xenflight" in say.err


def test_damaged(path: Path, say: Said) -> None:
    path.write_text("this was a database once\n" * 300)
    say("flights")
    assert say.code == 4
    assert "damaged" in say.err
    assert "xenflight db import reports/runs" in say.err


def test_bench_store_on_a_small_history(say: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.bench.store.FLIGHTS", 60)
    taken, usual, worst, page, flights, pages = say.json("bench", "store", "--no-record")
    assert say.code == 0
    assert "60 flights" in taken["name"]
    assert "12000 steps" in taken["details"]
    assert "121 of 121 jobs failed" in worst["name"]
    assert 0 < usual["value"] < worst["value"]
    assert page["details"].startswith("its last 1")
    assert flights["details"] == "60, the jobs counted"
    assert pages["details"].startswith("of 60 flights; ")


# -- completion ------------------------------------------------------------------------


class Context:
    """What typer hands to a completion."""

    def __init__(self, **params: str) -> None:
        self.params = params
        self.args: list[str] = []


def test_completion(store: Store) -> None:
    def asked(**params: str) -> typer.Context:
        return Context(**params)  # type: ignore[return-value]

    assert complete.stored_flights(asked(), "smoke-") == ["smoke-000002", "smoke-000001"]
    assert complete.stored_jobs(asked(), "boot-bookworm-amd64-pvh") == [OTHER]
    assert complete.stored_jobs(asked(flight="1"), "") == [JOB]
    assert complete.stored_steps(asked(job=JOB), "guest-s") == ["guest-ssh"]
    assert complete.branches(asked(), "s") == ["smoke"]
    assert complete.branches(asked(store="none"), "s") == []
    assert complete.stored_flights(asked(store="/nowhere/x.db"), "") == []


def test_lines_of_a_job_are_newest_first(store: Store) -> None:
    with store.reading() as connection:
        lines = job_lines(connection, JOB)
    assert [line.started for line in lines] == sorted(
        (START + timedelta(hours=hour) for hour in (1, 2)), reverse=True
    )
    assert datetime.now(UTC) > lines[0].started
