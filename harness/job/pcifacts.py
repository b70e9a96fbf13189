"""What a guest, and dom0, say of a PCI device: the scripts that ask, and the reading of answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from harness.errors import GuestFailure
from harness.host.pci import CLAIMS
from harness.remote.command import Command, Runner, pairs_in

SHOW_CARDS = (
    "for d in /sys/bus/pci/devices/*; do [ -e $d/vendor ] || continue; r=none; "
    "[ ! -e $d/driver ] || r=$(basename $(readlink $d/driver)); "
    'for n in $d/net/*; do [ ! -e $n/address ] || r="$r ${n##*/} $(cat $n/address)"; done; '
    'echo "${d##*/} $(cat $d/vendor) $(cat $d/device) $r"; done'
)
"""For a shell on a guest's console: a line for each PCI device that it sees."""

# $1 the interface. Each count of /proc/interrupts on a line with its name, as drivers write it.
_COUNTERS = """\
device=$(readlink -f "/sys/class/net/$1/device")
echo "driver $(basename "$(readlink "$device/driver")")"
statistics=/sys/class/net/$1/statistics
echo "bytes $(cat "$statistics/rx_bytes") $(cat "$statistics/tx_bytes")"
awk -v name="$1" '$NF ~ "^" name "(-|$)" {
    for (n = 2; n <= NF && $n ~ /^[0-9]+$/; n++) sum += $n
    kind = $n
} END { print "interrupts", sum + 0, kind }' /proc/interrupts
"""
# In debugfs are the slots of one that was there from the start; of one that was made for a device
# later only the log tells (linux, kernel/dma/swiotlb.c: swiotlb_create_debugfs_files). $1: the
# card's address; its registers are in /proc/iomem, and so is what the host's memory map took.
_BOUNCE = """\
dmesg | sed -n 's/^\\[[^]]*\\] *//; /software IO TLB\\|[Ss]wiotlb/s/^/log /p'
sed -n "s/^ *//; /$1\\|Unusable\\|software IO TLB/s/^/iomem /p" /proc/iomem
[ -d /sys/kernel/debug/swiotlb ] || mount -t debugfs none /sys/kernel/debug
debug=/sys/kernel/debug/swiotlb
[ ! -e $debug/io_tlb_nslabs ] || echo "slots $(cat $debug/io_tlb_nslabs)"
[ ! -e $debug/io_tlb_used ] || echo "used $(cat $debug/io_tlb_used)"
"""
# $1 directory of claims, $2 address.
_DEVICE = """\
device=/sys/bus/pci/devices/$2
if [ -e "$device/driver" ]; then driver=$(basename "$(readlink "$device/driver")"); fi
echo "driver=${driver:-none}"
for net in "$device"/net/*; do [ ! -e "$net/address" ] || echo "mac=$(cat "$net/address")"; done
! xl pci-assignable-list | grep -q "$2" || echo "assignable=yes"
[ ! -L "$1/$2" ] || echo "claim=$(readlink "$1/$2")"
"""


@dataclass(frozen=True, kw_only=True)
class Card:
    """A PCI device as a guest sees it."""

    address: str
    vendor: str
    device: str
    driver: str = ""
    interface: str = ""
    mac: str = ""


@dataclass(frozen=True, kw_only=True)
class Counters:
    """What went through an interface, and what told the processor of it."""

    driver: str
    received: int
    sent: int
    """Bytes."""
    interrupts: int
    interrupt_kind: str = ""
    """Where they come from: ``xen-pirq``, ``PCI-MSIX-0000:00:05.0``; in the kernel's words."""


@dataclass(frozen=True, kw_only=True)
class Bounce:
    """A guest's bounce buffer (swiotlb)."""

    log: tuple[str, ...] = ()
    iomem: tuple[str, ...] = ()
    slots: int | None = None
    """Of 2 KiB each."""
    used: int | None = None
    """None: nobody tells."""

    @property
    def there(self) -> bool:
        """Whether it has one."""
        return bool(self.slots) or any("mapped [mem" in line for line in self.log)


def parse_cards(text: str) -> list[Card]:
    """What `SHOW_CARDS` printed."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 4 or not words[1].startswith("0x"):
            continue
        driver = "" if words[3] == "none" else words[3]
        names = dict(zip(("interface", "mac"), words[4:6], strict=False))
        found.append(
            Card(address=words[0], vendor=words[1], device=words[2], driver=driver, **names)
        )
    return found


def read_counters(runner: Runner, interface: str) -> Counters:
    """Of a guest's *interface*. `GuestFailure` when it says something else."""
    text = runner.run(Command.script("show-counters", _COUNTERS, interface)).stdout
    with _understood(text):
        said = _lines(text)
        received, sent = said["bytes"][0].split()
        count, _, kind = said["interrupts"][0].partition(" ")
        return Counters(
            driver=said["driver"][0],
            received=int(received),
            sent=int(sent),
            interrupts=int(count),
            interrupt_kind=kind,
        )


def read_bounce(runner: Runner, address: str) -> Bounce:
    """A guest's, now. *address*: of its card, as it sees it. `GuestFailure` when it says something
    else."""
    text = runner.run(Command.script("show-bounce", _BOUNCE, address)).stdout
    with _understood(text):
        said = _lines(text)
        return Bounce(
            log=tuple(said.get("log", ())),
            iomem=tuple(said.get("iomem", ())),
            slots=int(said["slots"][0]) if "slots" in said else None,
            used=int(said["used"][0]) if "used" in said else None,
        )


def read_device(runner: Runner, address: str) -> Mapping[str, str]:
    """What dom0 knows of a device now: ``driver``, ``mac``, ``assignable``, ``claim``."""
    said = runner.run(Command.script("show-device", _DEVICE, CLAIMS, address)).stdout
    return pairs_in(said)


@contextmanager
def _understood(text: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, ValueError) as error:
        msg = f"asked about its card, the guest said {text[:200]!r}"
        raise GuestFailure(msg, phase="look", failure_class="command-failed") from error


def _lines(text: str) -> dict[str, list[str]]:
    """What stands after the first word of each line, by that word."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        found.setdefault(word, []).append(rest)
    return found
