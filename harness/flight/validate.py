"""A file's content as a pydantic model, with errors that say how to put it right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from harness.flight.hints import did_you_mean
from harness.flight.problems import Finding, InputErrors
from harness.flight.yamlfile import Document, KeyPath, kind_of

M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], document: Document) -> M:
    """*document* as *model*. `InputErrors` tells all that is wrong with it at once."""
    try:
        found = model.model_validate(document.value)
    except ValidationError as error:
        details = error.errors(include_url=False)
        findings = [_explain(model, document, detail) for detail in details]
        # A key inside a union is reported once for each branch; a user sees it once.
        raise InputErrors(dict.fromkeys([*document.findings, *findings])) from error
    if document.findings:
        raise InputErrors(document.findings)
    return found


def dotted(path: KeyPath) -> str:
    """``("jobs", 0, "memory")`` as people write it: ``jobs[0].memory``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _explain(model: type[BaseModel], document: Document, detail: ErrorDetails) -> Finding:
    loc = detail["loc"]
    is_key = "[key]" in loc
    path = _written(tuple(part for part in loc if part != "[key]"), document)
    match detail["type"]:
        case "extra_forbidden":
            known = _model_at(model, path[:-1]).model_fields
            name = str(path[-1])
            text = f"unknown key {name!r}{did_you_mean(name, known)}"
            return document.finding(text, path, key=True)
        case "missing":
            where = f" in {dotted(path[:-1])}" if path[:-1] else ""
            return document.finding(f"the key {path[-1]!r} is missing{where}", path)
        case "too_long":
            context = detail["ctx"]
            text = f"{context['actual_length']} are too many; {context['max_length']} at most"
        case "value_error":
            text = str(detail["ctx"]["error"])
        case kind:
            text = f"{_expected(kind, detail['msg'])}, not {kind_of(detail['input'])}"
    subject = f"{dotted(path)}: " if path else ""
    return document.finding(f"{subject}{text}", path, key=is_key)


def _written(path: KeyPath, document: Document) -> KeyPath:
    """The path without the position of a value that stands where a list may, too."""
    while path and isinstance(path[-1], int) and path not in document.spans:
        path = path[:-1]
    return path


def _expected(kind: str, message: str) -> str:
    match kind:
        case "string_type":
            return "this must be text (put it in quotes)"
        case "int_type":
            return "this must be a whole number"
        case "float_type":
            return "this must be a number"
        case "bool_type":
            return "this must be true or false"
        case "list_type" | "tuple_type":
            return "this must be a list, such as [a, b]"
        case "dict_type" | "model_type" | "model_attributes_type":
            return "this must be a mapping of keys to values"
        case _:
            return message[:1].lower() + message[1:]


def _model_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel]:
    """The model of the mapping at *path*: names lead into fields, numbers into lists."""
    for part in path:
        info = model.model_fields.get(str(part))
        if info:
            model = next(_models_in(info.annotation), model)
    return model


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
