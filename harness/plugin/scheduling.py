"""Spreading jobs over xdist's workers: all steps of a job stay together, in order."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

from harness.plugin.naming import split_nodeid


class JobScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """xdist's ``loadscope``, where the scope is the job.

    Not ``loadgroup``: that one rewrites node ids, which JUnit and history would then see.
    """

    def _split_scope(self, nodeid: str) -> str:
        found = split_nodeid(nodeid)
        return found[0] if found else nodeid
