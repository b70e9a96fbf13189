"""SSH to the guests of a simulated host."""

from __future__ import annotations

from datetime import timedelta
from typing import BinaryIO

from harness.errors import DeadlineExceeded, HostLost, LabError
from harness.flight.faults import FaultKind
from harness.host.xenhost import HostRunner
from harness.remote.command import DEFAULT_TIMEOUT, Command, CommandResult, Stream
from harness.remote.keys import fingerprint, key_blob, load_public
from harness.remote.outcome import settle, too_late
from harness.remote.sshlink import SshEndpoint
from harness.sim import life
from harness.sim.disk import AUTHORIZED, HOST_KEY
from harness.sim.guest import Machine, SimGuest
from harness.sim.host import SimHost
from harness.sim.request import name_of, plain
from harness.sim.shell import run_over_ssh
from harness.wait import Deadline, NotYet, wait_for

_HANDSHAKE = 0.1
_PATIENCE = 5.0
"""Seconds that one attempt waits for a server that says nothing."""
NOBODYS_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEeCITrgnuhPBioSvNiALPt+joE71slsu8Lz1oR4fWbQ"
"""A host key of which nobody has the other half."""


def enter(host: SimHost, dom0: HostRunner, guest: SshEndpoint, deadline: Deadline) -> GuestRunner:
    """Log in to a guest, as `harness.remote.sshlink.connect` does, and in its words."""

    def attempt() -> GuestRunner:
        if not dom0.alive:
            msg = f"lost the SSH connection to {dom0.name}"
            raise HostLost(msg)
        host.clock.sleep(_HANDSHAKE)
        found = host.guest_at(guest.address)
        if found is None or found.machine is None or not found.has_address:
            msg = f"{dom0.name} cannot reach {guest.address} port {guest.port}: No route to host"
            raise NotYet(msg)
        if found.strikes(FaultKind.SSH_REFUSED):
            msg = f"{dom0.name} cannot reach {guest.address} port {guest.port}: Connection refused"
            raise NotYet(msg)
        if found.strikes(FaultKind.BANNER_STALL):
            patience = min(_PATIENCE, deadline.remaining)
            host.clock.sleep(patience)
            msg = f"it accepted the connection and sent no SSH banner for {patience:.1f} s"
            raise NotYet(msg)
        _recognise(guest, found, found.machine)
        return GuestRunner(host, dom0, guest.name, found, found.machine)

    try:
        return wait_for(attempt, what="its SSH server", deadline=deadline)
    except DeadlineExceeded as error:
        msg = f"{guest} cannot be reached over SSH: {error.message}"
        raise HostLost(msg, hint="is it up, and are its address and port right?") from error


def _recognise(endpoint: SshEndpoint, guest: SimGuest, machine: Machine) -> None:
    own = machine.files.text(HOST_KEY) or NOBODYS_KEY
    offered = NOBODYS_KEY if guest.strikes(FaultKind.OTHER_HOST_KEY) else own
    if endpoint.host_key and key_blob(offered) != key_blob(endpoint.host_key):
        msg = (
            f"{endpoint} is not the host we know: its key is {fingerprint(offered)}, "
            f"ours for it {fingerprint(endpoint.host_key)}"
        )
        raise HostLost(msg)
    ours = key_blob(load_public(endpoint.key_file))
    let_in = [key_blob(line) for line in machine.files.text(AUTHORIZED).splitlines() if line]
    if ours not in let_in:
        msg = f"{endpoint} does not take the key {endpoint.key_file} for user {endpoint.user}"
        raise HostLost(msg)


class GuestRunner:
    """root's commands in a guest; a `harness.remote.command.Runner`."""

    def __init__(
        self, host: SimHost, dom0: HostRunner, name: str, guest: SimGuest, machine: Machine
    ) -> None:
        self.name = name
        self._host = host
        self._dom0 = dom0
        self._guest = guest
        self._machine = machine
        self._kept: dict[str, bytes] = {}
        self._closed = False
        self._session = f"10.77.0.1 {40000 + host.next_process()} {machine.address} 22"

    def run(
        self,
        command: Command,
        *,
        timeout: timedelta = DEFAULT_TIMEOUT,
        check: bool = True,
        stdin: bytes | BinaryIO | None = None,
    ) -> CommandResult:
        """See `Runner.run`."""
        asked, command = command, plain(command)
        clock, name = self._host.clock, name_of(command)
        began = clock.monotonic()
        data = stdin if isinstance(stdin, bytes) else stdin.read() if stdin is not None else b""
        if self._guest.strikes(FaultKind.SSH_LOST, name):
            self._closed = True
        self._require(command)
        if self._guest.strikes(FaultKind.SSH_STALLS, name):
            clock.sleep(timeout.total_seconds())
            raise too_late(command, self.name, timeout, "")
        answer = life.answer(self._host, self._guest, command, data, self._session)
        answer = answer or run_over_ssh(self._guest, self._machine, command, data, self._kept)
        clock.sleep(answer.seconds)
        self._require(command)
        result = CommandResult(
            command=asked,
            where=self.name,
            exit_status=answer.status,
            stdout=answer.stdout,
            stderr=answer.stderr,
            duration=timedelta(seconds=clock.monotonic() - began),
        )
        return settle(result, check=check)

    def open(self, command: Command) -> Stream:
        """There is nothing in a simulated guest that goes on running."""
        msg = f"{self.name} is only simulated and cannot go on running `{command}`"
        raise LabError(msg)

    def close(self) -> None:
        """See `Runner.close`."""
        self._closed = True

    def _require(self, command: Command) -> None:
        if self._closed or not self._guest.up or not self._dom0.alive:
            msg = (
                f"lost the SSH connection to {self.name} during `{command.brief}`: "
                "it closed the connection"
            )
            raise HostLost(msg)
