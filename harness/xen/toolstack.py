"""The xl toolstack of one host."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from harness.errors import LabError
from harness.remote.command import Command, CommandResult, Runner
from harness.units import Size, human_size
from harness.xen.config import check_domain_name
from harness.xen.domain import Domain
from harness.xen.listing import (
    DomainInfo,
    DomainState,
    XenInfo,
    parse_configs,
    parse_info,
    parse_list,
)
from harness.xen.xenstore import Xenstore

CONFIG_FOLDER = "/run/xenflight"
"""Where configurations are on the host: a file system in memory, gone with the next boot."""

USERDATA_FOLDER = "/var/lib/xen"
"""Where libxl writes down what it knows of a domain."""

CREATE_TIMEOUT = timedelta(minutes=5)
"""Under emulation unpacking a kernel alone takes 15 s on an idle host."""
TIMEOUT = timedelta(seconds=60)

# The configuration comes on standard input, but xl cannot read it there: it takes plain files
# only (libxl_read_file_contents). The file is also what a person wants to look at afterwards.
# One script, because every command costs a round trip. The domid is asked for by name, as
# "xl create" does not print it.
_CREATE = """
umask 077
mkdir -p "$1"
cat >"$1/$2.cfg"
xl create -p -q "$1/$2.cfg" >&2 || { status=$?; rm -f "$1/$2.cfg"; exit $status; }
xl domid "$2"
"""
_TIDY = 'rm -f "$1"; udevadm settle --timeout="$2"'

# What libxl knows of a domain is on disk, stays there when the host loses power, and has the
# domain's name only inside; of a file that was not written out by then nothing is there but its
# name, which has the UUID. $1 is what the names of the domains begin with, $4 the UUID of the one.
_FORGET = """
rm -f "$2"/"$1"*.cfg
grep -lsF -e "\\"$1" "$3"/userdata-* | while read -r file; do rm -f "$file"; done
[ -z "$4" ] || rm -f "$3"/userdata-*."$4".*
"""

_NO_MEMORY = ("failed to free memory", "not enough memory", "Cannot allocate memory")
_GONE = "is an invalid domain identifier"


class CreateRefused(LabError):
    """xl did not create a domain. *said* is all it printed, for those who know what to look for."""

    def __init__(self, message: str, *, said: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.said = said


class Xl:
    """What can be asked of xl on a host."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.xenstore = Xenstore(runner)

    def create_paused(self, config_text: str, name: str) -> Domain:
        """Make a domain that does not run yet, so that its console can be attached first.

        *name* is the one in *config_text*. `CreateRefused` when xl refuses, which then removes what
        it had begun. After `DeadlineExceeded` there may be a domain: `find` it and end it.
        """
        check_domain_name(name)
        command = Command(("sh", "-ec", _CREATE, "xl create", CONFIG_FOLDER, name))
        result = self._runner.run(
            command, timeout=CREATE_TIMEOUT, check=False, stdin=config_text.encode()
        )
        if not result.ok:
            raise self._refusal(name, result)
        return Domain(self, name=name, domid=int(result.stdout))

    def unpause(self, name: str) -> None:
        """Let a paused domain run."""
        self._run("unpause", name).check()

    def pause(self, name: str) -> None:
        """Stop a domain where it is."""
        self._run("pause", name).check()

    def list(self) -> tuple[DomainInfo, ...]:
        """All domains, dom0 first."""
        return parse_list(self._run("list", "-v").check().stdout)

    def configs(self) -> dict[int, dict[str, Any]]:
        """What libxl knows of each domain's configuration, by domid."""
        return parse_configs(self._run("list", "-l").check().stdout)

    def find(self, name: str) -> Domain | None:
        """The domain *name*, whoever made it; None when there is none."""
        found = (info for info in self.list() if info.name == name)
        return next((Domain(self, name=name, domid=info.domid) for info in found), None)

    def state(self, name: str) -> DomainState | None:
        """What the domain is doing; None when there is no such domain."""
        return next((info.state for info in self.list() if info.name == name), None)

    def shutdown(self, name: str) -> None:
        """Ask the guest to power off, by ACPI if it does not know Xen; returns at once.

        Well if there is no such domain. xl(1), shutdown: ``-F``.
        """
        self._unless_gone(self._run("shutdown", "-F", name))

    def destroy(self, name: str, timeout: timedelta = TIMEOUT) -> None:
        """End a domain without asking it. Well if there is no such domain."""
        self._unless_gone(self._run("destroy", name, timeout=timeout))

    def info(self) -> XenInfo:
        """What the host is and has."""
        return parse_info(self._run("info").check().stdout)

    def backends(self, domid: int) -> tuple[str, ...]:
        """Back ends that dom0 still keeps for a domain; none once it is quite gone."""
        return self.xenstore.backends(domid)

    def tidy(self, name: str, timeout: timedelta) -> None:
        """After a domain's end: wait until udev is done with its devices, remove its file."""
        seconds = max(1, int(timeout.total_seconds()))
        path = f"{CONFIG_FOLDER}/{check_domain_name(name)}.cfg"
        command = Command.script("tidy-domain", _TIDY, path, seconds)
        self._runner.run(command, timeout=timeout + TIMEOUT)

    def forget(
        self,
        prefix: str,
        uuid: UUID | None = None,
        configs: str = CONFIG_FOLDER,
        userdata: str = USERDATA_FOLDER,
    ) -> None:
        """Remove the files of domains whose names begin like that, none of which is there any more.

        So are those of *uuid*, whatever is in them.

        For those that nobody ended in good order: whose host was lost, or their controller.
        """
        words = (check_domain_name(prefix), configs, userdata, uuid or "")
        self._runner.run(Command.script("forget-domains", _FORGET, *words))

    def _run(self, *argv: str, timeout: timedelta = TIMEOUT) -> CommandResult:
        return self._runner.run(Command.of("xl", *argv), timeout=timeout, check=False)

    def _unless_gone(self, result: CommandResult) -> None:
        if _GONE not in result.stderr:
            result.check()

    def _refusal(self, name: str, result: CommandResult) -> CreateRefused:
        hint = None
        if any(words in result.stderr for words in _NO_MEMORY):
            hint = f"{human_size(Size(self.info().free_memory << 20))} are free there"
        elif "already exists" in result.stderr:
            hint = f"xl destroy {name} removes the one that is there"
        return refusal(self._runner.name, "xl", name, result, hint)


def refusal(
    host: str, who: str, name: str, result: CommandResult, hint: str | None = None
) -> CreateRefused:
    """What *who* said when it did not create the domain *name* on *host*."""
    lines = [line.strip() for line in result.stderr.strip().splitlines()]
    said = "; ".join(lines[:3]) or f"exit status {result.exit_status}, and no word"
    msg = f"on {host}: {who} did not create {name}: {said}"
    return CreateRefused(msg, said=result.stderr, hint=hint)
