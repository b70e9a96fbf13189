"""SSH keys, against OpenSSH's own ssh-keygen."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.remote.keys import fingerprint, load_public, make_keypair

KNOWN = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl github.com"
)
"""A key whose fingerprint is public: the well-known one of github.com."""

needs_ssh_keygen = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="openssh-client is not installed"
)


def test_fingerprint_of_a_known_key() -> None:
    assert fingerprint(KNOWN) == "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"


def test_pair_is_private_and_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "key"
    line = make_keypair(path, comment="for a test")
    assert line.endswith(" for a test")
    assert load_public(path) == line
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(item.name for item in path.parent.iterdir()) == ["key", "key.pub"]


def test_pair_of_that_name_is_replaced(tmp_path: Path) -> None:
    first = make_keypair(tmp_path / "key")
    second = make_keypair(tmp_path / "key")
    assert first != second
    assert load_public(tmp_path / "key") == second


@needs_ssh_keygen
def test_openssh_reads_both_halves(tmp_path: Path) -> None:
    path = tmp_path / "key"
    line = make_keypair(path)
    derived = _ssh_keygen("-y", "-f", str(path))
    assert derived.split()[:2] == line.split()[:2]
    assert _ssh_keygen("-l", "-f", str(path)).split()[1] == fingerprint(line)


def test_missing_public_half_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="make it with: ssh-keygen -y"):
        load_public(tmp_path / "key")


@pytest.mark.parametrize("text", ["", "ssh-ed25519", "ssh-ed25519 !!!", "ssh-ed25519 AAA"])
def test_text_that_is_no_key(text: str) -> None:
    with pytest.raises(UsageError, match="is not an SSH public key"):
        fingerprint(text)


def test_key_of_another_kind_than_it_says() -> None:
    with pytest.raises(UsageError, match="says it is 'ssh-rsa'"):
        fingerprint(KNOWN.replace("ssh-ed25519", "ssh-rsa"))


def _ssh_keygen(*arguments: str) -> str:
    return subprocess.run(
        ["ssh-keygen", *arguments], check=True, capture_output=True, text=True
    ).stdout
