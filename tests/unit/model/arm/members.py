"""All members of a scale set as the model has them, found by walking it: so no list of them can grow stale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from orchestrator.model.arm.base import Only, Refused
from orchestrator.model.arm.scale_set import ScaleSetResource


@dataclass(frozen=True, slots=True)
class Member:
    """A leaf. ``path`` as Azure writes it, ``[]`` after an array; ``marker`` is what refuses it, if anything."""

    path: str
    marker: Only | Refused | None

    @property
    def short(self) -> str:
        """As the documents write it: without what most paths begin with."""
        return self.path.removeprefix("properties.").removeprefix("virtualMachineProfile.")

    @property
    def name(self) -> str:
        return self.path.rsplit(".", 1)[-1].removesuffix("[]")


def members_of(model: type[BaseModel] = ScaleSetResource, prefix: str = "") -> Iterator[Member]:
    """Every leaf below a model."""
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        path = f"{prefix}{field.alias or name}"
        inner, is_many = _model_within(field.annotation)
        if inner is None:
            yield Member(path, _marker(field))
        else:
            yield from members_of(inner, f"{path}[]." if is_many else f"{path}.")


def _marker(field: FieldInfo) -> Only | Refused | None:
    found = [
        each for each in (*field.metadata, *_metadata_within(field.annotation)) if isinstance(each, Only | Refused)
    ]
    return found[0] if found else None


def _metadata_within(annotation: Any) -> Iterator[Any]:
    yield from getattr(annotation, "__metadata__", ())
    for inner in get_args(annotation):
        yield from _metadata_within(inner)


def _model_within(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    is_many = getattr(annotation, "__origin__", None) is tuple
    for inner in get_args(annotation):
        found, is_deeper = _model_within(inner)
        if found:
            return found, is_many or is_deeper
    return None, False
