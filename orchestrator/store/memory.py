"""What the tables hold of sets and instances, kept in memory as well.

This process is the only one that writes (one daemon holds the lock of its state directory), so what it has
committed is what is there. A transaction's changes are applied when it has committed, and never otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from orchestrator.model.instance import Instance
from orchestrator.model.own_extension import OwnExtension
from orchestrator.model.rolling_upgrade import RollingUpgrade
from orchestrator.model.run_command import RunCommand
from orchestrator.model.scale_set import ScaleSet


class _OfInstance(Protocol):
    """What an instance has several of, each under a name."""

    @property
    def set_uid(self) -> str: ...

    @property
    def key(self) -> tuple[int, str]: ...


T = TypeVar("T", bound=_OfInstance)


class Shelf(Generic[T]):
    """Things of instances, by set, instance and name."""

    def __init__(self) -> None:
        self._sets: dict[str, dict[tuple[int, str], T]] = {}

    def put(self, thing: T) -> None:
        self._sets.setdefault(thing.set_uid, {})[thing.key] = thing

    def of_set(self, set_uid: str) -> list[T]:
        return list(self._sets.get(set_uid, {}).values())

    def one(self, set_uid: str, instance_id: int, name: str) -> T | None:
        return self._sets.get(set_uid, {}).get((instance_id, name.lower()))

    def drop(self, set_uid: str, instance_id: int, name: str) -> None:
        self._sets.get(set_uid, {}).pop((instance_id, name.lower()), None)

    def drop_instance(self, set_uid: str, instance_id: int) -> None:
        for key in [key for key in self._sets.get(set_uid, {}) if key[0] == instance_id]:
            del self._sets[set_uid][key]

    def drop_set(self, set_uid: str) -> None:
        self._sets.pop(set_uid, None)

    def __iter__(self) -> Iterator[T]:
        return (thing for things in self._sets.values() for thing in things.values())


class Memory:
    """Instances by set and id, ids ascending; scale sets and their latest rolling upgrades by uid; what instances
    have for themselves."""

    def __init__(self, instances: Iterable[Instance], upgrades: Iterable[RollingUpgrade] = ()) -> None:
        self._instances: dict[str, dict[int, Instance]] = {}
        self._sets: dict[str, ScaleSet] = {}
        self._upgrades: dict[str, RollingUpgrade] = {}
        self.own_extensions: Shelf[OwnExtension] = Shelf()
        self.run_commands: Shelf[RunCommand] = Shelf()
        for row in instances:
            self.put(row)
        for upgrade in upgrades:
            self.put_upgrade(upgrade)

    def of_set(self, set_uid: str) -> list[Instance]:
        return list(self._instances.get(set_uid, {}).values())

    def all(self) -> list[Instance]:
        return [row for rows in self._instances.values() for row in rows.values()]

    def one(self, set_uid: str, instance_id: int) -> Instance | None:
        return self._instances.get(set_uid, {}).get(instance_id)

    def put(self, row: Instance) -> None:
        """New ids are always the highest of their set, so the order of insertion is the order of ids."""
        self._instances.setdefault(row.set_uid, {})[row.instance_id] = row.but(host_key_private="")

    def drop(self, set_uid: str, instance_id: int) -> None:
        self._instances.get(set_uid, {}).pop(instance_id, None)
        self.own_extensions.drop_instance(set_uid, instance_id)
        self.run_commands.drop_instance(set_uid, instance_id)

    def drop_set(self, uid: str) -> None:
        self._instances.pop(uid, None)
        self._sets.pop(uid, None)
        self._upgrades.pop(uid, None)
        self.own_extensions.drop_set(uid)
        self.run_commands.drop_set(uid)

    def put_upgrade(self, upgrade: RollingUpgrade) -> None:
        """The newest of its set is the one that counts."""
        latest = self._upgrades.get(upgrade.set_uid)
        if latest is None or upgrade.started_at >= latest.started_at:
            self._upgrades[upgrade.set_uid] = upgrade

    def latest_upgrade(self, uid: str) -> RollingUpgrade | None:
        return self._upgrades.get(uid)

    def forget_set_record(self, uid: str) -> None:
        """It is read again when it is next asked for."""
        self._sets.pop(uid, None)

    def set_record(self, uid: str, read: Callable[[], ScaleSet | None]) -> ScaleSet | None:
        found = self._sets.get(uid)
        if found is None and (found := read()) is not None:
            self._sets[uid] = found
        return found


Change = Callable[[Memory], None]
