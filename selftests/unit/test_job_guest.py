"""One guest's life and its proofs, on a fake host."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from bench_samples import BOOT_ID, PINGS, Bench, failure_of, guest_bench
from test_host_pressure import said

from harness.errors import GuestFailure, HostLost, HostOverloaded, LabError
from harness.flight.model import ImageSource
from harness.host.kept import KEPT, kept_until
from harness.host.owners import domain_uuid
from harness.job.proof import _difference, prove_console, prove_gone, prove_network, prove_ssh
from harness.job.shutdown import POWERED_OFF
from harness.job.teardown import what_is_left
from harness.remote.fake import Call, Reply
from harness.status import Status
from harness.wait import Deadline, NotYet, wait_for


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with guest_bench(tmp_path, monkeypatch) as made:
        yield made


def test_what_is_late_on_a_busy_host_is_not_the_guests_fault(bench: Bench) -> None:
    bench.fake.runner.on("^grep -sE .* /proc/pressure/cpu", said(60, share=95, load=6))
    late = GuestFailure("no answer", phase="ssh", failure_class="no-ssh")
    with pytest.raises(HostOverloaded, match="no answer"), bench.guest.waiting():
        raise late
    panic = GuestFailure("it panicked", phase="ssh", failure_class="kernel-panic")
    with pytest.raises(GuestFailure, match="it panicked"), bench.guest.waiting():
        raise panic


def test_a_wait_within_a_wait_counts_once(bench: Bench) -> None:
    began = time.monotonic()
    with bench.guest.waiting(), bench.guest.waiting():
        time.sleep(0.05)
    took = time.monotonic() - began
    waits = bench.guest.facts(kept=False).waits
    assert 0.04 < waits["guest"] <= took + 0.01, "two decimals are kept"
    assert waits["harness"] >= 0


class TestProofs:
    """Each passes on a good guest, and on a bad one fails with its own class."""

    def test_console(self, bench: Bench) -> None:
        prove_console(bench.guest)
        assert bench.guest.step.facts == {"boot_id": BOOT_ID}

    def test_console_that_cannot_compute(self, bench: Bench) -> None:
        bench.answers["digest"] = "0" * 64
        assert failure_of(prove_console, bench) == ("console", "nonce-mismatch")

    @pytest.mark.parametrize("said", ["", "cat: no such file", BOOT_ID[:-1]])
    def test_console_without_a_boot_id(self, bench: Bench, said: str) -> None:
        bench.answers["boot_id"] = said
        assert failure_of(prove_console, bench) == ("console", "no-boot-id")

    def test_ssh(self, bench: Bench) -> None:
        bench.guest.remember("boot_id", BOOT_ID)
        bench.ssh_answers()
        prove_ssh(bench.guest)
        assert bench.guest.recall("guest_kernel") == "6.1.0-47-cloud-amd64"

    def test_ssh_that_cannot_compute(self, bench: Bench) -> None:
        bench.guest.remember("boot_id", BOOT_ID)
        bench.ssh_answers(digest="0" * 64)
        assert failure_of(prove_ssh, bench) == ("ssh", "nonce-mismatch")

    def test_ssh_to_another_guest(self, bench: Bench) -> None:
        bench.guest.remember("boot_id", BOOT_ID)
        bench.ssh_answers(boot_id=BOOT_ID.replace("0f", "1f"))
        assert failure_of(prove_ssh, bench) == ("ssh", "boot-id-mismatch")

    def test_ssh_before_the_console(self, bench: Bench) -> None:
        bench.ssh_answers()
        with pytest.raises(LabError, match="has no boot_id"):
            prove_ssh(bench.guest)

    def test_network(self, bench: Bench) -> None:
        bench.network_answers()
        prove_network(bench.guest)
        assert [phase.name for phase in bench.guest.step.phases] == ["ping", "bulk-in", "bulk-out"]

    @pytest.mark.parametrize("pings", [PINGS.replace(" 0%", " 5%"), "", "ping: bad address"])
    def test_network_that_loses_pings(self, bench: Bench, pings: str) -> None:
        bench.network_answers(pings=pings)
        assert failure_of(prove_network, bench) == ("network", "packet-loss")

    def test_network_that_changes_bytes(self, bench: Bench) -> None:
        bench.network_answers(spoil=b"x")
        with pytest.raises(
            GuestFailure, match="1048577 bytes came back, of 1048576, and the SHA-256"
        ):
            prove_network(bench.guest)
        assert failure_of(prove_network, bench) == ("network", "corrupt-data")

    def test_gone(self, bench: Bench) -> None:
        create(bench)
        prove_gone(bench.guest)
        assert set(bench.fake.volumes) == {"xf-golden-k"}

    def test_not_gone(self, bench: Bench) -> None:
        create(bench)
        domid = bench.fake.domains[bench.guest.name]
        bench.fake.interfaces += [f"vif{domid}.0", f"vif{domid}1.0"]
        assert failure_of(prove_gone, bench) == ("gone", "leftover")
        assert what_is_left(bench.fake.host, bench.guest.domain, bench.guest.disks.volumes) == [
            f"interface vif{domid}.0"
        ]


def create(bench: Bench, made: Callable[[Call], Reply] | None = None) -> None:
    """`GuestUnderTest.create` without a seed: debugfs has nothing to work on here."""
    runner = bench.fake.runner
    runner.on("debugfs")

    def make(call: Call) -> Reply:
        bench.fake.domains[bench.guest.name] = 7
        assert f'name = "{bench.guest.name}"' in call.stdin.decode()
        return Reply(stdout="7\n")

    runner.on_call("xl create -p", made or make)
    runner.on("^xl unpause")
    runner.on_open("xl console", [b"Linux version 6.1\r\n"])
    bench.guest.create()


def test_a_guest_is_made_paused_and_runs_once_its_console_is_heard(bench: Bench) -> None:
    create(bench)
    lines = [line for line in bench.fake.runner.lines if "xl " in line]
    order = [next(i for i, line in enumerate(lines) if word in line) for word in ORDER]
    assert order == sorted(order)
    assert KEPT not in bench.fake.volumes[bench.guest.disks.root]
    assert [phase.name for phase in bench.guest.step.phases] == ["scratch", "seed", "create"]


def test_what_is_written_into_somebody_elses_image_is_told(bench: Bench) -> None:
    source = ImageSource(location="/images/a.img", sha256="")
    bench.guest.spec = replace(bench.spec, image=source)
    create(bench)
    assert "/root/.ssh/authorized_keys" in bench.guest.step.facts["overlay"]


ORDER = ("xl create -p", "xl console", "xl unpause")


def test_its_domain_is_known_by_number_and_uuid(bench: Bench) -> None:
    create(bench)
    runvars = bench.guest.facts(kept=False).runvars
    assert runvars["domid"] == bench.guest.step.facts["domid"] == "7"
    uuid = domain_uuid(bench.guest._run, bench.spec.name)
    assert runvars["uuid"] == uuid
    assert f'uuid = "{uuid}"' in bench.guest.domain_config().to_xl()


def test_after_a_reboot_all_its_numbers_are_known(bench: Bench) -> None:
    create(bench)
    bench.fake.domains[bench.guest.name] = 9
    bench.guest.domain.state()
    runvars = bench.guest.facts(kept=False).runvars
    assert (runvars["domid"], runvars["former_domids"]) == ("9", "7")


def test_nothing_is_made_before_the_host_was_looked_at(bench: Bench) -> None:
    create(bench)
    names = [call.command.script_name or call.command.argv[0] for call in bench.fake.runner.calls]
    assert names.index("census") < names.index("lvcreate")


def test_a_host_that_cannot_be_looked_at_before_does_not_stop_the_guest(bench: Bench) -> None:
    bench.fake.census.fails = "loop"
    before = bench.inventories.take(bench.fake.host, bench.reconnect)
    assert before.exception()
    assert bench.guest._home.ledger
    bench.guest._home.ledger._ledger = replace(bench.guest._home.ledger._ledger, before=before)
    create(bench)
    assert bench.guest.domain.domid == 7
    assert bench.guest.check_leaks().result().status is Status.BROKEN


def test_after_it_was_removed_nothing_is_left(bench: Bench) -> None:
    create(bench)
    bench.guest.remove()
    bench.guest.close()
    check = bench.guest.check_leaks().result()
    assert (check.status, check.reason, check.evidence) == (Status.PASS, None, "")


def test_what_bears_the_number_of_its_domain_is_found_when_that_is_gone(bench: Bench) -> None:
    create(bench)
    bench.guest.remove()
    bench.fake.interfaces.append("vif7.0")
    check = bench.guest.check_leaks().result()
    assert check.status is Status.BROKEN
    assert "by this job: interface vif7.0, bridge port vif7.0" in (check.reason or "")


def test_a_guest_is_removed_once(bench: Bench) -> None:
    create(bench)
    bench.guest.remove()
    assert bench.fake.domains == {}
    asked = len(bench.fake.runner.calls)
    bench.guest.remove()
    assert len(bench.fake.runner.calls) == asked, "a passed job does not pay for it twice"
    assert bench.guest.keep() is False


def test_a_domain_that_xl_never_confirmed_is_removed_too(bench: Bench) -> None:
    """`xl create` may have gone on after we gave up on it."""
    bench.fake.runner.on("debugfs")

    def lost(call: Call) -> Reply:
        bench.fake.domains[bench.guest.name] = 7
        return Reply(raises=HostLost("the line is dead"))

    bench.fake.runner.on_call("xl create -p", lost)
    with pytest.raises(HostLost):
        bench.guest.create()
    bench.guest.remove()
    assert (bench.fake.domains, set(bench.fake.volumes)) == ({}, {"xf-golden-k"})


def test_a_guest_that_was_never_made_is_not_kept(bench: Bench) -> None:
    assert bench.guest.keep() is False
    bench.guest.remove()


def test_a_kept_guest_is_marked(bench: Bench) -> None:
    create(bench)
    assert bench.guest.keep() is True
    assert KEPT in bench.fake.volumes[bench.guest.disks.root]
    facts = bench.guest.facts(kept=True)
    assert facts.kept
    assert facts.runvars["domain"] == bench.guest.name
    assert set(facts.waits) == {"guest", "harness"}


def test_a_guest_that_is_kept_for_a_while_says_until_when(bench: Bench) -> None:
    create(bench)
    bench.guest._keep_for = timedelta(hours=4)
    bench.guest.keep()
    tags = bench.fake.volumes[bench.guest.disks.root]
    assert kept_until(tags) == bench.fake.now + 4 * 3600
    assert KEPT in tags


def test_steps_of_a_guest_that_another_process_made_are_broken(bench: Bench) -> None:
    with pytest.raises(LabError, match="has no domain yet in this process"):
        _ = bench.guest.domain


def test_the_flights_own_arguments_come_last(bench: Bench) -> None:
    config = bench.guest.domain_config()
    assert config.cmdline == "root=/dev/xvda1 ro console=hvc0"
    assert config.vifs[0].mac.startswith("00:16:3e:")
    assert config.memory == 512


@pytest.mark.parametrize(
    ("line", "ended"),
    [
        ("[  138.271430] reboot: System halted", True),
        ("[  151.018224] reboot: Power down", True),
        ("[  144.541968] reboot: Power off not available: System halted instead", True),
        ("[  144.541968] reboot: Restarting system", False),
        ("[  OK  ] Reached target poweroff.target - System Power Off.", False),
    ],
)
def test_a_kernels_last_words(line: str, ended: bool) -> None:
    assert bool(POWERED_OFF.search(line)) is ended


def test_where_bytes_differ() -> None:
    assert _difference(b"abcd", b"abcd") == ""
    assert _difference(b"abcd", b"aXcX") == "2 bytes are others, the first at 1"
    assert _difference(b"abcd", b"") == "0 bytes came back, of 4"


class TestSlot:
    """What a guest may do depends on its slot."""

    def test_it_is_given_back_after_the_teardown_not_before(self, bench: Bench) -> None:
        create(bench)
        assert list(bench.fake.slots.held) == [1]
        bench.guest.remove()
        assert list(bench.fake.slots.held) == [1]
        bench.guest.close()
        bench.guest.close()
        assert bench.fake.slots.held == {}
        assert bench.guest.facts(kept=False).runvars["slot"] == "1"

    def test_a_kept_guest_takes_none(self, bench: Bench) -> None:
        create(bench)
        bench.guest.keep()
        bench.guest.close()
        assert bench.fake.slots.held == {}
        assert len(bench.fake.domains) == 1

    def test_one_that_lost_it_makes_nothing(self, bench: Bench) -> None:
        bench.fake.slots.tokens[1] = 99
        with pytest.raises(LabError, match=r"the lease of slot 1 \(token 1\) was lost"):
            create(bench)
        assert (bench.fake.domains, set(bench.fake.volumes)) == ({}, {"xf-golden-k"})

    def test_one_that_loses_it_half_way_does_not_run(self, bench: Bench) -> None:
        ran: list[Call] = []

        def run(call: Call) -> Reply:
            ran.append(call)
            return Reply()

        def lose(call: Call) -> Reply:
            bench.fake.slots.tokens[1] = 99
            bench.fake.domains[bench.guest.name] = 7
            return Reply(stdout="7\n")

        bench.fake.runner.on_call("^xl unpause", run)
        with pytest.raises(LabError, match="was lost"):
            create(bench, lose)
        assert ran == []
        bench.guest.remove()
        assert (bench.fake.domains, set(bench.fake.volumes)) == ({}, {"xf-golden-k"}), (
            "what is its own it may remove at any time"
        )

    def test_what_fails_then_is_no_fault_of_the_guest(self, bench: Bench) -> None:
        create(bench)
        bench.fake.slots.lose(1)
        wait_for(self.noticed(bench), what="it", deadline=Deadline.after(timedelta(seconds=10)))
        for step in (bench.guest.boot, bench.guest.shut_down):
            with pytest.raises(LabError, match="was lost"):
                step()

    def noticed(self, bench: Bench) -> Callable[[], None]:
        def check() -> None:
            if not bench.lease.lost:
                raise NotYet

        return check
