"""What a Xen host does when it is asked: the simulated one and a real one, by the same tests.

All that a test makes has a name of its own, and goes with it: the testbox is shared.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from anyhost import KINDS, host_of

from harness.errors import CommandFailed, DeadlineExceeded, GuestFailure, LabError, Starved
from harness.host.admission import AdmissionTerms, Wait, admit
from harness.host.capabilities import find_capabilities
from harness.host.census import Kind
from harness.host.censustaking import take_census
from harness.host.evict import USES, find_uses, note_use
from harness.host.facts import host_facts
from harness.host.health import EventKind, Health, HealthEvent, note_health, read_health
from harness.host.kept import host_time, kept_tags
from harness.host.lease import SlotLease, SlotTerms, take_lease
from harness.host.lock import dead_locks, forget_lock, locked, take_lock
from harness.host.names import domain_name, run_directory, saved_file
from harness.host.owners import marks_of_job
from harness.host.pressure import READ_PRESSURE, read_sample
from harness.host.reaper import find_dead, reap_dead, reap_kept
from harness.host.room import Want
from harness.host.roomlook import find_room, look_script
from harness.host.slots import Claim
from harness.host.use import boot_id
from harness.host.xenhost import XenHost
from harness.job.refusal import whose_fault
from harness.job.teardown import remove_guest, what_is_left
from harness.remote.command import Command
from harness.storage.names import golden_tags, scratch_name, scratch_tags
from harness.storage.volumes import VolumeManager
from harness.units import Size
from harness.wait import Deadline
from harness.xen.config import Disk, DomainConfig, DomainType, Vif
from harness.xen.devices import XlDevices
from harness.xen.domain import Bounds, Domain, Outcome, console_command
from harness.xen.listing import DomainState
from harness.xen.moves import PASSING, RENAMED, XlMoves
from harness.xen.refusal import of_the_host
from harness.xen.toolstack import CONFIG_FOLDER, CreateRefused

SECOND = timedelta(seconds=1)
SMALL = Size.parse("64M")
TAGS = ("xenflight", "xenflight.role=scratch", "xenflight.run=selftest-1", "xenflight.job=one")
MAC = "00:16:3e:5e:1f:7e"
BOUNDS = Bounds().scaled(4)


def soon(seconds: float = 120) -> Deadline:
    return Deadline.after(SECOND * seconds)


@pytest.fixture(params=KINDS)
def host(request: pytest.FixtureRequest) -> Iterator[XenHost]:
    with host_of(request.param, request) as found:
        yield found


@pytest.fixture
def name() -> str:
    """A name that nobody else uses."""
    return f"xft-{secrets.token_hex(4)}"


@pytest.fixture
def volume(host: XenHost, name: str) -> Iterator[str]:
    """An empty volume of ours."""
    host.volumes.create_thin(name, SMALL, TAGS)
    yield name
    host.volumes.remove(name, soon())


Make = Callable[..., Domain]


@pytest.fixture
def make(host: XenHost, volume: str) -> Iterator[Make]:
    """Makes a paused domain on the volume, which goes with the test; no guest is on it."""
    made: list[Domain] = []

    def make(name: str = volume, memory: int = 256, bridge: str = "") -> Domain:
        config = DomainConfig(
            name=name,
            type=DomainType.PV,
            memory=memory,
            kernel=find_capabilities(host).path("kernel"),
            cmdline="console=hvc0",
            disks=(Disk(path=host.volumes.path(volume)),),
            vifs=(Vif(mac=MAC, bridge=bridge or host.bridge),),
        )
        found = host.xl.create_paused(config.to_xl(), name)
        made.append(found)
        return Domain(host.xl, name=found.name, domid=found.domid)

    yield make
    for domain in made:
        domain.teardown(graceful=False, bounds=BOUNDS).check()


# -- volumes -------------------------------------------------------------------------------


def test_a_volume_is_made_found_and_removed(host: XenHost, name: str) -> None:
    assert host.volumes.find(name) is None
    path = host.volumes.create_thin(name, Size.parse("10M"), TAGS)
    found = host.volumes.find(name)
    assert found
    assert (found.path, found.writable, found.active, found.in_use) == (path, True, True, False)
    assert found.size == 12 << 20, "whole extents"
    assert (found.pool, found.origin) == (host.volumes.pool, None)
    assert set(found.tags) == set(TAGS)
    assert found.minor is not None
    assert name in {one.name for one in host.volumes.list("xenflight.run=selftest-1")}
    assert name not in {one.name for one in host.volumes.list("xenflight.run=other")}
    host.volumes.remove(name, soon())
    assert host.volumes.find(name) is None
    host.volumes.remove(name, soon())


def test_a_golden_volume_and_its_snapshot(host: XenHost, volume: str) -> None:
    golden, snapshot = volume, f"{volume}-s"
    tags = golden_tags("0123456789abcdef")
    host.volumes.hand_over(golden, add=tags, remove=TAGS[1:])
    found = host.volumes.find(golden)
    assert found
    assert (found.writable, set(found.tags)) == (False, {"xenflight", *tags})
    host.volumes.set_readonly(golden)
    host.volumes.snapshot(golden, snapshot, TAGS, Size.parse("128M"))
    try:
        made = host.volumes.find(snapshot)
        assert made
        assert (made.origin, made.writable, made.size) == (golden, True, 128 << 20)
        assert set(made.tags) == set(TAGS)
    finally:
        host.volumes.remove(snapshot, soon())


def test_tags_come_and_go(host: XenHost, volume: str) -> None:
    more = kept_tags(host.runner, timedelta(hours=1))
    host.volumes.add_tags(volume, more)
    assert set(more) <= set(host.volumes.find(volume).tags)  # type: ignore[union-attr]
    host.volumes.remove_tags(volume, (*more, "xenflight.never"))
    assert set(host.volumes.find(volume).tags) == set(TAGS)  # type: ignore[union-attr]


def test_what_lvm_will_not_do(host: XenHost, volume: str) -> None:
    with pytest.raises(CommandFailed, match="already exists"):
        host.volumes.create_thin(volume, SMALL, TAGS)
    with pytest.raises(CommandFailed, match="origin LV xft-nothing not found"):
        host.volumes.snapshot("xft-nothing", f"{volume}-s", TAGS)
    with pytest.raises(CommandFailed, match="Failed to find logical volume"):
        host.volumes.add_tags("xft-nothing", TAGS)


def test_what_is_not_ours_is_not_removed(host: XenHost, volume: str) -> None:
    host.volumes.remove_tags(volume, TAGS)
    with pytest.raises(LabError, match="it is not ours to remove"):
        host.volumes.remove(volume, soon())
    assert host.volumes.find(volume)
    host.volumes.add_tags(volume, TAGS)


def test_a_group_and_a_pool_that_are_not_there(host: XenHost) -> None:
    assert host.volumes.check().is_thin_pool
    with pytest.raises(LabError, match="there is no volume group 'nosuch'"):
        VolumeManager(host.runner, "nosuch", "pool").check()
    with pytest.raises(LabError, match="does not exist"):
        VolumeManager(host.runner, host.volumes.group, "nosuch").check()


# -- domains -------------------------------------------------------------------------------


def test_a_domain_comes_and_goes_without_a_trace(host: XenHost, make: Make, volume: str) -> None:
    free = host.xl.info().free_memory
    domain = make()
    assert domain.state() is DomainState.PAUSED
    info = next(one for one in host.xl.list() if one.name == volume)
    assert (info.domid, info.memory, info.vcpus) == (domain.domid, 256, 1)
    assert host.xl.find(volume).domid == domain.domid  # type: ignore[union-attr]
    assert host.xl.configs()[domain.domid]["c_info"]["uuid"] == info.uuid
    assert free - host.xl.info().free_memory >= 250
    assert set(host.xl.backends(domain.domid)) == {"console/0", "vbd/51712", "vif/0"}
    assert len(what_is_left(host, domain, [volume])) == 6, "all of it"
    assert host.volumes.find(volume).in_use  # type: ignore[union-attr]
    host.runner.open(console_command(volume)).close()
    domain.unpause()
    assert domain.state() not in (None, DomainState.PAUSED)
    ended = domain.teardown(graceful=False, bounds=BOUNDS).check()
    outcomes = {rung.name: rung.outcome for rung in ended.rungs}
    assert outcomes["destroy"] is outcomes["backends"] is Outcome.DONE
    assert domain.state() is None
    assert what_is_left(host, domain, []) == []
    assert not host.volumes.find(volume).in_use  # type: ignore[union-attr]
    assert abs(host.xl.info().free_memory - free) <= 8
    again = domain.teardown(graceful=False, bounds=BOUNDS).check()
    assert again.rungs[1].outcome is Outcome.NOT_NEEDED


def test_a_volume_under_a_domain_is_not_removed_and_its_holder_is_named(
    host: XenHost, make: Make, volume: str
) -> None:
    domain = make()
    with pytest.raises(LabError, match=rf"held by: .*vbd of domain {domain.domid}"):
        host.volumes.remove(volume, soon(3))
    remove_guest(host, volume, None, [volume])
    assert host.xl.find(volume) is None
    assert host.volumes.find(volume) is None


def test_a_second_domain_of_that_name_is_refused_and_the_first_stays(
    host: XenHost, make: Make
) -> None:
    domain = make()
    with pytest.raises(CreateRefused, match="already exists"):
        make()
    assert domain.state() is DomainState.PAUSED


@pytest.mark.parametrize(
    ("options", "says"),
    [({"bridge": "nosuchbr"}, "Could not find bridge device"), ({"memory": 16384}, "memory")],
)
def test_what_the_host_has_not_is_the_labs_fault(
    host: XenHost, make: Make, volume: str, options: dict[str, object], says: str
) -> None:
    with pytest.raises(CreateRefused, match=says) as caught:
        make(**options)
    assert not isinstance(whose_fault(caught.value, host.runner), GuestFailure)
    assert host.xl.find(volume) is None
    assert not host.volumes.find(volume).in_use  # type: ignore[union-attr]


def test_a_domain_that_is_not_there(host: XenHost, name: str) -> None:
    host.xl.shutdown(name)
    host.xl.destroy(name)
    host.xl.tidy(name, SECOND * 5)
    with pytest.raises(CommandFailed, match="is an invalid domain identifier"):
        host.xl.unpause(name)
    assert host.xl.state(name) is None


# -- xenstore ------------------------------------------------------------------------------


def test_xenstore(host: XenHost, name: str) -> None:
    store, root = host.xenstore, f"/selftest-{name}"
    odd = 'a "b" c\\d\te ü'
    assert (store.exists(root), store.read(root), store.tree(root)) == (False, None, {})
    store.write(f"{root}/a/b", odd)
    try:
        assert store.exists(f"{root}/a")
        assert store.read(f"{root}/a/b") == odd
        assert store.tree(root) == {f"{root}/a": "", f"{root}/a/b": odd}
    finally:
        store.remove(root)
    assert not store.exists(root)
    store.remove(root)


# -- who may use it ------------------------------------------------------------------------


def test_a_lock_is_one_holders(host: XenHost, name: str) -> None:
    lock = take_lock(host.runner, name, soon())
    assert dead_locks(host.runner, [name, f"{name}-2"]) == {f"{name}-2"}
    with pytest.raises(LabError, match=r"not to be had|is held by somebody else"):
        take_lock(host.runner, name, soon(1))
    lock.release()
    lock.release()
    with locked(host.runner, name, soon()):
        assert dead_locks(host.runner, [name]) == set()
    assert dead_locks(host.runner, [name]) == {name}
    for one in (name, f"{name}-2"):
        forget_lock(host.runner, one)


def test_who_uses_a_golden_volume_is_noted(host: XenHost, name: str) -> None:
    golden = f"xf-golden-{name}"
    note_use(host, golden, name)
    try:
        uses = find_uses(host)
        assert golden in uses.held
        assert abs(uses.last[golden] - host_time(host.runner)) < 60
    finally:
        host.runner.run(Command.of("rm", "-rf", run_directory(name), f"{USES}/{golden}"))
    assert golden not in find_uses(host).held


# -- what a dead flight left ---------------------------------------------------------------


def test_what_the_dead_left_is_reaped_and_nothing_else(
    host: XenHost, make: Make, volume: str
) -> None:
    run, job = f"selftest-{volume}", "boot-bookworm-amd64-pv-direct"
    left = scratch_name(run, job)
    host.volumes.create_thin(left, SMALL, scratch_tags(run, job))
    host.runner.run(Command.of("mkdir", "-p", run_directory(run)))
    make(domain_name(run, job))
    found = next(one for one in find_dead(host) if one.run == run)
    assert (found.volumes, list(found.domains)) == ([left], [domain_name(run, job)])
    assert not [one for one in find_dead(host, alive=[run]) if one.run == run]
    assert run in {one.run for one in reap_dead(host, alive=["selftest-1"])}
    assert host.volumes.find(left) is None
    assert host.xl.find(domain_name(run, job)) is None
    assert host.volumes.find(volume)
    assert not [one for one in find_dead(host) if one.run == run]


def test_the_configuration_of_a_domain_that_ended_goes_too(host: XenHost, name: str) -> None:
    run = f"selftest-{name}"
    mine, others = (f"xf.{one}.0123456789.cfg" for one in (run, f"{run}-2"))
    paths = [f"{CONFIG_FOLDER}/{one}" for one in (mine, others)]
    host.runner.run(Command.of("mkdir", "-p", run_directory(run)))
    host.runner.run(Command.of("touch", *paths))
    try:
        assert run in {one.run for one in reap_dead(host, alive=["selftest-1"])}
        left = host.runner.run(Command.of("ls", CONFIG_FOLDER)).stdout.split()
        assert others in left
        assert mine not in left
    finally:
        host.runner.run(Command.of("rm", "-f", *paths))


def test_what_is_kept_stays_until_it_is_given_up(host: XenHost, name: str) -> None:
    run, job = f"selftest-{name}", "boot-bookworm-amd64-pv-direct"
    left = scratch_name(run, job)
    host.volumes.create_thin(left, SMALL, (*scratch_tags(run, job), "xenflight.kept"))
    assert run not in {one.run for one in reap_dead(host, alive=["selftest-1"])}
    assert host.volumes.find(left)
    assert reap_kept(host, run).volumes == [left]
    assert host.volumes.find(left) is None


# -- domains that move ---------------------------------------------------------------------


def test_a_domain_is_renamed(host: XenHost, make: Make, volume: str) -> None:
    domain, moves = make(), XlMoves(host.runner)
    moves.rename(volume, volume + RENAMED)
    try:
        assert host.xl.find(volume) is None
        assert host.xl.find(volume + RENAMED).domid == domain.domid  # type: ignore[union-attr]
    finally:
        moves.rename(volume + RENAMED, volume)
    assert domain.state() is DomainState.PAUSED


def test_a_guest_that_does_not_get_ready_is_not_saved(
    host: XenHost, make: Make, volume: str
) -> None:
    """It is paused, so it can't. libxl gives it a minute."""
    domain, path = make(), saved_file(f"selftest-{volume}", volume)
    with pytest.raises(CommandFailed) as caught:
        XlMoves(host.runner).save(volume, path, SMALL, SECOND * 300)
    assert not of_the_host(caught.value.stderr)
    assert domain.state() is not None
    assert not host.runner.run(Command.of("test", "-e", path), check=False).ok
    XlMoves(host.runner).forget(path)


def test_no_domain_is_saved_where_there_is_no_room(host: XenHost, make: Make, volume: str) -> None:
    domain, path = make(), saved_file(f"selftest-{volume}", volume)
    with pytest.raises(CommandFailed, match="No space left on device") as caught:
        XlMoves(host.runner).save(volume, path, Size.parse("512G"), SECOND * 60)
    assert of_the_host(caught.value.stderr)
    assert domain.state() is DomainState.PAUSED
    assert not host.runner.run(Command.of("test", "-e", path), check=False).ok


def test_what_is_not_there_is_not_moved_or_changed(host: XenHost, name: str) -> None:
    moves, devices = XlMoves(host.runner), XlDevices(host.runner)
    disk, vif = Disk(path="/dev/null", vdev="xvdp"), Vif(mac=MAC, bridge=host.bridge)
    for ask in (
        lambda: moves.restore(name, f"/var/lib/xenflight/builds/{name}/{name}.save", SECOND * 60),
        lambda: moves.migrate(name, SECOND * 60),
        lambda: moves.rename(name, f"{name}-2"),
        lambda: moves.reboot(name),
        lambda: moves.sysrq(name, "h"),
        lambda: devices.set_vcpus(name, 1),
        lambda: devices.set_memory(name, SMALL),
        lambda: devices.attach_disk(name, disk),
        lambda: devices.detach_disk(name, "xvdp"),
        lambda: devices.attach_vif(name, vif),
        lambda: devices.detach_vif(name, MAC),
    ):
        with pytest.raises(CommandFailed):
            ask()


@pytest.mark.parametrize("ending", PASSING)
def test_what_died_while_it_moved_is_reaped(
    host: XenHost, make: Make, volume: str, ending: str
) -> None:
    run, job = f"selftest-{volume}", "lifecycle-bookworm-amd64-pv-direct"
    moving, saved = domain_name(run, job) + ending, saved_file(run, domain_name(run, job))
    host.runner.run(Command.of("mkdir", "-p", saved.rpartition("/")[0]))
    host.runner.run(Command.of("touch", saved))
    make(moving)
    marks = marks_of_job(run, job, [census := take_census(host)])
    mine = {(one.kind, one.name) for one in census.entries if marks.fit(one)}
    assert {(Kind.DOMAIN, moving), (Kind.FILE, saved)} <= mine
    found = next(one for one in find_dead(host) if one.run == run)
    assert (list(found.domains), found.builds) == ([moving], True)
    assert run in {one.run for one in reap_dead(host, alive=["selftest-1"])}
    assert host.xl.find(moving) is None
    assert not host.runner.run(Command.of("test", "-e", saved), check=False).ok


# -- what it says of itself ----------------------------------------------------------------


def test_a_census_finds_what_a_guest_has(host: XenHost, make: Make, volume: str) -> None:
    before = {(one.kind, one.name) for one in take_census(host).entries}
    domain = make()
    after = take_census(host)
    new = {(one.kind, one.name) for one in after.entries} - before
    expected = {
        (Kind.DOMAIN, volume),
        (Kind.BACKEND, f"vbd/{domain.domid}/51712"),
        (Kind.BACKEND, f"vif/{domain.domid}/0"),
        (Kind.INTERFACE, f"vif{domain.domid}.0"),
        (Kind.PORT, f"vif{domain.domid}.0"),
        (Kind.XENSTORE, f"/local/domain/{domain.domid}"),
        (Kind.FILE, f"/run/xenflight/{volume}.cfg"),
    }
    assert expected <= new
    assert (Kind.VOLUME, volume) in before
    assert after.pool is not None
    assert after.free_memory == host.xl.info().free_memory


def test_what_there_is_room_for(host: XenHost, make: Make, volume: str) -> None:
    look = look_script(host.volumes.group, host.volumes.pool)
    before = find_room(host.runner, look)
    domain = make()
    room, info = find_room(host.runner, look), host.xl.info()
    assert (room.total_memory, room.cpus) == (info.total_memory << 20, info.nr_cpus)
    assert before.free_memory - room.free_memory >= 256 << 20
    assert domain.name in {one.name for one in room.domains}
    assert room.shape.name == room.pool.name == host.volumes.pool
    assert volume in {one.name for one in room.volumes}
    assert room.shape.chunk >= 64 << 10
    assert room.shape.metadata_size > 0
    with pytest.raises(LabError, match="cannot tell what it has room for"):
        find_room(host.runner, look_script("no-such-group", "pool"))


def test_a_job_is_admitted_to_what_it_takes(host: XenHost, name: str) -> None:
    directory = f"/run/xenflight-selftest/{name}"
    slots = SlotTerms(slots=2, patience=SECOND, directory=directory, drain_file="")
    look = look_script(host.volumes.group, host.volumes.pool)
    terms = AdmissionTerms(
        look=look, patience=SECOND, directory=directory, drain_file="", poll=SECOND
    )
    want = Want(domain="xf.x", memory=1, overhead=2, vcpus=3, disks=4, data=5, golden="g")

    def take(job: str) -> SlotLease:
        return take_lease(host.runner, Claim(holder="ada@ctl", flight="f-1", job=job), slots)

    try:
        first, second = take("first"), take("second")
        admit(host.runner, first, want, terms, lambda room: None)
        (claimed,) = find_room(host.runner, look, directory).claims
        assert (claimed.want, claimed.holder.job) == (want, "first")
        with pytest.raises(Starved, match=r"no room on .* within 1 s: too little"):
            admit(host.runner, second, want, terms, lambda room: Wait(why="too little"))
        first.release()
        room = find_room(host.runner, look, directory)
        assert ([one.job for one in room.held], room.claims) == (["second"], ())
        second.release()
    finally:
        host.runner.run(Command.of("rm", "-rf", directory))


def test_its_health_is_written_down(host: XenHost, name: str) -> None:
    history = f"/run/xenflight-selftest/{name}"
    try:
        assert read_health(host.runner, history) == Health()
        boot = boot_id(host)
        for reason in ("it is 'ill'", "it is well"):
            event = HealthEvent(kind=EventKind.CANARY, boot=boot, reason=reason)
            note_health(host.runner, event, history)
        found = read_health(host.runner, history).canary
        assert found is not None
        assert (found.reason, found.boot) == ("it is well", boot)
        assert found.at is not None
        assert abs(found.at.timestamp() - host_time(host.runner)) < 60
    finally:
        host.runner.run(Command.of("rm", "-f", history, f"{history}.lock"))


def test_which_boot_it_is_in(host: XenHost) -> None:
    assert str(uuid.UUID(boot_id(host))) == boot_id(host)


def test_what_it_is(host: XenHost) -> None:
    info = host.xl.info()
    assert (info.major, info.minor) >= (4, 17)
    assert info.nr_cpus >= 2
    assert {"pv", "hvm"} <= set(info.virt_caps)
    from anyhost import SPEC

    facts = host_facts(host, SPEC, None)
    assert (facts.dom0_release or "").startswith("Debian GNU/Linux")
    assert find_capabilities(host).path("kernel").startswith("/boot/vmlinuz-")
    assert read_sample(host.runner.run(READ_PRESSURE, check=False).stdout)
    assert host_time(host.runner) > 1_700_000_000


def test_programs(host: XenHost) -> None:
    with pytest.raises(CommandFailed, match="is no-such-program installed on"):
        host.runner.run(Command.of("no-such-program"))
    with pytest.raises(DeadlineExceeded, match=r"`sleep 60` did not end within 0.5 s"):
        host.runner.run(Command.of("sleep", 60), timeout=SECOND / 2)
    assert host.runner.run(Command.of("cat"), stdin=b"one\ntwo").stdout == "one\ntwo"
    assert host.runner.alive
