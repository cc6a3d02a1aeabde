"""JSON schemas of bodies: from the models that read them, so that the document cannot say anything else."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from orchestrator.model.arm.base import ArmModel

Json = dict[str, Any]
REF = "#/components/schemas/"
UPDATE = "Update"
_AS_JSON_SCHEMA = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
_SHOWN = "id name type etag systemData provisioningState uniqueId timeCreated instanceView"
_READ_ONLY = {name.lower(): name for name in _SHOWN.split()}
_MEMBERS = frozenset({"properties", "$defs"})  # of which the keys are names, not words of JSON schema


def ref(name: str) -> Json:
    return {"$ref": f"{REF}{name}"}


def all_schemas(models: Sequence[type[BaseModel]], own: Json) -> Json:
    """``own``, and one for each model, and for each that it is made of, by its name. With ``Update`` behind the
    name, the same as a PATCH takes it: nothing is required, and null clears."""
    _, made = models_json_schema(
        [(model, "validation") for model in models], ref_template=f"{REF}{{model}}", by_alias=True
    )
    plain: Json = own | {name: _tidy(schema) for name, schema in made["$defs"].items()}
    for model in _reached(models):
        _complete(plain[model.__name__], model)
    objects = {f"{REF}{name}": name for name, schema in plain.items() if schema.get("type") == "object"}
    return plain | {f"{name}{UPDATE}": _relaxed(plain[name], objects) for name in objects.values()}


def _complete(schema: Json, model: type[ArmModel]) -> None:
    """With what clients may send back as GET shows it, and without what the address says."""
    names = [_READ_ONLY.get(name, name) for name in sorted(model.read_only)]
    schema.setdefault("properties", {}).update({name: {"readOnly": True} for name in names})
    said = {name for name, member in model.model_fields.items() if member.exclude}
    schema["required"] = [name for name in schema.get("required", []) if name not in said]


def _reached(models: Iterable[type[BaseModel]]) -> Iterator[type[ArmModel]]:
    """All that these are made of."""
    waiting, seen = list(models), set[str]()
    while waiting:
        model = waiting.pop()
        if model.__name__ in seen or not issubclass(model, ArmModel):
            continue
        seen.add(model.__name__)
        yield model
        for member in model.model_fields.values():
            waiting += _models_in(member.annotation)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in _models_in(inner)]


def _tidy(schema: Any, *, is_names: bool = False) -> Any:
    """Bounds in the words of JSON schema, no titles that repeat names, no notes for readers of the code."""
    if isinstance(schema, list):
        return [_tidy(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if is_names:
        return {name: _tidy(inner) for name, inner in schema.items()}
    kept = {key: value for key, value in schema.items() if key not in {"title", "default", "propertyNames"}}
    if kept.get("maxLength") == ArmModel.model_config.get("str_max_length"):
        del kept["maxLength"]
    if "$ref" not in kept and kept.get("type") == "object":
        kept.pop("description", None)
    return {_AS_JSON_SCHEMA.get(key, key): _tidy(value, is_names=key in _MEMBERS) for key, value in kept.items()}


def _relaxed(schema: Any, objects: Container[str], *, is_names: bool = False) -> Any:
    """``objects`` are the addresses of those schemas of which there are relaxed ones."""
    if isinstance(schema, list):
        return [_relaxed(each, objects) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if is_names:
        return {name: _or_null(_relaxed(inner, objects)) for name, inner in schema.items()}
    kept = {key: value for key, value in schema.items() if key != "required"}
    made = {key: _relaxed(value, objects, is_names=key == "properties") for key, value in kept.items()}
    if made.get("$ref") in objects:
        made["$ref"] += UPDATE
    return made


def _or_null(schema: Json) -> Json:
    is_open = not schema or schema.get("readOnly") or {"type": "null"} in schema.get("anyOf", [])
    return schema if is_open else {"anyOf": [schema, {"type": "null"}]}
