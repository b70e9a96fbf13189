"""What the steps of the suite `upgrade` prove of a host; each fails with a class of its own."""

from __future__ import annotations

from harness.build.mirror import CONTROLLER_OF_TESTBOX
from harness.dists.kernels import DEFAULT_KERNEL
from harness.errors import GuestFailure, LabError, NotApplicable
from harness.grub.lint import lint
from harness.grub.model import Severity
from harness.hostboot import kernels
from harness.hostboot.entries import (
    BEFORE,
    UPGRADED,
    as_before,
    boot_of,
    described,
    place_of,
    with_words,
)
from harness.hostboot.facts import MENU
from harness.job.hostguest import require_guest
from harness.job.hostline import crash_failure
from harness.job.hostproof import prove_booted
from harness.job.hostundertest import HostUnderTest
from harness.mirror.mirror import source_line
from harness.mirror.opening import open_mirror
from harness.remote.local import LocalRunner


def prove_plan(host: HostUnderTest) -> None:
    """There is a kernel to go to, room for it, a guest to try on it, and a way back."""
    running = host.look().kernel
    host.remember("kernel_before", running)
    require_guest(host)
    host.require_way_back()
    # From here on there is something of ours on it.
    host.at_the_end(lambda: leave(host))
    runner, stretched = host.host.runner, host.host.stretched
    with host.step.phase("mirror"):
        sources = _sources(host)
    with host.step.phase("lists"):
        known = kernels.refresh(runner, sources, stretched(kernels.REFRESH_TIMEOUT))
    host.step.evidence = "\n".join(sorted(known))
    chosen = _chosen(host, running, known)
    if lacking := kernels.room_for(runner, chosen).lacking:
        msg = f"no room for Linux {chosen} on {host.host.name}: {lacking}"
        raise NotApplicable(msg)
    host.remember("kernel_after", chosen)
    host.step.facts["direction"] = "newer" if kernels.is_newer(chosen, running) else "older"
    with host.step.phase("remember"):
        kernels.remember_state(runner, stretched(kernels.STATE_TIMEOUT))


def _sources(host: HostUnderTest) -> str:
    """Where its packages come from, as lines of sources.list: a testbox has none that it could
    reach but the controller's cache, and any other host has its own."""
    if host.terms.testbox is None:
        return ""
    opened = open_mirror(host.spec.dist.value, LocalRunner(), url=host.spec.mirror.url)
    pockets = opened.seen_from(CONTROLLER_OF_TESTBOX).pockets(host.spec.dist.value)
    return "".join(f"{source_line(pocket)}\n" for pocket in pockets)


def _chosen(host: HostUnderTest, running: str, known: list[str]) -> str:
    there = kernels.installed(host.host.runner)
    wanted = host.spec.kernel
    if wanted == DEFAULT_KERNEL:
        chosen = kernels.choose(running, known, there)
        if chosen is None:
            msg = f"the mirror of {host.host.name} has no other kernel of the kind of {running}"
            raise NotApplicable(msg)
        return chosen
    if wanted in there:
        msg = f"Linux {wanted} is installed on {host.host.name} already, and would be removed"
        raise NotApplicable(msg)
    if wanted not in known:
        msg = f"the mirror of {host.host.name} has no Linux {wanted}"
        raise NotApplicable(msg)
    return wanted


def prove_install(host: HostUnderTest) -> None:
    """Its package goes in, and update-grub has an entry for it in a menu without errors."""
    runner, stretched = host.host.runner, host.host.stretched
    release = host.recall("kernel_after")
    # A power cycle must lead to what works, whichever entry update-grub will put first.
    host.offer([as_before(boot_of(host.menu(), host.recall("kernel_before")))], usual=BEFORE)
    with host.step.phase("fetch"):
        kernels.fetch(runner, release, stretched(kernels.FETCH_TIMEOUT))
    with host.step.phase("install"):
        said = kernels.install(runner, release, stretched(kernels.INSTALL_TIMEOUT))
    host.step.evidence = said[-4000:]
    try:
        boot = boot_of(host.menu(), release)
    except LabError as error:
        raise GuestFailure(
            error.message, phase="menu", failure_class="no-entry", evidence=said[-4000:]
        ) from error
    host.step.facts["entry"] = boot.title
    found = lint({MENU: host.menu_text()}).findings
    if errors := [one for one in found if one.severity is Severity.ERROR]:
        msg = f"{errors[0].place}: {errors[0].message}"
        raise GuestFailure(msg, phase="menu", failure_class="grub-lint")


def prove_boot(host: HostUnderTest) -> None:
    """By the entry that update-grub made for it the host comes up, and runs it.

    With the job's `kernel_args`, by the same with those words behind.
    """
    boot = boot_of(host.menu(), host.recall("kernel_after"))
    entry, chosen, title = described(boot, "-", "upgraded"), place_of(boot), boot.title
    if words := host.spec.kernel_args.split():
        entry, chosen = with_words(boot, words), UPGRADED
        title = entry.title
        before = as_before(boot_of(host.menu(), host.recall("kernel_before")))
        host.offer([before, entry], usual=BEFORE)
    start = host.try_boot(chosen)
    prove_booted(host, entry, title, start)
    if crash := host.line.crashed_since(start):
        what = f"{host.host.name} came up, and crashed"
        raise crash_failure(what, crash, "boot")


def prove_back(host: HostUnderTest) -> None:
    """By the entry of the kernel before, which is there still, the host comes up as it was."""
    boot = boot_of(host.menu(), host.recall("kernel_before"))
    start = host.boot(place_of(boot))
    prove_booted(host, described(boot, "-", "before"), boot.title, start)


def prove_undone(host: HostUnderTest) -> None:
    """What was installed is purged, and packages, files of the boot and menu are those of
    before."""
    _purge(host)
    with host.step.phase("compare"):
        bound = host.host.stretched(kernels.STATE_TIMEOUT)
        changed = kernels.changed_state(host.host.runner, bound)
    if changed:
        count = len(changed.splitlines())
        msg = f"{count} things are otherwise than before the upgrade: {changed.splitlines()[0]}"
        raise GuestFailure(msg, phase="compare", failure_class="not-undone", evidence=changed)
    host.step.facts["compared"] = "packages, /boot, links to it, /lib/modules"


def _purge(host: HostUnderTest) -> None:
    with host.step.phase("purge"):
        kernels.purge(host.host.runner, host.host.stretched(kernels.INSTALL_TIMEOUT))


def leave(host: HostUnderTest) -> None:
    """Leave the host with the kernel that it had, wherever the job ended. `LabError` when that
    can't be: it then stays drained."""
    before, after = host.recall("kernel_before"), host.recall("kernel_after")
    if after and after in kernels.installed(host.host.runner):
        if host.look().kernel == after:
            try:
                host.boot(BEFORE)
            except GuestFailure as error:
                msg = f"{host.host.name} could not be taken back to Linux {before}: {error.message}"
                raise LabError(msg) from error
        _purge(host)
    kernels.forget(host.host.runner)
