"""What is collected for a flight, in which order, and what is said when there is none."""

from __future__ import annotations

import pytest

from plugin.project import PV, PVH, Project

TWO_SUITES = """
flight: two
mirror: auto
jobs:
  - {suite: extra, dist: bookworm, arch: amd64, virt: pv, boot: direct}
  - {suite: boot, dist: bookworm, arch: amd64, virt: pv, boot: direct}
"""
EXTRA = "extra-bookworm-amd64-pv-direct"


def collected(result: pytest.RunResult) -> list[str]:
    """Node ids, without the folder of the suites."""
    return [line.removeprefix("suites/") for line in result.outlines if "::" in line]


def steps_of(*jobs: str) -> list[str]:
    steps = ("create", "boot", "gone")
    return [f"boot/test_boot.py::test_guest_{step}[{job}]" for job in jobs for step in steps]


def test_job_by_job_each_in_its_suites_order(project: Project) -> None:
    result = project.run("--collect-only", "-q")
    assert result.ret == 0
    assert collected(result) == steps_of(PV, PVH)


def test_collecting_touches_nothing(project: Project) -> None:
    project.run("--collect-only", "-q")
    assert project.did == []
    assert not (project.path / "reports").exists()


def test_only(project: Project) -> None:
    result = project.run("--collect-only", "-q", "--only", "*-pvh-*")
    assert collected(result) == steps_of(PVH)


@pytest.mark.parametrize("words", ["guest-boot", "guest_boot", "guest-boot and not pvh"])
def test_k_knows_testids(project: Project, words: str) -> None:
    result = project.run("--collect-only", "-q", "-k", words)
    found = collected(result)
    assert found
    assert {node.partition("[")[0] for node in found} == {"boot/test_boot.py::test_guest_boot"}
    assert any("pvh" in node for node in found) is ("not pvh" not in words)


@pytest.mark.parametrize(("words", "rounds"), [((), "10"), (("--rounds", "3"), "3")])
def test_how_many_rounds(project: Project, words: tuple[str, ...], rounds: str) -> None:
    project.suite("def test_often(guest, rounds): guest.note(f'{rounds} rounds')\n", "extra")
    project.write("flights/two.yaml", TWO_SUITES)
    project.run("-k", "often", *words, flight="two")
    assert any(f"{rounds} rounds" in str(done) for done in project.did)


@pytest.mark.parametrize("number", ["0", "-1", "some"])
def test_what_is_no_number_of_rounds(project: Project, number: str) -> None:
    result = project.run("--collect-only", f"--rounds={number}")
    assert int(result.ret) != 0
    assert not project.did


def test_suites_of_other_flights_are_deselected(project: Project) -> None:
    project.suite("def test_extra(guest): guest.note('extra')\n", "extra")
    result = project.run("--collect-only", "-q")
    assert collected(result) == steps_of(PV, PVH)
    result.stdout.fnmatch_lines(["*6/7 tests collected (1 deselected)*"])


def test_a_flight_of_two_suites_goes_by_its_jobs_not_by_files(project: Project) -> None:
    project.suite("def test_extra(guest): guest.note('extra')\n", "extra")
    project.write("flights/two.yaml", TWO_SUITES)
    result = project.run("--collect-only", "-q", flight="two")
    assert collected(result) == [f"extra/test_extra.py::test_extra[{EXTRA}]", *steps_of(PV)]


def test_order_survives_a_plugin_that_shuffles(project: Project) -> None:
    project.write("shuffle.py", "def pytest_collection_modifyitems(items):\n    items.reverse()\n")
    project.pytester.syspathinsert()
    result = project.run("--collect-only", "-q", "-p", "shuffle")
    assert collected(result) == steps_of(PV, PVH)


def test_a_steps_own_parameters_end_its_testid(project: Project) -> None:
    project.suite(
        """
        import pytest
        @pytest.mark.parametrize("way", ["save [1]", "a::test_b[c]", "é"])
        def test_guest_move(guest, way): guest.note("move")
        """
    )
    result = project.run("--only", "*-pv-*")
    assert result.ret == 0
    expected = ["guest-move.save [1]", "guest-move.a::test_b[c]", "guest-move.\\xe9"]
    assert list(project.steps()) == expected


@pytest.mark.parametrize(
    ("arguments", "code"),
    # Without a flight none of us is there to change xdist's own exit code.
    [((), 2), (("--collect-only",), 2), (("-n", "2"), 1)],
)
def test_no_flight_is_bad_usage(project: Project, arguments: tuple[str, ...], code: int) -> None:
    result = project.call("suites", *arguments)
    assert result.ret == code
    assert "the suites need a flight, such as: pytest suites --flight" in str(result.stdout)
    assert "Traceback" not in str(result.stdout) + str(result.stderr)
    assert project.did == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--flight", "smok"), "did you mean 'smoke'?"),
        (("--only", "*-hvm-*"), "no job matches '*-hvm-*'"),
        (("--host", "rak"), "did you mean 'rack'?"),
        (("--keep", "alway"), "did you mean 'always'?"),
        (("--keep", "always", "--keep-for", "4d"), "--keep-for: '4d' is not a duration"),
        (("--keep-for", "4h"), "add --keep on-failure or --keep always"),
        (("--timeout-factor", "0"), "a timeout factor of 0"),
        (("--plan", "nothing.json"), "can't read the plan nothing.json: No such file"),
        (("--plan", "conftest.py"), "this is not a plan"),
        (("-n", "auto", "--flight", "smok"), "did you mean 'smoke'?"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    project: Project, arguments: tuple[str, ...], told: str
) -> None:
    result = project.run(*arguments)
    assert result.ret == 2
    said = str(result.stdout) + str(result.stderr)
    assert told in said
    assert "Traceback" not in said
    assert project.did == []


def test_inert_beside_other_projects_tests(project: Project) -> None:
    project.write("conftest.py", 'pytest_plugins = ["harness.plugin"]\n')
    project.write(
        "suites/theirs/test_theirs.py",
        """
        import pytest
        @pytest.fixture
        def guest(): return "theirs"
        def test_guest(guest): assert guest == "theirs"
        @pytest.mark.parametrize("n", [1, 2])
        def test_other(n): assert n
        """,
    )
    result = project.call("suites/theirs")
    result.assert_outcomes(passed=3)
    assert result.ret == 0
    assert not (project.path / "reports").exists()


def test_a_failing_test_of_another_project_keeps_pytests_exit_code(project: Project) -> None:
    project.write("tests/test_theirs.py", "def test_x(): assert 0\n")
    assert project.call("tests").ret == pytest.ExitCode.TESTS_FAILED


def test_nothing_heavy_is_imported_without_a_flight(project: Project) -> None:
    project.write(
        "tests/test_theirs.py",
        """
        import sys
        def test_light():
            heavy = {"paramiko", "pexpect", "pydantic", "rich", "xdist.scheduler", "yaml"}
            ours = {name for name in sys.modules if name.startswith("harness.")}
            assert not ours & {"harness.job", "harness.remote", "harness.results"}
            assert not heavy & set(sys.modules) - {"rich", "yaml", "xdist.scheduler"}
        """,
    )
    project.write("conftest.py", 'pytest_plugins = ["harness.plugin"]\n')
    result = project.pytester.runpytest_subprocess("tests", "-p", "no:allure_pytest")
    result.assert_outcomes(passed=1)


def test_help_shows_the_options(project: Project) -> None:
    result = project.call("--help")
    result.stdout.fnmatch_lines(["flights of Xen guests:", "*--flight=NAME*"])
