"""xenstore's tools, as those of Xen 4.17 really answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import CommandFailed, LabError
from harness.remote.fake import FakeRunner
from harness.xen.xenstore import Xenstore, parse_tree, unescape

DATA = Path(__file__).parents[1] / "data" / "xenstore"
RUNNING = (DATA / "ls-f-running.txt").read_text()
NO_PATH = "xenstore-ls: xs_directory (/nope): No such file or directory\n"


@pytest.fixture
def host() -> FakeRunner:
    """A host with one domain running."""
    fake = FakeRunner()
    fake.on(r"^xenstore-ls -f /local/domain/0/backend$", RUNNING)
    fake.on(r"^xenstore-ls -f /$", RUNNING)
    return fake


def test_tree(host: FakeRunner) -> None:
    tree = Xenstore(host).tree()
    assert tree["/local/domain/0/name"] == "Domain-0"
    assert tree["/local"] == ""
    assert len(tree) == len(RUNNING.splitlines())


def test_tree_of_nothing() -> None:
    fake = FakeRunner()
    fake.on("^xenstore-ls", stderr=NO_PATH, exit_status=1)
    assert Xenstore(fake).tree("/nope") == {}


def test_tree_when_xenstored_is_dead() -> None:
    fake = FakeRunner()
    fake.on("^xenstore-ls", stderr="xs_open: Connection refused\n", exit_status=1)
    with pytest.raises(CommandFailed, match="Connection refused"):
        Xenstore(fake).tree()


def test_backends_of_a_domain(host: FakeRunner) -> None:
    domid = next(
        int(p.split("/")[3]) for p in parse_tree(RUNNING) if p.startswith("/local/domain/3")
    )
    store = Xenstore(host)
    assert store.backends(domid) == ("console/0", "vbd/51712", "vif/0")
    assert store.backends(domid * 10) == ()


def test_quotes_are_not_escaped_and_everything_else_is() -> None:
    # Written with xenstore-write and read back on a real host.
    line = r'/tool/xft = "back\\slash \001 \xc3\xbc \t\n\xff "q" = "x"'
    assert parse_tree(line) == {
        "/tool/xft": 'back\\slash \x01 ü \t\n\N{REPLACEMENT CHARACTER} "q" = "x'
    }


@pytest.mark.parametrize("line", ["", "nonsense", "/a = b", '/a = "b', 'a = "b"'])
def test_lines_that_make_no_sense(line: str) -> None:
    with pytest.raises(LabError, match="makes no sense"):
        parse_tree(f'/x = "1"\n{line}\n')


@pytest.mark.parametrize("gone", [":\n\n", ": (No such file or directory)\n"])
def test_a_key_that_went_away_meanwhile_is_no_trouble(gone: str) -> None:
    """Both as do_ls prints them, that of Xen 4.17 with an empty line."""
    vkbd = "/local/domain/0/backend/vkbd"
    assert parse_tree(f'/x = "1"\n{vkbd}{gone}/y = "2"\n') == {"/x": "1", "/y": "2"}
    assert parse_tree(f'/x = "1"\n{vkbd}{gone}') == {"/x": "1"}
    assert parse_tree(f"{vkbd}{gone}{vkbd}/7{gone}") == {}


def test_unescape_leaves_plain_text_alone() -> None:
    assert unescape("/dev/xenflight/x-y_z 1:2") == "/dev/xenflight/x-y_z 1:2"


def test_read() -> None:
    fake = FakeRunner()
    fake.on("^xenstore-read /a$", "back\\\\slash\n")
    fake.on("^xenstore-read", stderr="xenstore-read: couldn't read path /b\n", exit_status=1)
    assert Xenstore(fake).read("/a") == "back\\slash"
    assert Xenstore(fake).read("/b") is None


def test_exists() -> None:
    fake = FakeRunner()
    fake.on("^xenstore-exists /a$")
    fake.on("^xenstore-exists /b$", exit_status=1)
    fake.on("^xenstore-exists", stderr="xs_open: Connection refused\n", exit_status=1)
    store = Xenstore(fake)
    assert store.exists("/a")
    assert not store.exists("/b")
    with pytest.raises(CommandFailed, match="Connection refused"):
        store.exists("/c")


def test_write_and_remove() -> None:
    fake = FakeRunner()
    fake.on("^xenstore-(write|rm)")
    store = Xenstore(fake)
    store.write("/local/domain/3/data/run", "two words")
    store.write("/local/domain/3/data/run", "back\\slash")
    store.remove("/local/domain/3/data/run")
    assert fake.lines == [
        "xenstore-write /local/domain/3/data/run 'two words'",
        r"xenstore-write /local/domain/3/data/run 'back\\slash'",
        "xenstore-rm /local/domain/3/data/run",
    ]
