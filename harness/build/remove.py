"""Removing what a builder on the host made, or was about to make."""

from __future__ import annotations

from datetime import timedelta

from harness.build.model import BuildRequest
from harness.build.sandbox import Sandbox
from harness.errors import HostLost, LabError, XenflightError
from harness.host.builders import end_builders
from harness.host.names import built_volumes
from harness.host.xenhost import XenHost
from harness.storage.names import TAG
from harness.wait import Deadline

REMOVE_TIMEOUT = timedelta(minutes=3)


def remove_built(host: XenHost, run: str, hostname: str, deadline: Deadline) -> None:
    """End the builder of the guest *hostname* and remove its volumes and files.

    Well if there is none of it. A volume of that name without the tag of the flight *run* is
    somebody else's and stays. The guest's domain must be gone. `LabError` with all that would not
    go; each part is tried whatever became of the others.
    """
    problems: list[LabError] = []
    try:
        end_builders(host.runner, run, hostname)
    except HostLost:
        raise
    except LabError as error:
        problems.append(error)
    ours = {volume.name for volume in host.volumes.list(f"{TAG}.run={run}")}
    for name in built_volumes(hostname):
        if name not in ours:
            continue
        try:
            host.volumes.remove(name, deadline)
        except HostLost:
            raise
        except LabError as error:
            problems.append(error)
    Sandbox(host=host, run=run, hostname=hostname).remove()
    if problems:
        msg = f"not all of {hostname} could be removed: {'; '.join(map(str, problems))}"
        raise LabError(msg) from problems[0]


def clean_up_after(request: BuildRequest, cause: BaseException) -> None:
    """Remove what a build that failed left; what will not go is told with *cause*.

    Of a host that is lost nothing is asked: the next flight on it reaps.
    """
    if isinstance(cause, HostLost):
        return
    deadline = Deadline.after(request.host.stretched(REMOVE_TIMEOUT))
    try:
        remove_built(request.host, request.run, request.hostname, deadline)
    except LabError as error:
        if isinstance(cause, XenflightError):
            cause.message += f"; and then {error}"
            cause.args = (cause.message,)
