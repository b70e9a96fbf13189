"""Power through a BMC, by ``ipmitool`` on the controller (ipmitool(1))."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from harness.errors import LabError
from harness.flight.hostcare import IpmiSpec
from harness.power.model import PowerState
from harness.remote.command import Command, Runner
from harness.secret import Secret

TIMEOUT = timedelta(seconds=60)
"""For one answer. ipmitool tries again for 10 s and more when a BMC does not answer a question."""
EVENTS = 100
"""So many of the newest entries of its event log."""
VARIABLE = "IPMI_PASSWORD"
"""Where ``ipmitool -E`` looks for the password."""
_STATUS = re.compile(r"^Chassis Power is (on|off)\s*$", re.MULTILINE)
_PROGRAM = "ipmitool"


class IpmiPower:
    """The power of a host whose BMC is *spec*.

    The password goes to ipmitool by a file or by its environment, never by its command line,
    which everybody on the controller can read.
    """

    def __init__(
        self, spec: IpmiSpec, runner: Runner, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._spec = spec
        self._runner = runner
        self._environ = environ

    @property
    def name(self) -> str:
        """What does it."""
        return f"{_PROGRAM} at {self._spec.address}"

    def status(self) -> PowerState:
        """See `Power.status`."""
        said = self._run("chassis", "power", "status")
        found = _STATUS.search(said)
        return PowerState(found[1]) if found else PowerState.UNKNOWN

    def cycle(self) -> None:
        """See `Power.cycle`."""
        # IPMI 2.0, 28.3: a BMC need not do a cycle while the power is off, and some refuse it.
        verb = "on" if self.status() is PowerState.OFF else "cycle"
        self._run("chassis", "power", verb)

    def log(self) -> bytes:
        """The newest entries of the system event log."""
        return self._run("sel", "elist", "last", str(EVENTS)).encode()

    def _run(self, *words: str) -> str:
        return self._runner.run(self._command(*words), timeout=TIMEOUT).stdout

    def _command(self, *words: str) -> Command:
        spec = self._spec
        how, environment = self._password()
        place = ("-I", spec.interface, "-H", spec.address, "-p", str(spec.port), "-U", spec.user)
        argv = (_PROGRAM, *place, *how, *words)
        # Shown without its environment.
        return Command(argv, env=environment, shown=shlex.join(argv))

    def _password(self) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """ipmitool's option for it, and what its environment needs.

        Looked at here because ipmitool asks for a password, and says little, when there is none.
        """
        spec = self._spec
        if spec.password_env is not None:
            value = self._environ.get(spec.password_env, "")
            if not value:
                where = f"the environment variable {spec.password_env}"
                msg = f"the password of {self.name} should be in {where}, which is empty or not set"
                raise LabError(msg)
            return ("-E",), {VARIABLE: Secret(value).value}
        path = _expanded(spec.password_file or "")
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            msg = f"the password of {self.name} can't be read from {path}: {error.strerror}"
            raise LabError(msg) from error
        password = text.partition("\n")[0]
        if not password:
            msg = f"the password of {self.name} is missing: the first line of {path} is empty"
            raise LabError(msg)
        # ipmitool may quote it: from now on it is masked wherever it would be shown.
        Secret(password)
        return ("-f", str(path)), {}


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # "~somebody", who is unknown here
        msg = f"the password_file {path!r}: there is no such user"
        raise LabError(msg) from error
