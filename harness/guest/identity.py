"""What makes each job's guest its own: host name, MAC address, machine id, password."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

import bcrypt

from harness.errors import LabError

XEN_OUI = "00:16:3e"
"""Xen's own range; its last three bytes are free to choose (xl-network-configuration(5))."""

_BCRYPT_COST = 4
_LABEL = 63
_ATTEMPTS = 64


def host_name(run_id: str, job: str) -> str:
    """A name from the job's, valid as one DNS label (RFC 1123), different in each run."""
    tail = hashlib.sha256(f"{run_id}/{job}".encode()).hexdigest()[:6]
    words = re.sub(r"[^a-z0-9]+", "-", job.lower()).strip("-") or "guest"
    return f"{words[: _LABEL - len(tail) - 1].rstrip('-')}-{tail}"


def machine_id(run_id: str, job: str) -> str:
    """32 hexadecimal digits for /etc/machine-id (machine-id(5))."""
    return hashlib.sha256(f"machine-id/{run_id}/{job}".encode()).hexdigest()[:32]


def mac_address(run_id: str, job: str, index: int = 0, attempt: int = 0) -> str:
    """The address of a job's interface number *index*; a later *attempt* gives another."""
    digest = hashlib.sha256(f"{run_id}/{job}/{index}/{attempt}".encode()).digest()
    return ":".join([XEN_OUI, *(f"{byte:02x}" for byte in digest[:3])])


class MacAllocator:
    """The addresses of a whole run, without collisions.

    It works out all of them at once, in a fixed order: so every worker process of a run gets
    the same answer without asking another. *in_use* are addresses seen on the host.
    """

    def __init__(
        self, run_id: str, jobs: Iterable[str], *, in_use: Iterable[str] = (), interfaces: int = 1
    ) -> None:
        taken = {mac.lower() for mac in in_use}
        self._found: dict[tuple[str, int], str] = {}
        for job in sorted(set(jobs)):
            for index in range(interfaces):
                mac = self._free(run_id, job, index, taken)
                taken.add(mac)
                self._found[job, index] = mac

    def mac(self, job: str, index: int = 0) -> str:
        """The address of that interface; `KeyError` for a job it was not told of."""
        return self._found[job, index]

    @staticmethod
    def _free(run_id: str, job: str, index: int, taken: set[str]) -> str:
        for attempt in range(_ATTEMPTS):
            mac = mac_address(run_id, job, index, attempt)
            if mac not in taken:
                return mac
        msg = f"no free MAC address for {job} after {_ATTEMPTS} attempts: {len(taken)} are in use"
        raise LabError(msg)


@dataclass(frozen=True, kw_only=True)
class Password:
    """A flight's root password: for logging in at the console only, sshd refuses it."""

    text: str
    hash: str
    """For /etc/shadow."""

    def __repr__(self) -> str:
        return "Password(hidden)"


def make_password() -> Password:
    """A new random one. Its hash is a cheap one, for an emulated guest has to check it."""
    text = secrets.token_hex(8)
    found = bcrypt.hashpw(text.encode(), bcrypt.gensalt(_BCRYPT_COST)).decode()
    return Password(text=text, hash=found)
