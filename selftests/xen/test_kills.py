"""A flight killed for real, among things of others; `bench reliability` does it often."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, inventory
from realhost import RealHost

from harness.flight.find import HOSTS_FILE
from harness.flight.inventory import load_hosts
from harness.host.xenhost import XenHost
from harness.reliability import decoys
from harness.remote.command import Command
from harness.status import Status


@pytest.fixture
def lab(tmp_path: Path, testbox: RealHost) -> Lab:
    """A project folder whose default host is the session's testbox."""
    return Lab.make(tmp_path, testbox.testbox.name)


@pytest.fixture
def host(lab: Lab, testbox: RealHost) -> Iterator[XenHost]:
    """The session's testbox, with decoys only as long as a test needs them."""
    spec = load_hosts(lab.folder / "flights" / HOSTS_FILE).get()
    host = XenHost.connect(spec, testbox.testbox.endpoint())
    yield host
    decoys.remove(host)
    host.close()


def test_after_kill_9_the_next_run_cleans_up_and_passes(lab: Lab, host: XenHost) -> None:
    """Nobody tears down what a killed controller had; its leases die with it. What is of others
    and looks like ours stays.
    """
    decoys.plant(host)
    with decoys.guarded(host):
        clean, others = inventory(host.runner), decoys.state(host)
        with lab.started("run", "smoke") as run:
            lab.wait_for_console(b"Linux version")
            os.killpg(run.pid, signal.SIGKILL)
            run.wait(30)
        left = inventory(host.runner)
        assert any("xf." in line for line in set(left["domains"]) - set(clean["domains"]))
        assert lab.results().status is Status.ABORTED
        again = lab.xenflight("run", "smoke")
        assert again.exit_status == 0, again.stdout + again.stderr
        assert "removed what flight" in again.stdout
        assert decoys.state(host) == others
        assert inventory(host.runner) == clean


@pytest.mark.thorough
def test_flights_killed_at_random_leave_nothing_and_touch_nothing_of_others(lab: Lab) -> None:
    out = lab.folder / "kills.jsonl"
    # Not resumed before each: other tests of this session have connections to this testbox.
    argv = ("--kills", "3", "--good", "0", "--seed", "5", "--no-resume", "--out", str(out))
    done = lab.xenflight("bench", "reliability", *argv)
    assert done.exit_status == 0, done.stdout + done.stderr
    rounds = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(one["number"], one["wrong"]) for one in rounds] == [(1, ""), (2, ""), (3, "")]


HARMS = {
    "lvremove --yes --force $1/xf-golden-0123456789abcdef": "xf-golden-0123456789abcdef",
    "lvchange --yes --addtag mine $1/xfdecoy-disk": "xfdecoy-disk",
    "printf x | dd of=/dev/$1/xf-0123456789ab-root conv=fsync": "xf-0123456789ab-root",
    "xl destroy xf-decoy.0123456789": "xf-decoy.0123456789",
    "rm /run/xenflight/flights/xf-decoy-alive/decoy": "xf-decoy-alive/decoy",
    "umount /mnt/xf-decoy": "/mnt/xf-decoy",
    "losetup --detach $(losetup -nO NAME -j /tmp/xf-decoy/loop)": "/tmp/xf-decoy/loop",
}


def test_it_would_be_seen_if_something_of_others_were_touched(host: XenHost) -> None:
    decoys.plant(host)
    before = decoys.state(host)
    assert decoys.state(host) == before
    for harm, seen in HARMS.items():
        host.runner.run(Command(("sh", "-ec", harm, "harm", host.volumes.group)))
        after = decoys.state(host)
        changed = [line for line in before if line not in after]
        assert changed, harm
        assert all(seen in line for line in changed), harm
        before = after
