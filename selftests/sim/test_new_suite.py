"""What `new suite` writes runs as it is; and what it asks of a guest can fail."""

from __future__ import annotations

import pytest

from harness.flight.newsuite import new_suite, write
from sim.project import SimProject, culprit

NAME = "first-words"
PV, PVH = (f"{NAME}-bookworm-amd64-{virt}-direct" for virt in ("pv", "pvh"))


def test_it_runs_as_it_is(project: SimProject) -> None:
    write(new_suite(NAME, project.path))
    assert project.run(flight=NAME).ret == 0
    for job in (PV, PVH):
        steps = {step["testid"]: step["status"] for step in project.job(job)["steps"]}
        assert set(steps) == {"guest-boot", f"{NAME}-kernel", "guest-gone", "leak-check/check"}
        assert set(steps.values()) == {"pass"}
        assert project.job(job)["runvars"]["kernel"].endswith("-cloud-amd64")


@pytest.mark.parametrize(
    ("asked", "failure_class", "reason"),
    [
        ("sha256sum", "not-said", "did not say 'Linux version e3b0c442"),
        ("no-such-program", "command-failed", "no-such-program: not found"),
    ],
)
def test_what_it_asks_of_a_guest_can_fail(
    project: SimProject, asked: str, failure_class: str, reason: str
) -> None:
    write(new_suite(NAME, project.path))
    suite = project.path / "suites" / NAME / "test_first_words.py"
    suite.write_text(suite.read_text().replace("uname -r", asked))
    assert project.run("--only", PV, flight=NAME).ret == 5
    failed = culprit(project.job(PV))
    assert failed
    assert (failed["testid"], failed["failure_class"]) == (f"{NAME}-kernel", failure_class)
    assert reason in failed["reason"]
