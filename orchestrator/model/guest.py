"""What a guest is to a hypervisor: who owns it, what it is made of, what is seen of it. No I/O."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

_VOLUME = re.compile(
    r"^vmss-(?P<installation>[0-9a-f]{8})-(?P<set_uid>[0-9a-f]{12})-(?P<id>\d+)-g(?P<generation>\d+)"
    r"-(?:disk\.qcow2|disk\.copying|seed\.iso|serial\.log(?:\.\d+)?)$"
)


@dataclass(frozen=True, slots=True, order=True)
class Owner:
    """Whose a domain or volume is. Names and UUIDs are functions of it, so creating twice is harmless.

    ``installation`` (8 hex digits) tells one daemon's state directory from another's on a shared host;
    ``generation`` counts the disks an instance has had: reimage raises it.
    """

    installation: str
    set_uid: str
    instance_id: int
    generation: int

    @property
    def vm_uuid(self) -> str:
        """The domain's UUID: RFC 9562 version 5, the same for every generation (Azure's ``vmId``)."""
        return _vm_uuid(f"vmss:{self.installation}/{self.set_uid}/{self.instance_id}")

    @property
    def _prefix(self) -> str:
        return f"vmss-{self.installation}-{self.set_uid}-{self.instance_id}-g{self.generation}"

    @property
    def disk_volume(self) -> str:
        return f"{self._prefix}-disk.qcow2"

    @property
    def copying_volume(self) -> str:
        """The marker beside a disk that comes from another host: as long as it is there, the disk is not whole."""
        return f"{self._prefix}-disk.copying"

    @property
    def seed_volume(self) -> str:
        return f"{self._prefix}-seed.iso"

    @property
    def log_volume(self) -> str:
        """The serial log; its rotated predecessors carry ``.0``, ``.1``… after this name."""
        return f"{self._prefix}-serial.log"

    @classmethod
    def of_volume(cls, name: str) -> Owner | None:
        """Read the owner back from a volume's name; ``None`` for a name we did not make."""
        found = _VOLUME.match(name)
        if not found:
            return None
        return cls(found["installation"], found["set_uid"], int(found["id"]), int(found["generation"]))


@lru_cache(maxsize=16_384)
def _vm_uuid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


class Boot(StrEnum):
    DIRECT_KERNEL = "direct_kernel"
    BIOS = "bios"
    UEFI = "uefi"


class Power(StrEnum):
    """A domain as libvirt sees it (virDomainState), in as many words as we act on. ``SAVED`` is shut off with its
    memory kept on its host: starting it resumes it."""

    RUNNING = "running"
    PAUSED = "paused"
    SHUT_OFF = "shut_off"
    SAVED = "saved"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """What a host must hold before a guest of this image can start. Paths are on the daemon's machine."""

    disk_path: str
    disk_sha256: str
    virtual_size_bytes: int
    boot: Boot
    kernel_path: str | None = None
    kernel_sha256: str | None = None
    initrd_path: str | None = None
    initrd_sha256: str | None = None
    kernel_cmdline: str = ""


@dataclass(frozen=True, slots=True)
class FilterRule:
    """Packets that a card lets pass or not.

    ``direction`` is the guest's: ``in``, ``out`` or ``inout``; ``action`` ``accept`` or ``drop``; ``protocol``
    one of all, tcp, udp, icmp, esp and ah, of IP's ``version`` 4 or 6; ``source`` and ``target`` are prefixes;
    ``state`` has connection states, by comma; without one it is for every packet.
    """

    direction: str
    action: str
    protocol: str
    version: int
    source: str | None = None
    target: str | None = None
    source_ports: tuple[int, int] | None = None
    target_ports: tuple[int, int] | None = None
    icmp_type: int | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class GuestFilter:
    """What cards go through, by name: no false addresses, and the first of ``rules`` that fits decides. Without
    rules everything else passes."""

    name: str
    rules: tuple[FilterRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Nic:
    """A virtio card of a guest on one of its host's networks.

    ``addresses`` are those that are its own, IPv4 and IPv6, without lengths. ``queues`` above 1 is multiqueue
    virtio. ``filter`` is what it goes through, where it goes through one.
    """

    mac: str
    network: str
    addresses: tuple[str, ...] = ()
    queues: int = 1
    filter: GuestFilter | None = None


@dataclass(frozen=True, slots=True)
class GuestSpec:
    """All that a host needs to make one guest. ``disk_gib`` of ``None`` keeps the image's own size. The first of
    ``nics`` is the primary one."""

    owner: Owner
    name: str
    vcpus: int
    memory_mib: int
    image: ImageFiles
    seed_iso: bytes
    nics: tuple[Nic, ...]
    disk_gib: int | None = None


@dataclass(frozen=True, slots=True)
class SeenGuest:
    """A domain found on a host. ``owner`` is ``None`` when it carries no tag of ours: never touch it."""

    name: str
    uuid: str
    owner: Owner | None
    power: Power


@dataclass(frozen=True, slots=True)
class SeenVolume:
    name: str
    owner: Owner | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class HostCapacity:
    """What a host has, and what all its domains (ours or not) were promised."""

    vcpus: int
    memory_mib: int
    memory_mib_used: int
    vcpus_used: int
    pool_bytes: int
    pool_bytes_free: int


@dataclass(frozen=True, slots=True)
class HostView:
    """One whole look at one host."""

    guests: tuple[SeenGuest, ...]
    volumes: tuple[SeenVolume, ...]
    capacity: HostCapacity


@dataclass(frozen=True, slots=True)
class GuestStats:
    """Counters of one domain since it started, from libvirt's bulk statistics."""

    uuid: str
    cpu_time_s: float
    memory_rss_mib: float
    disk_read_bytes: int
    disk_write_bytes: int
    net_rx_bytes: int
    net_tx_bytes: int


class HostEventKind(StrEnum):
    GUEST_STARTED = "guest_started"
    GUEST_STOPPED = "guest_stopped"
    GUEST_SAVED = "guest_saved"
    GUEST_CRASHED = "guest_crashed"
    GUEST_REMOVED = "guest_removed"
    CONNECTION_LOST = "connection_lost"
    CONNECTION_BACK = "connection_back"


@dataclass(frozen=True, slots=True)
class HostEvent:
    """Something happened on ``host``; ``uuid`` is the domain's, or ``None`` for the connection's own."""

    host: str
    kind: HostEventKind
    uuid: str | None = None
    detail: str = ""
