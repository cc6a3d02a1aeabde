"""From pydantic's errors to one answer that names every offence at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.errors import BadInput, ErrorDetail, NotPossible
from orchestrator.model.arm.base import NOT_POSSIBLE_TYPE

M = TypeVar("M", bound=BaseModel)
UNKNOWN_MEMBER = "BadRequest"

_TYPE_WORDS = {
    "string_type": "must be a string",
    "list_type": "must be an array",
    "tuple_type": "must be an array",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "missing": "is required",
}


def raise_problems(details: Sequence[ErrorDetail]) -> None:
    """Raise one error for all of them, or return when there are none."""
    if details:
        raise error_of(details)


def error_of(details: Sequence[ErrorDetail]) -> BadInput:
    """One error for at least one problem. ``NotPossible`` only if each of them is well formed input that this
    version does not do."""
    codes = {detail.code for detail in details}
    kind = NotPossible if codes == {NotPossible.code} else BadInput
    code = UNKNOWN_MEMBER if UNKNOWN_MEMBER in codes else codes.pop() if len(codes) == 1 else kind.code
    first = details[0]
    if len(details) == 1:
        return kind(first.message, code=code, target=first.target)
    message = f"{len(details)} properties are wrong: " + " ".join(detail.message for detail in details)
    return kind(message, code=code, target=first.target, details=details)


def as_detail(error: BadInput) -> ErrorDetail:
    """An error that has no details as the one it is."""
    return ErrorDetail(error.code, error.message, error.target)


def problems_of(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[ErrorDetail]:
    """Each of pydantic's findings as a code, a target path and a sentence."""
    return [_detail(found, model, prefix) for found in error.errors(include_url=False)]


def parsed(model: type[M], body: Any, prefix: str = "") -> M:
    """A body as its model. Raises ``BadInput`` or ``NotPossible`` that names every offence; their paths begin with
    ``prefix``."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise error_of(problems_of(error, model, prefix)) from None


def path_of(location: Iterable[str | int], prefix: str = "") -> str:
    """``properties.a.b[0].c`` from a location."""
    path = prefix
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _detail(found: ErrorDetails, model: type[BaseModel], prefix: str) -> ErrorDetail:
    path = path_of(found["loc"], prefix)
    if found["type"] == "extra_forbidden":
        return ErrorDetail(UNKNOWN_MEMBER, f"Not supported by this version: {path}.{_hint(found, model)}", path)
    code = NotPossible.code if found["type"] == NOT_POSSIBLE_TYPE else BadInput.code
    return ErrorDetail(code, f"{path or 'The body'} {_sentence(found)}.", path or None)


def _sentence(found: ErrorDetails) -> str:
    if words := _TYPE_WORDS.get(found["type"]):
        return words
    if found["type"] == "enum":
        return f"must be one of {found['ctx']['expected']}".replace("'", "")
    message = found["msg"].rstrip(".")
    return f"is not valid: {message[0].lower()}{message[1:]}" if message.startswith("Input") else message


def _hint(found: ErrorDetails, model: type[BaseModel]) -> str:
    """The member that may have been meant."""
    *parents, last = found["loc"]
    names = _member_names(model, parents)
    near = difflib.get_close_matches(str(last).lower(), names, n=1, cutoff=0.75)
    return f" Did you mean {names[near[0]]}?" if near else ""


def _member_names(model: Any, parents: Sequence[str | int]) -> dict[str, str]:
    for part in parents:
        if isinstance(part, str):
            model = _child(model, part)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return {}
    return {(field.alias or name).lower(): field.alias or name for name, field in model.model_fields.items()}


def _child(model: Any, alias: str) -> Any:
    """The model class behind a member, looking through ``list[...]`` and ``... | None``."""
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return None
    annotation = next((f.annotation for n, f in model.model_fields.items() if (f.alias or n) == alias), None)
    while annotation is not None and not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        inner = [part for part in getattr(annotation, "__args__", ()) if part is not type(None) and part is not ...]
        annotation = inner[0] if inner else None
    return annotation
