"""A whole site in memory for the planner alone: rows, guests and hosts as facts, and what each step makes of them.

Decisions go through ``plan.apply``, as the daemon's do. An action takes effect when it ends; it may also fail, or
be cut off, in which case nothing has happened. No daemon, no clock: a step takes microseconds.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from orchestrator.model.health import Health
from orchestrator.model.instance import ExtensionState, Failure, Instance, Stage
from orchestrator.model.rolling_upgrade import RollingUpgrade
from orchestrator.plan import steps
from orchestrator.plan.apply import applied
from orchestrator.plan.inputs import (
    Cost,
    Difference,
    ExtensionWish,
    HostFacts,
    Room,
    Rules,
    Seen,
    SetWish,
    Sight,
    World,
)
from orchestrator.plan.steps import Plan, SetStep, Step

_ORDER = [Cost.NOTHING, Cost.IN_PLACE, Cost.RESTART, Cost.REIMAGE]


@dataclass(slots=True)
class Guest:
    """A domain that exists: of which generation, and what it serves."""

    generation: int
    is_running: bool = True
    health: Health = Health.HEALTHY
    health_since: float = 0.0


@dataclass(slots=True)
class Site:
    """Everything there is. ``guests`` is by host and instance id, so that one can be in two places by mistake."""

    rng: random.Random
    wish: SetWish
    hosts: dict[str, HostFacts]
    rules: Rules
    now: float = 10_000.0
    rows: dict[int, Instance] = field(default_factory=dict)
    guests: dict[tuple[str, int], Guest] = field(default_factory=dict)
    upgrade: RollingUpgrade | None = None
    busy: dict[int, Step] = field(default_factory=dict)
    sick_models: set[int] = field(default_factory=set)
    bad_scripts: set[int] = field(default_factory=set)
    ids_used: set[int] = field(default_factory=set)
    costs: dict[int, Cost] = field(default_factory=dict)
    keys: int = 0

    # What the planner is shown

    def world(self) -> World:
        seen = {number: self._seen(row) for number, row in self.rows.items()}
        rows = tuple(self.rows.values())
        return World(rows, seen, self._facts(), self.now, self.rules, self.upgrade)

    def _facts(self) -> dict[str, HostFacts]:
        claimed = {name: 0 for name in self.hosts}
        for row in self.rows.values():
            if row.counts and row.host in claimed:
                claimed[row.host] += 1
        return {name: self._with_room(host, claimed[name]) for name, host in self.hosts.items()}

    @staticmethod
    def _with_room(host: HostFacts, claimed: int) -> HostFacts:
        if host.room is None:
            return host
        return replace(host, room=replace(host.room, guests=host.room.guests - claimed))

    def _seen(self, row: Instance) -> Seen:
        is_busy = row.instance_id in self.busy
        sight = self.sight(row)
        guest = self.guests.get((row.host or "", row.instance_id))
        if sight is not Sight.RUNNING or guest is None or row.stage is not Stage.READY:
            return Seen(sight, None, 0.0, is_busy)
        return Seen(sight, guest.health, guest.health_since, is_busy)

    def sight(self, row: Instance) -> Sight:
        if row.host is None:
            return Sight.ABSENT
        if not self.hosts[row.host].is_up:
            return Sight.UNKNOWN
        guest = self.guests.get((row.host, row.instance_id))
        if guest is None or guest.generation != row.generation:
            return Sight.ABSENT
        return Sight.RUNNING if guest.is_running else Sight.DEAD

    def sweep(self) -> None:
        """What no row owns is removed by whoever watches the host, not by the plan (``plan/strays.py``)."""
        for host, number in list(self.guests):
            row = self.rows.get(number)
            is_owned = row is not None and host in (row.host, row.moving_from)
            is_current = is_owned and row is not None and self.guests[host, number].generation == row.generation
            if not is_current and self.hosts[host].is_up:
                del self.guests[host, number]

    # Decisions

    def new_key(self) -> tuple[str, str]:
        self.keys += 1
        return "", f"key {self.keys}"

    def decide(self, plan: Plan, world: World) -> None:
        """Write the plan's decisions down."""
        for step in plan.decisions:
            if isinstance(step, steps.AddInstance):
                self._add(step)
                continue
            row = self.rows[step.instance_id]
            after = applied(step, row, self.wish, world.of(row).sight, self.now, self.new_key)
            if after is None:
                del self.rows[step.instance_id]
            else:
                self.rows[step.instance_id] = after
        for set_step in plan.set_decisions:
            self._decide_for_set(set_step)

    def _decide_for_set(self, step: SetStep) -> None:
        match step:
            case steps.PutUpgrade(upgrade=upgrade):
                self.upgrade = upgrade
            case steps.ProveModel(model_version=version):
                self.wish = replace(self.wish, proven_model_version=version)
            case steps.SuspendRepairs():
                self.wish = replace(self.wish, is_repair_suspended=True)
            case steps.NoteRebalance():
                self.wish = replace(self.wish, rebalanced_at=self.now)
            case steps.RevertSet(model_version=version):
                self.change_model(Cost.IN_PLACE, is_sick=version in self.sick_models)
                self.wish = replace(self.wish, proven_model_version=self.wish.model_version)
            case _:
                raise AssertionError(f"nobody carries out {step.kind}")

    def _add(self, step: steps.AddInstance) -> None:
        assert step.instance_id not in self.ids_used, "an id is used twice"
        self.ids_used.add(step.instance_id)
        self.wish = replace(self.wish, next_instance_id=max(self.wish.next_instance_id, step.instance_id + 1))
        self.rows[step.instance_id] = Instance(
            set_uid=self.wish.uid,
            instance_id=step.instance_id,
            generation=1,
            model_version=self.wish.model_version,
            stage=Stage.CREATING if step.host else Stage.WAITING,
            created_at=self.now,
            changed_at=self.now,
            address=f"10.0.0.{step.instance_id}",
            mac="",
            host_key_private="",
            host_key_public=f"key of {step.instance_id}",
            host=step.host,
            zone=step.zone,
            fault_domain=step.fault_domain,
            placement_group=step.placement_group,
            update_domain=step.update_domain,
            is_on_trial=step.is_on_trial,
            memory_mib=96,
            cause=step.cause,
            repairs=step.repairs,
            failure=Failure("AllocationFailed", step.shortage, self.now) if step.shortage else None,
        )

    # Actions

    def begin(self, step: Step) -> None:
        assert step.instance_id not in self.busy, f"{step.instance_id} is busy and {step.kind} begins as well"
        self.busy[step.instance_id] = step

    def end(self, instance_id: int) -> None:
        """The action has done what it does; on a host that is silent it fails, and nothing has changed."""
        step = self.busy.pop(instance_id)
        row = self.rows.get(instance_id)
        host = getattr(step, "host", None) or (row.host if row else None)
        if row is None or host is None or not self.hosts[host].is_up:
            return
        if row.moving_from and not self.hosts[row.moving_from].is_up:
            return
        after = self._effect(step, row, host)
        if after is None:
            del self.rows[instance_id]
        else:
            self.rows[instance_id] = after

    def _effect(self, step: Step, row: Instance, host: str) -> Instance | None:
        place = (host, row.instance_id)
        match step:
            case steps.CreateGuest():
                return self._created(row, host)
            case steps.RemoveGuest():
                self.guests.pop(place, None)
                self.guests.pop((row.moving_from or "", row.instance_id), None)
                return None
            case steps.DeallocateGuest():
                self.guests.pop(place, None)
                return row.but(changed_at=self.now)
            case steps.StopGuest() | steps.HibernateGuest():
                if place in self.guests:
                    self.guests[place].is_running = False
                return row.but(changed_at=self.now)
            case steps.RestartGuest():
                self.guests[place] = self._fresh(row)
                done = row.but(restarts_done=row.restarts_wanted, stage=Stage.BOOTING)
                return done.but(booted_at=self.now, changed_at=self.now)
            case steps.AwaitGuest():
                is_up = place in self.guests and self.guests[place].is_running
                return row.but(stage=Stage.CONFIGURING) if is_up and row.stage is Stage.BOOTING else row
            case steps.RunExtension(name=name, sequence=sequence):
                return self._ran(row, name, sequence)
            case _:
                raise AssertionError(f"nobody carries out {step.kind}")

    def _fresh(self, row: Instance) -> Guest:
        sick = row.model_version in self.sick_models
        return Guest(row.generation, True, Health.UNHEALTHY if sick else Health.HEALTHY, self.now)

    def _created(self, row: Instance, host: str) -> Instance:
        if row.is_gone or row.stage is not Stage.CREATING or row.host != host:
            return row  # it moved on meanwhile
        if row.moving_from:
            self.guests.pop((row.moving_from, row.instance_id), None)
        self.guests[host, row.instance_id] = self._fresh(row)
        made = row.but(stage=Stage.BOOTING, moving_from=None, is_to_redefine=False, failure=None)
        return made.but(booted_at=self.now, changed_at=self.now)

    def _ran(self, row: Instance, name: str, sequence: int) -> Instance:
        is_bad = row.model_version in self.bad_scripts
        code = "failed" if is_bad else "succeeded"
        state = ExtensionState(name, "script", "2.1", sequence, code, "", self.now)  # type: ignore[arg-type]
        guest = self.guests.get((row.host or "", row.instance_id))
        if guest is not None:
            wanted = Health.UNHEALTHY if row.model_version in self.sick_models else Health.HEALTHY
            guest.health, guest.health_since = wanted, self.now
        return row.but(extensions={**row.extensions, name: state}, changed_at=self.now)

    # Models

    def change_model(self, cost: Cost, *, is_sick: bool = False, is_bad: bool = False) -> None:
        """A newer model: what it costs from the one before, and whether it makes guests sick or scripts fail."""
        version = self.wish.model_version + 1
        self.costs[version] = cost
        if is_sick:
            self.sick_models.add(version)
        if is_bad:
            self.bad_scripts.add(version)
        extensions = {**self.wish.extensions, version: self._extensions(version)}
        differences = {old: Difference(self._cost_from(old, version), ("model",)) for old in range(1, version)}
        self.wish = replace(
            self.wish,
            model_version=version,
            extensions=extensions,
            differences={**differences, version: Difference(Cost.NOTHING)},
            changed_at=self.now,
        )

    def _extensions(self, version: int) -> tuple[ExtensionWish, ...]:
        changes = sum(1 for each, cost in self.costs.items() if each <= version and cost is not Cost.NOTHING)
        return (ExtensionWish("page", changes + 1),)

    def _cost_from(self, old: int, new: int) -> Cost:
        between = [self.costs[version] for version in range(old + 1, new + 1)]
        return max(between, key=_ORDER.index, default=Cost.NOTHING)


def new_site(rng: random.Random, wish: SetWish, hosts: Mapping[str, HostFacts], rules: Rules) -> Site:
    """A site before its first pass; the first model is well."""
    site = Site(rng, wish, dict(hosts), rules)
    site.wish = replace(wish, extensions={1: (ExtensionWish("page", 1),)})
    return site


def host_facts(name: str, zone: str, fault_domain: int, guests: int) -> HostFacts:
    return HostFacts(name, zone, fault_domain, Room(10_000, 10_000_000, 10_000_000, guests))
