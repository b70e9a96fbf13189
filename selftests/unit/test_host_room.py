"""What a host has room for: the arithmetic of claims, and that nothing is given away twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from room_samples import (
    GIB,
    MIB,
    RACK,
    RUN,
    claims,
    golden,
    holder,
    room,
    scratch,
    volume,
    want,
)

from harness.errors import LabError
from harness.host.fit import Resource, Supply, impossible, shortages, supplies
from harness.host.room import (
    Claimed,
    DomainNow,
    HostRoom,
    Want,
    data_to_come,
    memory_to_come,
    vcpus_in_use,
)
from harness.host.roomlook import _both
from harness.storage.names import scratch_tags
from harness.units import Size
from harness.xen.listing import DomainInfo, DomainState


def supply(found: HostRoom, resource: Resource) -> Supply:
    return next(one for one in supplies(found, RACK) if one.resource is resource)


def told(found: HostRoom, wanted: Want) -> list[str]:
    return [one.told("rack1") for one in shortages(found, RACK, wanted)]


# -- what a job writes down ----------------------------------------------------------------


def test_a_want_is_a_line_and_is_read_back() -> None:
    one = want("a job", 4096)
    assert "\n" not in one.to_json()
    assert Want.parse(one.to_json()) == one


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '"text"',
        '{"memory": 1}',
        want().to_json().replace(str(512 * MIB), "-1"),
        want().to_json().replace(str(512 * MIB), "true"),
        want().to_json().replace(str(512 * MIB), "1e9"),
        want().to_json().replace(str(512 * MIB), '"1"'),
        want().to_json()[:-5],
        want().to_json().replace("domain", "name"),
    ],
)
def test_what_is_no_want_is_an_error_and_not_nothing(text: str) -> None:
    with pytest.raises(LabError, match="what a job on the host claims cannot be read"):
        Want.parse(text)


@given(st.text())
def test_any_text_is_a_want_or_an_error(text: str) -> None:
    with pytest.raises(LabError):
        Want.parse(text)


# -- memory --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "to_come"),
    [
        ({}, 518),
        ({"xf.other": 512}, 518),
        ({"xf.job": 0}, 518),
        ({"xf.job": 200}, 318),
        # By now what Xen needs for it is set aside, and no longer free.
        ({"xf.job": 300}, 212),
        ({"xf.job": 512}, 0),
        ({"xf.job": 600}, 0),
        ({"xf.job": 300, "xf.job--neighbour": 200}, 12),
        ({"xf.job": 300, "xf.job--incoming": 200}, 212),
    ],
)
def test_what_of_a_claim_is_still_to_be_taken(there: dict[str, int], to_come: int) -> None:
    assert memory_to_come(room(domains=there, claimed=claims(want()))) == to_come * MIB


def test_a_domain_that_was_made_anew_has_what_the_new_one_has() -> None:
    found = room(domains={"xf.job": 512}, claimed=claims(want()))
    both = (*found.domains, DomainNow(name="xf.job", memory=0, vcpus=1))
    for domains in (both, both[::-1]):
        assert memory_to_come(replace(found, domains=domains)) == 518 * MIB


def test_what_is_promised_is_not_free_for_another() -> None:
    found = room(730, claimed=claims(want("other")))
    assert supply(found, Resource.MEMORY).spare == 212 * MIB
    assert told(found, want()) == [
        "306 MiB of hypervisor memory on rack1: 212 MiB free (and 518 MiB promised to other jobs),"
        " 518 MiB wanted"
    ]


def test_more_promised_than_there_is_leaves_nothing() -> None:
    """Somebody without xenflight made a domain of what was promised."""
    assert told(room(100, claimed=claims(want("other"))), want())[0].startswith("518 MiB of")


def test_without_anything_promised_it_is_not_spoken_of() -> None:
    assert told(room(212), want()) == [
        "306 MiB of hypervisor memory on rack1: 212 MiB free, 518 MiB wanted"
    ]
    assert told(room(518), want()) == []


def test_a_dom0_that_balloons_gives_what_it_has_above_its_own() -> None:
    ballooning = room(4, dom0=3800, balloons=True)
    assert supply(ballooning, Resource.MEMORY).spare == (4 + 3800 - 1024) * MIB
    assert told(ballooning, want()) == []
    assert told(replace(ballooning, balloons=False), want()) != []
    small = room(4, dom0=800, balloons=True)
    assert supply(small, Resource.MEMORY).spare == 4 * MIB, "it has less than its own already"


def listed(domid: int, memory: int, name: str = "xf.a", state: str = "running") -> DomainInfo:
    return DomainInfo(
        domid=domid, name=name, uuid="-", memory=memory, vcpus=1, state=DomainState(state)
    )


DOM0 = listed(0, 1024, "Domain-0")


@pytest.mark.parametrize(
    ("before", "after", "has"),
    [
        ([listed(3, 512)], [listed(3, 512)], [512]),
        ([listed(3, 100)], [listed(3, 512)], [100]),
        ([], [listed(3, 512)], [0]),
        ([listed(3, 512)], [], [0]),
        ([listed(3, 512)], [listed(4, 512)], [0, 0]),
        ([listed(3, 512)], [listed(3, 512, "(null)")], [0]),
        ([listed(3, 512, state="dying")], [listed(3, 512, state="dying")], []),
        ([listed(3, 512)], [listed(3, 512, state="dying")], [512]),
    ],
)
def test_a_domain_has_what_both_lists_say(
    before: list[DomainInfo], after: list[DomainInfo], has: list[int]
) -> None:
    dom0, domains = _both([DOM0, *before], [replace(DOM0, memory=900), *after])
    assert [domain.memory // MIB for domain in domains] == has
    assert dom0 == 900


# -- vCPUs ---------------------------------------------------------------------------------


def test_vcpus_of_claims_count_before_the_guest_shows_them() -> None:
    claimed = claims(want("a", vcpus=4), want("b", vcpus=2))
    found = room(domains={"xf.a": 512, "other": 100}, claimed=claimed)
    assert vcpus_in_use(found) == 4 + 2 + 1
    second = (*found.domains, DomainNow(name="xf.a--neighbour", memory=100, vcpus=1))
    assert vcpus_in_use(replace(found, domains=second)) == 4 + 2 + 1
    assert told(found, want(vcpus=1)) == []
    assert told(found, want(vcpus=2)) == ["1 vCPU on rack1: 1 vCPU free, 2 vCPUs wanted"]


# -- disks ---------------------------------------------------------------------------------


def test_what_was_written_is_promised_no_more() -> None:
    """512 are expected; of the snapshot's 400, 300 may be its origin's."""
    parts = [golden(2048, 300 / 20.48), scratch("job", 2048, 400 / 20.48, "xf-golden-a")]
    parts.append(volume("swap", 100, 50.0, tags=scratch_tags(RUN, "job")))
    found = room(claimed=claims(want()), volumes=parts)
    assert data_to_come(found) // MIB == 512 - 100 - 50


def test_volumes_of_others_write_nothing_for_a_job() -> None:
    parts = [scratch("other", 2048, 50.0), volume("theirs", 2048, 50.0)]
    assert data_to_come(room(claimed=claims(want()), volumes=parts)) == 512 * MIB


def test_who_wrote_more_than_was_expected_is_promised_nothing() -> None:
    parts = [scratch("job", 2048, 90.0)]
    assert data_to_come(room(claimed=claims(want()), volumes=parts)) == 0


def test_data_and_metadata_have_their_bounds() -> None:
    assert told(room(data=85.0), want()) == []
    (said,) = told(room(data=89.0), want())
    assert said == "348 MiB of thin-pool data on rack1: 164 MiB free, 512 MiB wanted"
    (said,) = told(room(metadata=84.9), want())
    assert said == "30 KiB of thin-pool metadata on rack1: 66 KiB free, 96 KiB wanted"
    assert len(told(room(10, data=99, metadata=99), want())) == 3


# -- never ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (
            want(memory=4096),
            "a guest of 4.0 GiB takes 4.0 GiB of memory, and guests have 3.0 GiB of its 4.0 GiB",
        ),
        (want(vcpus=9), "9 vCPUs wanted, and with 2 CPUs and a vcpu_overcommit of 4 there are"),
        (want(disks=20 << 10), "disks of 20.0 GiB are more than its volume group vg0 has in all"),
        (want(data=15 << 10), "15.0 GiB are expected to be written, and of its thin pool of 16.0"),
    ],
)
def test_what_never_fits_is_told_whatever_is_free(wanted: Want, why: str) -> None:
    found = impossible(room(0, data=100), RACK, wanted)
    assert found.startswith(f"rack1: {why}")


def test_what_may_fit_some_time_is_possible() -> None:
    busy = room(0, claimed=claims(want("a"), want("b")), data=100, metadata=100)
    assert impossible(busy, RACK, want(memory=3000, vcpus=8, disks=17 << 10)) == ""


def test_where_dom0_balloons_it_need_not_have_all_it_has() -> None:
    found = room(4, dom0=3800, balloons=True)
    assert impossible(found, RACK, want(memory=2900)) == ""
    assert impossible(replace(found, balloons=False), RACK, want(memory=2900)) != ""
    roomy = replace(RACK, dom0_memory=Size.parse("512M"))
    assert impossible(found, roomy, want(memory=3500)) == ""


def test_metadata_that_is_too_small_for_anything() -> None:
    found = room()
    tiny = replace(found, shape=replace(found.shape, metadata_size=64 << 10))
    assert "may need more metadata than its thin pool has, 64 KiB" in impossible(tiny, RACK, want())


# -- never too much ------------------------------------------------------------------------


Moves = Sequence[tuple[int, int]]
"""Which guest, and what it does."""
Gaps = Sequence[Moves]


@dataclass
class Guest:
    """One that was admitted, and what it has taken."""

    job: str
    want: Want
    taken: int = 0
    """Of memory, its overhead first, as libxl does."""
    domid: int = 0


class Machine:
    """Xen, with guests that come and go at any moment, also while somebody looks."""

    def __init__(self, total: int) -> None:
        self.total = total * MIB
        self.guests: list[Guest] = []
        self._last = 0

    @property
    def free(self) -> int:
        return self.total - sum(guest.taken for guest in self.guests)

    def list(self) -> list[DomainInfo]:
        found = [DOM0]
        for guest in self.guests:
            if guest.domid:
                has = max(0, guest.taken - guest.want.overhead)
                found.append(listed(guest.domid, has // MIB, guest.want.domain))
        return found

    def move(self, moves: Moves) -> None:
        """Guests take some of their memory, or all of it, end, or are given up."""
        for which, how in moves:
            if not self.guests:
                return
            guest = self.guests[which % len(self.guests)]
            whole = guest.want.memory + guest.want.overhead
            match how:
                case 0:
                    self._make(guest, min(whole, guest.taken + whole // 3))
                case 1:
                    self._make(guest, whole)
                case 2:
                    guest.taken = guest.domid = 0
                case _:
                    self.guests.remove(guest)

    def _make(self, guest: Guest, taken: int) -> None:
        if not guest.domid:
            self._last = guest.domid = self._last + 1
        guest.taken = taken

    def claims(self) -> tuple[Claimed, ...]:
        return tuple(
            Claimed(holder=holder(slot, guest.job), want=guest.want)
            for slot, guest in enumerate(self.guests, 1)
        )

    def look(self, gaps: Gaps) -> HostRoom:
        """What admission sees, with something happening in each of the gaps between its looks."""
        claimed = self.claims()
        self.move(gaps[0])
        before = self.list()
        self.move(gaps[1])
        free = self.free
        self.move(gaps[2])
        dom0, domains = _both(before, self.list())
        self.move(gaps[3])
        found = room(free // MIB, claimed=claimed, dom0=dom0)
        return replace(found, domains=domains)

    def admit(self, job: str, wanted: Want, gaps: Gaps = ((),) * 4) -> None:
        if not shortages(self.look(gaps), RACK, wanted):
            self.guests.append(Guest(job, wanted))


# With these a mistake of one guest, of a part of it, or of its overhead is one too many.
SIZES = st.sampled_from([400, 700, 990, 1000, 1490, 1500])


class Chance:
    """What happens by chance. Hypothesis chooses the seed: to choose every step takes too long."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def size(self) -> int:
        return self._random.choice([400, 700, 990, 1000, 1490, 1500])

    def moves(self) -> Moves:
        often = self._random.randrange(3)
        return [(self._random.randrange(3), self._random.randrange(4)) for _ in range(often)]


@settings(max_examples=100)
@given(st.integers(0, 1 << 32))
def test_no_memory_is_ever_given_away_twice(seed: int) -> None:
    """What all that were admitted may take fits at every moment, whatever they do meanwhile."""
    machine, chance = Machine(3000), Chance(seed)
    for number in range(60):
        memory = chance.size()
        wanted = want(f"j{number}", memory, overhead=memory // 50)
        machine.admit(f"j{number}", wanted, [chance.moves() for _ in range(4)])
        whole = sum(guest.want.memory + guest.want.overhead for guest in machine.guests)
        assert whole <= machine.total
        machine.move(chance.moves())


@given(st.lists(SIZES, max_size=8))
def test_all_of_it_is_given_away_when_nothing_moves(sizes: list[int]) -> None:
    """It is careful, but keeps nothing back: what fits beside what runs is admitted."""
    machine = Machine(3000)
    for number, memory in enumerate(sizes):
        wanted = want(f"j{number}", memory)
        whole = sum(guest.want.memory + guest.want.overhead for guest in machine.guests)
        fits = whole + wanted.memory + wanted.overhead <= machine.total
        before = len(machine.guests)
        machine.admit(f"j{number}", wanted)
        assert (len(machine.guests) > before) is fits
        machine.move([(number, 1)])


@given(
    st.lists(st.tuples(st.integers(1, 8000), st.integers(0, 100), st.integers(0, 100)), max_size=6),
    st.integers(1, 8000),
)
def test_data_that_is_expected_fits_below_the_bound(
    guests: list[tuple[int, int, int]], data: int
) -> None:
    """Whoever is admitted, and whatever part each has written: all of it has room."""
    wants = [want(f"j{number}", data=data) for number, (data, _, _) in enumerate(guests)]
    volumes = [scratch(f"j{n}", size, part) for n, (size, part, _) in enumerate(guests)]
    written = [one.size * one.data_percent / 100 for one in volumes if one.data_percent is not None]
    used = sum(written)
    found = room(claimed=claims(*wants), volumes=volumes, data=100 * used / (16 * GIB))
    lacking = {one.resource for one in shortages(found, RACK, want(data=data))}
    rest = sum(max(0.0, one.data - has) for one, has in zip(wants, written, strict=True))
    fits = used + rest + data * MIB <= 0.9 * 16 * GIB
    close = abs(used + rest + data * MIB - 0.9 * 16 * GIB) < MIB
    assert close or (Resource.DATA not in lacking) is fits
