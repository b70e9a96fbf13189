"""SSH against a real sshd, and against servers that misbehave."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from loopback_sshd import Sshd, free_port, log_in, running_sshd

from harness.errors import DeadlineExceeded, HostLost, LabError, UsageError
from harness.remote.command import Command
from harness.remote.keys import fingerprint, make_keypair
from harness.remote.ssh import SshEndpoint, SshRunner
from harness.wait import Deadline

SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A server of these tests' own."""
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


def attempt(endpoint: SshEndpoint, seconds: float = 5) -> None:
    """Log in and out."""
    SshRunner.connect(endpoint, Deadline.after(timedelta(seconds=seconds))).close()


def test_login_says_who_the_host_is(sshd: Sshd) -> None:
    host = log_in(sshd)
    assert sshd.endpoint.host_key is not None
    assert fingerprint(host.host_key) == fingerprint(sshd.endpoint.host_key)
    assert host.alive
    host.close()
    assert not host.alive


def test_unpinned_host_is_taken_and_its_key_can_be_pinned(sshd: Sshd) -> None:
    host = SshRunner.connect(replace(sshd.endpoint, host_key=None), Deadline.after(5 * SECOND))
    key = host.host_key
    host.close()
    attempt(replace(sshd.endpoint, host_key=key))


def test_wrong_host_key_shows_both_fingerprints(sshd: Sshd, tmp_path: Path) -> None:
    other = make_keypair(tmp_path / "other")
    assert sshd.endpoint.host_key is not None
    with pytest.raises(HostLost, match="is not the host we know") as caught:
        attempt(replace(sshd.endpoint, host_key=other))
    assert fingerprint(other) in str(caught.value)
    assert fingerprint(sshd.endpoint.host_key) in str(caught.value)


def test_host_key_of_another_kind_is_refused_at_once(sshd: Sshd, tmp_path: Path) -> None:
    path = tmp_path / "rsa"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", path], check=True)
    rsa = (tmp_path / "rsa.pub").read_text()
    with pytest.raises(HostLost, match="nothing in common"):
        attempt(replace(sshd.endpoint, host_key=rsa), seconds=60)


def test_host_key_that_is_none(sshd: Sshd) -> None:
    with pytest.raises(UsageError, match="is not an SSH public key"):
        attempt(replace(sshd.endpoint, host_key="ssh-ed25519"))


def test_wrong_user_key_names_the_file(sshd: Sshd, tmp_path: Path) -> None:
    make_keypair(tmp_path / "stranger")
    with pytest.raises(HostLost, match=r"does not take the key .*/stranger for user"):
        attempt(replace(sshd.endpoint, key_file=tmp_path / "stranger"), seconds=60)


def test_missing_user_key_is_a_usage_error(sshd: Sshd, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the SSH key .*/nowhere"):
        attempt(replace(sshd.endpoint, key_file=tmp_path / "nowhere"))


@pytest.mark.parametrize("words", ["", "hello", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"])
def test_file_that_is_no_key_is_a_usage_error(sshd: Sshd, tmp_path: Path, words: str) -> None:
    (tmp_path / "key").write_text(words)
    with pytest.raises(UsageError, match="is not an SSH private key"):
        attempt(replace(sshd.endpoint, key_file=tmp_path / "key"))


def test_key_with_a_passphrase_is_a_usage_error(sshd: Sshd, tmp_path: Path) -> None:
    key = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "hush", "-f", key], check=True)
    with pytest.raises(UsageError, match="must have no passphrase"):
        attempt(replace(sshd.endpoint, key_file=key))


def test_closed_port_quotes_the_cause(sshd: Sshd) -> None:
    with pytest.raises(HostLost, match=r"cannot be reached over SSH.*Connection refused"):
        attempt(replace(sshd.endpoint, port=free_port()), seconds=0.5)


def test_unknown_name_quotes_the_cause(sshd: Sshd) -> None:
    with pytest.raises(HostLost, match="cannot be reached over SSH"):
        attempt(replace(sshd.endpoint, address="no-such-host.invalid"), seconds=0.2)


def test_server_that_never_says_a_word(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        silent = replace(sshd.endpoint, port=listener.getsockname()[1])
        with pytest.raises(HostLost, match=r"cannot be reached over SSH.*no SSH banner"):
            attempt(silent, seconds=1)


def test_server_that_hangs_up(sshd: Sshd) -> None:
    def hang_up() -> None:
        for _ in range(100):
            try:
                listener.accept()[0].close()
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=hang_up, daemon=True).start()
        rude = replace(sshd.endpoint, port=listener.getsockname()[1])
        with pytest.raises(HostLost, match="cannot be reached over SSH"):
            attempt(rude, seconds=1)
        listener.shutdown(socket.SHUT_RDWR)


def test_host_that_boots_late_is_waited_for(sshd: Sshd) -> None:
    calls = []

    def dial() -> socket.socket:
        calls.append(1)
        if len(calls) < 3:
            msg = "no route yet"
            raise ConnectionRefusedError(msg)
        return socket.create_connection((sshd.endpoint.address, sshd.endpoint.port))

    SshRunner.connect(sshd.endpoint, Deadline.after(10 * SECOND), dial).close()
    assert len(calls) == 3


def test_server_killed_in_the_middle_of_a_command(tmp_path: Path) -> None:
    with running_sshd(tmp_path) as server:
        host = log_in(server)
        killer = threading.Timer(0.7, server.kill_sessions)
        killer.start()
        with pytest.raises(HostLost, match="lost the SSH connection to loopback during `sleep 64`"):
            host.run(Command.of("sleep", 64), timeout=20 * SECOND)
        with pytest.raises(HostLost, match="during `true`"):
            host.run(Command.of("true"))
        with pytest.raises(HostLost):
            host.open(Command.of("cat"))
        with pytest.raises(HostLost):
            host.open_tcp("127.0.0.1", 1)
        assert not host.alive
        host.close()


def test_server_killed_under_a_stream(tmp_path: Path) -> None:
    with running_sshd(tmp_path) as server:
        host = log_in(server)
        stream = host.open(Command.of("cat"))
        server.kill_sessions()
        assert stream.read(10, 10 * SECOND) == b""
        with pytest.raises(LabError):
            stream.write(bytes(1 << 16))
        stream.close()
        host.close()


def test_frozen_server_is_a_deadline_not_a_hang(tmp_path: Path) -> None:
    with running_sshd(tmp_path) as server:
        host = log_in(server)
        server.freeze_sessions()
        with pytest.raises(DeadlineExceeded, match=r"in time|did not end within"):
            host.run(Command.of("true"), timeout=SECOND)
        server.kill_sessions()
        host.close()


def test_tcp_through_the_host(sshd: Sshd) -> None:
    host = log_in(sshd)
    port = sshd.endpoint.port
    guest = replace(sshd.endpoint, name="guest", address="10.255.255.1")
    inner = SshRunner.connect(
        guest, Deadline.after(10 * SECOND), lambda: host.open_tcp("127.0.0.1", port)
    )
    data = bytes(3 << 20)
    result = inner.run(Command.shell("cat | wc -c"), stdin=data)
    assert result.stdout.strip() == str(len(data))
    assert result.where == "guest"
    host.close()
    with pytest.raises(HostLost):
        inner.run(Command.of("true"))
    inner.close()


def test_tcp_through_the_host_to_nowhere_may_be_tried_again(sshd: Sshd) -> None:
    host = log_in(sshd)
    with pytest.raises(ConnectionError, match=r"loopback cannot reach 127.0.0.1 port"):
        host.open_tcp("127.0.0.1", free_port())
    assert host.alive
    guest = replace(sshd.endpoint, name="guest")
    port = free_port()
    with pytest.raises(HostLost, match=r"guest .* cannot be reached over SSH.*cannot reach"):
        SshRunner.connect(guest, Deadline.after(SECOND), lambda: host.open_tcp("127.0.0.1", port))
    host.close()


def test_close_is_harmless_twice(sshd: Sshd) -> None:
    host = log_in(sshd)
    host.close()
    host.close()
