"""The console shell on real shells on real terminals: echo, CR LF and prompts are theirs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pty_stream import PtyStream

from harness.console.feed import RecorderSpawn
from harness.console.login import login
from harness.console.recorder import ConsoleRecorder
from harness.console.shell import ConsoleShell
from harness.errors import GuestFailure
from harness.secret import Secret

TIMEOUT = timedelta(seconds=20)
SHELLS = {
    "dash": ("dash", "-i"),
    "bash": ("bash", "--noprofile", "--norc", "-i"),
}
LOGIN = r"""
printf '\nDebian GNU/Linux 12 guest hvc0\n\nguest login: '; read -r user
stty {echo}; printf 'Password: '; read -r password; stty echo; printf '\n'
[ "$user:$password" = root:hunter2 ] || {{ printf 'Login incorrect\nguest login: '; read -r user; }}
printf 'Last login: Tue Nov  4 10:00:00 UTC 2025 on hvc0\n'; exec {shell}
"""


def console(directory: Path, *argv: str) -> ConsoleRecorder:
    return ConsoleRecorder(PtyStream(*argv), directory, name="guest")


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ConsoleShell]:
    with console(tmp_path, *SHELLS[request.param]) as recorder:
        yield login(RecorderSpawn(recorder, start=0), "root", None, timeout=TIMEOUT)


def test_output_and_status(shell: ConsoleShell) -> None:
    result = shell.run("echo one; echo two >&2; exit 3", TIMEOUT)
    assert (result.stdout, result.exit_status) == ("one\ntwo\n", 3)
    result = shell.run("printf 'no line feed'", TIMEOUT)
    assert (result.stdout, result.exit_status) == ("no line feed", 0)
    assert shell.run("true", TIMEOUT).stdout == ""


def test_a_syntax_error_is_only_a_bad_status(shell: ConsoleShell) -> None:
    result = shell.run("if then (", TIMEOUT)
    assert result.exit_status != 0
    assert "yntax error" in result.stdout
    assert shell.run("echo still here", TIMEOUT).stdout == "still here\n"


@pytest.mark.parametrize(
    "text",
    ["it's", '"quoted" $HOME `id` \\n !!', "ünïcode →", "a\tb", "* ? [a-z] ~", "# no comment ;"],
)
def test_text_arrives_as_it_is(shell: ConsoleShell, text: str) -> None:
    quoted = "'" + text.replace("'", "'\\''") + "'"
    assert shell.run(f"printf '%s\\n' {quoted}", TIMEOUT).stdout == text + "\n"


def test_several_lines(shell: ConsoleShell) -> None:
    result = shell.run("for word in a b\ndo\n  echo $word\ndone", TIMEOUT)
    assert result.stdout == "a\nb\n"


def test_a_long_line_and_long_output(shell: ConsoleShell) -> None:
    word = "x" * 3000
    assert shell.run(f"echo {word}", TIMEOUT).stdout == word + "\n"
    assert shell.run("seq 1 20000", TIMEOUT).stdout.splitlines()[-1] == "20000"


def test_each_command_is_on_its_own(shell: ConsoleShell) -> None:
    shell.run("cd /; name=value", TIMEOUT)
    result = shell.run('echo "[$name]"; [ "$PWD" != / ]', TIMEOUT)
    assert (result.stdout, result.exit_status) == ("[]\n", 0)


def test_nonce_echo(shell: ConsoleShell) -> None:
    assert shell.nonce_echo(TIMEOUT) != shell.nonce_echo(TIMEOUT)


def test_a_stalled_command_is_interrupted(shell: ConsoleShell) -> None:
    with pytest.raises(GuestFailure, match="brought the prompt back") as caught:
        shell.run("echo so far; sleep 1000", timedelta(seconds=0.5))
    assert "so far" in caught.value.evidence
    assert shell.run("echo again", TIMEOUT).stdout == "again\n"


def test_a_command_that_reads_the_terminal_is_interrupted(shell: ConsoleShell) -> None:
    with pytest.raises(GuestFailure):
        shell.run("cat", timedelta(seconds=0.5))
    assert shell.run("echo again", TIMEOUT).stdout == "again\n"


def test_the_markers_themselves_may_be_printed(shell: ConsoleShell) -> None:
    assert shell.run("echo :end:0: :begin", TIMEOUT).stdout == ":end:0: :begin\n"


def test_a_shell_that_goes_away(shell: ConsoleShell) -> None:
    with pytest.raises(GuestFailure) as caught:
        shell.run("kill -9 $$", TIMEOUT)
    assert caught.value.failure_class == "console-ended"


@pytest.mark.parametrize("echo", ["-echo", "echo"])
@pytest.mark.parametrize("name", ["dash", "bash"])
def test_login_with_a_password_on_a_real_terminal(tmp_path: Path, name: str, echo: str) -> None:
    """Even a guest that echoes the password does not get it into a file."""
    script = LOGIN.format(echo=echo, shell=" ".join(SHELLS[name]))
    with console(tmp_path, "sh", "-c", script) as recorder:
        spawn = RecorderSpawn(recorder, start=0)
        shell = login(spawn, "root", Secret("hunter2"), timeout=TIMEOUT)
        assert shell.run("echo in", TIMEOUT).stdout == "in\n"
    files = list(tmp_path.iterdir())
    assert len(files) == 2
    for file in files:
        content = file.read_text()
        assert "Password: " in content
        assert "hunter2" not in content
        assert ("[secret]" in content) == (echo == "echo")


def test_a_wrong_password_on_a_real_terminal(tmp_path: Path) -> None:
    script = LOGIN.format(echo="-echo", shell="sh -i")
    with console(tmp_path, "sh", "-c", script) as recorder:
        spawn = RecorderSpawn(recorder, start=0)
        with pytest.raises(GuestFailure) as caught:
            login(spawn, "root", Secret("wrong horse"), timeout=TIMEOUT)
    assert caught.value.failure_class == "login-refused"
    assert "wrong horse" not in f"{caught.value}{caught.value.evidence}"
