"""The shape of gate policies. docs/judge.md says what each key means."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema

from harness.flight.axes import choose
from harness.flight.fields import OneOrSome, Reason, is_url, unique
from harness.flight.schema import Strict
from harness.judge.rules import QuarantineRule

_WORD = re.compile(r"[a-z0-9][a-z0-9.+_-]*")
_ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_SHARE = re.compile(r"(\d{1,3})\s*%")


class Reaction(StrEnum):
    """What the gate does about something."""

    BLOCK = "block"
    REPORT = "report"


class Demand(StrEnum):
    """What is required of a job."""

    PASS = "pass"
    RUN = "run"


def _glob(value: str) -> str:
    if not value or not value.isprintable() or " " in value:
        msg = f"{value!r} is not a name; * stands for any part of one"
        raise ValueError(msg)
    return value


def _word(what: str, longest: int = 100) -> AfterValidator:
    def check(value: str) -> str:
        if not _WORD.fullmatch(value) or len(value) > longest:
            msg = f"{value!r} is not {what}: lower-case letters, digits and any of . + _ -"
            raise ValueError(msg)
        return value

    return AfterValidator(check)


def _owner(value: str) -> str:
    text = " ".join(value.split())
    if not text or not text.isprintable():
        msg = "an owner is whoever answers for it: a name, a team, a mail address"
        raise ValueError(msg)
    return text


def _link(value: str) -> str:
    if not is_url(value) or not value.isprintable() or " " in value:
        msg = f"{value!r} is no link; it begins with https:// or http://"
        raise ValueError(msg)
    if not value.startswith(("https://", "http://")):
        msg = f"{value!r} is no link that a browser opens; it begins with https:// or http://"
        raise ValueError(msg)
    return value


def _day(value: object) -> date:
    try:
        if not isinstance(value, str) or not _ISO_DAY.fullmatch(value):
            raise ValueError
        return date.fromisoformat(value)
    except ValueError as error:
        msg = f"{value!r} is not a day; write it as 2026-12-31"
        raise ValueError(msg) from error


def _pattern(value: str) -> str:
    if not value.strip(" *") or not value.isprintable():
        msg = "a pattern is a part of what the console said, on one line; * stands for any text"
        raise ValueError(msg)
    return value


def _least(value: object) -> int | str:
    """``90%`` of those that match, or a number of them."""
    share = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if share and int(share[1]) <= 100:
        return f"{int(share[1])}%"
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    msg = f"{value!r} is not a number of jobs, such as 12, nor a share of them, such as 90%"
    raise ValueError(msg)


def _within(low: int, high: int) -> AfterValidator:
    def check(value: int) -> int:
        if not low <= value <= high:
            msg = f"{value} is out of bounds; accepted: {low} to {high}"
            raise ValueError(msg)
        return value

    return AfterValidator(check)


def _none(value: object) -> object:
    return None if value == "none" else value


def _schema(**keys: object) -> WithJsonSchema:
    return WithJsonSchema(dict(keys))


Glob = Annotated[str, AfterValidator(_glob)]
PolicyName = Annotated[str, _word("a policy's name", 40)]
Tree = Annotated[str, _word("the name of a revision, such as xen or image")]
Blessing = Annotated[str, _word("a blessing, such as real or adhoc")]
Branch = Annotated[str, _word("the name of a branch")]
Owner = Annotated[str, AfterValidator(_owner)]
Link = Annotated[str, AfterValidator(_link)]
Day = Annotated[date, BeforeValidator(_day), _schema(type="string", format="date")]
PatternText = Annotated[str, AfterValidator(_pattern)]
Least = Annotated[
    int | str,
    BeforeValidator(_least),
    _schema(anyOf=[{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^\d+\s*%$"}]),
]
ReactionField = Annotated[Reaction, BeforeValidator(lambda value: choose(Reaction, value))]
DemandField = Annotated[Demand, BeforeValidator(lambda value: choose(Demand, value))]
Few = Annotated[int, _within(0, 100), _schema(type="integer", minimum=0, maximum=100)]
Some = Annotated[int, _within(1, 1000), _schema(type="integer", minimum=1, maximum=1000)]


def _everything() -> list[str]:
    return ["*"]


class RequiredModel(Strict):
    """Jobs that must be there."""

    jobs: OneOrSome[Glob] = Field(description="Names of jobs; * stands for any part of one.")
    must: DemandField = Field(
        default=Demand.PASS,
        description="pass: no excuse from history counts; run: they must come to a verdict.",
    )


class AllowModel(Strict):
    """Failures that somebody answers for."""

    jobs: OneOrSome[Glob]
    steps: OneOrSome[Glob] = Field(default_factory=_everything)
    owner: Owner = Field(description="Whoever answers for it.")
    reason: Reason
    link: Link | None = None
    expires: Day = Field(description="The last day on which it holds.")


class KnownIssueModel(Strict):
    """Failures that are recognised by what they look like."""

    name: PolicyName = Field(description="A short name, which verdicts show.")
    fingerprint: PatternText = Field(
        description="A part of what the console said; * stands for any text."
    )
    jobs: OneOrSome[Glob] = Field(default_factory=_everything)
    steps: OneOrSome[Glob] = Field(default_factory=_everything)
    owner: Owner
    reason: Reason | None = None
    link: Link = Field(description="Where it is being dealt with.")
    expires: Day
    blocks: bool = Field(default=False, description="Give it its name, and block all the same.")


class CoverageModel(Strict):
    """How many jobs must at least come to a verdict."""

    jobs: OneOrSome[Glob] = Field(default_factory=_everything)
    least: Least = Field(description="A number of jobs, or a share of those that match: 90%.")


class QuarantineModel(Strict):
    """When a step goes into quarantine, and out."""

    failures: Some = QuarantineRule.failures
    of: Some = QuarantineRule.of
    passes: Some = QuarantineRule.passes
    streak: Some = QuarantineRule.streak

    @model_validator(mode="after")
    def _possible(self) -> QuarantineModel:
        if self.failures > self.of:
            msg = f"{self.failures} failures of the last {self.of} runs there can never be"
            raise ValueError(msg)
        return self


class RetriesModel(Strict):
    """How often a job may be tried again after our lab failed it."""

    each: Few = Field(default=1, description="Retries of one job; later attempts do not count.")
    percent: Few = Field(
        default=10, description="If more of the jobs than this were tried again, none counts."
    )


class _OrNone:
    """Tells editors of the word for no quarantine at all."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        model = handler(schema)["anyOf"][0]
        return {"anyOf": [model, {"const": "none"}]}


QuarantineField = Annotated[QuarantineModel | None, BeforeValidator(_none), _OrNone()]


class PolicyModel(Strict):
    """A gate policy."""

    policy: PolicyName = Field(description="The policy's name; the file is called the same.")
    description: str = ""
    branches: OneOrSome[Glob] = Field(description="The branches that it judges.")
    blessings: Annotated[list[Blessing], AfterValidator(unique)] | None = Field(
        default=None, description="Which flights count as history, the most trusted first."
    )
    also: list[Branch] = Field(default=[], description="Branches whose flights count, too.")
    revision: Annotated[list[Tree], AfterValidator(unique)] | None = Field(
        default=None, description="What makes two runs runs of the same; left out: everything."
    )
    consistent: Few = Field(
        default=2, description="How many runs must have failed before 'like' excuses a failure."
    )
    quarantine: QuarantineField = QuarantineModel()
    required: list[RequiredModel] = Field(default=[], description="Jobs that must be there.")
    allow: list[AllowModel] = Field(default=[], description="Failures that somebody answers for.")
    known_issues: list[KnownIssueModel] = Field(
        default=[], description="Failures recognised by what they look like."
    )
    coverage: list[CoverageModel] = Field(
        default=[], description="How many jobs must come to a verdict."
    )
    never_ran: ReactionField = Field(
        default=Reaction.BLOCK,
        description="Steps that ran in the baseline and never with this revision.",
    )
    no_baseline: ReactionField = Field(
        default=Reaction.BLOCK, description="Failures of a flight with nothing to compare it with."
    )
    retries: RetriesModel = RetriesModel()

    @model_validator(mode="after")
    def _names_once(self) -> PolicyModel:
        count = Counter(issue.name for issue in self.known_issues)
        twice = [name for name, times in count.items() if times > 1]
        if twice:
            msg = f"two known issues are called {twice[0]!r}"
            raise ValueError(msg)
        return self
