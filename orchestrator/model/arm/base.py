"""What all Resource Manager models here share.

Clients vary the case of property names and enum values and send numbers and booleans as strings. All of it is
read leniently and kept canonically; what is unknown is refused by name, never dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from orchestrator.model.durations import format_duration, parse_duration

_WHOLE = re.compile(r"^-?\d{1,18}$", re.ASCII)
_MESSAGE_TYPE = "bad_value"
NOT_POSSIBLE_TYPE = "not_possible"
_SHOWN = "systemData provisioningState uniqueId timeCreated instanceView resourceGuid"
_READ_ONLY = {name.lower(): name for name in _SHOWN.split()}


def bad_value(message: str) -> PydanticCustomError:
    """A value that is wrong, said in one sentence. Raise it inside a validator."""
    return PydanticCustomError(_MESSAGE_TYPE, "{message}", {"message": message})


def not_possible(message: str) -> PydanticCustomError:
    """A value that Azure knows and this version does not do. Raise it inside a validator."""
    return PydanticCustomError(NOT_POSSIBLE_TYPE, "{message}", {"message": message})


class ArmEnum(StrEnum):
    """A closed set of words, read in any case."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        return next((member for member in cls if member.lower() == value.lower()), None)


def _to_bool(value: Any) -> Any:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise bad_value("must be true or false")
    return value


def _to_int(value: Any) -> Any:
    if isinstance(value, str) and _WHOLE.match(value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise bad_value("must be a whole number")
    return value


def _to_duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise bad_value("must be an ISO 8601 duration such as PT10M or PT30S")
    try:
        return parse_duration(value)
    except ValueError as error:
        raise bad_value(f"{error}") from None


Flag = Annotated[bool, BeforeValidator(_to_bool)]
Whole = Annotated[int, BeforeValidator(_to_int)]
Duration = Annotated[timedelta, BeforeValidator(_to_duration), PlainSerializer(format_duration)]


@dataclass(frozen=True, slots=True)
class Within:
    """On a ``Duration``: the bounds it must keep, both included."""

    low: timedelta
    high: timedelta

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: timedelta | None) -> timedelta | None:
        if value is not None and not self.low <= value <= self.high:
            raise bad_value(f"must be between {format_duration(self.low)} and {format_duration(self.high)}")
        return value


@dataclass(frozen=True, slots=True)
class Only:
    """On a member of which only these values mean something here; others are Azure's and refused with ``why``."""

    values: tuple[Any, ...]
    why: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "enum": [*self.values, None], "description": f"Only so: {self.why}."}

    def _check(self, value: Any) -> Any:
        if value is not None and value not in self.values:
            raise not_possible(f"{_said(value)}: {self.why}")
        return value


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return f"cannot be {str(value).lower()}"
    return f"cannot be {value}" if isinstance(value, StrEnum | int | float) else "cannot be set so"


@dataclass(frozen=True, slots=True)
class Refused:
    """On a member of Azure's that this version does not do: any value that asks for something is refused with
    ``why``. One that asks for nothing (false, an empty array, an object of such) is kept and shown."""

    why: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"enum": [None, False, []], "description": f"Not done: {self.why}."}

    def _check(self, value: Any) -> Any:
        if not asks_for_nothing(value):
            raise not_possible(f"is not possible: {self.why}")
        return value


def asks_for_nothing(value: Any) -> bool:
    """Whether a value of a switch, a list or an object of both wants nothing to happen."""
    if isinstance(value, Mapping):
        return all(asks_for_nothing(inner) for inner in value.values())
    if isinstance(value, str):
        return value.lower() == "false"
    return value is None or value is False or value == []


def aliases_of(model: type[BaseModel]) -> list[str]:
    """The names that the members have in JSON."""
    return [field.alias or name for name, field in model.model_fields.items()]


class ArmModel(BaseModel):
    """A part of a resource. ``read_only`` names (in lower case) what clients send back and what is not theirs
    to set: such members are left out. ``quiet`` names the fields whose default is not shown. A member of value
    null is one that is not given."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        validate_by_alias=True,
        validate_by_name=False,
        serialize_by_alias=True,
        str_max_length=262_144,
    )
    read_only: ClassVar[frozenset[str]] = frozenset()
    quiet: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """With what clients send back as GET shows it, and without what the address says instead of the body."""
        made = handler(schema)
        inner = handler.resolve_ref_schema(made)
        names = [_READ_ONLY.get(name, name) for name in sorted(cls.read_only)]
        inner.setdefault("properties", {}).update({name: {"readOnly": True} for name in names})
        said = {name for name, member in cls.model_fields.items() if member.exclude}
        inner["required"] = [name for name in inner.get("required", []) if name not in said]
        return made

    @model_serializer(mode="wrap")
    def _without_what_is_quiet(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        made: dict[str, Any] = handler(self)
        for name in self.quiet - self.model_fields_set:
            made.pop(type(self).model_fields[name].alias or name, None)
        return made

    @model_validator(mode="before")
    @classmethod
    def _make_names_canonical(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        canonical = {alias.lower(): alias for alias in aliases_of(cls)}
        result: dict[str, Any] = {}
        for key, value in data.items():
            name = str(canonical.get(key.lower(), key))
            if name in result:
                raise bad_value(f"has the member '{name}' twice, in different case")
            if key.lower() in cls.read_only or (value is None and key.lower() in canonical):
                continue
            result[name] = value
        return result

    def to_json(self) -> dict[str, Any]:
        """The canonical JSON: Azure's names, defaults filled in, members without a value left out."""
        return self.model_dump(mode="json", exclude_none=True)
