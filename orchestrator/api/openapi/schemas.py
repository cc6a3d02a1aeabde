"""JSON schemas of bodies: from the models that read them, so that the document cannot say anything else."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from orchestrator.model.arm.base import ArmModel

Json = dict[str, Any]
Model = type[BaseModel]
REF = "#/components/schemas/"
UPDATE = "Update"
_AS_JSON_SCHEMA = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
_MEMBERS = frozenset({"properties", "$defs"})  # of which the keys are names, not words of JSON schema


def ref(name: str) -> Json:
    return {"$ref": f"{REF}{name}"}


def all_schemas(models: Sequence[Model], own: Json) -> tuple[Json, dict[Model, str]]:
    """``own``, and one for each model, and for each that it is made of, by its name; and the names of ``models``.
    With ``Update`` behind the name, the same as a PATCH takes it: nothing is required, and null clears."""
    of_models, made = models_json_schema(
        [(model, "validation") for model in dict.fromkeys(models)], ref_template=f"{REF}{{model}}", by_alias=True
    )
    short = {name: _short(name) for name in made["$defs"]}
    inner = _tidy(_renamed(made["$defs"], short), is_names=True)
    plain: Json = own | {short[name]: schema for name, schema in inner.items()}
    objects = {f"{REF}{name}": name for name, schema in plain.items() if schema.get("type") == "object"}
    relaxed = {f"{name}{UPDATE}": _relaxed(plain[name], objects) for name in objects.values()}
    names = {model: short[of_models[model, "validation"]["$ref"].removeprefix(REF)] for model in models}
    return plain | relaxed, names


def _short(name: str) -> str:
    """Models of one name are told apart by their modules, whole; the last part of it is enough here."""
    module, _, own = name.rpartition("__")
    return "".join(word.capitalize() for word in module.rpartition("__")[2].split("_")) + own


def _renamed(schema: Any, names: dict[str, str]) -> Any:
    if isinstance(schema, list):
        return [_renamed(each, names) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _renamed(value, names) for key, value in schema.items()}
    if isinstance(made.get("$ref"), str):
        made["$ref"] = REF + names[made["$ref"].removeprefix(REF)]
    return made


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
