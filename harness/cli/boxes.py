"""What the testbox verbs share. Imported when they run."""

from __future__ import annotations

import os
import shlex
import sys
from datetime import datetime

import typer
from rich.table import Table
from rich.text import Text

from harness.cli.output import errors, output
from harness.cli.progress import shown_progress
from harness.errors import Place, UsageError, XenflightError
from harness.flight.find import HOSTS_FILE, flights_dir
from harness.flight.hints import did_you_mean
from harness.flight.inventory import Inventory, load_hosts
from harness.flight.model import TestboxSpec
from harness.mirror.mirror import machine_mirror
from harness.mirror.proxy import AptCache
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.testbox.accel import Accel
from harness.testbox.attach import LEAVE_NAME, attach
from harness.testbox.machine import Started, Testbox
from harness.testbox.releases import find_release
from harness.testbox.status import TestboxStatus, age, testbox_status
from harness.testbox.stray import known_names
from harness.testbox.warm import SavedState
from harness.units import human_seconds, human_size

_ACCEL_WORDS = {Accel.KVM: "with KVM", Accel.TCG: "emulated (TCG)"}


def find_testbox(name: str | None) -> Testbox:
    """The testbox meant; `UsageError` when there is none such, or when it is no testbox."""
    inventory = _inventory()
    host = inventory.get(name)
    if host.testbox is None:
        known = _testboxes(inventory)
        msg = f"the host {host.name!r} is no testbox{did_you_mean(host.name, known)}"
        raise UsageError(msg, place=Place(file=inventory.source))
    return Testbox(host.name, host.testbox)


def all_testboxes() -> list[Testbox]:
    """Those of hosts.yaml, and those that have files here though it no longer names them."""
    inventory = _inventory()
    known = _testboxes(inventory)
    # How much memory a stray one has matters to nobody any more.
    spec = next(iter(known.values()), None)
    strays = {name: spec for name in known_names() if name not in known and spec}
    return [Testbox(name, spec) for name, spec in (known | strays).items()]


def tell_started(box: Testbox, started: Started) -> None:
    """Say how it came up and how to get in."""
    console = output()
    for note in started.notes:
        errors().print(f"note: {note}", markup=False, soft_wrap=True)
    took = f" in {human_seconds(started.seconds)}" if started.seconds else ""
    how = f"{box.name} is up: {started.how}{took}"
    xen = find_release(box.spec.release).xen
    accel = f"{_ACCEL_WORDS[started.accel]}: {started.accel_reason}"
    accel += _emulation(started)
    me = os.environ.get("XENFLIGHT_COMMAND", "xenflight")
    lines = (
        how,
        f"  Xen {xen} on Debian {box.spec.release}, {accel}",
        f"  log in:  {me} testbox ssh {box.name}",
        f"  console: {me} testbox console {box.name}",
    )
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _emulation(started: Started) -> str:
    if started.accel is not Accel.TCG:
        return ""
    if started.mended:
        return ", in a QEMU mended for PVH, HVM and UEFI guests"
    return "; PVH and HVM guests may die in this QEMU, see testbox mend"


def stop(box: Testbox, *, discard: bool) -> None:
    """Stop one testbox and say so."""
    kept = _has_saved(box)
    with shown_progress() as progress:
        ran = box.down(save=not discard, progress=progress)
    if ran:
        said = "stopped; nothing was kept" if discard else "stopped; its state is saved"
    elif kept:
        said = "was down; its saved state is gone" if discard else "was down; its state is saved"
    else:
        said = "was down"
    output().print(f"{box.name}: {said}", markup=False)


def stop_package_cache() -> None:
    """End the package cache of this machine's mirror, if there is one."""
    try:
        stopped = AptCache(machine_mirror(), LocalRunner()).stop()
    except XenflightError as error:
        errors().print(f"package cache: {error}", markup=False, soft_wrap=True)
        return
    output().print(f"package cache: {'stopped' if stopped else 'was down'}", markup=False)


def all_status() -> list[TestboxStatus]:
    """The status of every testbox."""
    runner = LocalRunner()
    return [testbox_status(box.name, box.spec, runner) for box in all_testboxes()]


def status_table(found: list[TestboxStatus]) -> Table:
    """One line a testbox."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    columns = ("testbox", "state", "accel", "pid", "port", "since", "release", "xen")
    for column in (*columns, "image age", "warm", "disk"):
        table.add_column(column, no_wrap=True, justify="right" if column == "disk" else "left")
    for one in found:
        since = datetime.fromtimestamp(one.since).astimezone() if one.since else None
        row = (
            one.name,
            one.state,
            f"{one.accel}, mended" if one.mended else one.accel,
            str(one.pid or "-"),
            str(one.ssh_port or "-"),
            f"{since:%Y-%m-%d %H:%M}" if since else "-",
            one.release,
            one.xen,
            age(one.image_built),
            f"{one.warm}: {one.warm_reason}",
            f"{human_size(one.disk)} + {human_size(one.disk_shared)} shared",
        )
        table.add_row(*map(Text, row))
    return table


def ssh_command(box: Testbox, command: list[str]) -> Command:
    """The system's ssh client, with this testbox's key and nothing of the user's own set-up."""
    endpoint = box.endpoint()
    known_hosts = box.paths.top / "known_hosts"
    known_hosts.write_text(f"{box.name} {endpoint.host_key}\n", encoding="utf-8")
    options = {
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": f'"{known_hosts}"',
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        # The port changes at every start: the key is pinned to the name.
        "HostKeyAlias": box.name,
        "LogLevel": "ERROR",
    }
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    target = ("-i", endpoint.key_file, "-p", endpoint.port, f"{endpoint.user}@{endpoint.address}")
    # One word is a line for dom0's shell; several are a command, which arrives as it was typed.
    line = command[0] if len(command) == 1 else shlex.join(command)
    return Command.of("ssh", "-F", "none", *words, *target, *(("--", line) if command else ()))


def attach_console(box: Testbox) -> None:
    """Attach the terminal to the serial console."""
    box.endpoint()
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        msg = "the console needs a terminal"
        raise UsageError(msg, hint="--log prints what it has said")
    errors().print(f"{box.name}: dom0's serial console; {LEAVE_NAME} leaves", markup=False)
    ended = attach(box.paths.files.serial, sys.stdin.fileno(), sys.stdout.fileno())
    errors().print(f"\n{box.name}: {ended}", markup=False)


def print_console_log(box: Testbox) -> None:
    """Print what the host's console has said since QEMU was started."""
    try:
        text = box.paths.files.console_log.read_bytes()
    except FileNotFoundError:
        msg = f"testbox {box.name} has no console log: it was not started yet"
        raise UsageError(msg) from None
    sys.stdout.buffer.write(text)


def confirm_loss(box: Testbox) -> None:
    """Ask before guests and volumes are thrown away; `UsageError` where nobody can answer."""
    if not box.record() and not _has_saved(box):
        return
    if not sys.stdin.isatty():
        msg = f"rebuilding {box.name} throws away its guests and volumes"
        raise UsageError(msg, hint="say --yes if that is meant")
    typer.confirm(f"{box.name}: throw away its guests and volumes?", abort=True)


def _has_saved(box: Testbox) -> bool:
    return SavedState(directory=box.paths.top, key="").sealed


def _inventory() -> Inventory:
    return load_hosts(flights_dir() / HOSTS_FILE)


def _testboxes(inventory: Inventory) -> dict[str, TestboxSpec]:
    return {name: host.testbox for name, host in inventory.hosts.items() if host.testbox}
