"""The runvars of a job that its flight file gives."""

from __future__ import annotations

from harness.flight.model import JobSpec


def given_runvars(job: JobSpec) -> dict[str, str]:
    """osstest's ``definition``."""
    return {
        "memory": str(job.memory),
        "vcpus": str(job.vcpus),
        "disk": str(job.disk),
        "kernel_args": job.kernel_args,
        "packages": " ".join(job.packages),
    }
