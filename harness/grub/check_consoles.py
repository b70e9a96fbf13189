"""Serial lines and consoles: GRUB, Xen and dom0 talk on one line, one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.grub.model import Finding, Word
from harness.grub.resolve import Boot
from harness.grub.rules import Rule, finding

_PORT = re.compile(r"com(?P<number>[12])")
_NAMED_BAUD = re.compile(r"(?:^|,)baud=(?P<baud>[0-9]{1,9})(?:,|$)")
_FIRST_BAUD = re.compile(r"(?P<baud>[0-9]{1,9})(?:/|,|$)")
_FRAME = re.compile(r"[0-9]+(?:/[^,]*)?,(?P<frame>[^,=]+)(?:,.*)?")
_GOOD_FRAME = re.compile(r"[5-8][noems][12]")
_SLOWEST, _FASTEST = 1200, 115200
"""Xen refuses others: "Baud rate ... outside supported range", xen/drivers/char/ns16550.c."""
_LINUX_SERIAL = re.compile(r"ttyS(?P<unit>[0-9])(?:,(?P<baud>[0-9]{1,9})[a-z0-9]*)?")
_EARLY_SERIAL = re.compile(r"(?:serial,)?ttyS(?P<unit>[0-9])(?:,(?P<baud>[0-9]{1,9}))?.*")
_SPOKEN = re.compile(r"com[12]|dbgp|ehci|xhci")


@dataclass(frozen=True)
class _Port:
    """A serial line that Xen is told of; *baud* is None when it keeps what it finds."""

    word: Word
    unit: int
    baud: int | None


def check_consoles(boot: Boot) -> Iterator[Finding]:
    """What is wrong with the consoles of *boot*."""
    ports = list(_ports(boot))
    for port in ports:
        yield from _check_port(boot, port)
    yield from _check_grub(boot, ports)
    taken = {port.unit for port in ports} | {unit for unit in (0, 1) if _speaks(boot, unit)}
    yield from _check_dom0(boot, ports, taken)
    named = _consoles(boot)
    if any(_SPOKEN.match(name) for name in named) or (ports and not named):
        yield from _check_hvc0(boot)


def _ports(boot: Boot) -> Iterator[_Port]:
    for word in boot.xen_words:
        match = _PORT.fullmatch(word.name)
        if match and word.value and not word.variables:
            baud = _FIRST_BAUD.match(word.value) or _NAMED_BAUD.search(word.value)
            number = int(baud["baud"]) if baud else None
            yield _Port(word, int(match["number"]) - 1, number)


def _consoles(boot: Boot) -> list[str]:
    """What Xen's ``console=`` names; the last one counts."""
    values = [word.value for word in boot.xen_words if word.name == "console" and word.value]
    return values[-1].split(",") if values else []


def _speaks(boot: Boot, unit: int) -> bool:
    return any(name.startswith(f"com{unit + 1}") for name in _consoles(boot))


def _check_port(boot: Boot, port: _Port) -> Iterator[Finding]:
    if port.baud is not None and not _SLOWEST <= port.baud <= _FASTEST:
        text = f"Xen refuses {port.baud} baud, and the line stays silent"
        hint = f"it takes {_SLOWEST} to {_FASTEST}"
        yield finding(boot, port.word, Rule.BAD_VALUE, text, hint)
    match = _FRAME.fullmatch(port.word.value or "")
    if match and not _GOOD_FRAME.fullmatch(match["frame"]):
        text = f"{match['frame']!r} in {port.word.text!r} is not data bits, parity and stop bits"
        yield finding(boot, port.word, Rule.BAD_VALUE, text, "such as 8n1")


def _check_grub(boot: Boot, ports: list[_Port]) -> Iterator[Finding]:
    for port in ports:
        for serial in boot.menu.serials:
            if serial.unit == port.unit and port.baud not in {None, serial.speed}:
                text = (
                    f"Xen talks with {port.baud} baud ({port.word.text}) and GRUB with"
                    f" {serial.speed} (line {serial.line}) on the same line"
                )
                hint = "whoever listens reads one of them only"
                yield finding(boot, port.word, Rule.SERIAL_SPEED, text, hint)


def _check_dom0(boot: Boot, ports: list[_Port], taken: set[int]) -> Iterator[Finding]:
    for word in boot.dom0_words:
        pattern = {"console": _LINUX_SERIAL, "earlyprintk": _EARLY_SERIAL}.get(word.name)
        match = pattern.fullmatch(word.value or "") if pattern else None
        if match is None or word.variables:
            continue
        unit = int(match["unit"])
        if unit in taken:
            text = f"{word.text!r}: ttyS{unit} is Xen's com{unit + 1}, and dom0 does not get it"
            instead = "console=hvc0" if word.name == "console" else "earlyprintk=xen"
            hint = f"{instead} goes through Xen to the same line"
            yield finding(boot, word, Rule.SERIAL_TAKEN, text, hint)
        baud = int(match["baud"]) if match["baud"] else None
        yield from _speeds(boot, ports, word, unit, baud)


def _speeds(
    boot: Boot, ports: list[_Port], word: Word, unit: int, baud: int | None
) -> Iterator[Finding]:
    if baud is None:
        return
    others = [(port.baud, "Xen") for port in ports if port.unit == unit and port.baud]
    others += [(serial.speed, "GRUB") for serial in boot.menu.serials if serial.unit == unit]
    for speed, who in others:
        if speed != baud:
            text = f"dom0 talks with {baud} baud ({word.text}) and {who} with {speed}"
            yield finding(boot, word, Rule.SERIAL_SPEED, f"{text} on the same line")
            return


def _check_hvc0(boot: Boot) -> Iterator[Finding]:
    values = [word.value or "" for word in boot.dom0_words if word.name == "console"]
    if any(value.startswith(("hvc", "xvc")) or "${" in value for value in values):
        return
    if any(word.name == "xencons" or "$" in word.name for word in boot.dom0_words):
        return
    told = next(w for w in boot.xen_words if w.name == "console" or _PORT.fullmatch(w.name))
    where = boot.kernel.command if boot.kernel else (*boot.dom0_words, told)[0]
    text = "Xen is told to talk on a serial line, and dom0 is not: there is no console=hvc0 for it"
    yield finding(boot, where, Rule.NO_HVC0, text, "without it that line ends with Xen's own words")
