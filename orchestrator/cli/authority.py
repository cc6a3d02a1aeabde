"""Whom to trust, as a principal's file says it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrator.errors import BadInput


def authority_of(content: Mapping[str, object]) -> str | None:
    """As PEM; ``None`` when the file says nothing. One from ``vmss principal create`` brings it along (``caPem``):
    who gets that may not look into the daemon's folder. The owner's says where it lies (``caFile``).

    Raises ``BadInput`` when it lies nowhere."""
    if pem := content.get("caPem"):
        return str(pem)
    if not (name := content.get("caFile")):
        return None
    try:
        return Path(str(name)).read_text()
    except (OSError, ValueError) as error:
        raise BadInput(f"the authority {name} cannot be read: {error}", target=str(name)) from error
