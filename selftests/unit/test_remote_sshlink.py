"""Waiting for a host that does not answer, in virtual time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from harness.console.fake import VirtualClock
from harness.errors import HostLost
from harness.remote.keys import make_keypair
from harness.remote.sshlink import SocketLike, SshEndpoint, connect
from harness.wait import Deadline


def test_a_host_that_refuses_at_once_is_asked_until_the_deadline(tmp_path: Path) -> None:
    key = tmp_path / "key"
    public = make_keypair(key)
    asked: list[float] = []
    clock = VirtualClock()

    def dial() -> SocketLike:
        asked.append(clock.now)
        msg = "Connection refused"
        raise ConnectionRefusedError(msg)

    endpoint = SshEndpoint(name="dead", address="127.0.0.1", key_file=key, host_key=public)
    with pytest.raises(HostLost, match="Connection refused"):
        connect(endpoint, Deadline.after(timedelta(minutes=10), clock), dial)
    assert len(asked) > 200, "a host that boots for ten minutes is asked often"
    assert asked[-1] - asked[0] == pytest.approx(600, abs=5)
