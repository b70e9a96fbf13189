"""Running commands on a host over one SSH connection.

The connection is kept and shared by all commands: under emulation a handshake takes more than a
second, a command on a shared connection a sixth of that. It may be used from several threads.
"""

from __future__ import annotations

import secrets
import shlex
import time
from contextlib import suppress
from datetime import timedelta
from io import BytesIO
from typing import BinaryIO

import paramiko

from harness.errors import DeadlineExceeded, HostLost, LabError, TooMuchOutput
from harness.remote.command import DEFAULT_TIMEOUT, Command, CommandResult, Stream
from harness.remote.outcome import settle, text_of, too_late, too_much
from harness.remote.sshchannel import Exchange, SshStream, bounded, close_channel
from harness.remote.sshlink import (
    Dial,
    SocketLike,
    SshEndpoint,
    Transport,
    cause_of,
    connect,
    give_up,
    has_died,
    host_key_of,
)
from harness.wait import Deadline

__all__ = ["Dial", "SocketLike", "SshEndpoint", "SshRunner"]

REMOTE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""A session that is no log-in may lack /usr/sbin, where xl and lvs are."""
START_TIMEOUT = timedelta(seconds=60)
TERMINAL_WIDTH, TERMINAL_HEIGHT = 80, 24

SWEEP_TIMEOUT = timedelta(seconds=15)

_MARK = "XENFLIGHT_CALL"
# Closing a channel ends nothing on the host: `xl console`, for one, goes on and takes the output
# from whoever attaches next. So every command carries a random mark in its environment, which its
# children inherit, and whatever carries the mark can be ended.
_SWEEP = """
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
    pids=$(grep -l "$1" /proc/[0-9]*/environ 2>/dev/null | tr -dc '0-9\\n')
    [ -n "$pids" ] || exit 0
    case $try in
    1) kill -TERM $pids ;;
    10) kill -KILL $pids ;;
    esac
    sleep 0.2
done
"""


class SshRunner:
    """Runs commands on one host. Make one with `SshRunner.connect`."""

    def __init__(self, endpoint: SshEndpoint, transport: Transport) -> None:
        self.endpoint = endpoint
        self._transport = transport

    @classmethod
    def connect(
        cls, endpoint: SshEndpoint, deadline: Deadline, dial: Dial | None = None
    ) -> SshRunner:
        """Log in, trying until *deadline* while nobody answers; see `sshlink.connect`.

        To reach a guest through its host, dial through the host::

            SshRunner.connect(guest, deadline, dial=lambda: host.open_tcp(ip, 22))
        """
        return cls(endpoint, connect(endpoint, deadline, dial))

    @property
    def name(self) -> str:
        """The host's name."""
        return self.endpoint.name

    @property
    def host_key(self) -> str:
        """The public key by which the host proved who it is: what to pin."""
        return host_key_of(self._transport)

    @property
    def alive(self) -> bool:
        """Whether the connection still stands, as far as anyone has noticed."""
        return self._transport.is_active()

    def run(
        self,
        command: Command,
        *,
        timeout: timedelta = DEFAULT_TIMEOUT,
        check: bool = True,
        stdin: bytes | BinaryIO | None = None,
    ) -> CommandResult:
        """Run *command* to its end; see `harness.remote.command.Runner.run`.

        At the deadline the command and all its children are ended on the host, too.
        """
        source = BytesIO(stdin) if isinstance(stdin, bytes) else stdin
        return settle(self._run(command, source, timeout), check=check)

    def open(self, command: Command) -> Stream:
        """Start a command that goes on running; what it says on stderr comes in the stream too."""
        deadline = Deadline.after(START_TIMEOUT)
        channel = self._session(command, deadline)
        channel.set_combine_stderr(True)
        mark = secrets.token_hex(8)
        try:
            with bounded(channel, self._transport, deadline):
                self._exec(command, mark, channel, terminal=command.terminal)
        except HostLost as error:
            raise self._lost(command, error.message) from error
        what = f"on {self.name}: `{command.brief}`"
        return SshStream(channel, self._transport, what, lambda: self._sweep(mark))

    def open_tcp(
        self, address: str, port: int, timeout: timedelta = timedelta(seconds=10)
    ) -> SocketLike:
        """A TCP connection from the host to *address*, such as a guest on its bridge.

        `ConnectionError` or `TimeoutError` when the host cannot reach it (it may later);
        `HostLost` when the host itself is gone.
        """
        try:
            return self._transport.open_channel(
                "direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=timeout.total_seconds()
            )
        except paramiko.ChannelException as error:
            msg = f"{self.name} cannot reach {address} port {port}: {error.text}"
            raise ConnectionError(msg) from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            if not has_died(self._transport, error):
                msg = f"{self.name} did not reach {address} port {port} in time"
                raise TimeoutError(msg) from error
            raise self._lost(Command.of("connect", address, port)) from error

    def close(self) -> None:
        """Close the connection and everything on it; never raises."""
        give_up(self._transport)

    def _run(
        self,
        command: Command,
        source: BinaryIO | None,
        timeout: timedelta,
        *,
        sweep: bool = True,
    ) -> CommandResult:
        began = time.monotonic()
        mark = secrets.token_hex(8)
        deadline = Deadline.after(timeout)
        channel = self._session(command, deadline)
        exchange = Exchange(channel, self._transport)
        try:
            with bounded(channel, self._transport, deadline):
                try:
                    self._exec(command, mark, channel)
                    status = exchange.hold(source, deadline)
                finally:
                    close_channel(channel)
        except HostLost as error:
            raise self._lost(command, error.message) from error
        except TooMuchOutput as error:
            self._sweep(mark)
            raise too_much(command, self.name) from error
        except LabError:
            # Closing the channel at the deadline looks like a failure of what was under way.
            if not deadline.expired:
                raise
            status = None
        if status is None:
            if sweep:
                self._sweep(mark)
            output = text_of(exchange.stdout) + "\n" + text_of(exchange.stderr)
            raise too_late(command, self.name, timeout, output)
        return CommandResult(
            command=command,
            where=self.name,
            exit_status=status,
            stdout=text_of(exchange.stdout),
            stderr=text_of(exchange.stderr),
            duration=timedelta(seconds=time.monotonic() - began),
        )

    def _session(self, command: Command, deadline: Deadline) -> paramiko.Channel:
        try:
            return self._transport.open_session(timeout=deadline.remaining)
        except paramiko.ChannelException as error:
            msg = f"{self.name} refused another SSH session for `{command.brief}`: {error.text}"
            raise LabError(msg, hint="its sshd's MaxSessions may be too small") from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            if not has_died(self._transport, error):
                msg = f"{self.name} did not open an SSH session for `{command.brief}` in time"
                raise DeadlineExceeded(msg) from error
            raise self._lost(command) from error

    def _exec(
        self, command: Command, mark: str, channel: paramiko.Channel, *, terminal: bool = False
    ) -> None:
        settings = {"LC_ALL": "C", "PATH": REMOTE_PATH, _MARK: mark} | dict(command.env)
        words = [f"{key}={value}" for key, value in settings.items()]
        try:
            if terminal:
                channel.get_pty("dumb", width=TERMINAL_WIDTH, height=TERMINAL_HEIGHT)
            channel.exec_command(shlex.join(["env", *words, *command.argv]))
        except (paramiko.SSHException, EOFError, OSError) as error:
            if has_died(self._transport, error):
                raise HostLost(cause_of(self._transport)) from error
            msg = f"{self.name} did not start `{command.brief}`: {error}"
            raise LabError(msg) from error

    def _sweep(self, mark: str) -> None:
        """End what is left of a command; best effort, since its own error is on the way."""
        script = Command(("sh", "-c", _SWEEP, "sh", f"{_MARK}={mark}"))
        with suppress(LabError):
            self._run(script, None, SWEEP_TIMEOUT, sweep=False)

    def _lost(self, command: Command, cause: str | None = None) -> HostLost:
        msg = f"lost the SSH connection to {self.name} during `{command.brief}`: "
        return HostLost(msg + (cause or cause_of(self._transport)))
