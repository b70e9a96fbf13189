"""What a worker is told of a flight: its plan, in which hosts are names only.

How a host is reached, and with which key, stands in the hosts.yaml of each controller; no
credential goes through the queue.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from harness.errors import UsageError
from harness.flight.inventory import Inventory
from harness.flight.plan import Plan, from_json, to_dict
from harness.flight.planhost import host_dict
from harness.secret import mask


def pack_plan(plan: Plan) -> dict[str, Any]:
    """*plan* as JSON values, without its jobs, and with the names of its hosts only.

    `UsageError` when there is a secret in it that is known here.
    """
    packed = {**to_dict(replace(plan, jobs=())), "hosts": [host.name for host in plan.hosts]}
    text = json.dumps(packed)
    if mask(text) != text:
        msg = "there is a password in the plan, and all of it would go through the queue"
        raise UsageError(msg, hint="hosts.yaml and the environment are the places for secrets")
    found: dict[str, Any] = json.loads(text)
    return found


def unpack_plan(
    packed: Mapping[str, Any], job: Mapping[str, Any], hosts: Iterable[str], inventory: Inventory
) -> Plan:
    """The plan of one run of *job* on those of *hosts* that *inventory* has.

    It has an id of its own: what two attempts leave on a host is never taken for the other's, and
    what is left of one whose controller died is reaped by the next. `UsageError` when no host is
    known here, or the plan is of another version of xenflight.
    """
    here = [inventory.get(name) for name in hosts if name in inventory.hosts]
    if not here:
        msg = f"none of the job's hosts is in hosts.yaml here: {', '.join(hosts)}"
        raise UsageError(msg)
    data = {**packed, "hosts": [host_dict(host) for host in here], "jobs": [job]}
    plan = from_json(json.dumps(data))
    created = datetime.now(UTC)
    token = plan.flight_id.rpartition("-")[2]
    run_id = f"{plan.flight}-{token}-{created:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    return replace(plan, flight_id=run_id, created=created)
