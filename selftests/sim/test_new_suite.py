"""What `new suite` writes runs as it is; and what it asks of a guest can fail."""

from __future__ import annotations

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


def test_a_guest_that_is_another_than_it_said_fails(project: SimProject) -> None:
    write(new_suite(NAME, project.path))
    suite = project.path / "suites" / NAME / "test_first_words.py"
    suite.write_text(suite.read_text().replace("uname -r", "sha256sum"))
    assert project.run("--only", PV, flight=NAME).ret == 5
    failed = culprit(project.job(PV))
    assert failed
    assert (failed["testid"], failed["failure_class"]) == (f"{NAME}-kernel", "not-said")
    assert "did not say 'Linux version e3b0c442" in failed["reason"]


def test_a_command_that_fails_is_the_guests_failure(project: SimProject) -> None:
    write(new_suite(NAME, project.path))
    suite = project.path / "suites" / NAME / "test_first_words.py"
    suite.write_text(suite.read_text().replace("uname -r", "no-such-program"))
    assert project.run("--only", PV, flight=NAME).ret == 5
    failed = culprit(project.job(PV))
    assert failed
    assert (failed["testid"], failed["failure_class"]) == (f"{NAME}-kernel", "command-failed")
    assert "no-such-program: not found" in failed["reason"]
