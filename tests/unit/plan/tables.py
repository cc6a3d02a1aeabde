"""Builders for tables of the plan's tests: a row, a host, a world, each with what matters named."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orchestrator.model.health import Health
from orchestrator.model.instance import Instance, Stage
from orchestrator.plan.inputs import HostFacts, Room, Rules, Seen, SetWish, Sight, World

NOW = 10_000.0


def row(instance_id: int, **changes: Any) -> Instance:
    values: dict[str, Any] = {
        "set_uid": "a" * 12,
        "instance_id": instance_id,
        "generation": 1,
        "model_version": 1,
        "stage": Stage.READY,
        "created_at": float(instance_id),
        "changed_at": 1000.0,
        "address": f"10.0.0.{instance_id}",
        "mac": "02:00:00:00:00:01",
        "host_key_private": "",
        "host_key_public": "",
        "host": "h1",
        "zone": "1",
        "fault_domain": 0,
        "memory_mib": 96,
        "booted_at": 900.0,
    }
    return Instance(**{**values, **changes})


def host(name: str, **changes: Any) -> HostFacts:
    number = int(name[1:]) - 1
    values: dict[str, Any] = {"zone": "1", "fault_domain": number, "room": Room(64, 65_536, 100_000)}
    return HostFacts(name, **{**values, **changes})


def wish(capacity: int, **changes: Any) -> SetWish:
    values: dict[str, Any] = {
        "uid": "a" * 12,
        "name": "web",
        "capacity": capacity,
        "next_instance_id": 100,
        "model_version": 1,
        "vcpus": 1,
        "memory_mib": 96,
        "health_interval_s": 5.0,
    }
    return SetWish(**{**values, **changes})


def world(rows: Iterable[Instance], hosts: Iterable[HostFacts] | None = None, **seen: Seen) -> World:
    """Rows seen running and healthy, unless ``seen`` says otherwise under ``i<ID>``."""
    listed = tuple(rows)
    facts = {each.name: each for each in (hosts or [host("h1"), host("h2"), host("h3")])}
    well = Seen(Sight.RUNNING, Health.HEALTHY, 1000.0)
    sights = {each.instance_id: seen.get(f"i{each.instance_id}", well) for each in listed}
    return World(listed, sights, facts, NOW, Rules(host_lease_s=15.0))


def sick(since: float = 1000.0, health: Health = Health.UNHEALTHY) -> Seen:
    return Seen(Sight.RUNNING, health, since)


DEAD = Seen(Sight.DEAD)
SILENT = Seen(Sight.UNKNOWN)
