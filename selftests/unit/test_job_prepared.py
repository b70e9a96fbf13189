"""What the controller writes down for the workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import LabError
from harness.job.prepared import PREPARED, Endpoint, Prepared, PreparedImage
from harness.remote.sshlink import SshEndpoint

ENDPOINT = SshEndpoint(
    name="rack1",
    address="192.0.2.10",
    port=22,
    user="root",
    key_file=Path("/keys/id"),
    host_key="ssh-ed25519 AAAA",
)
IMAGE = PreparedImage(key="k", golden="xf-golden-k", kernel="/boot/k", initrd="/boot/i")
WHOLE = Prepared(
    flight_id="smoke-1",
    host=Endpoint.of(ENDPOINT),
    secrets=Path("/secrets"),
    images={"good": IMAGE, "bad": PreparedImage(broken="the mirror is down")},
)


def test_a_worker_reads_what_the_controller_wrote(tmp_path: Path) -> None:
    WHOLE.write(tmp_path)
    found = Prepared.read(tmp_path)
    assert found == WHOLE
    assert found.endpoint == ENDPOINT
    assert found.image("good") == IMAGE
    assert [path.name for path in tmp_path.iterdir()] == [PREPARED]


@pytest.mark.parametrize(("job", "why"), [("bad", "the mirror is down"), ("odd", "no image was")])
def test_a_job_without_an_image_hears_why(job: str, why: str) -> None:
    with pytest.raises(LabError, match=why):
        WHOLE.image(job)


def test_when_nothing_could_be_made_ready_every_job_hears_why(tmp_path: Path) -> None:
    Prepared(flight_id="smoke-1", broken="rack1 does not answer").write(tmp_path)
    found = Prepared.read(tmp_path)
    with pytest.raises(LabError, match="rack1 does not answer"):
        found.image("good")
    with pytest.raises(LabError, match="rack1 does not answer"):
        _ = found.endpoint


@pytest.mark.parametrize("text", [None, "", "{}", "[", '{"flight_id": "x", "more": 1}'])
def test_what_is_missing_or_damaged_is_the_labs_fault(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / PREPARED).write_text(text)
    with pytest.raises(LabError, match="the flight was not made ready"):
        Prepared.read(tmp_path)


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"cannot write .*prepared\.json: No such file"):
        WHOLE.write(tmp_path / "nowhere")
