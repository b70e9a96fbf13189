"""Reading results: damage and newer versions are told with their place."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from results_samples import passed_flight

from harness.errors import UsageError
from harness.results.load import load_results, recover_results


@pytest.fixture
def results(tmp_path: Path) -> Path:
    passed_flight(tmp_path / "f1")
    return tmp_path / "f1" / "results.json"


def change(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are no results here") as caught:
        load_results(tmp_path)
    assert caught.value.place is not None
    assert caught.value.place.file == str(tmp_path / "results.json")


def test_a_device_or_a_fifo_is_not_read(tmp_path: Path) -> None:
    """One has no end, the other nobody who writes into it."""
    os.mkfifo(tmp_path / "fifo")
    for file in (tmp_path / "fifo", Path("/dev/null")):
        with pytest.raises(UsageError, match="this is no ordinary file"):
            load_results(file)


def test_newer_version(results: Path) -> None:
    change(results, schema_version=4, jobs="whatever it means by then")
    with pytest.raises(UsageError, match="newer xenflight: schema 4, and this one reads 3"):
        load_results(results)


@pytest.mark.parametrize("version", [1, 2])
def test_older_version(results: Path, version: int) -> None:
    change(results, schema_version=version)
    assert load_results(results).schema_version == version


@pytest.mark.parametrize("known", [True, False])
def test_older_version_of_one_host(results: Path, known: bool) -> None:
    data = json.loads(results.read_text())
    hosts = data.pop("hosts")
    assert len(hosts) == 1
    data |= {"schema_version": 2, "host": hosts[0] if known else None}
    results.write_text(json.dumps(data))
    assert [host.name for host in load_results(results).hosts] == ["testbox"] * known


def test_cut_off_file_names_line_and_column(results: Path) -> None:
    text = results.read_text()
    results.write_text(text[: text.index('"flight_id"') + 5])
    with pytest.raises(UsageError, match=r"results\.json:3:3: the file is damaged"):
        load_results(results)


@pytest.mark.parametrize("text", ["[]", "{}", '"x"', "null"])
def test_other_json_is_not_ours(results: Path, text: str) -> None:
    results.write_text(text)
    with pytest.raises(UsageError, match="no schema_version"):
        load_results(results)


def test_wrong_value_names_its_field(results: Path) -> None:
    data = json.loads(results.read_text())
    data["jobs"][0]["steps"][2]["status"] = "passed"
    results.write_text(json.dumps(data))
    with pytest.raises(UsageError, match=r"damaged: jobs\.0\.steps\.2\.status: .*'pass', 'fail'"):
        load_results(results)


@pytest.mark.parametrize("version", [0, -1, "1"])
def test_version_that_never_was(results: Path, version: object) -> None:
    change(results, schema_version=version)
    with pytest.raises(UsageError, match="damaged: schema_version"):
        load_results(results)


def test_bytes_that_are_not_text(results: Path) -> None:
    results.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(UsageError, match="byte 7 is not UTF-8"):
        load_results(results)


def test_events_damaged_in_the_middle_name_the_line(results: Path) -> None:
    events = results.with_name("events.jsonl")
    lines = events.read_text().splitlines()
    lines[3] = lines[3][:20]
    events.write_text("\n".join(lines) + "\n")
    with pytest.raises(UsageError, match=r"events\.jsonl:4: the file is damaged"):
        recover_results(results.parent)


def test_events_about_a_job_that_was_not_planned_name_the_line(results: Path) -> None:
    events = results.with_name("events.jsonl")
    with events.open("a") as file:
        file.write('{"event":"job-ended","at":"2024-11-22T09:00:00Z","job":"nope"}\n')
    with pytest.raises(UsageError, match=r"events\.jsonl:\d+: flight f1 has no job 'nope'"):
        recover_results(results.parent)


@pytest.mark.parametrize(
    "text", ["", '{"event":"problem","at":"2024-11-22T09:00:00Z","text":"x"}\n']
)
def test_events_without_a_beginning(results: Path, text: str) -> None:
    results.with_name("events.jsonl").write_text(text)
    with pytest.raises(UsageError, match="does not begin with flight-started"):
        recover_results(results.parent)
