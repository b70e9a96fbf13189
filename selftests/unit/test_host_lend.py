"""A disk that is lent to another host: its socket's name, and its end."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from harness.errors import LabError
from harness.guest.identity import host_name
from harness.host.lend import LentDisk, socket_path

LONGEST = f"{'f' * 40}-20261123-225747-ea1783"
LINUX = 107
"""Characters that the path of a socket may have: unix(7)."""


@dataclass
class Joined:
    closed: int = 0

    @property
    def over(self) -> bool:
        return self.closed > 0

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("job", ["j", "migration-bookworm-amd64-pvh-direct-" + "v" * 100])
def test_its_socket_has_a_name_that_linux_takes(job: str) -> None:
    path = socket_path(LONGEST, host_name(LONGEST, job))
    assert len(path) <= LINUX
    assert path != socket_path(LONGEST, host_name(LONGEST, f"{job}-other"))


def test_what_joins_the_hosts_goes_with_it() -> None:
    joined, given = Joined(), []
    disk = LentDisk(device="/dev/nbd0", joined=joined, give=lambda: given.append(1))
    assert not disk.lost
    disk.give_back()
    assert disk.lost
    assert (joined.closed, given) == (1, [1])


def test_also_where_the_borrower_does_not_let_go() -> None:
    joined = Joined()

    def never() -> None:
        msg = "gone"
        raise LabError(msg)

    with pytest.raises(LabError, match="gone"):
        LentDisk(device="/dev/nbd0", joined=joined, give=never).give_back()
    assert joined.closed == 1
