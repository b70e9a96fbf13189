"""The shape of ``power`` and ``canary`` in hosts.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, model_validator

from harness.flight.axes import choose
from harness.flight.fields import Address, CommandLine, Duration, OnHost, Port, VariableName
from harness.flight.hostcare import (
    BOOT_TIMEOUT,
    CANARY_INTERVAL,
    CANARY_TIMEOUT,
    IPMI_INTERFACE,
    IPMI_PORT,
    CanaryWhen,
    PowerCycle,
)
from harness.flight.schema import Strict

PowerCycleField = Annotated[PowerCycle, BeforeValidator(lambda value: choose(PowerCycle, value))]
CanaryWhenField = Annotated[CanaryWhen, BeforeValidator(lambda value: choose(CanaryWhen, value))]


def _named(value: str) -> str:
    if not value.strip() or not value.isprintable():
        msg = "this must be the path of a file with the password in it"
        raise ValueError(msg)
    return value


class IpmiModel(Strict):
    """A BMC."""

    address: Address
    user: OnHost
    port: Port = IPMI_PORT
    interface: OnHost = IPMI_INTERFACE
    password_file: Annotated[str, AfterValidator(_named)] | None = None
    password_env: VariableName | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_password(cls, value: object) -> object:
        if isinstance(value, dict) and "password" in value:
            msg = (
                "a password does not stand in hosts.yaml, which others read: "
                "name a file with 'password_file', or a variable with 'password_env'"
            )
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _one_password(self) -> IpmiModel:
        if (self.password_file is None) == (self.password_env is None):
            msg = "give one of 'password_file' and 'password_env'"
            raise ValueError(msg)
        return self


class PowerCommandsModel(Strict):
    """Commands of the user's."""

    cycle: CommandLine
    status: CommandLine = ()
    log: CommandLine = ()


class PowerModel(Strict):
    """How the host is power-cycled."""

    cycle: PowerCycleField = PowerCycle.ALONE
    boot_timeout: Duration = BOOT_TIMEOUT
    ipmi: IpmiModel | None = None
    command: PowerCommandsModel | None = None


class CanaryModel(Strict):
    """When a guest proves that the host is well."""

    when: CanaryWhenField = CanaryWhen.BROKEN
    interval: Duration = CANARY_INTERVAL
    timeout: Duration = CANARY_TIMEOUT


def check_power(power: PowerModel | None, *, testbox: bool, sim: bool = False) -> None:
    """`ValueError` when a host of that kind has no such power."""
    if power is None:
        return
    drivers = [name for name in ("ipmi", "command") if getattr(power, name) is not None]
    own = "a testbox is power-cycled through its QEMU" if testbox else ""
    own = "a simulated host is power-cycled by its simulation" if sim else own
    if own and drivers:
        msg = f"{own}: it has no {drivers[0]!r}"
        raise ValueError(msg)
    if not own and len(drivers) != 1 and power.cycle is not PowerCycle.NEVER:
        msg = "'power' says how the host is power-cycled: give one of 'ipmi' and 'command'"
        raise ValueError(msg)
