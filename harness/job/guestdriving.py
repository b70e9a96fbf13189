"""Driving a guest: to its login prompt, to a shell, over SSH, and down."""

from __future__ import annotations

import ipaddress
from datetime import timedelta

from harness.console.boot import BootWatcher
from harness.console.feed import RecorderSpawn
from harness.console.login import login
from harness.job.address import find_address
from harness.job.booting import guest_console
from harness.job.channel import GuestChannel, connect_through
from harness.job.death import DeathWatch
from harness.job.guestmaking import GuestMaking
from harness.job.shutdown import wait_down
from harness.job.slot import in_slot
from harness.remote.command import Runner
from harness.remote.keys import load_public
from harness.remote.sshlink import SshEndpoint
from harness.wait import Deadline


class GuestDriving(GuestMaking):
    """How it is brought up, reached and brought down."""

    def boot(self) -> None:
        """Follow its boot to the login prompt, phase by phase, and log in on the console."""
        watcher = BootWatcher(
            self.recorder,
            # Not "login": the watcher has its own, shorter grace for a prompt that should
            # be there; the flight's is for the dialogue that follows.
            timeouts={
                phase: self._timeout(phase) for phase in self.spec.timeouts if phase != "login"
            },
            domain_state=self._pressure.along(self.domain.state),
            hostname=self.hostname,
            step=self.step,
            timeout_factor=self.host.timeout_factor,
            start=self._boots_at,
            console=guest_console(self.spec, self._image),
        )
        with in_slot(self._lease), self.waiting():
            booted = watcher.to_login()
        self._deaths = DeathWatch(self.recorder, booted.position).told
        for remark in booted.remarks:
            self.step.facts.setdefault("remark", remark)
        if not self.seeded:
            return
        with in_slot(self._lease), self.waiting(), self.step.phase("console-login"):
            console = RecorderSpawn(self.recorder, start=booted.position)
            self._shell = login(
                console, "root", self._secrets.password, timeout=self._timeout("login")
            )

    def connect(self) -> GuestChannel:
        """Find its address, then log in over SSH: two phases, two classes of failure."""
        self._disconnect()
        with in_slot(self._lease), self.waiting(), self.step.phase("network"):
            address = find_address(self.shell, self.mac, self._timeout("network"))
        self.remember("guest_ip", str(address))
        with in_slot(self._lease), self.waiting(), self.step.phase("ssh"):
            runner = self._connect(address, self._timeout("ssh"))
        self._ssh = GuestChannel(
            runner,
            self.host.runner,
            evidence=self.recorder.tail,
            waiting=self.waiting,
            factor=self.host.timeout_factor,
        )
        return self._ssh

    def _connect(self, address: ipaddress.IPv4Address, timeout: timedelta) -> Runner:
        endpoint = SshEndpoint(
            name=self.hostname,
            address=str(address),
            port=22,
            user="root",
            key_file=self._secrets.user_key,
            host_key=load_public(self._host_key),
        )
        return connect_through(self.host, endpoint, Deadline.after(timeout), self.recorder.tail)

    def shut_down(self) -> None:
        """Ask it to power off, and wait until its domain is gone and its console said so."""
        with in_slot(self._lease):
            mark = self.recorder.mark()
            self._disconnect()
            self._tools.lives.shutdown(self.domain.name)
            with self.waiting():
                wait_down(
                    self.domain, self.recorder, mark, Deadline.after(self._timeout("shutdown"))
                )
