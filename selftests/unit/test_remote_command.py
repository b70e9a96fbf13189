"""Commands as people see them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.errors import CommandFailed
from harness.host.fake import FakeHost
from harness.remote.command import Command
from harness.remote.fake import FakeRunner


def test_a_wrapped_command_shows_the_one_in_it() -> None:
    command = Command(("flock", "/lock", "rm", "a b"), shown="rm 'a b'")
    assert str(command) == "rm 'a b'"
    assert FakeRunner().run(command, check=False).command.argv[0] == "flock"


def test_what_is_secret_stays_so_in_a_wrapper() -> None:
    assert str(Command(("flock", "/lock"), secret=True, shown="passwd x")) == "flock [hidden]"


def test_a_traceback_does_not_show_a_secret() -> None:
    command = Command(("sh", "-c", "echo hunter2"), env={"PASSWORD": "hunter2"}, secret=True)
    assert repr(command) == "Command('sh [hidden]')"
    assert "hunter2" not in repr(replace(command, shown="echo hunter2"))


def test_all_that_is_done_to_a_host_goes_through_the_runner_given() -> None:
    fake, other = FakeHost(), FakeHost(name="other")
    host = fake.host.through(other.runner)
    host.volumes.list()
    host.xl.list()
    host.xenstore.backends(1)
    assert fake.runner.lines == []
    assert len(other.runner.lines) == 3
    assert (host.name, host.volumes.path("a")) == ("fakehost", "/dev/vg0/a")


def test_a_script_has_a_name_and_what_varies_comes_as_arguments() -> None:
    script = Command.script("say-it", 'printf %s "$1"', "a b; $HOME", 7)
    assert script.argv == ("sh", "-ec", 'printf %s "$1"', "say-it", "a b; $HOME", "7")
    assert script.script_name == "say-it"
    assert str(script) == """sh -ec 'printf %s "$1"' say-it 'a b; $HOME' 7"""
    for other in (Command.of("lvs", "-o", "x", "y"), Command.shell("echo a"), Command(("sh",))):
        assert other.script_name is None


def test_messages_call_a_script_by_its_name() -> None:
    script = Command.script("say-it", "echo one\necho two", "a\nb", "c" * 200)
    assert script.brief.startswith("say-it ... ccc")
    assert len(script.brief) < 170
    assert Command.of("lvs", "a b").brief == "lvs 'a b'"
    assert replace(script, shown="it").brief == "it"
    assert replace(script, secret=True).brief == "sh [hidden]"
    failed = FakeRunner().run(script, check=False)
    with pytest.raises(CommandFailed, match=r"on fakehost: `say-it \.\.\. c+"):
        failed.check()
