"""An extension that one instance has for itself, beside those of its model (reference 3.1: VM/extensions). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

PROTECTED = "protectedSettings"


@dataclass(frozen=True, slots=True)
class OwnExtension:
    """``properties`` is the canonical body without ``protectedSettings``, which is kept sealed in ``secrets``.
    ``sequence`` rises whenever it has to run again. Names are compared in any case."""

    set_uid: str
    instance_id: int
    name: str
    properties: Mapping[str, Any]
    secrets: Mapping[str, Any] = field(default_factory=dict)
    sequence: int = 1

    @property
    def key(self) -> tuple[int, str]:
        """Within its set."""
        return self.instance_id, self.name.lower()

    @property
    def body(self) -> dict[str, Any]:
        """As an extension of a model is written, without what is write-only."""
        return {"name": self.name, "properties": dict(self.properties)}

    @property
    def whole_body(self) -> dict[str, Any]:
        """With what is write-only. Never shown."""
        return {"name": self.name, "properties": {**self.properties, **self.secrets}}

    def but(self, **changes: Any) -> OwnExtension:
        """A copy with these fields changed."""
        return replace(self, **changes)
