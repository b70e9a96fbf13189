"""Which mail server there is: a file of the user's, in YAML."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from email.headerregistry import Address
from email.utils import parseaddr
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from harness.errors import UsageError
from harness.flight.axes import choose
from harness.flight.fields import Address as ServerName
from harness.flight.fields import Duration, OneOrSome, Port, VariableName
from harness.flight.schema import Strict
from harness.flight.validate import validate
from harness.flight.yamlfile import load_document
from harness.home import expanded, user_directory
from harness.secret import Secret

VARIABLE = "XENFLIGHT_MAIL"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Security(StrEnum):
    """How the way to the server is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


_PORTS = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}


def _address(value: str) -> str:
    name, found = parseaddr(value)
    try:
        if not value.isprintable() or "@" not in found:
            raise ValueError(value)
        Address(display_name=name, addr_spec=found)
    except (ValueError, IndexError) as error:
        msg = f"{value!r} is no mail address, such as Lab <lab@mail.example>"
        raise ValueError(msg) from error
    return value


MailAddress = Annotated[str, AfterValidator(_address)]


class PasswordModel(Strict):
    """Where the password is; never the password itself."""

    env: VariableName | None = None
    file: str | None = None

    @model_validator(mode="after")
    def _one(self) -> PasswordModel:
        if (self.env is None) is (self.file is None):
            msg = "say where the password is: env, a variable's name, or file, a path"
            raise ValueError(msg)
        return self


class MailModel(Strict):
    """The file."""

    server: ServerName
    port: Port | None = None
    security: Annotated[Security, BeforeValidator(lambda value: choose(Security, value))] = (
        Security.STARTTLS
    )
    user: str | None = None
    password: PasswordModel | None = None
    sender: MailAddress
    to: OneOrSome[MailAddress]
    timeout: Duration = Field(default=timedelta(seconds=30))
    pages: str = ""

    @model_validator(mode="after")
    def _fits(self) -> MailModel:
        if (self.user is None) is not (self.password is None):
            msg = "a user has a password, and a password a user"
            raise ValueError(msg)
        if self.user and self.security is Security.NONE and self.server not in _LOOPBACK:
            msg = "without TLS anybody on the way could read the password; use starttls or tls"
            raise ValueError(msg)
        return self

    @property
    def port_or_usual(self) -> int:
        """The one that is given, or the one that is usual for such a server."""
        return self.port or _PORTS[self.security]


def load_settings(path: Path) -> MailModel:
    """Read *path*; `UsageError` tells all that is wrong with it, line by line."""
    return validate(MailModel, load_document(path))


def find_settings(text: str | None, environ: Mapping[str, str] = os.environ) -> Path:
    """The file that an option or the environment names, or the user's own; `UsageError` when
    there is none."""
    given = text or environ.get(VARIABLE)
    if given:
        path = expanded(given)
    else:
        path = user_directory("XDG_CONFIG_HOME", ".config", environ) / "mail.yaml"
    if not path.is_file():
        msg = f"no mail server is known: there is no file {path}"
        raise UsageError(msg, hint="docs/mail.md shows what stands in it")
    return path


def password_of(model: PasswordModel, environ: Mapping[str, str] = os.environ) -> Secret:
    """The password; `UsageError` when it is not where it should be."""
    if model.env is not None:
        value = environ.get(model.env, "")
        where = f"the variable {model.env} is not set"
    else:
        path = expanded(model.file or "")
        where = f"the file {path} is empty"
        try:
            value = path.read_text(encoding="utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            value, where = "", f"the file {path} can't be read: {error}"
    if not value:
        msg = f"the mail server's password is missing: {where}"
        raise UsageError(msg)
    return Secret(value)
