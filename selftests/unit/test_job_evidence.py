"""The evidence of one guest: what is asked for, what is masked, what is told of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bench_samples import Bench, guest_bench
from evidence_samples import STATUS

from harness.evidence.items import ITEMS
from harness.host.fake import FakeHost
from harness.job.evidence import secrets_mask
from harness.job.secrets import FlightSecrets
from harness.remote.keys import make_keypair
from harness.results.model import EvidenceResult, StepResult
from harness.status import Status


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with guest_bench(tmp_path, monkeypatch, below="f/jobs") as made:
        yield made


def culprit(failure_class: str | None = None, status: Status = Status.FAIL) -> StepResult:
    return StepResult(testid="guest-boot", status=status, failure_class=failure_class)


def answers(fake: FakeHost, said: bytes = b"said") -> None:
    fake.runner.on("^true$")
    for item in ITEMS:
        fake.runner.on_open(f"^{item.file}$", [said + STATUS % 0])


def index(bench: Bench, tmp_path: Path, taken: EvidenceResult) -> dict[str, Any]:
    assert taken.index is not None
    found = json.loads((tmp_path / "f" / taken.index).read_text())
    assert isinstance(found, dict)
    return found


def files(found: dict[str, Any]) -> set[str]:
    return {item["file"] for item in found["items"]}


def test_what_is_told_of_it(bench: Bench, tmp_path: Path) -> None:
    answers(bench.fake)
    taken = bench.guest.capture(culprit("kernel-panic"))
    found = index(bench, tmp_path, taken)
    assert taken.index == "jobs/job/evidence/index.json"
    assert taken.asked == taken.had == len(found["items"])
    assert taken.note == ""
    assert found["domain"] == bench.guest.name
    assert found["job"] == bench.spec.name
    assert (tmp_path / "f" / "jobs" / "job" / "evidence" / "xl-info.txt").read_text() == "said"
    assert "evidence" in bench.guest.facts(kept=False).waits


HUNG = {"sysrq.txt", "xenctx.txt", "debug-keys.txt"}


@pytest.mark.parametrize(
    ("failure_class", "hung"),
    [
        *((name, True) for name in ("silent", "no-ssh", "soft-lockup", "no-shutdown")),
        *((name, False) for name in ("kernel-panic", "emergency-shell", None)),
    ],
)
def test_keys_are_sent_to_a_guest_that_hangs_and_to_no_other(
    bench: Bench, tmp_path: Path, failure_class: str | None, hung: bool
) -> None:
    answers(bench.fake)
    asked = files(index(bench, tmp_path, bench.guest.capture(culprit(failure_class))))
    assert asked & HUNG == (HUNG if hung else set())
    assert "core.gz" not in asked


def test_the_memory_is_dumped_on_request(bench: Bench, tmp_path: Path) -> None:
    answers(bench.fake)
    bench.guest._plan = dataclasses.replace(bench.guest._plan, dump_core=True)
    assert "core.gz" in files(index(bench, tmp_path, bench.guest.capture(culprit())))


def test_no_secret_of_the_flight_is_in_it(bench: Bench, tmp_path: Path) -> None:
    secrets = FlightSecrets.of(bench.guest._plan.flight_id)
    make_keypair(bench.guest._host_key, comment="guest")
    keys = [secrets.user_key.read_text(), bench.guest._host_key.read_text()]
    each = [secrets.password.value, secrets.password_hash]
    each += [line for key in keys for line in key.splitlines() if not line.startswith("-----")]
    said = "\n".join([*each, *keys])
    answers(bench.fake, said.encode())
    bench.guest.capture(culprit("silent"))
    directory = tmp_path / "f" / "jobs" / "job" / "evidence"
    written = "".join(path.read_text() for path in directory.iterdir())
    assert len(written) > 1000
    assert not [secret for secret in each if len(secret) > 8 and secret in written]


def test_secrets_that_are_gone_are_no_reason_to_take_nothing(tmp_path: Path) -> None:
    assert secrets_mask(FlightSecrets(tmp_path), tmp_path / "none")(b"said") == b"said"


def test_over_a_new_connection(bench: Bench) -> None:
    bench.fake.runner.alive = False
    bench.other = FakeHost()
    answers(bench.other)
    taken = bench.guest.capture(culprit(status=Status.BROKEN))
    assert taken.had == taken.asked
    assert taken.note.endswith("is lost; taken over a new connection from here on")
    assert bench.other.runner.closed


def test_a_host_that_is_gone(bench: Bench) -> None:
    bench.fake.runner.alive = False
    taken = bench.guest.capture(culprit(status=Status.BROKEN))
    assert taken.had == 0
    assert taken.asked == 13
    assert taken.note.startswith("nothing could be had; the SSH connection to fakehost is lost; ")
    assert taken.note.endswith("no route to host")
