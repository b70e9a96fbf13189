"""Reading gate policies, and finding the one for a branch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import UsageError
from harness.flight.find import flights_dir
from harness.flight.hints import did_you_mean
from harness.flight.problems import InputErrors
from harness.flight.validate import validate
from harness.flight.yamlfile import Document, KeyPath, load_document
from harness.gate.schema import Demand, PolicyModel, Reaction
from harness.judge.rules import QuarantineRule, Rules
from harness.judge.waiver import Waiver, WaiverKind, any_glob

FOLDER = "policy"
BUILT_IN = "built in"
_OWN_BLESSINGS = ("real", "real-retry", "real-bisect")


@dataclass(frozen=True, kw_only=True)
class Required:
    """Jobs that must be there, and how."""

    jobs: tuple[str, ...]
    must: Demand


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """At least *count* jobs, or *percent* of those that match, must come to a verdict."""

    jobs: tuple[str, ...]
    count: int | None = None
    percent: int | None = None


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a flight must keep to. As it stands, the one that is built in."""

    name: str = BUILT_IN
    source: str | None = None
    branches: tuple[str, ...] = ("*",)
    blessings: tuple[str, ...] | None = None
    """None: osstest's own, and whatever the flight in question has."""
    also: frozenset[str] = frozenset()
    trees: frozenset[str] | None = None
    consistent: int = 2
    quarantine: QuarantineRule | None = field(default_factory=QuarantineRule)
    required: tuple[Required, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    never_ran: Reaction = Reaction.BLOCK
    no_baseline: Reaction = Reaction.BLOCK
    retries: int = 1
    retry_percent: int = 10
    document: Document | None = field(default=None, compare=False, repr=False)
    """Where its file says each thing; None for the one that is built in."""

    def rules(self, blessing: str) -> Rules:
        """The rules to judge a flight with that blessing by."""
        usual = tuple(dict.fromkeys((*_OWN_BLESSINGS, blessing)))
        return Rules(
            trees=self.trees,
            blessings=usual if self.blessings is None else self.blessings,
            also=self.also,
            consistent=self.consistent,
            quarantine=self.quarantine,
        )


def policy_files(folder: Path) -> dict[str, Path]:
    """The policies below the folder with the flights, by name, in order."""
    return {path.stem: path for path in sorted((folder / FOLDER).glob("[!_]*.yaml"))}


def load_policy(path: Path) -> Policy:
    """Read *path*. `UsageError` tells all that is wrong with it, line by line."""
    document = load_document(path)
    model = validate(PolicyModel, document)
    if model.policy != path.stem:
        text = f"the policy is called {model.policy!r}, its file {path.name}; call them the same"
        raise InputErrors([document.finding(text, ("policy",))])
    return _policy(model, document)


def resolve_policy(text: str, cwd: Path | None = None) -> Policy:
    """The policy meant by a name, or by the path of its file."""
    if "/" in text or text.endswith((".yaml", ".yml")):
        return load_policy((cwd or Path()) / text)
    known = policy_files(flights_dir(cwd))
    if text not in known:
        msg = f"unknown policy {text!r}{did_you_mean(text, known)}"
        raise UsageError(msg, hint=f"policies are in flights/{FOLDER}; docs/judge.md shows one")
    return load_policy(known[text])


def policy_for(branch: str, cwd: Path | None = None) -> Policy:
    """The policy whose `branches` have *branch*; the one that is built in when there is none.

    `UsageError` when there are several, or when one of all policies cannot be read: it might have
    been the one.
    """
    policies = [load_policy(path) for path in policy_files(flights_dir(cwd)).values()]
    found = [policy for policy in policies if any_glob(policy.branches, branch)]
    if len(found) > 1:
        names = " and ".join(str(policy.source) for policy in found)
        msg = f"several policies are for branch {branch!r}: {names}"
        raise UsageError(msg, hint="choose one with --policy, or make their branches differ")
    return found[0] if found else Policy()


def _policy(model: PolicyModel, document: Document) -> Policy:
    kept = model.quarantine
    return Policy(
        name=model.policy,
        source=document.file,
        branches=tuple(model.branches),
        blessings=tuple(model.blessings) if model.blessings else None,
        also=frozenset(model.also),
        trees=frozenset(model.revision) if model.revision else None,
        consistent=model.consistent,
        quarantine=QuarantineRule(**dict(kept)) if kept else None,
        required=tuple(Required(jobs=tuple(r.jobs), must=r.must) for r in model.required),
        waivers=(*_allowed(model, document), *_issues(model)),
        coverage=tuple(_coverage(tuple(one.jobs), one.least) for one in model.coverage),
        never_ran=model.never_ran,
        no_baseline=model.no_baseline,
        retries=model.retries.each,
        retry_percent=model.retries.percent,
        document=document,
    )


def _coverage(jobs: tuple[str, ...], least: int | str) -> Coverage:
    if isinstance(least, str):
        return Coverage(jobs=jobs, percent=int(least.removesuffix("%")))
    return Coverage(jobs=jobs, count=least)


def _allowed(model: PolicyModel, document: Document) -> list[Waiver]:
    found = []
    for index, one in enumerate(model.allow):
        path: KeyPath = ("allow", index)
        found.append(
            Waiver(
                kind=WaiverKind.ALLOWED,
                name=str(document.place(path)),
                jobs=tuple(one.jobs),
                steps=tuple(one.steps),
                owner=one.owner,
                reason=one.reason,
                link=one.link,
                expires=one.expires,
            )
        )
    return found


def _issues(model: PolicyModel) -> list[Waiver]:
    return [
        Waiver(
            kind=WaiverKind.KNOWN_ISSUE,
            name=one.name,
            jobs=tuple(one.jobs),
            steps=tuple(one.steps),
            pattern=one.fingerprint,
            owner=one.owner,
            reason=one.reason or one.name,
            link=one.link,
            expires=one.expires,
            blocks=one.blocks,
        )
        for one in model.known_issues
    ]
