"""The xl toolstack, driven by what xl 4.17 really answered."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from harness.errors import CommandFailed, DeadlineExceeded, LabError, UsageError
from harness.remote.fake import Call, FakeRunner, Reply
from harness.xen.listing import DomainState
from harness.xen.toolstack import Xl

DATA = Path(__file__).parents[1] / "data" / "xl"
PAUSED = (DATA / "list-v-4.17-paused.txt").read_text()
NAME = "xft-b"
GONE = f"{NAME} is an invalid domain identifier (rc=-6)\n"


def refusal(name: str) -> str:
    """What a real "xl create" said on stderr."""
    return (DATA / f"create-{name}-4.17.txt").read_text()


@pytest.fixture
def host() -> FakeRunner:
    """A host with one paused domain."""
    fake = FakeRunner()
    fake.on("^xl list -v$", PAUSED)
    fake.on("^xl info$", (DATA / "info-4.17.txt").read_text())
    fake.on("^xl list -l$", (DATA / "list-l-4.17.json").read_text())
    return fake


def test_create_sends_the_configuration_and_gives_the_domid(host: FakeRunner) -> None:
    seen: list[Call] = []

    def create(call: Call) -> Reply:
        seen.append(call)
        return Reply(stdout="12\n")

    host.on_call("xl create -p", create)
    domain = Xl(host).create_paused('name = "a"\n', "a")
    assert (domain.name, domain.domid) == ("a", 12)
    assert seen[0].stdin == b'name = "a"\n'
    assert seen[0].command.argv[-2:] == ("/run/xenflight", "a")


def test_create_with_a_name_that_is_a_path(host: FakeRunner) -> None:
    with pytest.raises(UsageError):
        Xl(host).create_paused("", "../etc/passwd")
    assert host.calls == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            refusal("exists"),
            rf"already exists.*\(xl destroy {NAME} removes the one that is there\)",
        ),
        (refusal("no-memory"), r"Cannot allocate memory \(.* GiB are free there\)"),
        (refusal("no-bridge"), r"Could not find bridge device nobr$"),
        ("", r"exit status 3, and no word"),
    ],
)
def test_create_that_xl_refuses(host: FakeRunner, said: str, words: str) -> None:
    host.on("xl create -p", stderr=said, exit_status=3)
    with pytest.raises(LabError, match=rf"xl did not create {NAME}: .*{words}"):
        Xl(host).create_paused("", NAME)


def test_create_that_hangs(host: FakeRunner) -> None:
    host.on("xl create -p", raises=DeadlineExceeded("hung"))
    with pytest.raises(DeadlineExceeded):
        Xl(host).create_paused("", NAME)
    left = Xl(host).find(NAME)
    assert left is not None
    assert left.domid == 3


def test_list_state_and_find(host: FakeRunner) -> None:
    xl = Xl(host)
    assert [info.name for info in xl.list()] == ["Domain-0", NAME]
    assert xl.state(NAME) is DomainState.PAUSED
    assert xl.state("other") is None
    assert xl.find("other") is None
    assert set(xl.configs()) == {0, 3}
    assert xl.info().minor == 17


def test_ending_a_domain_that_is_gone_is_no_error(host: FakeRunner) -> None:
    host.on("^xl (shutdown|destroy|unpause) ", stderr=GONE, exit_status=1)
    xl = Xl(host)
    xl.shutdown(NAME)
    xl.destroy(NAME)
    with pytest.raises(CommandFailed, match="invalid domain identifier"):
        xl.unpause(NAME)


def test_ending_a_domain_that_resists_is_an_error(host: FakeRunner) -> None:
    said = "libxl: error: libxl_domain.c:1137:domain_destroy_callback: Unable to destroy guest\n"
    host.on("^xl (shutdown|destroy) ", stderr=said, exit_status=1)
    for end in (Xl(host).shutdown, Xl(host).destroy):
        with pytest.raises(CommandFailed, match="Unable to destroy guest"):
            end(NAME)


def test_commands(host: FakeRunner) -> None:
    host.on("^xl |^sh ")
    xl = Xl(host)
    xl.pause(NAME)
    xl.unpause(NAME)
    xl.tidy(NAME, timedelta(seconds=30))
    assert host.lines == [
        f"xl pause {NAME}",
        f"xl unpause {NAME}",
        """sh -ec 'rm -f "$1"; udevadm settle --timeout="$2"' """
        f"tidy-domain /run/xenflight/{NAME}.cfg 30",
    ]
