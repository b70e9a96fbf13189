"""The rules that a machine can check: style, types, shell syntax, and what must not be said."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = ("harness", "suites", "selftests")
SHELL = {
    "xenflight": "sh",
    ".ci/run": "bash",
    "harness/testbox/dom0/setup.sh": "sh",
    "harness/bench/bare.sh": "sh",
    "harness/reliability/decoys.sh": "sh",
}

URL = re.compile(r"https?://(?P<host>[A-Za-z0-9][A-Za-z0-9._-]*)")
ALLOWED_HOST = re.compile(
    r"(?:.*\.)?(?:example(?:\.(?:com|net|org))?|invalid|test|localhost)"
    r"|[\w-]+|127(?:\.\d+){3}|10(?:\.\d+){3}|192\.0\.2\.\d+"
    r"|(?:.*\.)?(?:github\.com|gitlab\.com|xenproject\.org|json-schema\.org"
    r"|w3\.org|asciinema\.org|keepachangelog\.com|semver\.org|pytest\.org|readthedocs\.io"
    r"|kernel\.org)"
    # Debian's documentation, not its mirrors.
    r"|(?:www|wiki|manpages|bugs)\.debian\.org"
)
"""Where a link may lead: names reserved for examples or without a domain, the loopback, and
public documentation. No mirror and no registry is written down in this project."""


def tracked_files() -> list[Path]:
    """All files of the project, as git knows them; all there are when this is no repository."""
    done = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"this is not a git checkout: {done.stderr.strip()}")
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize(
    "arguments",
    [
        ("ruff", "check", "conftest.py", *CODE),
        ("ruff", "format", "--check", "conftest.py", *CODE),
        ("mypy", *CODE),
        # By itself: mypy takes it and selftests/conftest.py for one module.
        ("mypy", "conftest.py"),
    ],
    ids=["lint", "format", "types", "types of conftest"],
)
def test_code(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("script", "shell"), SHELL.items())
def test_shell_syntax(script: str, shell: str) -> None:
    done = subprocess.run([shell, "-n", ROOT / script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_links_lead_only_to_documentation_and_examples() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in tracked_files()
        for match in URL.finditer(path.read_text(encoding="utf-8", errors="replace"))
        if not ALLOWED_HOST.fullmatch(match["host"])
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("m.example", True), ("127.0.0.1", True), ("mirror.corp", False), ("10.1.2.3.corp", False)],
)
def test_the_rule_for_links_itself(host: str, allowed: bool) -> None:
    assert bool(ALLOWED_HOST.fullmatch(host)) is allowed


def test_no_path_of_the_machine_it_was_written_on() -> None:
    home = re.compile(r"/(?:home|Users)/(?!USER\b)\w+/|/tmp/[a-z]/bin|/wor" r"k/\w+")
    wrong = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in tracked_files()
        for match in home.finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert not wrong
