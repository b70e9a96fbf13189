"""Evidence of a failure: when it is taken, and that nothing else changes by it."""

from __future__ import annotations

import pytest

from harness.status import Status
from plugin.project import PV, PVH, Project
from plugin.test_statuses import ONE, suite_with

INDEX = f"jobs/{PV}/evidence/index.json"


def captures(project: Project) -> list[str]:
    return [line for line in project.did if line.startswith("capture ")]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [("assert guest is None", "fail", 5), ("raise LabError('xl hangs')", "broken", 4)],
)
def test_once_of_the_first_step_that_did_not_pass(
    project: Project, body: str, status: str, code: int
) -> None:
    project.suite(suite_with(body))
    result = project.run()
    assert result.ret == code
    for job in (PV, PVH):
        mine = [line for line in project.did if job in line]
        suspect = [f"suspect {job} xl hangs"] if status == "broken" else []
        told = [f"capture {job} guest-boot {status}", f"remove {job}", *suspect]
        assert mine[-len(told) :] == told
    assert len(captures(project)) == 2
    assert project.job()["evidence"] == {"index": INDEX, "asked": 2, "had": 2, "note": ""}
    result.stdout.fnmatch_lines(["*evidence: reports/runs/*"])


def test_at_once_and_not_only_before_the_teardown(project: Project) -> None:
    """A fixture of the suite, or a later step, must not change what is seen."""
    project.suite(
        """
        import pytest
        @pytest.fixture
        def tidy(guest):
            yield guest
            guest.note("tidied")
        def test_guest_boot(tidy): assert False
        def test_guest_gone(guest): pass
        """
    )
    project.run(*ONE)
    capture = f"capture {PV} guest-boot fail"
    assert project.did.index(capture) < project.did.index(f"note {PV} tidied")


@pytest.mark.parametrize("body", ["pass", "pytest.skip('not here')"])
def test_not_of_what_went_well(project: Project, body: str) -> None:
    project.suite(suite_with(body))
    assert project.run(*ONE).ret == 0
    assert not captures(project)
    assert project.job()["evidence"] is None


@pytest.mark.parametrize("body", ["raise KeyboardInterrupt", "raise Starved('no room')"])
def test_not_of_an_end_that_is_nobodys_fault(project: Project, body: str) -> None:
    project.suite(suite_with(body))
    project.run(*ONE)
    assert not captures(project)
    assert f"remove {PV}" in project.did


def test_not_without_a_guest(project: Project) -> None:
    project.lab(f"broken_images={{'{PV}': 'cannot be built'}}")
    assert project.run(*ONE).ret == 4
    assert not captures(project)


def test_of_a_guest_that_is_kept(project: Project) -> None:
    project.suite(suite_with("assert guest is None"))
    project.run(*ONE, "--keep", "on-failure")
    assert captures(project) == [f"capture {PV} guest-boot fail"]
    assert project.job()["kept"] is True


@pytest.mark.parametrize("error", ["OSError(28, 'disk full')", "KeyError('a bug')"])
def test_that_it_cannot_be_taken_changes_nothing_else(project: Project, error: str) -> None:
    project.lab(f"no_evidence={{'{PV}': {error}}}")
    project.suite(suite_with("assert guest is None, 'it died'"))
    assert project.run(*ONE).ret == 5
    assert project.step("guest-boot")["reason"].startswith("it died")
    assert project.steps()["guest-gone"] is Status.BLOCKED
    assert "teardown" not in project.steps()
    assert project.did[-4:] == [
        f"capture {PV} guest-boot fail",
        f"remove {PV}",
        "sweep",
        "close",
    ]
    assert project.job()["evidence"]["note"].startswith("could not be taken: ")
    assert project.results["problems"] == []


@pytest.mark.parametrize("last", [False, True])
def test_an_interrupt_meanwhile_goes_on_to_the_teardown(project: Project, last: bool) -> None:
    project.lab(f"no_evidence={{'{PV}': KeyboardInterrupt()}}")
    after = "" if last else "def test_guest_gone(guest): pass"
    project.suite(f"def test_guest_boot(guest): assert False, 'it died'\n{after}\n")
    assert project.run().ret == 130
    assert project.results["status"] == "aborted"
    assert project.steps()["guest-boot"] is Status.FAIL
    assert project.did.count(f"remove {PV}") == 1
    assert project.did[-3:] == [f"remove {PV}", "sweep", "close"]
    assert len(captures(project)) == 1
    assert project.results["problems"] == []


def test_of_a_guest_that_cannot_be_removed(project: Project) -> None:
    project.lab(f"stuck={{'{PV}': 'LV in use'}}")
    assert project.run(*ONE).ret == 4
    assert captures(project) == [f"capture {PV} teardown broken"]
    assert project.step("teardown")["reason"] == "LV in use"
    assert project.job()["evidence"]["index"] == INDEX


def test_only_once_of_one_that_failed_and_cannot_be_removed(project: Project) -> None:
    project.lab(f"stuck={{'{PV}': 'LV in use'}}")
    project.suite(suite_with("assert guest is None"))
    assert project.run(*ONE).ret == 4
    assert captures(project) == [f"capture {PV} guest-boot fail"]


def test_in_workers(project: Project) -> None:
    project.suite(suite_with("assert guest is None"))
    assert project.run("-n", "2").ret == 5
    assert len(captures(project)) == 2
    assert project.job()["evidence"]["index"] == INDEX
