"""A thousand and more malformed flights, inventories, names and console streams.

Each is refused with a clear error that says where, or is good; none crashes or hangs anything, and
none leaves a trace. The mutations are always the same ones.
"""

from __future__ import annotations

import random
import shlex
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from malformed import NASTY, mutated

from harness.console.garbage import GarbageMeter
from harness.console.scan import LineScanner
from harness.console.secret import Redactor
from harness.console.sieve import BOOT_SIEVE
from harness.console.verdicts import find_sign
from harness.errors import UsageError
from harness.flight.inventory import load_hosts
from harness.flight.loader import load_flight
from harness.flight.problems import findings_of
from harness.gate.policy import load_policy
from harness.guest.debugfs import is_plain
from harness.guest.identity import host_name
from harness.guest.seed import Seed, SeedFile, SeedLink, seed_plan
from harness.host.lock import lock_path
from harness.host.names import build_directory, run_directory
from harness.report.evidence import clean, one_line
from harness.results.layout import safe_name
from harness.storage.names import check_name, check_tag
from harness.xen.config import Disk, DomainConfig, DomainType, Vif, check_domain_name

ROOT = Path(__file__).parents[2]
FLIGHTS = [path for path in sorted((ROOT / "flights").glob("*.yaml")) if path.name != "hosts.yaml"]
CONSOLES = sorted((ROOT / "selftests/data/console").glob("*.log"))
HOSTS = b"""\
default: rack1
hosts:
  rack1:
    slots: 2
    timeout_factor: 1.5
    slot_timeout: 30m
    ssh:
      address: rack1.example
      port: 22
      user: root
      key_file: ~/.ssh/id_ed25519
      host_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ0
      vg: xen
      thin_pool: pool
      bridge: xenbr0
  box: {testbox: {release: bookworm, memory: 4G, vcpus: 2, disk: 16G}}
"""


def assert_good_or_clearly_refused(load: Callable[[Path], object], path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        load(path)
    except UsageError as error:
        for finding in findings_of(error):
            assert finding.place.file == str(path) or finding.place.line is not None
            assert finding.text.isprintable() or "\n" in finding.text
            assert finding.place.line is not None or "is empty" in finding.text
        str(error).encode()
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_malformed_policies(tmp_path: Path) -> None:
    policy = ROOT / "flights" / "policy" / "example.yaml"
    rnd, good = random.Random(policy.name), policy.read_bytes()
    for _ in range(300):
        assert_good_or_clearly_refused(load_policy, tmp_path / policy.name, mutated(good, rnd))


@pytest.mark.parametrize("flight", FLIGHTS, ids=lambda path: path.stem)
def test_malformed_flights(flight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rnd, good = random.Random(flight.name), flight.read_bytes()
    for _ in range(60):
        assert_good_or_clearly_refused(load_flight, tmp_path / flight.name, mutated(good, rnd))


def test_malformed_inventories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rnd = random.Random(4)
    load_hosts(_written(tmp_path / "hosts.yaml", HOSTS))
    for _ in range(300):
        assert_good_or_clearly_refused(load_hosts, tmp_path / "hosts.yaml", mutated(HOSTS, rnd))


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def odd_names() -> list[str]:
    """Names as they come from tags, images and users: good ones with something nasty in them."""
    rnd = random.Random(4)
    good = ("smoke-20261122-114412-a1b2c3", "xf-0123-root", "/boot/vmlinuz-6.1.0", "web", "a b")
    names = [piece.decode(errors="replace") for piece in NASTY]
    names += ["", ".", "..", "/", "-", "--help", "~", "a/../b", "a//b", "/a/../b", "1", "\u00b2"]
    while len(names) < 400:
        names.append(mutated(rnd.choice(good).encode(), rnd).decode(errors="replace"))
    return names


PLAIN: tuple[Callable[[str], object], ...] = (
    check_domain_name,
    check_name,
    lock_path,
    run_directory,
    build_directory,
    safe_name,
    lambda name: host_name("smoke-1", name),
    lambda name: name if is_plain(name) else None,
)
"""What these let through stands unquoted in scripts and requests."""


def test_odd_names_are_refused_or_need_no_quotes() -> None:
    for name in odd_names():
        for check in PLAIN:
            try:
                taken = check(name)
            except (UsageError, ValueError):
                continue
            assert taken is None or shlex.split(str(taken), comments=True) == [str(taken)], name
            assert taken is None or not str(taken).startswith("-")
            assert taken is None or not set("$`*?[;&|<>\\\n") & set(str(taken))


Use = Callable[[str], object]

USES: tuple[tuple[Use, str], ...] = (
    (check_tag, "a"),
    (lambda name: seed_plan(Seed(files=(SeedFile(path=name, content=b""),))).commands, "/a"),
    (lambda name: seed_plan(Seed(links=(SeedLink(path="/b", target=name),))).commands, "/a"),
    (lambda name: config(name, "/dev/vg/lv").to_xl(), "ro"),
    (lambda name: config("ro", name).to_xl(), "/dev/vg/lv"),
    (lambda name: Vif(mac="00:16:3e:00:00:00", bridge=name), "xenbr0"),
)
"""Texts made of a name, and a good one."""


@pytest.mark.parametrize(("use", "good"), USES, ids=range(len(USES)))
def test_odd_names_add_no_line_to_a_request_or_a_configuration(use: Use, good: str) -> None:
    lines = len(str(use(good)).splitlines())
    for name in odd_names():
        try:
            said = str(use(name))
        except UsageError:
            continue
        assert said.count("\n") <= lines, name


def config(cmdline: str, path: str) -> DomainConfig:
    disks = (Disk(path=path),)
    return DomainConfig(
        name="web", type=DomainType.PV, memory=1, kernel="/k", cmdline=cmdline, disks=disks
    )


@pytest.mark.parametrize("log", CONSOLES, ids=lambda path: path.stem)
def test_malformed_consoles(log: Path) -> None:
    rnd, good = random.Random(log.name), log.read_bytes()[:20_000]
    for _ in range(25):
        data = mutated(good, rnd) + rnd.choice((b"", rnd.randbytes(5000), b"\x1b[" * 3000))
        scanner, meter, redactor = LineScanner(sieve=BOOT_SIEVE), GarbageMeter(), Redactor()
        redactor.arm(b"0123456789abcdef\r")
        at = rnd.randrange(len(data))
        for chunk in (data[:at] + b"0123456", b"789abcdef" + data[at:]):
            seen = redactor.filter(chunk)
            assert b"0123456789abcdef" not in seen
            meter.feed(seen)
            for line in scanner.feed(seen):
                find_sign(line.text, line.position)
        shown = clean(data.decode(errors="replace"))
        unsafe = {unicodedata.category(char) for char in shown if char != "\n"} & {"Cc", "Cf", "Cs"}
        assert not unsafe
        assert "\n" not in one_line(shown)
