"""A hypervisor as the configuration names it. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Acceleration = Literal["auto", "kvm", "tcg"]


@dataclass(frozen=True, slots=True)
class HostLimits:
    """How much of a host vmss may promise to guests. ``None`` means all that the host reports."""

    memory_mib: int | None = None
    vcpus: int | None = None
    pool_gib: int | None = None
    guests: int | None = None


@dataclass(frozen=True, slots=True)
class HostConfig:
    """One hypervisor: how to reach it and where it stands.

    ``uri`` is libvirt's (https://libvirt.org/uri.html) or ``simulated:///``. ``network`` is the libvirt
    network guests are put on; ``address_space`` names the configured network that gives addresses. A host with a
    ``host_group`` is dedicated: only sets that name the group stand on it.
    """

    name: str
    uri: str
    zone: str = "1"
    fault_domain: int = 0
    pool: str = "default"
    network: str = "default"
    address_space: str = "default"
    host_group: str | None = None
    limits: HostLimits = HostLimits()
    acceleration: Acceleration = "auto"
    tb_cache_mib: int = 64
