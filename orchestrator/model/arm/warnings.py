"""What an accepted resource asks for that has no effect yet: said in the answer, in a header and in the log.

Pure. A resource shows its warnings as ``properties.warnings``, which is read-only; whoever sends them back sends
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_HEADER_MOST = 10  # what a client's limit for headers surely holds


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing without effect. ``target`` is the path of the member that asks for it."""

    code: str
    message: str
    target: str

    def to_json(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message, "target": self.target}


def with_warnings(view: dict[str, Any], notices: Iterable[Notice]) -> dict[str, Any]:
    """The view of a resource with its warnings; as it is when there are none."""
    told = [each.to_json() for each in notices]
    return {**view, "properties": {**view.get("properties", {}), "warnings": told}} if told else view


def messages(view: Mapping[str, Any]) -> list[str]:
    """The sentences of a view's warnings."""
    return [each["message"] for each in (view.get("properties") or {}).get("warnings", ())]


def warning_headers(view: Mapping[str, Any]) -> dict[str, str]:
    """``Warning: 299 vmss "…"`` (RFC 7234, 5.5) for each, as one header; nothing where there are none."""
    told = [f'299 vmss "{_quoted(each)}"' for each in messages(view)[:_HEADER_MOST]]
    return {"Warning": ", ".join(told)} if told else {}


def _quoted(text: str) -> str:
    plain = "".join(each if " " <= each <= "~" else "?" for each in text)
    return plain.replace("\\", "\\\\").replace('"', '\\"')
