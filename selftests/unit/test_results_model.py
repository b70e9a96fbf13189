"""The results model: exact round trips, strictness, and the committed JSON schema."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from results_samples import START, failed_flight

from harness.results.model import FlightResult, HostFacts, PhaseResult, StepResult
from harness.results.recorder import to_json
from harness.results.schema import schema_text
from harness.status import Status
from harness.steps import StepRecord

SCHEMA = Path(__file__).parents[2] / "docs" / "results.schema.json"


class StillClock:
    """Time for a StepRecord: it is always the same moment."""

    def monotonic(self) -> float:
        return 100.0

    def sleep(self, seconds: float) -> None:
        raise NotImplementedError


seconds = st.floats(min_value=0, max_value=1e9)
steps = st.builds(
    StepResult,
    testid=st.text(),
    status=st.sampled_from(Status),
    started=st.none() | st.datetimes(timezones=st.just(UTC)),
    duration=seconds,
    reason=st.none() | st.text(),
    evidence=st.text(),
    facts=st.dictionaries(st.text(), st.text()),
    phases=st.lists(st.builds(PhaseResult, name=st.text(), started=seconds, duration=seconds)),
)


@given(steps)
def test_step_goes_to_json_and_back_unchanged(step: StepResult) -> None:
    text = to_json(step)
    assert text.isascii()
    assert StepResult.model_validate_json(text, strict=True) == step


def test_flight_goes_to_json_and_back_unchanged(tmp_path: Path) -> None:
    result = failed_flight(tmp_path / "f1")
    assert FlightResult.model_validate_json(to_json(result), strict=True) == result


def test_lone_surrogates_from_a_console_do_not_stop_the_record() -> None:
    step = StepResult(testid="t", status=Status.FAIL, evidence="a\udcffb", facts={"k\ud800": "v"})
    assert (step.evidence, step.facts) == ("a?b", {"k?": "v"})


def test_times_are_turned_to_utc_and_naive_ones_refused() -> None:
    east = datetime(2024, 11, 22, 11, 0, tzinfo=timezone(timedelta(hours=2)))
    step = StepResult(testid="t", status=Status.PASS, started=east)
    assert step.started == START
    assert '"2024-11-22T09:00:00Z"' in to_json(step)
    with pytest.raises(ValidationError, match="timezone"):
        StepResult(testid="t", status=Status.PASS, started=datetime(2024, 11, 22))  # noqa: DTZ001


def test_unknown_fields_negative_durations_and_changes_are_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        HostFacts.model_validate({"name": "h", "kind": "ssh", "xen": "4.17"})
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        StepResult(testid="t", status=Status.PASS, duration=-1)
    step = StepResult(testid="t", status=Status.PASS)
    with pytest.raises(ValidationError, match="frozen"):
        step.status = Status.FAIL


def test_step_from_the_record_of_its_drivers() -> None:
    record = StepRecord(job="j", testid="guest-boot", clock=StillClock())
    record.add_phase("kernel", 100.0, 103.0, Status.FAIL)
    record.failure_class, record.failed_phase, record.evidence = "panic", "kernel", "last words"
    record.facts["domid"] = "3"
    step = StepResult.of(record, status=Status.FAIL, started=START, duration=3.5, reason="it died")
    assert step == StepResult(
        testid="guest-boot",
        status=Status.FAIL,
        started=START,
        duration=3.5,
        reason="it died",
        failure_class="panic",
        phase="kernel",
        phases=(PhaseResult(name="kernel", started=0.0, duration=3.0, status=Status.FAIL),),
        evidence="last words",
        facts={"domid": "3"},
    )


def test_committed_schema_is_current() -> None:
    how = "run: python -m harness.results.schema > docs/results.schema.json"
    assert SCHEMA.read_text() == schema_text(), how


def test_schema_names_every_field_of_a_real_result(tmp_path: Path) -> None:
    schema = json.loads(schema_text())
    data = json.loads(to_json(failed_flight(tmp_path / "f1")))
    assert set(schema["properties"]) == set(data)
    assert set(schema["$defs"]["StepResult"]["properties"]) == set(data["jobs"][0]["steps"][0])
    assert schema["properties"]["schema_version"]["enum"][-1] == data["schema_version"]
