"""What can go wrong on a simulated host: every kind of fault, and when one strikes.

`harness.sim` brings them about; docs/faults.md says what becomes of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

NO_TIME = timedelta(0)


class FaultKind(StrEnum):
    """A kind of fault. Its command, where it has one, is what `Fault.on` is when left out."""

    # -- the host, and the way to it -------------------------------------------------------
    UNREACHABLE = "unreachable"
    """Nobody answers when a connection is made."""
    CONNECTION_LOST = "connection-lost"
    """The connection ends at a command; another can be made."""
    HOST_LOST = "host-lost"
    """The host loses power at a command: all but its disks is gone, and nobody answers."""
    POWER_FAILS = "power-fails"
    """Whatever switches the host's power does not answer."""
    BOOT_FAILS = "boot-fails"
    """The host has power again, and does not come up."""
    COMMAND_HANGS = "command-hangs"
    """A command does nothing, and does not end."""
    COMMAND_FAILS = "command-fails"
    """A command does nothing, and ends with exit status 1."""
    SLOW_HOST = "slow-host"
    """Commands take 20 times as long."""
    SLOW_DISK = "slow-disk"
    """Commands that read or write volumes take 100 times as long."""
    DOM0_BUSY = "dom0-busy"
    """Tasks in dom0 wait for a processor nearly all the time, and guests get none either."""
    DRAINED = "drained"
    """Somebody keeps jobs off the host."""
    SLOTS_HELD = "slots-held"
    """Others hold all its slots."""
    MEMORY_TAKEN = "memory-taken"
    """Others have nearly all of the hypervisor's memory."""
    LEASE_LOST = "lease-lost"
    """The host takes the holder of a slot for dead, at a command."""
    LOCK_HELD = "lock-held"
    """Somebody else holds a lock; its name is the command's."""
    INTERRUPT = "interrupt"
    """Nothing goes wrong: the operator presses Ctrl-C at a command."""
    # -- volumes and images ----------------------------------------------------------------
    NO_VG = "no-vg"
    """The volume group is not there."""
    POOL_DATA_FULL = "pool-data-full"
    POOL_METADATA_FULL = "pool-metadata-full"
    """The thin pool was full before the flight."""
    NO_SPACE = "no-space"
    """The thin pool becomes too full for another volume."""
    LV_BUSY = "lv-busy"
    """A volume that is to be removed is still in use."""
    IMAGE_FAILS = "image-fails"
    """The guest image cannot be built."""
    TRANSFER_BREAKS = "transfer-breaks"
    """The guest image does not arrive whole."""
    BOOT_FILES_WRONG = "boot-files-wrong"
    """The kernel in the golden LV is not the one that was built."""
    SEED_FAILS = "seed-fails"
    """debugfs finds the file system damaged."""
    # -- the toolstack ---------------------------------------------------------------------
    CREATE_HANGS = "create-hangs"
    """xl makes the domain, and then hangs."""
    NO_MEMORY = "no-memory"
    """There is no memory for the domain."""
    NO_BRIDGE = "no-bridge"
    """The bridge is not there."""
    KERNEL_UNLOADABLE = "kernel-unloadable"
    """Xen's domain builder does not take the guest's kernel."""
    BOOTLOADER_FAILS = "bootloader-fails"
    """pygrub finds nothing to boot on the guest's disk."""
    CONSOLE_ENDS = "console-ends"
    """xl console ends though its domain goes on."""
    DOMAIN_STAYS = "domain-stays"
    """A destroyed domain does not go: something holds its memory."""
    BACKEND_STAYS = "backend-stays"
    """The back end of a disk stays in xenstore after its domain."""
    # -- the guest's boot ------------------------------------------------------------------
    SILENT = "silent"
    """Nothing comes on the console."""
    GARBAGE = "garbage"
    """Noise comes on the console."""
    WRONG_ROOT = "wrong-root"
    KERNEL_PANIC = "kernel-panic"
    KERNEL_OOPS = "kernel-oops"
    OUT_OF_MEMORY = "out-of-memory"
    FSCK_PROMPT = "fsck-prompt"
    EMERGENCY = "emergency"
    """systemd cannot mount something and asks for root's password."""
    REBOOT = "reboot"
    """The guest starts again in the middle of its boot."""
    BOOT_HANGS = "boot-hangs"
    """The boot stands still in the middle, without a word."""
    CRASH = "crash"
    """Xen takes the domain for crashed; the guest said nothing."""
    POWER_OFF = "power-off"
    """The guest powers off in the middle of its boot."""
    VANISH = "vanish"
    """Somebody destroys the domain in the middle of its boot."""
    NO_GETTY = "no-getty"
    """Nothing asks for a login."""
    # -- the guest when it has booted ------------------------------------------------------
    LOGIN_REFUSED = "login-refused"
    """It does not take root's password."""
    LOGIN_STALLS = "login-stalls"
    """After the password nothing more comes."""
    CONSOLE_STALLS = "console-stalls"
    """The shell on its console takes no command."""
    DIES_LATER = "dies-later"
    """It panics a second after its login prompt."""
    NO_NIC = "no-nic"
    NO_ADDRESS = "no-address"
    """Nobody answers its DHCP."""
    BANNER_STALL = "banner-stall"
    """Its SSH port takes connections, and says nothing."""
    SSH_REFUSED = "ssh-refused"
    OTHER_HOST_KEY = "other-host-key"
    """Somebody else answers at its address."""
    SSH_LOST = "ssh-lost"
    """The SSH connection to it ends at a command."""
    SSH_STALLS = "ssh-stalls"
    """A command over SSH does not end."""
    OTHER_BOOT = "other-boot"
    """SSH leads to another boot than the console."""
    PACKET_LOSS = "packet-loss"
    CORRUPT_DATA = "corrupt-data"
    """Its network changes what goes through it."""
    NO_SHUTDOWN = "no-shutdown"
    """It does not power off when asked to."""
    UNCLEAN_SHUTDOWN = "unclean-shutdown"
    """Asked to power off, it is gone without a word."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault. It has an *occasion* whenever it could strike: a command, a boot, a connection."""

    kind: FaultKind
    job: str = "*"
    """Whose guests it strikes: a glob of job names. Others pass by and are no occasion."""
    on: str = ""
    """At which commands: a glob of program or script names, such as ``lvremove``, ``xl create``,
    ``seed-disk``; empty: the kind's own, or any."""
    skip: int = 0
    """Occasions that pass before it strikes."""
    times: int | None = None
    """How often it strikes; None: always."""
    after: timedelta = NO_TIME
    """Of the host's life, before which it does not strike."""
    lasts: timedelta | None = None
    """From its first strike on; None: for good."""
