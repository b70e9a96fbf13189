"""Connecting to a host over SSH: the endpoint, the handshake, and who the host is.

Nothing is taken from the user's own SSH set-up: no agent, no ``~/.ssh``. The key file and the
host key are in the inventory, or in the testbox's folder, and nowhere else.
"""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import paramiko
from paramiko.common import MSG_CHANNEL_REQUEST
from paramiko.pkey import UnknownKeyType
from paramiko.ssh_exception import IncompatiblePeer

from harness.errors import DeadlineExceeded, HostLost, UsageError
from harness.remote.keys import fingerprint, key_blob
from harness.wait import Deadline, NotYet, wait_for

KEEPALIVE = timedelta(seconds=15)
UNACKNOWLEDGED = timedelta(seconds=45)
"""How long sent data may stay unacknowledged before the kernel gives the connection up."""

FIRST_PATIENCE = timedelta(seconds=5)
MOST_PATIENCE = timedelta(seconds=30)
"""How long one attempt may take: short at first, because a port forwarded to a host that is still
booting accepts and then says nothing; longer with every attempt, for hosts that are just slow."""

# Cheapest first, for hosts that are emulated and have no AES or carry-less multiply instructions:
# GCM's hash is slow without them, and the post-quantum exchange costs far more than a curve.
# Everything here is offered by OpenSSH from 7.4 on.
CIPHERS = ("aes128-ctr", "aes128-gcm@openssh.com", "aes256-ctr", "aes256-gcm@openssh.com")
MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512-etm@openssh.com")
KEX = ("curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "diffie-hellman-group14-sha256")

_SIGNATURES_OF_RSA = ("rsa-sha2-512", "rsa-sha2-256")

# paramiko logs each failed attempt with a traceback; what matters of it is in our errors.
_LOG = logging.getLogger("harness.remote.paramiko")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False


class SocketLike(Protocol):
    """What an SSH connection runs over: a TCP socket, or a channel through another host."""

    def send(self, data: bytes, /) -> int:
        """Send some of *data*; how much."""
        ...

    def recv(self, size: int, /) -> bytes:
        """Up to *size* bytes; ``b""`` at the end."""
        ...

    def settimeout(self, seconds: float | None, /) -> None:
        """How long `send` and `recv` may take."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


Dial = Callable[[], SocketLike]
"""Makes a fresh connection; an `OSError` means that it may work later."""


@dataclass(frozen=True, kw_only=True)
class SshEndpoint:
    """How to reach a host, and how to know it."""

    name: str
    address: str
    port: int = 22
    user: str = "root"
    key_file: Path
    host_key: str | None
    """The host's public key, ``ssh-ed25519 AAAA...``; None takes whoever answers: for tests
    only, so there is no default."""

    def __str__(self) -> str:
        return f"{self.name} ({self.user}@{self.address} port {self.port})"


class Transport(paramiko.Transport):
    """paramiko's transport, and it remembers the signals that ended commands.

    paramiko drops the "exit-signal" message (RFC 4254, section 6.10), and with it the difference
    between a command that was killed and a server that broke off.
    """

    def __init__(self, sock: SocketLike) -> None:
        super().__init__(sock)  # type: ignore[arg-type]  # the stubs know no channel as a socket
        self.set_log_channel(_LOG.name)
        self.exit_signals: dict[int, int] = {}
        """Channel number to signal number."""
        handlers = dict(paramiko.Transport._channel_handler_table)  # type: ignore[attr-defined]
        self._default_request_handler = handlers[MSG_CHANNEL_REQUEST]
        handlers[MSG_CHANNEL_REQUEST] = self._on_channel_request
        self._channel_handler_table = handlers

    def _on_channel_request(self, channel: paramiko.Channel, message: paramiko.Message) -> None:
        if message.get_text() == "exit-signal":
            message.get_boolean()
            number = getattr(signal, f"SIG{message.get_text()}", signal.SIGKILL)
            self.exit_signals[channel.get_id()] = int(number)
        message.rewind()
        message.get_int()  # the channel's number, which the caller had read already
        self._default_request_handler(channel, message)


def connect(endpoint: SshEndpoint, deadline: Deadline, dial: Dial | None = None) -> Transport:
    """A logged-in connection; a host that is still booting is tried until *deadline*.

    *dial* makes the connection that SSH runs over (through another host, say); without it, TCP to
    the endpoint's address. `HostLost` when nobody answers in time, and at once when the host is
    not the one we know or does not take our key; `UsageError` for an unusable key file.
    """
    key = _private_key(endpoint)
    longest = FIRST_PATIENCE

    def attempt() -> Transport:
        nonlocal longest
        # A host that refuses at once is asked hundreds of times: no power of the attempt's
        # number stays in bounds.
        longest = min(MOST_PATIENCE, longest * 1.5)
        patience = max(0.5, min(longest.total_seconds(), deadline.remaining))
        return _log_in(endpoint, key, _dial(endpoint, dial, patience), patience)

    try:
        return wait_for(attempt, what="its SSH server", deadline=deadline)
    except DeadlineExceeded as error:
        msg = f"{endpoint} cannot be reached over SSH: {error.message}"
        raise HostLost(msg, hint="is it up, and are its address and port right?") from error


def host_key_of(transport: paramiko.Transport) -> str:
    """The public key the host proved to have, ``ssh-ed25519 AAAA...``."""
    key = transport.get_remote_server_key()
    return f"{key.get_name()} {key.get_base64()}"


def give_up(transport: paramiko.Transport) -> None:
    """Close a connection; never raises, and leaves no thread behind."""
    # The timer of an unfinished handshake would hold up the end of the process.
    transport.packetizer.complete_handshake()
    with suppress(OSError, EOFError, paramiko.SSHException):
        transport.close()
        transport.sock.close()  # which close() leaves open when nothing was begun


def has_died(transport: paramiko.Transport, error: Exception) -> bool:
    """Whether *error* came because the connection is gone.

    Its thread closes the channels first, and says only a moment later that it is dead.
    """
    if transport.is_active() and not isinstance(error, paramiko.SSHException):
        transport.join(1.0)
    return not transport.is_active()


def cause_of(transport: paramiko.Transport) -> str:
    """Why a connection died, as far as paramiko knows."""
    error = transport.get_exception()
    if error is None or isinstance(error, EOFError):
        return "it closed the connection"
    return str(error) or type(error).__name__


def _private_key(endpoint: SshEndpoint) -> paramiko.PKey:
    path = endpoint.key_file
    try:
        return paramiko.PKey.from_path(path)
    except OSError as error:
        msg = f"cannot read the SSH key {path} for {endpoint.name}: {error.strerror}"
        raise UsageError(msg) from error
    except (paramiko.SSHException, UnknownKeyType, ValueError, TypeError) as error:
        msg = f"{path} is not an SSH private key that can be used for {endpoint.name}: {error}"
        raise UsageError(msg, hint="it must have no passphrase") from error


def _dial(endpoint: SshEndpoint, dial: Dial | None, patience: float) -> SocketLike:
    try:
        if dial is not None:
            return dial()
        sock = socket.create_connection((endpoint.address, endpoint.port), timeout=patience)
    except OSError as error:
        msg = error.strerror or str(error) or type(error).__name__
        raise NotYet(msg) from error
    # Without this a host that vanished without a word would be noticed after a quarter of an hour.
    sock.setsockopt(
        socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNACKNOWLEDGED.total_seconds() * 1000)
    )
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _log_in(
    endpoint: SshEndpoint, key: paramiko.PKey, sock: SocketLike, patience: float
) -> Transport:
    transport = Transport(sock)
    # Ours comes first, in _shake_hands, because it knows what was missing.
    transport.banner_timeout = transport.handshake_timeout = patience + 5
    transport.auth_timeout = patience
    try:
        _offer(transport, endpoint)
        _shake_hands(transport, endpoint, patience)
        _recognise(transport, endpoint)
        _authenticate(transport, endpoint, key)
    except BaseException:
        give_up(transport)
        raise
    transport.set_keepalive(int(KEEPALIVE.total_seconds()))
    return transport


def _offer(transport: Transport, endpoint: SshEndpoint) -> None:
    options = transport.get_security_options()
    options.ciphers, options.digests, options.kex = CIPHERS, MACS, KEX
    if endpoint.host_key is not None:
        key_blob(endpoint.host_key)
        kind = endpoint.host_key.split()[0]
        # Ask for the key that we know: a host has one of each kind.
        try:
            options.key_types = _SIGNATURES_OF_RSA if kind == "ssh-rsa" else (kind,)
        except ValueError as error:
            msg = f"the host key given for {endpoint.name} is of a kind not known here: {kind}"
            raise UsageError(msg, hint="give its ssh-ed25519 key") from error


def _shake_hands(transport: Transport, endpoint: SshEndpoint, patience: float) -> None:
    try:
        transport.start_client(timeout=patience)
        if not transport.remote_version:
            msg = f"it accepted the connection and sent no SSH banner for {patience:.1f} s"
            raise NotYet(msg)
        transport.get_remote_server_key()
    except IncompatiblePeer as error:
        msg = f"{endpoint} has an SSH server that has nothing in common with us: {error}"
        hint = "a host key of another kind than the pinned one, or a very old server"
        raise HostLost(msg, hint=hint) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        if isinstance(error, EOFError):
            msg = "it accepted the connection and closed it again"
        else:
            msg = str(error) or type(error).__name__
        raise NotYet(msg) from error


def _recognise(transport: Transport, endpoint: SshEndpoint) -> None:
    if endpoint.host_key is None:
        return
    offered = host_key_of(transport)
    if key_blob(offered) == key_blob(endpoint.host_key):
        return
    msg = (
        f"{endpoint} is not the host we know: "
        f"its key is {fingerprint(offered)}, ours for it {fingerprint(endpoint.host_key)}"
    )
    hint = "if it was installed anew, give its new host key; else something else has its address"
    raise HostLost(msg, hint=hint)


def _authenticate(transport: Transport, endpoint: SshEndpoint, key: paramiko.PKey) -> None:
    try:
        transport.auth_publickey(endpoint.user, key)
    except paramiko.AuthenticationException as error:
        # A time-out and a lost connection come as this class too.
        if not transport.is_active() or "timeout" in str(error):
            msg = f"it did not finish the log-in: {error}"
            raise NotYet(msg) from error
        msg = f"{endpoint} does not take the key {endpoint.key_file} for user {endpoint.user}"
        hint = f"put {endpoint.key_file}.pub into that user's ~/.ssh/authorized_keys there"
        raise HostLost(msg, hint=hint) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        msg = str(error) or type(error).__name__
        raise NotYet(msg) from error
