"""Command lines and links in the docs and in helps lead somewhere; lists of verbs are whole."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import typer

import harness
from harness.cli import load_verbs, main
from harness.cli.queue import ListByDefault
from harness.status import EXIT_BUG, EXIT_CODES, EXIT_USAGE, Status

ROOT = Path(harness.__file__).parent.parent
README = ROOT / "README.md"
PAGES = [
    *ROOT.glob("*.md"),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "suites").rglob("*.md")),
]
LINE = re.compile(r"^(?:\$ )?\./xenflight (.+)$|`(?:\./)?xenflight ([a-z][^`]*)`", re.MULTILINE)
"""On a line of its own as a shell takes it, or in the middle of a text."""
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)

Verb = Any
"""A command of Typer's, whose own class has no public name."""


@pytest.fixture(scope="module", name="app")
def the_app() -> Verb:
    return typer.main.get_command(load_verbs())


def verbs(command: Verb, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Verb]]:
    """Each verb that does something by itself, with its words."""
    inner = getattr(command, "commands", {})
    if path and (not inner or command.invoke_without_command):
        yield path, command
    for name, one in inner.items():
        yield from verbs(one, (*path, name))


def problem(app: Verb, line: str) -> str:
    """Why xenflight does not know a command line; nothing when it does."""
    lexer = shlex.shlex(
        line.replace("\\|", "|").rstrip("\\"), posix=True, punctuation_chars="|;&<>"
    )
    lexer.whitespace_split = True
    # From there on it is not ours: another program, or a file.
    words = list(takewhile(lambda word: not set(word) <= set("|;&<>"), lexer))
    command, at = app, 0
    while at < len(words) and words[at] in getattr(command, "commands", {}):
        command, at = command.commands[words[at]], at + 1
    rest = words[at:]
    if isinstance(command, ListByDefault):
        command = command.commands["list"]
    group = hasattr(command, "commands")
    if group and rest and re.fullmatch(r"[a-z-]+", rest[0]) and not rest[0].startswith("-"):
        return f"no verb {rest[0]}"
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    known |= {"--help", "-h"}
    given = rest[: rest.index("--")] if "--" in rest else rest
    wrong = [word for word in given if re.match(r"--?[a-z]", word)]
    return ", ".join(f"no option {word}" for word in wrong if word.split("=")[0] not in known)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_command_lines_in_the_docs_are_known(page: Path, app: Verb) -> None:
    text = page.read_text(encoding="utf-8")
    lines = [(text.count("\n", 0, m.start()) + 1, m[1] or m[2]) for m in LINE.finditer(text)]
    wrong = [f"{n}: {line}: {said}" for n, line in lines if (said := problem(app, line))]
    assert not wrong


def test_there_are_command_lines_in_the_docs() -> None:
    found = [m for page in PAGES for m in LINE.finditer(page.read_text(encoding="utf-8"))]
    assert len(found) > 100


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("run smoke --only '*-pv-*'", ""),
        ("run smoke | head -1", ""),
        ("queue nightly-1 --json", ""),
        ("flights --json | jq -r '.[] | .id'", ""),
        ("testbox ssh -- lvs --units m", ""),
        ("run smoke --onyl x", "no option --onyl"),
        ("frobnicate smoke", "no verb frobnicate"),
        ("db improt x", "no verb improt"),
    ],
)
def test_what_is_looked_for_is_found(line: str, said: str, app: Verb) -> None:
    assert problem(app, line) == said


def test_every_verb_has_examples_that_are_known(app: Verb) -> None:
    for path, command in verbs(app):
        help_text = inspect.cleandoc(command.help or "")
        examples = re.findall(r"^\[cyan\]xenflight (.*)\[/cyan\]$", help_text, re.MULTILINE)
        words = path[:-1] if path[-1] == "list" else path
        assert any(f"xenflight {' '.join(words)}" in f"xenflight {one}" for one in examples), path
        for example in examples:
            assert not problem(app, example), (path, example)


def test_the_readme_names_every_verb(app: Verb) -> None:
    _, _, text = README.read_text(encoding="utf-8").partition("\n## Verbs\n")
    named = re.findall(r"`([a-z]+)", "".join(re.findall(r"^\| `.*$", text, re.MULTILINE)))
    assert set(app.commands) <= set(named)


def test_exit_codes_are_told_by_the_readme_and_by_the_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    codes = {0, EXIT_BUG, EXIT_USAGE, *EXIT_CODES.values()}
    text = README.read_text(encoding="utf-8")
    assert {int(code) for code in re.findall(r"^\| (\d+) \| ", text, re.MULTILINE)} == codes
    assert main(["--help"]) == 0
    told = " ".join(capsys.readouterr().out.partition("Exit codes:")[2].split())
    assert {int(code) for code in re.findall(r"\b(\d+) \w", told)} == codes
    for status in (Status.BROKEN, Status.FAIL, Status.STARVED, Status.ABORTED):
        assert f"{EXIT_CODES[status]} {status}" in told


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings of a page."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text("utf-8")), re.MULTILINE):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        again = sum(one == slug or re.fullmatch(rf"{slug}-\d+", one) is not None for one in found)
        found.add(f"{slug}-{again}" if again else slug)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    wrong = []
    for link in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        if "://" in link or link.startswith("mailto:"):
            continue
        file, _, anchor = link.partition("#")
        leads = (page.parent / file).resolve() if file else page
        if not leads.exists() or (anchor and anchor not in anchors(leads)):
            wrong.append(link)
    assert not wrong


def test_every_page_of_the_docs_is_linked_from_another() -> None:
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in LINK.findall(page.read_text(encoding="utf-8"))
        if not link.startswith(("#", "http"))
    }
    assert {page.resolve() for page in PAGES} - linked <= {README}
