"""What the loop tells people of hosts, of what is on them, and of what is wrong. Values only; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from orchestrator.model.guest import HostCapacity
from orchestrator.model.host import HostConfig
from orchestrator.model.network.traffic import Listener, MemberSight

HostCondition = Literal["up", "draining", "unreachable", "unknown"]


@dataclass(frozen=True, slots=True)
class HostReport:
    """One hypervisor now. ``capacity`` is ``None`` until it has answered once; times are epoch seconds."""

    config: HostConfig
    condition: HostCondition
    is_draining: bool
    is_from_config: bool
    instances: int
    capacity: HostCapacity | None = None
    last_seen_at: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CensusEntry:
    """One domain or volume found on a host. ``stray`` is ours and wanted no more; ``foreign`` is never touched."""

    host: str
    kind: Literal["domain", "volume", "image"]
    name: str
    state: Literal["owned", "stray", "foreign"]
    instance: str | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the doctor looked at. ``mend`` says what to do where it is not well."""

    subject: str
    name: str
    is_ok: bool
    detail: str = ""
    mend: str = ""


@dataclass(frozen=True, slots=True)
class FrontReport:
    """One port that a balancer listens at, and the members behind it."""

    listener: Listener
    members: tuple[MemberSight, ...] = ()
