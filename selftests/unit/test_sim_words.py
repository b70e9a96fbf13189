"""A simulated host says what a real one said: compared with recordings."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import harness
from harness.evidence.after import AFTER
from harness.evidence.items import ITEMS
from harness.flight.model import HostSpec, SimSpec
from harness.host.capabilities import find_capabilities
from harness.host.census import Census, Kind
from harness.host.censustaking import read_census, take_census
from harness.host.owners import domid_of
from harness.host.xenhost import XenHost
from harness.remote.command import Command
from harness.sim.domains import State, device_number
from harness.sim.evidence import FILES, TELLERS
from harness.sim.host import SimHost
from harness.sim.life import IN_GUEST
from harness.sim.programs import PROGRAMS, STREAMS
from harness.sim.world import SimWorld
from harness.sim.xenstore import tree
from harness.sim.xlcfg import BadConfigError, read_config
from harness.storage.reports import lvs_command
from harness.units import Size
from harness.wait import Deadline
from harness.xen.config import Disk, DomainConfig, DomainType, Vif
from harness.xen.domain import console_command
from harness.xen.listing import parse_configs
from harness.xen.toolstack import CreateRefused
from harness.xen.xenstore import parse_tree

DATA = Path(__file__).parent.parent / "data"
PACKAGE = Path(harness.__file__).parent
UUIDS = {"xft-a": "94cd58c9-c777-4a6c-9d7f-147e4206972a"}
UUIDS |= {"xft-b": "a0469987-1816-448f-a7c0-8f373426007b"}
KERNEL, INITRD = "/boot/vmlinuz-6.1.0-56-amd64", "/boot/initrd.img-6.1.0-56-amd64"


def recorded(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


class Bench:
    """The host on which the samples were recorded."""

    def __init__(self) -> None:
        world = SimWorld()
        sim = SimSpec(memory=Size.parse("4095M"), cpus=2)
        spec = HostSpec(name="xenbox", slots=2, timeout_factor=1, sim=sim)
        self.host: SimHost = world.host(spec)
        self.xen: XenHost = world.connect(spec)
        self.xen.volumes.create_thin("xft-disk", Size.parse("64M"), ("xenflight",))

    def run(self, *argv: str) -> str:
        return self.xen.runner.run(Command.of(*argv)).stdout

    def domain(self, name: str, memory: int = 256, bridge: str = "xenbr0") -> None:
        config = DomainConfig(
            name=name,
            type=DomainType.PV,
            memory=memory,
            kernel=KERNEL,
            ramdisk=INITRD,
            cmdline="console=hvc0 break=top",
            uuid=UUIDS[name],
            disks=(Disk(path="/dev/xenflight/xft-disk"),),
            vifs=(Vif(mac="00:16:3e:00:00:01", bridge=bridge),),
        )
        self.xen.xl.create_paused(config.to_xl(), name)

    def next_domid(self, domid: int) -> None:
        """Make and end domains until the next one gets that number."""
        while self.host.next_domid < domid:
            self.domain("xft-a")
            self.run("xl", "destroy", "xft-a")
        self.host.clock.sleep(1)

    def refusal(self, name: str, memory: int = 256, bridge: str = "xenbr0") -> str:
        with pytest.raises(CreateRefused) as caught:
            self.domain(name, memory, bridge)
        return caught.value.said


@pytest.fixture
def bench() -> Bench:
    return Bench()


def without_times(table: str) -> list[str]:
    return [re.sub(r" +\d+\.\d ", " T ", line) for line in table.splitlines()]


@pytest.mark.parametrize(
    ("file", "name", "domid", "memory", "state"),
    [
        ("list-v-4.17-blocked.txt", "xft-b", 3, 256, State.RUNNING),
        ("list-v-4.17-crashed.txt", "xft-a", 1, 128, State.CRASHED),
    ],
)
def test_the_table_of_domains(
    bench: Bench, file: str, name: str, domid: int, memory: int, state: State
) -> None:
    bench.next_domid(domid)
    bench.domain(name, memory)
    bench.host.domains[domid].state = state
    assert without_times(bench.run("xl", "list", "-v")) == without_times(recorded(f"xl/{file}"))


def test_the_details_of_domains(bench: Bench) -> None:
    bench.domain("xft-b")
    mine, theirs = (
        next(one for domid, one in parse_configs(text).items() if domid)
        for text in (bench.run("xl", "list", "-l"), recorded("xl/list-l-4.17.json"))
    )
    for part in ("disks", "nics"):
        (own,), (real,) = mine[part], theirs[part]
        assert own.items() <= real.items()
    for part in ("c_info", "b_info"):
        assert mine[part].items() <= theirs[part].items()
    assert mine["on_crash"] == theirs["on_crash"]


def test_facts_of_the_host(bench: Bench) -> None:
    def facts(text: str) -> dict[str, str]:
        return {
            key.strip(): value for key, _, value in (x.partition(":") for x in text.splitlines())
        }

    mine, theirs = facts(bench.run("xl", "info")), facts(recorded("xl/info-4.17.txt"))
    assert mine.keys() <= theirs.keys()
    same = (
        "host",
        "release",
        "nr_cpus",
        "virt_caps",
        "total_memory",
        "xen_version",
        "xen_scheduler",
    )
    assert {key: mine[key] for key in same} == {key: theirs[key] for key in same}
    assert abs(int(mine["free_memory"]) - int(theirs["free_memory"])) < 64


def test_refusals(bench: Bench) -> None:
    assert bench.refusal("xft-b", memory=100_000) == recorded("xl/create-no-memory-4.17.txt")
    no_bridge = recorded("xl/create-no-bridge-4.17.txt")
    assert bench.refusal("xft-b", bridge="nobr") == no_bridge
    bench.domain("xft-b")
    assert bench.refusal("xft-b") == recorded("xl/create-exists-4.17.txt")
    assert len(bench.host.domains) == 1
    assert not list(bench.host.files.below("/run/xenflight/xft-b.cfg"))


def test_volumes_as_lvm_reports_them(bench: Bench) -> None:
    text = recorded("lvm/lvs-2.03.16.json")
    real = {row["lv_name"]: row for row in json.loads(text)["report"][0]["lv"]}
    golden, scratch = "xf-golden-0123456789abcdef", "xf-5e860f464fbc-root"
    volumes, group = bench.xen.volumes, bench.host.group
    volumes.remove("xft-disk", _soon())
    for name in (golden, scratch):
        tags = tuple(real[name]["lv_tags"].split(","))
        if name == golden:
            volumes.create_thin(name, Size.parse("64M"), tags)
            volumes.set_readonly(name)
        else:
            volumes.snapshot(golden, name, tags, Size.parse("128M"))
    bench.host.held.add(scratch)
    said = bench.run(*lvs_command("xenflight").argv)
    mine = {row["lv_name"]: row for row in json.loads(said)["report"][0]["lv"]}
    differ = {"lv_uuid", "lv_size", "lv_kernel_minor", "data_percent"}
    for name, row in real.items():
        assert mine[name].keys() == row.keys()
        wrong = {key for key in row if mine[name][key] != row[key]}
        assert wrong <= differ, name
    assert [line[:20] for line in said.splitlines()] == [line[:20] for line in text.splitlines()]
    assert group.volumes[scratch].size == 128 << 20


def _soon() -> Deadline:
    return Deadline.after(timedelta(minutes=1))


def test_xenstore_has_no_key_that_a_real_one_has_not(bench: Bench) -> None:
    bench.next_domid(3)
    bench.domain("xft-b")
    mine = tree(bench.host)
    real = parse_tree(recorded("xenstore/ls-f-running.txt"))
    assert [key for key in mine if key not in real] == []
    wrong = {key for key in mine if mine[key] != real[key]}
    assert wrong <= {"/local/domain/3/console/tty"}
    subject = re.compile(
        r"/local/domain/0/backend/[^/]+/\d+/[^/]+|/(?:local/domain|vm|libxl)/[^/]+"
    )

    def subjects(found: dict[str, str]) -> set[str]:
        return {match[0] for key in found if (match := subject.match(key))}

    assert subjects(mine) == subjects(real)
    order = [key for key in real if key in mine]
    assert [key for key in mine if key in real] == order


def test_the_census_has_the_parts_of_a_real_one(bench: Bench) -> None:
    bench.domain("xft-b")
    bench.xen.runner.open(console_command("xft-b"))
    real = read_census(recorded("host/census-4.17-two-guests.txt"))
    mine = take_census(bench.xen)
    kinds = {entry.kind for entry in real.entries}
    assert kinds - {entry.kind for entry in mine.entries} == set()
    assert mine.free_memory == bench.host.free_memory
    assert has(mine, 1) == has(real, 8)
    mapped = {entry.name for entry in mine.entries if entry.kind is Kind.MAPPER}
    pool = {one.name for one in real.entries if one.kind is Kind.MAPPER and "pool" in one.name}
    assert mapped == pool | {"xenflight-xft--disk"}


def has(census: Census, domid: int) -> set[tuple[str, str, str]]:
    """What is there of a domain, less its own name and numbers."""
    name = census.names[domid]
    uuid = next(one.uuid for one in census.domains if one.domid == domid)
    found = set()
    for entry in census.entries:
        text = f"{entry.name}\n{entry.detail}"
        if domid_of(entry) == domid or name in text:
            text = text.replace(name, "NAME").replace(uuid, "UUID")
            text = re.sub(rf"\b{domid}\b|\b\d{{4}}$", "N", text, flags=re.MULTILINE)
            text = re.sub(r"\b(?:running|paused|blocked)\b", "STATE", text)
            first, detail = text.split("\n")
            found.add((str(entry.kind), re.sub(rf"vif{domid}\b", "vifN", first), detail))
    return found


def test_a_domain_leaves_nothing(bench: Bench) -> None:
    before = tree(bench.host), bench.host.interfaces, bench.host.free_memory
    bench.domain("xft-b")
    assert (tree(bench.host), bench.host.interfaces, bench.host.free_memory) != before
    bench.run("xl", "destroy", "xft-b")
    assert bench.xen.xl.backends(1), "they linger"
    bench.host.clock.sleep(1)
    assert (tree(bench.host), bench.host.interfaces, bench.host.free_memory) == before


def test_it_can_do_what_a_testbox_can(bench: Bench) -> None:
    flags = {flag.value for flag in find_capabilities(bench.xen).flags}
    assert {"pv", "pvh", "hvm", "hap", "bios", "uefi", "pygrub", "pvgrub-pv", "qdisk"} <= flags
    assert "xen-tools" not in flags


def test_a_configuration_is_read_as_xl_reads_it() -> None:
    odd = read_config(recorded("xl/odd.cfg"))
    real = json.loads(recorded("xl/odd.parsed-4.17.json"))
    assert odd.name == real["c_info"]["name"]
    assert odd.text("cmdline") == real["b_info"]["cmdline"]
    assert odd.text("kernel") == real["b_info"]["kernel"]
    assert odd.memory << 10 == real["b_info"]["target_memkb"]
    assert [disk.target for disk in odd.disks] == [disk["pdev_path"] for disk in real["disks"]]
    assert [disk.vdev for disk in odd.disks] == [disk["vdev"] for disk in real["disks"]]
    assert [disk.writable for disk in odd.disks] == [True, False]
    assert [vif.mac.lower() for vif in odd.vifs] == [nic["mac"] for nic in real["nics"]]
    assert [vif.bridge for vif in odd.vifs] == [nic["bridge"] for nic in real["nics"]]


@pytest.mark.parametrize("text", ["", 'name = "a"\n', "memory = 5\nname: x\n", "name = [\n"])
def test_a_configuration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadConfigError):
        read_config(text)


@pytest.mark.parametrize(
    ("vdev", "number"), [("xvda", 51712), ("xvda1", 51713), ("xvdb", 51728), ("xvdq", 268439552)]
)
def test_numbers_of_virtual_disks(vdev: str, number: int) -> None:
    """xen-vbd-interface(7)."""
    assert device_number(vdev) == number


# -- what is asked of hosts, and by whom ---------------------------------------------------

NOT_SIMULATED = {
    # Builders on the host: a simulated host has none, and says so.
    *("look", "require", "make-sandbox", "builder", "remove-sandbox", "sh"),
    # Written in the guest, or for it.
    *("receive-bulk", "send-bulk"),
}


def calls(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    """The constant words of each `Command(("sh", "-c", ...))` and `Command.script(...)`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function, arguments = ast.unparse(node.func), node.args
        if function == "Command.script":
            yield _constants(arguments[:1])
        elif function == "Command" and arguments and isinstance(arguments[0], ast.Tuple):
            words = arguments[0].elts
            if _constants(words[:1]) == ("sh",) and len(words) > 3:
                yield _constants(words[3:4])


def _constants(nodes: list[ast.expr]) -> tuple[str, ...]:
    return tuple(str(node.value) for node in nodes if isinstance(node, ast.Constant))


def test_every_script_that_the_harness_sends_is_known() -> None:
    sent = {
        word
        for folder in ("host", "storage", "xen", "job", "evidence", "guest")
        for path in sorted((PACKAGE / folder).glob("*.py"))
        for words in calls(ast.parse(path.read_text(encoding="utf-8")))
        for word in words
    }
    assert {"take-slot", "take-lock", "xl create", "seed-disk", "evidence", "census"} <= sent
    assert sent - PROGRAMS.keys() - STREAMS.keys() - IN_GUEST.keys() - NOT_SIMULATED == set()


def test_all_evidence_that_is_asked_for_can_be_had() -> None:
    assert {item.file for item in (*ITEMS, *AFTER)} == set(TELLERS) == set(FILES.values())


def test_what_is_not_simulated_is_not_installed(bench: Bench) -> None:
    result = bench.xen.runner.run(Command.of("xen-create-image", "--lvm=vg"), check=False)
    assert result.exit_status == 127
    assert "No such file" in result.stderr


def test_nothing_of_the_harness_needs_the_simulation() -> None:
    """It is never in the main path: only its own plugin imports it, and nothing loads that."""
    importing = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if "sim" not in path.relative_to(PACKAGE).parts
        and re.search(r"^\s*(?:from|import) harness\.sim\b", path.read_text(), re.MULTILINE)
    }
    assert importing == {"plugin/simulated.py", "bench/fleet.py"}
    loading = [
        path for path in PACKAGE.rglob("*.py") if "plugin.simulated import" in path.read_text()
    ]
    assert loading == []
