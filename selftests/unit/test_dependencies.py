"""What is installed is pinned, checked by its hash, and needed."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKED = {"requirements.txt": False, "requirements-dev.txt": True}
"""File, and whether it is for working on xenflight, too."""
MODULES = {
    "allure-pytest": None,  # a plugin of pytest's, which finds it
    "pytest-timeout": None,
    "mypy": None,  # programs
    "ruff": None,
    "types-defusedxml": None,  # read by mypy only
    "types-jsonschema": None,
    "types-paramiko": None,
    "types-pexpect": None,
    "types-pyyaml": None,
    "pytest-xdist": "xdist",
    "pyyaml": "yaml",
    "qemu-qmp": "qemu",
}
"""Packages whose module is not called like them."""


def name_of(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=!~;\[ ]", requirement)[0]).lower()


def declared(*, dev: bool) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    more = project["optional-dependencies"]["dev"] if dev else []
    return {name_of(requirement) for requirement in [*project["dependencies"], *more]}


def entries(file: str) -> dict[str, str]:
    """Each requirement's lines, by its name."""
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", (ROOT / file).read_text().strip()):
        found[name_of(entry)] = entry
    return found


@pytest.mark.parametrize("file", LOCKED)
def test_each_is_pinned_with_hashes_and_nothing_says_where_from(file: str) -> None:
    for name, entry in entries(file).items():
        first, *rest = entry.splitlines()
        assert re.fullmatch(r"[a-z0-9_.-]+==[0-9][A-Za-z0-9.+!]*(?: ; [^\\]+)? \\", first), name
        hashes = [line for line in rest if not line.strip().startswith("#")]
        assert hashes, name
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?", one) for one in hashes)


@pytest.mark.parametrize(("file", "dev"), LOCKED.items())
def test_none_is_there_that_nothing_needs(file: str, dev: bool) -> None:
    locked = entries(file)
    assert declared(dev=dev) <= set(locked)
    for name, entry in locked.items():
        wanted_by = set(re.findall(r"#(?: via)? +([a-z0-9_.-]+)", entry)) - {"via"}
        assert wanted_by, name
        ours = "xenflight" in wanted_by
        assert ours == (name in declared(dev=dev)), name
        assert {name_of(one) for one in wanted_by - {"xenflight"}} <= set(locked), name


def test_both_files_pin_the_same_versions() -> None:
    plain, dev = (entries(file) for file in LOCKED)
    assert set(plain) < set(dev)
    assert {plain[name].split()[0] for name in plain} == {dev[name].split()[0] for name in plain}


def imported(*folders: str) -> set[str]:
    found: set[str] = set()
    for path in (one for folder in folders for one in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return found


def test_what_is_declared_is_used() -> None:
    run, work = declared(dev=False), declared(dev=True)
    for names, modules in (
        (run, imported("harness", "suites")),
        (work - run, imported("selftests")),
    ):
        unused = {n for n in names if (m := MODULES.get(n, n)) is not None and m not in modules}
        assert unused == set()
