"""Two hosts for one job: which, and when none."""

from __future__ import annotations

import pytest

from harness.errors import Starved
from harness.flight.axes import Peer
from harness.job.pairing import choose_pair, peers_of, why_alone

OLD, NEW = (4, 17), (4, 20)
XENS = {"a": OLD, "b": OLD, "c": NEW}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Peer.ANY, {"a": ("b", "c"), "b": ("a", "c"), "c": ("a", "b")}),
        (Peer.SAME, {"a": ("b",), "b": ("a",)}),
        (Peer.NEWER, {"a": ("c",), "b": ("c",)}),
    ],
)
def test_which_hosts_may_be_the_second(wanted: Peer, found: dict[str, tuple[str, ...]]) -> None:
    assert peers_of(wanted, tuple(XENS), XENS) == found


@pytest.mark.parametrize("wanted", [Peer.SAME, Peer.NEWER])
def test_a_host_that_cannot_run_it_is_no_second_one(wanted: Peer) -> None:
    fits = ("a", "b") if wanted is Peer.NEWER else ("a", "c")
    assert peers_of(wanted, fits, XENS) == {}
    assert "a: Xen 4.17" in why_alone(wanted, {name: XENS[name] for name in fits})


def test_a_pair_with_room_comes_first() -> None:
    peers = peers_of(Peer.ANY, tuple(XENS), XENS)
    rooms = {"a": 1, "b": 0, "c": 1}
    assert choose_pair(["a", "b", "c"], peers, XENS, rooms.__getitem__) == ("a", "c")
    assert choose_pair(["c", "b"], peers, XENS, rooms.__getitem__) == ("c", "a")


def test_the_first_place_is_kept_where_no_pair_has_room() -> None:
    peers = peers_of(Peer.ANY, tuple(XENS), XENS)
    assert choose_pair(["b", "a"], peers, XENS, lambda _: 0) == ("b", "a")


def test_nobody_waits_for_a_host_that_is_ill() -> None:
    peers = peers_of(Peer.SAME, tuple(XENS), XENS)
    with pytest.raises(Starved, match="no second host is fit"):
        choose_pair(["a"], peers, {"a", "c"}, lambda _: 1)
