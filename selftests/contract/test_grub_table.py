"""The generator of the tables, on real packages: made here, as small as they can be."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from harness.errors import CommandFailed, LabError
from harness.grub.packages import look_at
from harness.grub.table import make_all
from harness.remote.command import Command
from harness.remote.local import LocalRunner

RUNNER = LocalRunner()
PAGE = "\n".join(
    f'<h3 data-number="1.2.{n}"><span class="header-section-number">1.2.{n}</span> {name}</h3>\n'
    "<blockquote>\n<p><code>= &lt;boolean&gt;</code></p>\n</blockquote>"
    for n, name in enumerate(["apic", "msi", "smt"])
)


def package(directory: Path, name: str, version: str, files: dict[str, bytes]) -> Path:
    tree = directory / name
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: all\n"
        "Maintainer: Nobody <nobody@example.org>\nDescription: a test\n"
    )
    for path, content in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)
    file = directory / f"{name}_{version}_all.deb"
    RUNNER.run(Command.of("dpkg-deb", "--build", "--root-owner-group", tree, file))
    return file


def test_a_table_is_made_of_a_package(tmp_path: Path) -> None:
    page = "usr/share/doc/xen/html/misc/xen-command-line.html"
    file = package(tmp_path, "xen-doc", "4.20.4-1", {page: PAGE.encode()})
    made = make_all([look_at(file, RUNNER)], tmp_path / "out", RUNNER)
    assert list(made) == ["xen-4.20"]
    assert json.loads(made["xen-4.20"]) == {
        "name": "xen-4.20",
        "package": "xen-doc",
        "version": "4.20.4-1",
        "file": page,
        "options": {"apic": "boolean", "msi": "boolean", "smt": "boolean"},
    }


def test_what_is_packed_is_unpacked(tmp_path: Path) -> None:
    path = "usr/share/doc/linux-doc-6.1/Documentation/admin-guide/kernel-parameters.txt.gz"
    text = b"\tquiet\t...\n\troot=\t...\n\trw\t...\n"
    file = package(tmp_path, "linux-doc-6.1", "6.1.1-1", {path: gzip.compress(text)})
    made = make_all([look_at(file, RUNNER)], tmp_path / "out", RUNNER)
    assert json.loads(made["linux-6.1"])["options"] == {
        "quiet": "flag",
        "root": "string",
        "rw": "flag",
    }


def test_a_document_of_another_form_is_refused(tmp_path: Path) -> None:
    page = "usr/share/doc/xen/html/misc/xen-command-line.html"
    file = package(tmp_path, "xen-doc", "4.17.1-1", {page: b"<h1>all is new</h1>"})
    with pytest.raises(LabError, match=r"0 names were found in .*xen-command-line\.html"):
        make_all([look_at(file, RUNNER)], tmp_path / "out", RUNNER)


def test_a_package_without_the_document_is_refused(tmp_path: Path) -> None:
    file = package(tmp_path, "xen-doc", "4.17.1-1", {"usr/share/doc/xen/README": b""})
    with pytest.raises(LabError, match="has 0 files"):
        make_all([look_at(file, RUNNER)], tmp_path / "out", RUNNER)


def test_what_is_no_package_is_told(tmp_path: Path) -> None:
    file = tmp_path / "x.deb"
    file.write_bytes(b"no package")
    with pytest.raises(CommandFailed, match="dpkg-deb"):
        look_at(file, RUNNER)
