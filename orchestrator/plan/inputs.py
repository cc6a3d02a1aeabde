"""What a decision may know: the wish, the rows, what is seen of each guest and host. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from orchestrator.model.arm.names import InstanceNames
from orchestrator.model.custom_metrics import CustomMetrics
from orchestrator.model.health import Health
from orchestrator.model.instance import Instance
from orchestrator.model.rolling_upgrade import RollingUpgrade

ScaleInRule = Literal["Default", "OldestVM", "NewestVM"]
RepairAction = Literal["Replace", "Restart", "Reimage"]
UpgradeMode = Literal["Automatic", "Manual", "Rolling"]


class Cost(StrEnum):
    """What bringing an instance to another model costs it, the least first (reference 4.5)."""

    NOTHING = "nothing"
    IN_PLACE = "in place"  # extensions run again beside what serves
    RESTART = "restart"  # its domain is made anew on the same disk
    REIMAGE = "reimage"  # a new disk under the same id and address
    REPLACE = "replace"  # another instance under another id


@dataclass(frozen=True, slots=True)
class Difference:
    """From one model version to another: what it costs, and the properties that say so."""

    cost: Cost
    properties: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RollingPolicy:
    """``upgradePolicy.rollingUpgradePolicy`` (reference 1.2). Percentages are whole numbers. The last three are our
    own: a first batch of its own size with its own pause, and the set's model going back on a breach."""

    batch_percent: int = 20
    unhealthy_percent: int = 20
    unhealthy_upgraded_percent: int = 20
    pause_s: float = 0.0
    is_cross_zone: bool = False
    is_unhealthy_first: bool = False
    has_surge: bool = False
    rolls_back_failed: bool = False
    rolls_back_model: bool = False
    canary_count: int = 0
    canary_pause_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ImageUpgradeWish:
    """``automaticOSUpgradePolicy`` (reference 4.6). ``rolls_back`` is of upgrades that began by themselves."""

    is_automatic: bool = False
    rolls_back: bool = True
    uses_rolling_policy: bool = False


@dataclass(frozen=True, slots=True)
class RepairWish:
    """``automaticRepairsPolicy``, when enabled. Grace counts from an instance's last change of state."""

    action: RepairAction = "Replace"
    grace_period_s: float = 600.0


@dataclass(frozen=True, slots=True)
class ExtensionWish:
    """One extension that runs something. ``sequence`` rises whenever its configuration changes."""

    name: str
    sequence: int
    after: tuple[str, ...] = ()
    is_failure_suppressed: bool = False


def join_extensions(shared: tuple[ExtensionWish, ...], own: tuple[ExtensionWish, ...]) -> tuple[ExtensionWish, ...]:
    """Those of the model, then an instance's own. Names are unique over both; else its own would count."""
    names = {each.name.lower() for each in own}
    return (*(each for each in shared if each.name.lower() not in names), *own) if own else shared


@dataclass(frozen=True, slots=True)
class SetWish:
    """What is wanted of one scale set, in the words of the plan. ``extensions`` is by model version: an
    instance keeps those of the model it was made from until it is upgraded. So are ``sizes`` (vCPUs and MiB) and
    ``differences``: how an instance on that version comes to the newest. ``proximity_zone`` is where the proximity
    placement group has its instances already; with none the first instance chooses. ``host_group`` names the
    dedicated hosts; without one only undedicated hosts are taken."""

    uid: str
    name: str
    capacity: int
    next_instance_id: int
    model_version: int
    vcpus: int
    memory_mib: int
    address_space: str = "default"
    zones: tuple[str, ...] = ()
    fault_domain_count: int | None = None
    scale_in_rule: ScaleInRule = "Default"
    is_unhealthy_first: bool = False
    is_force_deletion: bool = False
    repair: RepairWish | None = None
    is_repair_suspended: bool = False
    has_agent: bool = True
    upgrade_mode: UpgradeMode = "Manual"
    rolling: RollingPolicy = RollingPolicy()
    image_upgrades: ImageUpgradeWish = ImageUpgradeWish()
    differences: Mapping[int, Difference] = field(default_factory=dict)
    sizes: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    proven_model_version: int = 0
    is_flexible: bool = False
    is_overprovisioned: bool = False
    runs_extensions_on_trial: bool = True
    has_single_placement_group: bool = False
    is_zone_balance_strict: bool = False
    rebalances_zones: bool = False
    rebalanced_at: float | None = None
    changed_at: float = 0.0
    host_group: str | None = None
    has_proximity_group: bool = False
    proximity_zone: str | None = None
    health_interval_s: float | None = None
    extensions: Mapping[int, tuple[ExtensionWish, ...]] = field(default_factory=dict)
    own_extensions: Mapping[int, tuple[ExtensionWish, ...]] = field(default_factory=dict)
    extensions_budget_s: float = 5400.0
    is_deleting: bool = False

    def name_of(self, instance_id: int) -> str:
        """What people call the instance: for reasons and notes."""
        return self._names.name(instance_id)

    def id_of(self, instance_id: int) -> str:
        """The instance's id as people write it: for notes, which stand below the set's name."""
        return self._names.id(instance_id)

    @property
    def _names(self) -> InstanceNames:
        return InstanceNames(self.name, self.uid, self.is_flexible)

    def extensions_of(self, row: Instance) -> tuple[ExtensionWish, ...]:
        """The extensions of the model that this instance is on, and those it has for itself (by instance id)."""
        shared, own = self.extensions.get(row.model_version, ()), self.own_extensions.get(row.instance_id, ())
        return join_extensions(shared, own)


class Sight(StrEnum):
    """What is seen of an instance's guest on its host. Silence is ``UNKNOWN``, never absence."""

    RUNNING = "running"
    DEAD = "dead"  # its domain is there and does not run
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Seen:
    """One instance as it is now. ``is_busy``: an action on it is under way. ``retry_at``: not before then.
    ``phase`` and ``is_upgrade_skipped`` are what its health extension's custom metrics say (reference 4.5);
    ``health_detail`` and ``metrics`` are the words behind its health, for people."""

    sight: Sight
    health: Health | None = None
    health_since: float = 0.0
    is_busy: bool = False
    retry_at: float = 0.0
    phase: int | None = None
    is_upgrade_skipped: bool = False
    health_detail: str = ""
    metrics: CustomMetrics | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """What may still be promised on a host."""

    vcpus: int
    memory_mib: int
    disk_mib: int
    guests: int = 1_000_000

    def less(self, vcpus: int, memory_mib: int, disk_mib: int) -> Room:
        return Room(self.vcpus - vcpus, self.memory_mib - memory_mib, self.disk_mib - disk_mib, self.guests - 1)


@dataclass(frozen=True, slots=True)
class HostFacts:
    """One hypervisor as the plan sees it. ``room`` is ``None`` while it does not answer."""

    name: str
    zone: str
    fault_domain: int
    room: Room | None
    address_space: str = "default"
    is_draining: bool = False
    silent_since: float | None = None
    host_group: str | None = None

    @property
    def is_up(self) -> bool:
        return self.silent_since is None and self.room is not None


@dataclass(frozen=True, slots=True)
class Rules:
    """The daemon's own constants that decisions need. Seconds unless the name says otherwise."""

    host_lease_s: float = 60.0
    repair_share: float = 0.05
    brake_share: float = 0.20
    brake_hold_s: float = 300.0
    repair_settle_s: float = 900.0
    repair_backoff_s: float = 5.0
    repair_backoff_max_s: float = 300.0
    stuck_delete_s: float = 60.0
    upgrade_settle_s: float = 300.0
    rebalance_every_s: float = 12 * 3600.0
    rebalance_quiet_s: float = 3600.0
    quarantine_after: int = 3
    quarantine_most: int = 2
    suspend_after: int = 6
    disk_reserve_mib: int = 64


@dataclass(frozen=True, slots=True)
class World:
    """All that one pass over one set looks at."""

    rows: tuple[Instance, ...]
    seen: Mapping[int, Seen]
    hosts: Mapping[str, HostFacts]
    now: float
    rules: Rules = field(default_factory=Rules)
    upgrade: RollingUpgrade | None = None

    def of(self, row: Instance) -> Seen:
        return self.of_id(row.instance_id)

    def of_id(self, instance_id: int) -> Seen:
        return self.seen.get(instance_id, Seen(Sight.UNKNOWN))

    def counted(self) -> list[Instance]:
        """Rows that count towards capacity."""
        return [row for row in self.rows if row.counts]

    def in_batch(self) -> frozenset[int]:
        """Instances that a running upgrade has in hand: nobody else replaces, moves or scales them in."""
        if self.upgrade is None or not self.upgrade.is_running:
            return frozenset()
        return frozenset(self.upgrade.batch) | frozenset(self.upgrade.surged)

    def surged(self) -> frozenset[int]:
        """Instances made beyond the capacity by the batch of a running upgrade."""
        return frozenset(self.upgrade.surged) if self.upgrade and self.upgrade.is_running else frozenset()
