"""SSH keys: Ed25519 pairs in OpenSSH's own format, and their fingerprints.

Ed25519 because its signatures are cheap on hosts that are emulated.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness.errors import UsageError


def make_keypair(path: Path, comment: str = "xenflight") -> str:
    """Make a new key without a passphrase at *path*, its public half at *path*.pub.

    Returns the public key as one line of text. A pair of that name is replaced. The private
    file appears last and at once, mode 0600: where it exists, the pair is whole.
    """
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    line = f"{public.decode()} {comment}"
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(public_path(path), f"{line}\n".encode(), 0o644)
    _replace(path, private, 0o600)
    return line


def public_path(path: Path) -> Path:
    """Where the public half of the private key *path* is."""
    return path.with_name(path.name + ".pub")


def load_public(path: Path) -> str:
    """The public key that belongs to the private key file *path*, as one line of text."""
    try:
        return public_path(path).read_text().strip()
    except OSError as error:
        msg = f"cannot read the public key of {path}: {error.strerror}"
        hint = f"make it with: ssh-keygen -y -f {path} > {public_path(path)}"
        raise UsageError(msg, hint=hint) from error


def key_blob(public: str) -> bytes:
    """The key itself, without its type and comment; `UsageError` if *public* is no public key."""
    words = public.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error) as error:
        msg = f"{public[:60]!r} is not an SSH public key"
        hint = "it looks like 'ssh-ed25519 AAAA...'; ssh-keyscan prints it"
        raise UsageError(msg, hint=hint) from error
    # The blob begins with its type, length first (RFC 4253, section 6.6).
    named = blob[4 : 4 + int.from_bytes(blob[:4], "big")]
    if named != words[0].encode():
        msg = f"the SSH public key {public[:60]!r} says it is {words[0]!r}, but it is {named!r}"
        raise UsageError(msg)
    return blob


def fingerprint(public: str) -> str:
    """``SHA256:...`` as ``ssh-keygen -l`` prints it."""
    digest = hashlib.sha256(key_blob(public)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _replace(path: Path, data: bytes, mode: int) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
    temporary.replace(path)
