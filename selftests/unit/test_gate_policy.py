"""Policies: what they say, and what is said of mistakes in them."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

import harness
from harness.errors import UsageError
from harness.flight.loader import load_flight
from harness.flight.yamlfile import parse_document
from harness.gate.jsonschema import policy_schema, verdict_schema
from harness.gate.names import Known, check_names, check_policies
from harness.gate.policy import (
    Coverage,
    Policy,
    Required,
    load_policy,
    policy_for,
    resolve_policy,
)
from harness.gate.schema import Demand, PolicyModel, Reaction
from harness.judge.rules import QuarantineRule
from harness.judge.waiver import WaiverKind

ROOT = Path(harness.__file__).parent.parent
EXAMPLE = ROOT / "flights" / "policy" / "example.yaml"
LEAST = "policy: p\nbranches: smoke\n"
ALLOW = """\
allow:
  - jobs: boot-*
    owner: jane
    reason: known
    expires: 2027-01-31
"""


def write(tmp_path: Path, text: str, name: str = "p") -> Path:
    folder = tmp_path / "flights" / "policy"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(tmp_path: Path, text: str) -> str:
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        load_policy(path)
    return str(caught.value).replace(str(path), "p.yaml")


def test_the_least_policy_is_the_one_that_is_built_in(tmp_path: Path) -> None:
    found = load_policy(write(tmp_path, LEAST))
    assert found.branches == ("smoke",)
    built_in = Policy()
    names = ("name", "source", "branches", "document")
    for field in set(vars(found)) - set(names):
        assert getattr(found, field) == getattr(built_in, field), field


def test_the_example_has_every_key_and_says_what_it_means() -> None:
    found = load_policy(EXAMPLE)
    said = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    assert set(said) == set(PolicyModel.model_fields)
    assert found.required[0] == Required(jobs=("boot-bookworm-amd64-*",), must=Demand.PASS)
    assert found.coverage == (
        Coverage(jobs=("*",), percent=90),
        Coverage(jobs=("*-i386-*",), count=4),
    )
    allowed, issue = found.waivers
    assert allowed.kind is WaiverKind.ALLOWED
    assert re.fullmatch(r".*example\.yaml:\d+:\d+", allowed.name)
    assert (allowed.expires, allowed.pattern) == (date(2027, 3, 31), None)
    assert (issue.kind, issue.name) == (WaiverKind.KNOWN_ISSUE, "pvgrub-lz4")
    assert issue.fits("boot-sid-i386-pv-pvgrub", "guest-boot", "error: not xen image.")
    assert found.quarantine == QuarantineRule()
    assert found.rules("adhoc").blessings == ("real", "real-retry")


def test_the_jobs_of_the_example_are_those_of_nightly() -> None:
    jobs = [job.name for job in load_flight(ROOT / "flights" / "nightly.yaml").jobs]
    check_names(load_policy(EXAMPLE), Known(jobs=frozenset(jobs)))


def test_it_judges_no_flight_of_ours() -> None:
    names = [path.stem for path in (ROOT / "flights").glob("*.yaml")]
    assert all(policy_for(name, ROOT).source is None for name in names)
    assert policy_for("example", ROOT).name == "example"


def test_a_flight_s_own_blessing_counts_beside_the_real_ones() -> None:
    assert Policy().rules("adhoc").blessings == ("real", "real-retry", "real-bisect", "adhoc")
    assert Policy().rules("real").blessings == ("real", "real-retry", "real-bisect")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("polcy: p\n", "p.yaml:1:1: the key 'policy' is missing\n"
         "p.yaml:1:1: the key 'branches' is missing\n"
         "p.yaml:1:1: unknown key 'polcy'; did you mean 'policy'?"),
        ("policy: p\n", "p.yaml:1:1: the key 'branches' is missing"),
        (LEAST + "requird: []\n", "p.yaml:3:1: unknown key 'requird'; did you mean 'required'?"),
        (
            "policy: q\nbranches: smoke\n",
            "p.yaml:1:9: the policy is called 'q', its file p.yaml; call them the same",
        ),
        (
            LEAST + ALLOW.replace("owner: jane", "ownr: jane"),
            "p.yaml:4:5: the key 'owner' is missing in allow[0]\n"
            "p.yaml:5:5: unknown key 'ownr'; did you mean 'owner'?",
        ),
        (
            LEAST + ALLOW.replace("2027-01-31", "2027-02-30"),
            "p.yaml:7:14: allow[0].expires: '2027-02-30' is not a day; write it as 2026-12-31",
        ),
        (
            LEAST + ALLOW.replace("2027-01-31", "2027-W01-1"),
            "p.yaml:7:14: allow[0].expires: '2027-W01-1' is not a day; write it as 2026-12-31",
        ),
        (
            LEAST + ALLOW.replace("2027-01-31", "never"),
            "p.yaml:7:14: allow[0].expires: 'never' is not a day; write it as 2026-12-31",
        ),
        (
            LEAST + ALLOW.replace("    expires: 2027-01-31\n", ""),
            "p.yaml:4:5: the key 'expires' is missing in allow[0]",
        ),
        (
            LEAST + ALLOW.replace("boot-*", "boot *"),
            "p.yaml:4:11: allow[0].jobs: 'boot *' is not a name; * stands for any part of one",
        ),
        (
            LEAST + ALLOW.replace("owner: jane", "owner: ''"),
            "p.yaml:5:12: allow[0].owner: an owner is whoever answers for it: a name, a team,"
            " a mail address",
        ),
        (
            LEAST + "known_issues:\n  - {name: a, fingerprint: '*', owner: j, link: https://x.example,"
            " expires: 2027-01-31}\n",
            "p.yaml:4:28: known_issues[0].fingerprint: a pattern is a part of what the console"
            " said, on one line; * stands for any text",
        ),
        (
            LEAST + "known_issues:\n  - {name: a, fingerprint: x, owner: j, link: javascript:x,"
            " expires: 2027-01-31}\n",
            "p.yaml:4:47: known_issues[0].link: 'javascript:x' is no link; it begins with"
            " https:// or http://",
        ),
        (
            LEAST + "known_issues:\n"
            + "  - {name: a, fingerprint: x, owner: j, link: https://x.example,"
            " expires: 2027-01-31}\n" * 2,
            "p.yaml:1:1: two known issues are called 'a'",
        ),
        (
            LEAST + "coverage: [{least: 120%}]\n",
            "p.yaml:3:20: coverage[0].least: '120%' is not a number of jobs, such as 12, nor a"
            " share of them, such as 90%",
        ),
        (
            LEAST + "coverage: [{least: true}]\n",
            "p.yaml:3:20: coverage[0].least: True is not a number of jobs, such as 12, nor a"
            " share of them, such as 90%",
        ),
        (
            LEAST + "required: [{jobs: a, must: past}]\n",
            "p.yaml:3:28: required[0].must: unknown demand 'past'; did you mean 'pass'?",
        ),
        (
            LEAST + "never_ran: blok\n",
            "p.yaml:3:12: never_ran: unknown reaction 'blok'; did you mean 'block'?",
        ),
        (
            LEAST + "quarantine: {failures: 11}\n",
            "p.yaml:3:13: quarantine: 11 failures of the last 10 runs there can never be",
        ),
        (
            LEAST + "quarantine: sometimes\n",
            "p.yaml:3:13: quarantine: this must be a mapping of keys to values, not the text"
            " 'sometimes'",
        ),
        (
            LEAST + "retries: {each: -1}\n",
            "p.yaml:3:17: retries.each: -1 is out of bounds; accepted: 0 to 100",
        ),
        (LEAST + "blessings: []\n", "p.yaml:3:12: blessings: the list is empty"),
        (
            LEAST + "revision: [xen, xen]\n",
            "p.yaml:3:11: revision: 'xen' stands in the list twice",
        ),
        (
            LEAST + "branches: other\n",
            "p.yaml:3:1: duplicate key 'branches'; it was given on line 2",
        ),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_lines(tmp_path: Path, text: str, said: str) -> None:
    assert refused(tmp_path, text) == said


def test_no_quarantine_at_all(tmp_path: Path) -> None:
    found = load_policy(write(tmp_path, LEAST + "quarantine: none\nnever_ran: report\n"))
    assert found.quarantine is None
    assert found.never_ran is Reaction.REPORT


NAMES = """\
required:
  - jobs: [boot-bookwrm-*, boot-bookworm-amd64-pv-direct]
allow:
  - jobs: boot-trixie-amd64-pv-dirct
    steps: guest-stopp
    owner: jane
    reason: known
    expires: 2027-01-31
coverage:
  - jobs: "*-pvh-*"
    least: 1
revision: [xenn]
"""
KNOWN = Known(
    jobs=frozenset({"boot-bookworm-amd64-pv-direct", "boot-trixie-amd64-pv-direct"}),
    steps=frozenset({"guest-boot", "guest-stop"}),
    trees=frozenset({"xen", "image"}),
)


def test_names_that_nobody_knows(tmp_path: Path) -> None:
    path = write(tmp_path, LEAST + NAMES)
    with pytest.raises(UsageError) as caught:
        check_names(load_policy(path), KNOWN)
    found = str(caught.value).replace(str(path), "p.yaml").split("\n")
    assert [line.split("; accepted")[0] for line in found] == [
        "p.yaml:4:12: unknown job 'boot-bookwrm-*'; did you mean 'boot-bookworm-*'?",
        "p.yaml:6:11: unknown job 'boot-trixie-amd64-pv-dirct'; did you mean"
        " 'boot-trixie-amd64-pv-direct'?",
        "p.yaml:7:12: unknown step 'guest-stopp'; did you mean 'guest-stop'?",
        "p.yaml:12:11: unknown job '*-pvh-*'",
        "p.yaml:14:12: unknown revision 'xenn'; did you mean 'xen'?",
    ]


def test_where_nothing_is_known_no_name_is_wrong(tmp_path: Path) -> None:
    check_names(load_policy(write(tmp_path, LEAST + NAMES)), Known())
    check_names(Policy(), KNOWN)


def test_check_holds_policies_against_the_flights_they_are_for(tmp_path: Path) -> None:
    flights = tmp_path / "flights"
    path = write(tmp_path, LEAST + NAMES)
    job = "{dist: bookworm, arch: amd64, virt: pv, boot: direct}"
    (flights / "smoke.yaml").write_text(f"flight: smoke\njobs: [{job}]\n", encoding="utf-8")
    found = [str(finding).replace(str(path), "p.yaml") for finding in check_policies(flights)]
    assert [line.split(";")[0] for line in found] == [
        "p.yaml:4:12: unknown job 'boot-bookwrm-*'",
        "p.yaml:6:11: unknown job 'boot-trixie-amd64-pv-dirct'",
        "p.yaml:12:11: unknown job '*-pvh-*'",
    ]
    write(tmp_path, LEAST.replace("smoke", "elsewhere") + NAMES)
    assert check_policies(flights) == []
    write(tmp_path, "policy: [\n")
    (finding,) = check_policies(flights)
    assert "this is not YAML" in finding.text


def test_a_policy_by_name_and_by_path(tmp_path: Path) -> None:
    path = write(tmp_path, LEAST)
    assert resolve_policy("p", tmp_path).source == str(path)
    assert resolve_policy("flights/policy/p.yaml", tmp_path).name == "p"
    with pytest.raises(UsageError, match="unknown policy 'pp'; did you mean 'p'"):
        resolve_policy("pp", tmp_path)
    with pytest.raises(UsageError, match="there is no such file"):
        resolve_policy("./q.yaml", tmp_path)


def test_the_policy_for_a_branch(tmp_path: Path) -> None:
    write(tmp_path, "policy: p\nbranches: ['xen-*']\n")
    write(tmp_path, "policy: q\nbranches: nightly\n", "q")
    write(tmp_path, "policy: [", "_draft")
    assert policy_for("xen-4.19", tmp_path).name == "p"
    assert policy_for("nightly", tmp_path).name == "q"
    assert policy_for("smoke", tmp_path) == Policy()


def test_two_policies_for_one_branch_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "policy: p\nbranches: ['xen-*']\n")
    write(tmp_path, "policy: q\nbranches: xen-4.19\n", "q")
    with pytest.raises(UsageError, match=r"several policies are for branch 'xen-4.19': .* and .*"):
        policy_for("xen-4.19", tmp_path)


def test_a_policy_that_cannot_be_read_might_have_been_the_one(tmp_path: Path) -> None:
    write(tmp_path, "policy: p\n")
    with pytest.raises(UsageError, match="'branches' is missing"):
        policy_for("smoke", tmp_path)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("flights/policy/schema.json", policy_schema()),
        ("docs/verdict.schema.json", verdict_schema()),
    ],
)
def test_the_committed_schemas_are_those_of_the_code(file: str, text: str) -> None:
    how = f"run: python -m harness.gate.jsonschema ... > {file}"
    assert (ROOT / file).read_text(encoding="utf-8") == text, how


def test_the_schema_knows_the_short_forms() -> None:
    properties: dict[str, Any] = json.loads(policy_schema())["properties"]
    assert {"const": "none"} in properties["quarantine"]["anyOf"]
    assert {"type": "string"} in properties["branches"]["anyOf"]


def test_the_first_line_tells_editors_of_the_schema() -> None:
    first = EXAMPLE.read_text(encoding="utf-8").split("\n")[0]
    assert first == "# yaml-language-server: $schema=schema.json"


def test_a_policy_is_read_as_strictly_as_a_flight() -> None:
    document = parse_document("policy: p\nbranches: [no]\n", file="p.yaml")
    assert document.value["branches"] == ["no"]
