"""Proofs that a guest lives, each over two channels or with something that can't be guessed."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import timedelta

from harness.errors import GuestFailure
from harness.job.guest import GuestUnderTest
from harness.remote.command import Command
from harness.units import human_size

BOOT_ID = "/proc/sys/kernel/random/boot_id"
"""A random id that the kernel makes anew at every boot: proc(5), random(4)."""
PINGS = 20
BULK = 1 << 20
"""Bytes sent through the interface in each direction."""
RECEIVE = "tee /dev/shm/bulk | sha256sum"
SEND = "base64 -w0 /dev/shm/bulk; rm /dev/shm/bulk"
LOSS = re.compile(r"(\d+(?:\.\d+)?)% packet loss")


def prove_console(guest: GuestUnderTest) -> None:
    """root's shell on the console computes what we ask; its boot id becomes a runvar."""
    with guest.waiting():
        guest.shell.nonce_echo()
        found = guest.shell.run(f"cat {BOOT_ID}").stdout.strip()
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", found):
        msg = f"over its console the guest gave {found!r} as its boot id"
        raise _failure(guest, msg, "console", "no-boot-id")
    guest.remember("boot_id", found)


def prove_ssh(guest: GuestUnderTest) -> None:
    """The same over SSH, and it is the same boot of the same kernel."""
    guest.connect()
    prove_over_ssh(guest)


def prove_over_ssh(guest: GuestUnderTest) -> None:
    """The same of a connection that there is already."""
    ssh = guest.ssh
    nonce = secrets.token_hex(16)
    answer = ssh.run(Command.of("sha256sum"), stdin=nonce.encode()).stdout.split()
    if answer[:1] != [hashlib.sha256(nonce.encode()).hexdigest()]:
        msg = f"asked over SSH for the SHA-256 of {nonce}, the guest said {answer!r}"
        raise _failure(guest, msg, "ssh", "nonce-mismatch")
    there, here = ssh.run(Command.of("cat", BOOT_ID)).stdout.strip(), guest.recall("boot_id")
    if there != here:
        msg = f"SSH leads to boot {there}, the console to boot {here}: these are two guests"
        raise _failure(guest, msg, "ssh", "boot-id-mismatch")
    guest.remember("guest_kernel", ssh.run(Command.of("uname", "-r")).stdout.strip())


def prove_network(guest: GuestUnderTest) -> None:
    """No ping is lost, and bytes arrive as they were sent, in both directions."""
    address = guest.recall("guest_ip")
    _ping(guest, address)
    data = secrets.token_bytes(BULK)
    expected = hashlib.sha256(data).hexdigest()
    timeout = guest.stretched(timedelta(seconds=60))
    with guest.step.phase("bulk-in"):
        received = guest.ssh.run(
            Command.script("receive-bulk", RECEIVE), stdin=data, timeout=timeout
        )
    with guest.step.phase("bulk-out"):
        text = guest.ssh.run(Command.script("send-bulk", SEND), timeout=timeout)
    wrong = _difference(data, _decoded(text.stdout))
    digest_is_right = received.stdout.split()[:1] == [expected]
    if wrong or not digest_is_right:
        digest = "right" if digest_is_right else "wrong"
        msg = (
            f"{human_size(BULK)} sent to the guest and back: {wrong or 'all bytes are the same'}, "
            f"and the SHA-256 that it made of them is {digest}"
        )
        raise _failure(guest, msg, "network", "corrupt-data")


def prove_gone(guest: GuestUnderTest) -> None:
    """Remove it, and find nothing of it on the host: no domain, LV, back end or interface."""
    guest.remove()
    if left := guest.left_behind():
        raise _failure(guest, "; ".join(left), "gone", "leftover")


def _ping(guest: GuestUnderTest, address: str) -> None:
    """From dom0, osstest's way (ts-host-ping-check): many, close together, none lost."""
    with guest.waiting(), guest.step.phase("ping"):
        command = Command.of("ping", "-n", "-q", "-i", "0.2", "-c", PINGS, "-w", 60, address)
        said = guest.host.runner.run(command, check=False, timeout=timedelta(seconds=90)).stdout
    loss = LOSS.search(said)
    if not loss or float(loss[1]) > 0:
        lost = f"{loss[1]} % of {PINGS} pings" if loss else f"pings ({said.strip()!r})"
        raise _failure(guest, f"{lost} to {address} were lost", "network", "packet-loss")


def _difference(sent: bytes, back: bytes) -> str:
    """How *back* differs from *sent*, in words; empty when it does not."""
    if sent == back:
        return ""
    if len(back) != len(sent):
        return f"{len(back)} bytes came back, of {len(sent)}"
    others = [at for at, (one, two) in enumerate(zip(sent, back, strict=True)) if one != two]
    return f"{len(others)} bytes are others, the first at {others[0]}"


def _decoded(text: str) -> bytes:
    import base64
    import binascii

    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def _failure(guest: GuestUnderTest, msg: str, phase: str, failure_class: str) -> GuestFailure:
    return GuestFailure(
        msg, phase=phase, failure_class=failure_class, evidence=guest.recorder.tail()
    )
