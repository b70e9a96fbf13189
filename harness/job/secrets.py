"""A flight's own key and password, in a directory that only its owner can enter.

Not in the flight's results: those get published. They go when the flight ends, unless a
guest is kept, which nobody could enter otherwise.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.cache import cache_root
from harness.errors import LabError
from harness.guest.identity import make_password
from harness.remote.keys import load_public, make_keypair
from harness.results.layout import safe_name
from harness.secret import Secret


@dataclass(frozen=True)
class FlightSecrets:
    """The directory with them."""

    directory: Path

    @classmethod
    def make(cls, flight_id: str) -> FlightSecrets:
        """New ones for a flight; `LabError` when they can't be written."""
        made = cls.of(flight_id)
        password = make_password()
        try:
            made.directory.mkdir(parents=True, mode=0o700)
            make_keypair(made.user_key, comment=flight_id)
            for path, text in ((made._password, password.text), (made._hash, password.hash)):
                path.touch(mode=0o600)
                path.write_text(text, encoding="ascii")
        except OSError as error:
            msg = f"cannot keep the flight's key and password in {made.directory}: "
            raise LabError(msg + (error.strerror or str(error))) from error
        return made

    @classmethod
    def of(cls, flight_id: str) -> FlightSecrets:
        """Those of a flight, wherever it is run; nothing is made."""
        return cls(cache_root() / "flights" / safe_name(flight_id))

    @property
    def user_key(self) -> Path:
        """The private key that all guests of the flight let in."""
        return self.directory / "id_ed25519"

    @property
    def public_key(self) -> str:
        """Its public half."""
        return load_public(self.user_key)

    @property
    def password(self) -> Secret:
        """root's password, for consoles."""
        return Secret(self._read(self._password))

    @property
    def password_hash(self) -> str:
        """The same for /etc/shadow."""
        return self._read(self._hash)

    @property
    def _password(self) -> Path:
        return self.directory / "password"

    @property
    def _hash(self) -> Path:
        return self.directory / "password.hash"

    def remove(self) -> None:
        """Forget them."""
        shutil.rmtree(self.directory, ignore_errors=True)

    @staticmethod
    def _read(path: Path) -> str:
        try:
            return path.read_text(encoding="ascii")
        except OSError as error:
            msg = f"the flight's secrets are gone: {error}"
            raise LabError(msg) from error
