"""Signatures of Release files, checked by the real gpgv, made by a real gpg."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.cli import main
from harness.errors import LabError
from harness.mirror.check import OMITTED
from harness.mirror.fake import serve_mirror
from harness.mirror.signature import check_signature, keyrings, verify_with
from harness.remote.command import Command
from harness.remote.local import LocalRunner

pytestmark = pytest.mark.skipif(
    not (shutil.which("gpg") and shutil.which("gpgv")), reason="needs gpg and gpgv"
)
TEXT = b"Origin: Debian\nSuite: x\nDate: Sat, 01 Aug 2026 10:00:00 UTC\n"
LISTS = sorted(Path("/var/lib/apt/lists").glob("*_InRelease"))


class Signer:
    """A key of our own."""

    def __init__(self, home: Path, *, expires: str = "never", faked: str = "") -> None:
        home.mkdir(mode=0o700)
        self._options = ["--homedir", str(home), "--batch", "--quiet", "--passphrase", ""]
        self._options += ["--faked-system-time", faked] if faked else []
        self._gpg("--quick-generate-key", "test@example.org", "ed25519", "sign", expires)
        self.ring = home / "ring.gpg"
        self._gpg("--output", str(self.ring), "--export")

    def sign(self, text: bytes) -> bytes:
        return self._gpg("--clearsign", "--output", "-", stdin=text).encode()

    def _gpg(self, *words: str, stdin: bytes | None = None) -> str:
        command = Command(("gpg", *self._options, *words))
        return LocalRunner().run(command, stdin=stdin).stdout


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(tmp_path / "a")


def test_signed_by_a_key_that_we_trust(signer: Signer) -> None:
    verify_with([signer.ring], signer.sign(TEXT), "x", accept_expired=False)


def test_changed_afterwards(signer: Signer) -> None:
    raw = signer.sign(TEXT).replace(b"Suite: x", b"Suite: y")
    with pytest.raises(LabError, match="x was changed after it was signed by test@"):
        verify_with([signer.ring], raw, "x", accept_expired=True)


def test_signed_by_somebody_else(signer: Signer, tmp_path: Path) -> None:
    other = Signer(tmp_path / "b")
    with pytest.raises(LabError, match="nobody here knows"):
        verify_with([signer.ring], other.sign(TEXT), "x", accept_expired=True)
    verify_with([signer.ring, other.ring], other.sign(TEXT), "x", accept_expired=False)


def test_signed_by_a_key_that_has_expired(tmp_path: Path) -> None:
    old = Signer(tmp_path / "old", expires="20110101T000000", faked="20100101T000000!")
    raw = old.sign(TEXT)
    with pytest.raises(LabError, match="a key that has expired since"):
        verify_with([old.ring], raw, "x", accept_expired=False)
    verify_with([old.ring], raw, "x", accept_expired=True)


def test_not_signed_at_all(signer: Signer) -> None:
    with pytest.raises(LabError, match="x is not signed"):
        verify_with([signer.ring], TEXT, "x", accept_expired=True)


@pytest.mark.skipif(not (LISTS and keyrings()), reason="needs Debian's keyring and lists of apt")
def test_what_apt_took_for_signed_is(tmp_path: Path) -> None:
    raw = LISTS[0].read_bytes()
    check_signature(raw, "it", accept_expired=False)
    with pytest.raises(LabError, match="changed"):
        check_signature(raw.replace(b"Date:", b"Date: "), "it", accept_expired=False)


FLIGHT = """
flight: m
mirror: {{url: "{url}", omit: [security]}}
matrix: {{dist: [bookworm], arch: [amd64, i386], virt: [pv], boot: [direct]}}
"""


def test_the_verb_says_what_nobody_signed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve_mirror() as served:
        for suite in ("bookworm", "bookworm-updates"):
            served.add_pocket(suite, arches=("amd64", "i386"))
        (tmp_path / "m.yaml").write_text(FLIGHT.format(url=served.url))
        line = ["mirror", "check", str(tmp_path / "m.yaml"), "--json"]
        assert main(line) == 4
        data = json.loads(capsys.readouterr().out)
        assert data["state"] == "broken"
        assert {answer["state"] for answer in data["answers"]} == {"unsigned", OMITTED}
        assert main(line[:-1]) == 4
        assert "cannot be built: bookworm amd64, bookworm i386" in capsys.readouterr().out
