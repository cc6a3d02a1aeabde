"""Hosts that several requests change at once."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from orchestrator.control.desk import Desk
from orchestrator.errors import NotFound
from orchestrator.model.host import HostConfig
from orchestrator.store import Seal, Store, make_engine
from orchestrator.store.tables import metadata


class FakeFleet:
    """Takes a host out in two steps, as the real one waits for its watcher in between."""

    def __init__(self) -> None:
        self.watched: dict[str, HostConfig] = {}

    def find(self, name: str) -> HostConfig | None:
        return self.watched.get(name)

    def add(self, config: HostConfig, *, is_draining: bool = False) -> None:
        assert config.name not in self.watched, "it would be watched twice"
        self.watched[config.name] = config

    async def remove(self, name: str) -> None:
        await asyncio.sleep(0)
        del self.watched[name]


def changed_at_once(changes: int) -> tuple[FakeFleet, Store, list[Any]]:
    """So many requests in turn to put a host and to remove it, all begun before one has ended."""
    engine = make_engine("sqlite://")
    metadata.create_all(engine)
    store, fleet = Store(engine, Seal(b"q" * 43 + b"=")), FakeFleet()
    controller: Any = SimpleNamespace(store=store, fleet=fleet, wake_all=lambda: None, now=lambda: 0.0)

    async def go() -> list[Any]:
        desk, config = Desk(controller), HostConfig("spare", "simulated:///")
        requests = [
            desk.remove_host("spare", is_forced=False) if number % 3 == 2 else desk.put_host(config)
            for number in range(changes)
        ]
        return await asyncio.gather(*requests, return_exceptions=True)

    return fleet, store, asyncio.run(go())


def test_each_change_of_a_host_is_done_whole_before_the_next() -> None:
    for changes in (2, 3, 4, 9):
        fleet, store, ends = changed_at_once(changes)
        assert all(end is None or isinstance(end, NotFound) for end in ends), ends
        assert set(fleet.watched) == {record.name for record in store.hosts()}
        store.close()
