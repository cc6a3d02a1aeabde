"""What may be wrong with a host, and how to mend it, for ``vmss doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from orchestrator.errors import VmssError
from orchestrator.hosts.port import Host


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. ``detail`` says what was found, ``mend`` what to do when ``is_ok`` is false."""

    name: str
    is_ok: bool
    detail: str
    mend: str = ""


@runtime_checkable
class Examinable(Protocol):
    """A host that knows how to look at itself more closely than the port allows."""

    async def examine(self) -> list[Check]: ...


async def examine(host: Host) -> list[Check]:
    """All checks of one host, in the order in which one mends them. Never raises for a sick host."""
    if isinstance(host, Examinable):
        return await host.examine()
    try:
        await host.open()
        view = await host.look()
    except VmssError as error:
        return [Check("connection", False, error.message, f"Check {host.config.uri} in the configuration.")]
    return [Check("connection", True, f"{len(view.guests)} guests seen")]
