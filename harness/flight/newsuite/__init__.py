"""A new suite: its folder, its README and a flight, made of the templates beside this file."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

from pydantic import TypeAdapter, ValidationError

from harness.errors import UsageError
from harness.flight.fields import SuiteName
from harness.flight.find import HOSTS_FILE

_TEMPLATES = {
    "suites/{name}/test_{module}.py": "test_suite.py.txt",
    "suites/{name}/README.md": "README.md.txt",
    "flights/{name}.yaml": "flight.yaml.txt",
}
_HOSTS = f"flights/{HOSTS_FILE}"


@dataclass(frozen=True)
class NewFile:
    """A file that is not there yet."""

    path: Path
    text: str


def new_suite(name: str, folder: Path) -> tuple[NewFile, ...]:
    """The files of a suite called *name*, in ``suites`` and ``flights`` of *folder*.

    An inventory with a testbox is one of them where there is none. `UsageError` for a name that no
    suite can have, or when one of the others is there already.
    """
    try:
        TypeAdapter(SuiteName).validate_python(name)
    except ValidationError as error:
        said = str(error.errors()[0]["ctx"]["error"])
        raise UsageError(said, hint=_hint(name)) from error
    words = {"name": name, "module": name.replace("-", "_")}
    if clash := next((folder / "suites").glob(f"*/test_{words['module']}.py"), None):
        msg = f"there is a {clash} already"
        raise UsageError(msg, hint="two suites cannot have files of one name; take another")
    files = tuple(
        NewFile(folder / path.format(**words), _filled(template, words))
        for path, template in _TEMPLATES.items()
    )
    if there := [str(one.path) for one in files if one.path.exists()]:
        msg = f"there is a {', '.join(there)} already"
        raise UsageError(msg, hint="nothing was written; take another name, or remove it")
    hosts = NewFile(folder / _HOSTS, _filled("hosts.yaml.txt", {}))
    return files if hosts.path.exists() else (*files, hosts)


def write(files: tuple[NewFile, ...]) -> None:
    """Write them; `UsageError` when that can't be done, and then none of them stays."""
    written: list[Path] = []
    try:
        for one in files:
            one.path.parent.mkdir(parents=True, exist_ok=True)
            with one.path.open("x", encoding="utf-8") as out:
                written.append(one.path)
                out.write(one.text)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        msg = f"cannot write {error.filename}: {error.strerror}"
        raise UsageError(msg) from error


def _filled(template: str, words: dict[str, str]) -> str:
    text = resources.files(__package__).joinpath(template).read_text(encoding="utf-8")
    return Template(text).substitute(words)


def _hint(name: str) -> str | None:
    near = "-".join(part for part in name.lower().replace("_", "-").split("-") if part)
    try:
        return f"did you mean {TypeAdapter(SuiteName).validate_python(near)}?"
    except ValidationError:
        return None
