"""One instance of a scale set: the durable row behind it, and the words its state is told in. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from orchestrator.model.guest import Owner


class Stage(StrEnum):
    """How far an instance has come. Forward only within one generation; reimage starts over."""

    WAITING = "waiting"  # no host had room; tried again when room appears
    CREATING = "creating"  # the intent is written; its host is asked to make it
    BOOTING = "booting"  # the domain runs; the operating system does not answer yet
    CONFIGURING = "configuring"  # extensions run
    READY = "ready"
    FAILED = "failed"  # provisioning ended badly; ``failure`` says how


class WantedPower(StrEnum):
    RUNNING = "running"
    STOPPED = "stopped"  # keeps its place on the host
    DEALLOCATED = "deallocated"  # gives up its place, keeps its disk
    HIBERNATED = "hibernated"  # off, with its memory saved on its host


class Cause(StrEnum):
    """Why the row exists, or why it is on its way out."""

    SCALE = "scale"
    REPAIR = "repair"
    HOST_LOST = "host_lost"
    DRAIN = "drain"
    USER = "user"
    SET_DELETED = "set_deleted"
    SURPLUS = "surplus"  # started beyond the capacity, and others came up first
    SURGE = "surge"  # made by an upgrade, or replaced by what an upgrade made
    REBALANCE = "rebalance"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed, in the words of the error envelope. ``at`` is epoch seconds."""

    code: str
    message: str
    at: float


ExtensionCode = Literal["transitioning", "succeeded", "failed"]


@dataclass(frozen=True, slots=True)
class ExtensionState:
    """What one extension last did on an instance. ``sequence`` is the configuration number it ran for. ``began_at``
    is when that run began, ``at`` when it came to where it is. ``cancelled_by`` says who asked for its end, from
    then on, while it still runs."""

    name: str
    type: str
    type_handler_version: str
    sequence: int
    code: ExtensionCode
    message: str
    at: float
    exit_code: int | None = None
    began_at: float | None = None
    cancelled_by: str | None = None

    @property
    def is_running(self) -> bool:
        return self.code == "transitioning"


@dataclass(frozen=True, slots=True)
class Protection:
    from_scale_in: bool = False
    from_scale_set_actions: bool = False


@dataclass(frozen=True, slots=True)
class Instance:
    """The row. It is committed before anything of it exists on a host, and outlives what exists there.

    Times are epoch seconds. ``image_version`` is the exact version its disk stands on. ``restarts_wanted``
    above ``restarts_done`` asks for one restart; so do the redeploys for another host. ``is_gone`` means wanted
    no more: the row stays until nothing of it is left on its host. ``lost_at`` is set when its host was silent
    past the lease: it counts no longer, and is fenced when the host returns. ``is_on_trial``: made by
    overprovisioning and not kept yet. ``moving_from`` names the host that still holds its disk while it moves.
    ``is_to_redefine``: its domain is made anew, on the same disk, before it runs again. ``quarantined_at``: out
    of service and off, its disk and log kept for a look. ``further_addresses`` are those beside ``address``, by
    ``CARD/CONFIGURATION`` in small letters.
    """

    set_uid: str
    instance_id: int
    generation: int
    model_version: int
    stage: Stage
    created_at: float
    changed_at: float
    address: str
    mac: str
    host_key_private: str
    host_key_public: str
    image_version: str | None = None
    host: str | None = None
    zone: str | None = None
    fault_domain: int | None = None
    placement_group: int = 0
    update_domain: int | None = None
    is_on_trial: bool = False
    moving_from: str | None = None
    is_to_redefine: bool = False
    quarantined_at: float | None = None
    redeploys_wanted: int = 0
    redeploys_done: int = 0
    vcpus: int = 1
    memory_mib: int = 0
    wanted_power: WantedPower = WantedPower.RUNNING
    is_hard_stop: bool = False
    restarts_wanted: int = 0
    restarts_done: int = 0
    is_gone: bool = False
    gone_at: float | None = None
    is_force_delete: bool = False
    lost_at: float | None = None
    cause: Cause = Cause.SCALE
    booted_at: float | None = None
    repairs: int = 0
    failure: Failure | None = None
    protection: Protection = Protection()
    extensions: dict[str, ExtensionState] = field(default_factory=dict)
    further_addresses: dict[str, str] = field(default_factory=dict)

    def owner(self, installation: str) -> Owner:
        return Owner(installation, self.set_uid, self.instance_id, self.generation)

    def but(self, **changes: Any) -> Instance:
        """A copy with these fields changed."""
        return replace(self, **changes)

    @property
    def is_lost(self) -> bool:
        return self.lost_at is not None

    @property
    def counts(self) -> bool:
        """Whether it counts towards capacity: wanted, not given up with its host, not in quarantine."""
        return not self.is_gone and not self.is_lost and not self.is_quarantined

    @property
    def is_quarantined(self) -> bool:
        return self.quarantined_at is not None
