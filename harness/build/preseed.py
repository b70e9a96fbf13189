"""The answers to the questions of Debian's installer, and what it shall do besides. Pure.

The questions are in the installation guide, appendix "Automating the installation using
preseeding"; osstest's preseed_base has the same shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from harness.errors import UsageError

PHASE_MARK = "xenflight-phase:"
"""Begins a line on the console by which the installer says how far it is."""
INSTALLED = "installed"
"""The last of these phases: all is done but for the power to be switched off."""
PHASES = ("components", "disk", "base", "packages", INSTALLED)

_CONSOLE = "/dev/hvc0"


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What differs from one guest to the next."""

    suite: str
    hostname: str
    mirror_url: str
    """As the guest reaches it."""
    packages: tuple[str, ...]
    swap_mib: int
    """0 for none."""
    root_hash: str


def kernel_arguments() -> str:
    """For the installer's kernel: no question is asked that has an answer or a default.

    What is not answered would be asked as text, and be seen.
    """
    return (
        "auto=true priority=critical DEBIAN_FRONTEND=text DEBCONF_DEBUG= console=hvc0 "
        "hw-detect/load_firmware=false fb=false"
    )


def installer_files(answers: Answers) -> Mapping[str, str]:
    """What to add to the installer's initramfs. `UsageError` for a mirror it cannot use."""
    said = f"#!/bin/sh\necho '{PHASE_MARK} {{}}' >{_CONSOLE}\n"
    return {
        "/preseed.cfg": preseed(answers),
        # run-parts of base-installer, before and after it has made the base system.
        "/usr/lib/base-installer.d/00xenflight": said.format("base"),
        "/usr/lib/post-base-installer.d/00xenflight": said.format("packages"),
    }


def preseed(answers: Answers) -> str:
    """The text of preseed.cfg."""
    url = urlsplit(answers.mirror_url)
    if url.scheme != "http" or not url.hostname:
        msg = f"Debian's installer cannot use the mirror {answers.mirror_url!r}"
        raise UsageError(msg, hint="it needs http://HOST/DIRECTORY")
    packages = " ".join(("openssh-server", "iputils-ping", "grub-xen", *answers.packages))
    lines = [
        "debian-installer/locale string en_US.UTF-8",
        "keyboard-configuration/xkb-keymap select us",
        "netcfg/choose_interface select auto",
        "netcfg/dhcp_timeout string 120",
        f"netcfg/get_hostname string {answers.hostname}",
        "netcfg/get_domain string",
        *_mirror(answers.suite, url.netloc, url.path or "/"),
        "clock-setup/utc boolean true",
        "clock-setup/ntp boolean false",
        "time/zone string UTC",
        f"preseed/early_command string {_say('components')}",
        *_disk(answers.swap_mib),
        "passwd/root-login boolean true",
        f"passwd/root-password-crypted password {answers.root_hash}",
        "passwd/make-user boolean false",
        "base-installer/install-recommends boolean false",
        "pkgsel/run_tasksel boolean false",
        f"pkgsel/include string {packages}",
        "pkgsel/upgrade select none",
        "pkgsel/update-policy select none",
        # Where no firmware starts a boot loader there is none to be put before the first
        # partition; pygrub reads the menu that is made below.
        "grub-installer/skip boolean true",
        "nobootloader/confirmation_common note",
        f"preseed/late_command string {_late()}",
        "finish-install/reboot_in_progress note",
        "debian-installer/exit/poweroff boolean true",
    ]
    return "".join(f"d-i {line}\n" for line in lines)


def _mirror(suite: str, host: str, directory: str) -> list[str]:
    return [
        "mirror/country string manual",
        "mirror/protocol string http",
        f"mirror/http/hostname string {host}",
        f"mirror/http/directory string {directory}",
        "mirror/http/proxy string",
        f"mirror/suite string {suite}",
        f"mirror/udeb/suite string {suite}",
        # Only what was probed: the other archives would be looked for on the network.
        "apt-setup/services-select multiselect",
        "apt-setup/cdrom/set-first boolean false",
        "apt-setup/disable-cdrom-entries boolean true",
    ]


def _disk(swap_mib: int) -> list[str]:
    """One file system, the first partition of all, and swap behind it."""
    root = (
        "1000 10000 -1 ext4 $primary{ } $bootable{ } method{ format } format{ } "
        "use_filesystem{ } filesystem{ ext4 } mountpoint{ / } ."
    )
    swap = (
        f"{swap_mib} {swap_mib} {swap_mib} linux-swap $primary{{ }} method{{ swap }} format{{ }} ."
    )
    recipe = f"xenflight :: {root} {swap if swap_mib else ''}".rstrip()
    return [
        f"partman/early_command string {_say('disk')}",
        "partman-auto/disk string /dev/xvda",
        "partman-auto/method string regular",
        f"partman-auto/expert_recipe string {recipe}",
        "partman-auto/choose_recipe select xenflight",
        "partman-basicfilesystems/no_swap boolean false",
        "partman-partitioning/confirm_write_new_label boolean true",
        "partman/choose_partition select finish",
        "partman/confirm boolean true",
        "partman/confirm_nooverwrite boolean true",
    ]


def _late() -> str:
    """The menu for pygrub and GRUB; only when that worked the end is announced."""
    settings = 's/^GRUB_CMDLINE_LINUX=.*/GRUB_CMDLINE_LINUX="console=hvc0"/'
    return (
        f"sed -i '{settings}' /target/etc/default/grub && mkdir -p /target/boot/grub && "
        f"in-target update-grub && {_say(INSTALLED)}"
    )


def _say(phase: str) -> str:
    return f"echo '{PHASE_MARK} {phase}' >{_CONSOLE}"
