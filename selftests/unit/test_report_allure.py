"""Allure's results: made of a flight, beside those that are there, whatever a guest said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from results_samples import PV, PVH, Flight, failed_flight, planned

from harness.cli import main
from harness.report.allure.about import environment, executor
from harness.report.allure.files import MOST
from harness.report.allure.words import LABEL
from harness.report.allure.write import write_allure
from harness.results.load import recover_results
from harness.results.model import FlightResult
from harness.status import Status


def written(result: FlightResult, out: Path, **more: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401
    write_allure(result, out, surroundings={}, **more)
    files = [json.loads(file.read_text()) for file in out.glob("*-result.json")]
    return {one["name"]: one for one in files}


def test_a_step_of_allures_for_each_phase(tmp_path: Path) -> None:
    boot = written(failed_flight(tmp_path / "f1"), tmp_path / "out")[f"guest-boot[{PVH}]"]
    first, second = boot["steps"]
    assert (first["name"], first["status"]) == ("bootloader", "passed")
    assert (second["name"], second["status"]) == ("kernel", "failed")
    assert (first["start"], second["stop"]) == (boot["start"], boot["stop"])
    assert second["start"] - first["start"] == 250
    tags = [one["value"] for one in boot["labels"] if one["name"] == "tag"]
    assert tags == ["fail", "no-root"]
    assert f"--only {PVH}" in boot["description"]
    assert f"repro f1 {PVH}" in boot["description"]


def test_what_a_guest_said_is_plain_text(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1")
    bad = "\x1b]0;owned\x07<script>alert(1)</script>\u202e\ud800\x00"
    flight.step(PV, "guest-create", Status.FAIL, reason=bad, evidence=f"{bad}\n{bad}")
    result = flight.recorder.finish()
    log = tmp_path / "f1/jobs" / PV / "console.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"begin\x1b[2J\xff\xfe\x00\r\n" + b"\x9b\xc2\x9bx\n" * MOST)
    found = written(result, tmp_path / "out", files=tmp_path / "f1")[f"guest-create[{PV}]"]
    details = found["statusDetails"]
    assert details["message"].startswith("fail: <script>"), "Allure makes text of it"
    assert (details["message"] + details["trace"]).replace("\n", "").isprintable()
    (one,) = found["attachments"]
    text = (tmp_path / "out" / one["source"]).read_text()
    assert one["type"] == "text/plain"
    assert text.startswith("[")
    assert "bytes before this are left out]\n" in text[:60]
    assert text.replace("\n", "").isprintable()
    assert len(text) < 3 * MOST


def test_a_path_in_the_results_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "secret.log").write_text("not yours")
    result = failed_flight(tmp_path / "f1")
    (tmp_path / "f1/jobs").mkdir()
    job = result.jobs[0].model_copy(update={"console_log": "jobs/../../secret.log"})
    found = written(
        result.model_copy(update={"jobs": (job,)}), tmp_path / "out", files=tmp_path / "f1"
    )
    assert not any(one.get("attachments") for one in found.values())


def test_what_is_there_is_completed_and_kept(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    theirs = {
        "uuid": "u1",
        "name": "test_guest_boot[x]",
        "status": "broken",
        "labels": [{"name": LABEL, "value": f"{PVH} guest-boot 1"}],
        "steps": [{"name": "an author's step", "status": "passed"}],
        "attachments": [{"name": "log", "source": "a-attachment.txt", "type": "text/plain"}],
    }
    (out / "x-result.json").write_text(json.dumps(theirs))
    (out / "y-result.json").write_text('{"uuid": "u2", "name": "of somebody else", "labels": []}')
    (out / "z-result.json").write_text('{"uuid": "cut o')
    result = failed_flight(tmp_path / "f1")
    write_allure(result, out)
    first = {path.name: path.read_text() for path in out.glob("x-result.json")}
    found = json.loads(first["x-result.json"])
    assert (found["uuid"], found["status"]) == ("u1", "failed")
    assert [one["name"] for one in found["steps"]] == ["bootloader", "kernel", "an author's step"]
    assert [one["name"] for one in found["attachments"]] == ["log"]
    assert "somebody else" in (out / "y-result.json").read_text()
    count = len(list(out.iterdir()))
    write_allure(result, out)
    assert (out / "x-result.json").read_text() == first["x-result.json"]
    assert len(list(out.iterdir())) == count, "a second time replaces"


def test_a_killed_flight_is_told_as_cut_short(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1", planned(PV), planned(PVH))
    flight.step(PV, "guest-create")
    flight.recorder.step_started(PV, "guest-boot")
    found = written(recover_results(tmp_path / "f1"), tmp_path / "out")
    assert found[f"guest-create[{PV}]"]["status"] == "passed"
    for name in (f"guest-boot[{PV}]", f"guest-create[{PVH}]"):
        assert found[name]["status"] == "unknown"
        assert found[name]["statusDetails"]["message"].startswith("aborted: ")


def test_properties_that_java_reads(tmp_path: Path) -> None:
    result = failed_flight(tmp_path / "f1")
    host = result.hosts[0].model_copy(update={"name": "a=b: c", "dom0_release": "é\U0001f600\nx"})
    told = environment(result.model_copy(update={"hosts": (host,)}), {"branch": r"a\b"})
    assert told.isascii()
    lines = told.splitlines()
    assert r"branch=a\\b" in lines
    (line,) = (line for line in lines if line.startswith("host."))
    assert line.startswith(r"host.a\=b\:\ c=Xen 4.17.5")
    assert line.endswith(r"\u00e9\ud83d\ude00 x")


@pytest.mark.parametrize(
    ("said", "kind", "order"),
    [
        ({"CI_JOB_URL": "u", "CI_JOB_NAME": "nightly", "CI_PIPELINE_IID": "42"}, "gitlab", 42),
        ({"BUILD_URL": "u", "JOB_NAME": "nightly", "BUILD_NUMBER": "7"}, "jenkins", 7),
        ({}, "xenflight", 1732266000),
        ({"BUILD_URL": "u", "BUILD_NUMBER": "x"}, "jenkins", 1732266000),
    ],
)
def test_who_ran_it(tmp_path: Path, said: dict[str, str], kind: str, order: int) -> None:
    found = json.loads(executor(failed_flight(tmp_path / "f1"), said))
    assert (found["type"], found["buildOrder"]) == (kind, order)
    assert found["buildName"].endswith("f1")


def test_both_are_written_of_a_flight_that_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    flight = Flight(tmp_path / "reports/runs/f1", planned(PV))
    flight.step(PV, "guest-create")
    (log := tmp_path / "reports/runs/f1/jobs" / PV / "console.log").parent.mkdir(parents=True)
    log.write_text("said so\n")
    assert main(["report", "f1", "--junit", "out.xml", "--allure", "out"]) == 0
    assert "f1: out.xml" in capsys.readouterr().out
    root = ElementTree.parse("out.xml").getroot()
    assert {error.attrib["type"] for error in root.iter("error")} == {"aborted"}
    assert f"[[ATTACHMENT|reports/runs/f1/jobs/{PV}/console.log]]" in Path("out.xml").read_text()
    found = [json.loads(file.read_text()) for file in Path("out").glob("*-result.json")]
    assert {one["status"] for one in found} == {"passed", "unknown"}
    assert not Path("reports/site").exists()
    assert main(["report", "f1", "f2", "--junit", "out.xml"]) == 2
    assert main(["report", "f2", "--junit", "out.xml"]) == 2
    assert main(["report", "f1", "--junit", "none/out.xml"]) == 4
    assert "cannot write" in capsys.readouterr().err
