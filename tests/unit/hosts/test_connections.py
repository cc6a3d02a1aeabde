"""Deadlines and replacement of connections, on libvirt's own in-process test driver."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import libvirt
import pytest

from orchestrator.errors import HostRefused, HostUnreachable
from orchestrator.hosts.libvirt.connections import WORK_CONNECTIONS, Connections, without_questions
from orchestrator.hosts.libvirt.links import Abandoned, Call

URI = "test:///default"
SHORT_S = 0.05
LONG_S = 5.0


@asynccontextmanager
async def opened(uri: str = URI) -> AsyncIterator[tuple[Connections, list[str]]]:
    told: list[str] = []

    def on_open(connection: libvirt.virConnect) -> tuple[int, ...]:
        told.append("opened")
        return ()

    connections = Connections("h1", uri, "default-pool", 2.0, on_open, lambda: told.append("closed"))
    try:
        yield connections, told
    finally:
        await connections.close()


def test_a_call_gives_its_answer() -> None:
    async def story() -> None:
        async with opened() as (connections, _):
            assert await connections.query(lambda call: call.connection.getType(), "say its type", LONG_S) == "TEST"
            pool = await connections.work(lambda call: call.pool.name(), "name its pool", LONG_S)
            assert pool == "default-pool"

    asyncio.run(story())


def test_a_call_that_hangs_ends_by_its_deadline_and_does_nothing_more() -> None:
    async def story() -> None:
        may_go_on, outcome = threading.Event(), []

        def hang(call: Call) -> None:
            may_go_on.wait(LONG_S)
            try:
                call.connection.getType()
            except Abandoned:
                outcome.append("abandoned")
            finally:
                ended.set()

        ended = threading.Event()
        async with opened() as (connections, told):
            with pytest.raises(HostUnreachable, match=r"within 0\.05 s"):
                await connections.query(hang, "hang", SHORT_S)
            assert told == ["opened", "closed"]
            assert await connections.query(lambda call: call.connection.getType(), "answer", LONG_S) == "TEST"
            assert told == ["opened", "closed", "opened"]
            may_go_on.set()
            assert await asyncio.to_thread(ended.wait, LONG_S)
            assert outcome == ["abandoned"]

    asyncio.run(story())


def test_hanging_calls_block_nobody_else() -> None:
    async def story() -> None:
        release = threading.Event()
        async with opened() as (connections, _):
            hanging = [
                asyncio.create_task(connections.work(lambda _: release.wait(LONG_S), "hang", LONG_S))
                for _ in range(20)
            ]
            async with asyncio.timeout(1):
                assert await connections.work(lambda call: call.connection.getType(), "answer", LONG_S) == "TEST"
            release.set()
            assert await asyncio.gather(*hanging) == [True] * 20

    asyncio.run(story())


def test_work_is_spread_over_the_work_connections() -> None:
    async def story() -> None:
        together = threading.Barrier(WORK_CONNECTIONS)

        def meet(call: Call) -> int:
            together.wait(LONG_S)
            return id(call.connection)

        async with opened() as (connections, _):
            met = await asyncio.gather(*(connections.work(meet, "meet", LONG_S) for _ in range(WORK_CONNECTIONS)))
            assert len(set(met)) == WORK_CONNECTIONS

    asyncio.run(story())


def test_a_cancelled_call_takes_no_further_step() -> None:
    async def story() -> None:
        has_begun, may_go_on, outcome = threading.Event(), threading.Event(), threading.Event()

        def slow(call: Call) -> None:
            has_begun.set()
            may_go_on.wait(LONG_S)
            try:
                call.check()
            except Abandoned:
                outcome.set()

        async with opened() as (connections, _):
            task = asyncio.create_task(connections.work(slow, "be slow", LONG_S))
            assert await asyncio.to_thread(has_begun.wait, LONG_S)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            may_go_on.set()
            assert await asyncio.to_thread(outcome.wait, LONG_S)

    asyncio.run(story())


def test_libvirts_no_becomes_our_exception() -> None:
    async def story() -> None:
        async with opened() as (connections, _):
            with pytest.raises(HostRefused, match="h1 could not find it"):
                await connections.query(lambda call: call.connection.lookupByName("none"), "find it", LONG_S)

    asyncio.run(story())


def test_a_host_where_nobody_listens_is_unreachable_again_and_again() -> None:
    async def story() -> None:
        async with opened("qemu+unix:///system?socket=/nowhere/sock") as (connections, told):
            for _ in range(2):
                with pytest.raises(HostUnreachable):
                    await connections.query(lambda _: None, "answer", LONG_S)
            assert told == []

    asyncio.run(story())


def test_ssh_is_told_not_to_ask_questions() -> None:
    assert without_questions("qemu+ssh://root@box/system") == "qemu+ssh://root@box/system?no_tty=1"
    assert (
        without_questions("qemu+ssh://box/system?no_tty=0&keyfile=/k")
        == "qemu+ssh://box/system?no_tty=0&keyfile=%2Fk"
    )
    assert without_questions("qemu+tls://box/system") == "qemu+tls://box/system"
    assert without_questions("qemu:///system") == "qemu:///system"
