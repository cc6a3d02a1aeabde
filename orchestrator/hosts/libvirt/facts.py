"""What a domain's definition says, remembered by UUID so that a look asks for it once per domain."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import libvirt

from orchestrator.hosts.libvirt.tags import owner_in, parse
from orchestrator.model.guest import Owner

_KIB_PER_MIB = 1024


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """``memory_mib`` and ``vcpus`` are what the domain was promised at most."""

    name: str
    owner: Owner | None
    memory_mib: int
    vcpus: int


class FactsCache:
    """Filled by looks (in threads), emptied by events about redefinition (on libvirt's event thread).

    An event that arrives between reading a definition and remembering it wins: ``_changes`` tells.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._facts: dict[str, DomainFacts] = {}
        self._changes = 0

    def of(self, domain: libvirt.virDomain) -> DomainFacts:
        uuid = domain.UUIDString()
        with self._lock:
            known, changes = self._facts.get(uuid), self._changes
        if known is not None:
            return known
        facts = read_facts(domain.XMLDesc(0))
        with self._lock:
            if changes == self._changes:
                self._facts[uuid] = facts
        return facts

    def forget(self, uuid: str) -> None:
        with self._lock:
            self._changes += 1
            self._facts.pop(uuid, None)

    def forget_all(self) -> None:
        """After a loss of events nothing remembered is sure."""
        with self._lock:
            self._changes += 1
            self._facts.clear()


def read_facts(xml: str) -> DomainFacts:
    """Read a ``<domain>``; libvirt gives memory in KiB."""
    definition = parse(xml)
    return DomainFacts(
        name=definition.findtext("name") or "",
        owner=owner_in(definition),
        memory_mib=int(definition.findtext("memory") or 0) // _KIB_PER_MIB,
        vcpus=int(definition.findtext("vcpu") or 0),
    )
