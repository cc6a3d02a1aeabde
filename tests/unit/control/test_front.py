"""The front on a store in memory, simulated hosts, and a balancer that keeps what it was told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from orchestrator.control.claims import Held
from orchestrator.control.front import Front
from orchestrator.errors import BalancerError
from orchestrator.model.instance import Instance, Stage
from orchestrator.model.network.traffic import Backend, Listener, Member, MemberState, Mode, Traffic
from orchestrator.model.scale_set import ScaleSet
from orchestrator.network.simulated import SimulatedBalancer
from orchestrator.store import Seal, Store, make_engine
from orchestrator.store.tables import metadata

UID = "a" * 12
NAME = "web_0.aaaaaa"


class FakeView:
    """What is wanted, as the test says it."""

    is_needed = True

    def __init__(self) -> None:
        self.state: MemberState | None = MemberState.READY
        self.drain_time_s = 5.0

    def forget_resources(self) -> None:
        return None

    def drain_s(self, _row: Instance, _default_s: float) -> float:
        return self.drain_time_s

    def traffic(self, _ports: Any) -> Traffic:
        members = (Member(NAME, "10.0.0.4", 80, self.state),) if self.state else ()
        backend = Backend("web", Mode.TCP, members)
        return Traffic((Listener("front", "10.1.0.1", 80, Mode.TCP, "web"),), (backend,))


class FakeClaims:
    def settle(self) -> Held:
        return Held()


async def until(condition: Callable[[], bool]) -> None:
    """The caller has a deadline around it."""
    while True:
        if condition():
            return
        await asyncio.sleep(0.005)


class World:
    def __init__(self) -> None:
        engine = make_engine("sqlite://")
        metadata.create_all(engine)
        self.store = Store(engine, Seal(b"q" * 43 + b"="))
        self.view, self.balancer = FakeView(), SimulatedBalancer()
        record = ScaleSet(UID, "sub", "rg", "web", "local", {"properties": {}})
        self.row = Instance(UID, 0, 1, 1, Stage.READY, 0.0, 0.0, "10.0.0.4", "02:00:00:00:00:01", "", "")
        with self.store.write() as tx:
            tx.add_scale_set(record)
            tx.add_instances([self.row])
        self.front = Front(self.store, self.view, FakeClaims(), self.balancer, time.time)  # type: ignore[arg-type]

    def run(self, act: Callable[[], Awaitable[None]]) -> None:
        async def go() -> None:
            task = asyncio.create_task(self.front.run())
            self.front.wake()
            await until(lambda: bool(self.balancer.traffic.listeners))
            try:
                await act()
            finally:
                task.cancel()

        asyncio.run(asyncio.wait_for(go(), 20))


def test_an_instance_is_out_of_rotation_and_idle_before_anything_is_done_to_it() -> None:
    world = World()

    async def act() -> None:
        world.balancer.sessions[NAME] = 2
        world.view.state = MemberState.DRAINING
        leaving = asyncio.create_task(world.front.leave(world.row))
        done, _ = await asyncio.wait([leaving], timeout=0.6)
        assert not done, "it has connections"
        assert world.balancer.traffic.backends[0].members[0].state is MemberState.DRAINING
        world.balancer.sessions.clear()
        await asyncio.wait_for(leaving, 5)

    world.run(act)
    assert not [each for each in world.store.events() if each.kind == "drain"]


def test_what_does_not_end_in_its_time_is_cut_and_told() -> None:
    world = World()
    world.view.drain_time_s = 0.3

    async def act() -> None:
        world.balancer.sessions[NAME] = 1
        world.view.state = MemberState.DRAINING
        await world.front.leave(world.row)

    world.run(act)
    [told] = [each for each in world.store.events() if each.kind == "drain"]
    assert "did not end within 0.3 s" in told.reason


def test_one_in_no_pool_waits_for_nothing() -> None:
    world = World()
    world.view.state = None

    async def act() -> None:
        world.balancer.sessions[NAME] = 1
        await asyncio.wait_for(world.front.leave(world.row), 0.1)

    world.run(act)


def test_one_whose_guest_died_is_shut_at_once() -> None:
    world = World()

    async def act() -> None:
        world.front.died(world.row.owner(world.store.installation))
        await until(lambda: NAME in world.balancer.down)

    world.run(act)


def test_a_balancer_that_fails_is_told_again_and_so_are_people() -> None:
    world = World()
    refusals = []
    apply = world.balancer.apply

    async def failing(traffic: Traffic) -> None:
        if not refusals:
            refusals.append(traffic)
            raise BalancerError("port 80 of 10.1.0.1 is somebody else's")
        await apply(traffic)

    world.balancer.apply = failing  # type: ignore[method-assign]

    async def act() -> None:
        assert refusals

    world.run(act)
    [told] = [each for each in world.store.events() if each.kind == "front"]
    assert "somebody else's" in told.reason


def test_ports_that_an_earlier_daemon_had_are_taken_back_though_nothing_is_wanted() -> None:
    """What went while it was dead is told of by nobody else."""
    world = World()
    world.balancer.traffic = world.view.traffic({})
    world.view.is_needed = False
    world.view.traffic = lambda _ports: Traffic()  # type: ignore[method-assign]
    asyncio.run(world.front.apply())
    assert world.balancer.traffic == Traffic()


def test_one_that_joins_while_the_balancer_is_being_told_is_waited_for() -> None:
    world = World()

    async def act() -> None:
        telling, told = asyncio.Event(), world.balancer.apply

        async def slowly(traffic: Traffic) -> None:
            telling.set()
            await asyncio.sleep(0.2)
            await told(traffic)

        world.balancer.apply = slowly  # type: ignore[method-assign]
        world.balancer.sessions[NAME] = 1
        first = asyncio.create_task(world.front.apply())
        await telling.wait()
        world.view.drain_time_s = 1.0
        world.front.wake()
        leaving = asyncio.create_task(world.front.leave(world.row))
        done, _ = await asyncio.wait([leaving], timeout=0.1)
        assert not done
        await first
        leaving.cancel()

    asyncio.run(asyncio.wait_for(act(), 20))
