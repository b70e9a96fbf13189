"""What the controller writes down for the workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import LabError, Starved
from harness.flight.needs import HostFlag
from harness.host.capabilities import Capabilities
from harness.job.prepared import PREPARED, Endpoint, Prepared, PreparedHost
from harness.remote.sshlink import SshEndpoint

ENDPOINT = SshEndpoint(
    name="rack1",
    address="192.0.2.10",
    port=22,
    user="root",
    key_file=Path("/keys/id"),
    host_key="ssh-ed25519 AAAA",
)
WHOLE = Prepared(
    flight_id="smoke-1",
    hosts={
        "rack1": PreparedHost(
            endpoint=Endpoint.of(ENDPOINT),
            capabilities=Capabilities(
                flags=frozenset({HostFlag.HVM, HostFlag.PVH}),
                paths={"ovmf": "/usr/share/ovmf/OVMF.fd"},
                hvm_cpus="1",
            ),
        ),
        "rack2": PreparedHost(broken="rack2 does not answer"),
        "rack3": PreparedHost(starved="rack3 is drained"),
    },
    fits={"job": ("rack1",), "big": ()},
    secrets=Path("/secrets"),
    images={"job": "bookworm-amd64-bare-1a2b3c4d"},
    skips={"other": "rack1: its Xen runs no PV guests"},
    controller=7,
)


def test_a_worker_reads_what_the_controller_wrote(tmp_path: Path) -> None:
    WHOLE.write(tmp_path)
    found = Prepared.read(tmp_path)
    assert found == WHOLE
    assert found.endpoint("rack1") == ENDPOINT
    assert found.image_of("job") == "bookworm-amd64-bare-1a2b3c4d"
    assert [path.name for path in tmp_path.iterdir()] == [PREPARED]


def test_a_job_for_which_no_image_is_made_hears_that() -> None:
    with pytest.raises(LabError, match="no image is made for other"):
        WHOLE.image_of("other")


def test_when_nothing_could_be_made_ready_every_job_hears_why(tmp_path: Path) -> None:
    Prepared(flight_id="smoke-1", broken="rack1 does not answer").write(tmp_path)
    found = Prepared.read(tmp_path)
    with pytest.raises(LabError, match="rack1 does not answer"):
        found.hosts_for("job")


@pytest.mark.parametrize("text", [None, "", "{}", "[", '{"flight_id": "x", "more": 1}'])
def test_what_is_missing_or_damaged_is_the_labs_fault(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / PREPARED).write_text(text)
    with pytest.raises(LabError, match="the flight was not made ready"):
        Prepared.read(tmp_path)


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "nowhere").write_text("no directory")
    with pytest.raises(LabError, match=r"cannot write .*prepared\.json: "):
        WHOLE.write(tmp_path / "nowhere")


def test_a_job_runs_where_it_fits() -> None:
    assert WHOLE.hosts_for("job") == ("rack1",)


def test_one_that_only_a_drained_host_might_run_is_starved() -> None:
    with pytest.raises(Starved, match="rack3 is drained; rack2 does not answer"):
        WHOLE.hosts_for("big")


def test_one_that_only_a_broken_host_might_run_is_broken() -> None:
    hosts = {"rack2": WHOLE.hosts["rack2"]}
    with pytest.raises(LabError, match="rack2 does not answer"):
        Prepared(flight_id="smoke-1", hosts=hosts).hosts_for("big")


@pytest.mark.parametrize(("host", "why"), [("rack2", "does not answer"), ("rack9", "not made")])
def test_a_host_that_was_not_made_ready_cannot_be_reached(host: str, why: str) -> None:
    with pytest.raises(LabError, match=why):
        WHOLE.endpoint(host)
