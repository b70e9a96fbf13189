"""libvirt's Xen driver (libxl), through virsh(1).

Its domains are transient: libvirt knows them as long as they run, and nothing stays behind. They
are libxl's domains, too, so ``xl`` lists them and can end them.
"""

from __future__ import annotations

from datetime import timedelta

from harness.remote.command import Command, Runner
from harness.xen.config import check_domain_name
from harness.xen.domain import Domain
from harness.xen.toolstack import CONFIG_FOLDER, CREATE_TIMEOUT, TIMEOUT, Xl, refusal

URI = "xen:///system"
DRIVER_LOG = "/var/log/libvirt/libxl/libxl-driver.log"
"""What libxl itself says; virsh only says that it did."""

_WORDS = 'virsh() { LC_ALL=C command virsh -q -c "$uri" "$@"; }'
# $1 what libxl had said before. What it says of a failure goes where xl would say it.
_SAID = """
size=$(stat -c %s "$log" 2>/dev/null || echo 0)
said() { tail -c "+$((size + 1))" "$log" 2>/dev/null | tail -n 30 >&2; }
failed() { status=$?; said; exit $status; }
"""
HEAD = f"uri={URI}\nlog={DRIVER_LOG}\n{_WORDS}\n{_SAID}"
"""Of each script: ``virsh`` is the one for Xen, and ``|| failed`` tells what libxl said."""

# virsh turns xl's configuration into its own, so that both are given the very same domain.
_CREATE = f"""{HEAD}
umask 077
mkdir -p "$1"
cat >"$1/$2.cfg"
status=0
virsh domxml-from-native xen-xl "$1/$2.cfg" >"$1/$2.xml" || status=$?
[ $status != 0 ] || virsh create --paused "$1/$2.xml" >&2 || status=$?
rm -f "$1/$2.xml"
[ $status = 0 ] || {{ rm -f "$1/$2.cfg"; said; exit $status; }}
virsh domid "$2"
"""
_NAMES = f"{HEAD}\nvirsh list --name || failed"


class Libvirt:
    """What can be asked of libvirt on a host; see `harness.xen.tools.Lives`."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def create_paused(self, config_text: str, name: str) -> Domain:
        """See `Lives.create_paused`. Of what it makes `Domain` knows by xl."""
        check_domain_name(name)
        command = Command(("sh", "-ec", _CREATE, "virsh create", CONFIG_FOLDER, name))
        result = self._runner.run(
            command, timeout=CREATE_TIMEOUT, check=False, stdin=config_text.encode()
        )
        if not result.ok:
            raise refusal(self._runner.name, "libvirt", name, result)
        return Domain(Xl(self._runner), name=name, domid=int(result.stdout))

    def unpause(self, name: str) -> None:
        """See `Lives.unpause`."""
        self._call("resume", name)

    def pause(self, name: str) -> None:
        """See `Lives.pause`."""
        self._call("suspend", name)

    def shutdown(self, name: str) -> None:
        """See `Lives.shutdown`: as Xen has it, or by ACPI if the guest does not know Xen."""
        self._call("shutdown", name)

    def destroy(self, name: str, timeout: timedelta = TIMEOUT) -> None:
        """See `Lives.destroy`."""
        self._call("destroy", name, timeout=timeout)

    def names(self) -> tuple[str, ...]:
        """Those domains that libvirt itself made, or was told to restore."""
        result = self._runner.run(Command(("sh", "-c", _NAMES, "virsh list")), timeout=TIMEOUT)
        return tuple(name for name in result.stdout.split() if name != "Domain-0")

    def _call(self, verb: str, name: str, timeout: timedelta = TIMEOUT) -> None:
        self._runner.run(call(verb, name), timeout=timeout)


def call(verb: str, *words: object) -> Command:
    """``virsh VERB WORDS``, with what libxl said if that fails."""
    text = f'{HEAD}\nvirsh {verb} "$@" >&2 || failed'
    return Command(("sh", "-c", text, f"virsh {verb}", *(str(word) for word in words)))
