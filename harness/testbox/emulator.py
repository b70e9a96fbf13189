"""Which QEMU runs the testboxes, and whether it is one that was mended for guests with AMD-V."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import LabError
from harness.remote.command import Command, Runner
from harness.testbox.accel import Accel
from harness.testbox.mending import mended_program

ENVIRONMENT = "XENFLIGHT_QEMU"
"""A program to use instead of the machine's own QEMU."""
QEMU = "qemu-system-x86_64"
MENDED = "xenflight"
"""In the version of a QEMU that `harness.testbox.mending` built (ADR 11)."""


@dataclass(frozen=True, kw_only=True)
class Emulator:
    """A QEMU."""

    program: str = QEMU
    version: str = ""
    """The first line of its ``--version``; empty when it has not been asked."""

    @property
    def mended(self) -> bool:
        """Whether its emulated AMD-V can be relied on."""
        return MENDED in self.version


def emulator_program(accel: Accel, environ: Mapping[str, str] = os.environ) -> str:
    """The program to start: the user's, or a mended one if there is one to emulate with, or the
    machine's. `LabError` when it is not there."""
    mended = mended_program()
    # It is built without KVM, and KVM needs none of it.
    usual = str(mended) if accel is Accel.TCG and mended.exists() else QEMU
    program = environ.get(ENVIRONMENT) or usual
    if not shutil.which(program):
        msg = f"{program} is not installed"
        hint = "apt install qemu-system-x86 qemu-utils"
        if program != QEMU:
            msg, hint = f"{ENVIRONMENT}={program} is no program", "the path of a QEMU, or unset it"
        raise LabError(msg, hint=hint)
    return program


def find_emulator(
    runner: Runner, accel: Accel, environ: Mapping[str, str] = os.environ
) -> Emulator:
    """The QEMU to use, and its version; `LabError` when there is none, or it does not run."""
    program = emulator_program(accel, environ)
    said = runner.run(Command.of(program, "--version")).stdout.splitlines()
    return Emulator(program=program, version=said[0] if said else "")
