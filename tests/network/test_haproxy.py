"""The machine's own HAProxy between small servers and clients, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.errors import BadInput, BalancerError
from orchestrator.model.network.traffic import (
    Backend,
    Check,
    Listener,
    Member,
    MemberState,
    Mode,
    Redirect,
    Route,
    Stickiness,
    Traffic,
)
from orchestrator.network.haproxy import HaproxyBalancer
from orchestrator.network.haproxy.rendering import Place, quoted, render

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
FRONT = f"127.98.{_WORKER}.1"  # an address for each of those that run at the same time
PORT = 18080
DEADLINE_S = 15.0
CHECK = Check("http", 0, 1.0, "/healthz")


class Server:
    """Says its own name; sick when told so."""

    def __init__(self, name: str, address: str) -> None:
        self.name, self.address = name, address
        self.is_well = True
        self.pause_s = 0.0
        self.seen: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                is_question = self.path == "/healthz"
                if not is_question:
                    outer.seen.append(dict(self.headers))
                    time.sleep(outer.pause_s)
                body = outer.name.encode()
                self.send_response(200 if outer.is_well or not is_question else 503)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer((address, 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def member(self, state: MemberState = MemberState.READY) -> Member:
        return Member(self.name, self.address, self.port, state)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    made = [Server(f"s{number}", f"127.99.1.{number + 1}") for number in range(3)]
    yield made
    for each in made:
        each.close()


@contextlib.asynccontextmanager
async def balancing(folder: Path) -> AsyncIterator[HaproxyBalancer]:
    balancer = HaproxyBalancer(folder / "b")
    try:
        yield balancer
    finally:
        await balancer.apply(Traffic())
        left = balancer._process.others()
        for process in left:
            process.kill()
        psutil.wait_procs(left, DEADLINE_S)  # the next one wants the same port


def traffic(*members: Member, port: int = PORT, **changes: Any) -> Traffic:
    backend = Backend("back", changes.pop("mode", Mode.TCP), members, changes.pop("check", CHECK), **changes)
    return Traffic((Listener("front", FRONT, port, backend.mode, "back"),), (backend,))


def fetch(path: str = "/", port: int = PORT, **headers: str) -> str:
    request = urllib.request.Request(f"http://{FRONT}:{port}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return str(answer.read().decode())


async def asked(count: int, **more: Any) -> Counter[str]:
    return Counter([await asyncio.to_thread(fetch, **more) for _ in range(count)])


async def until(condition: Callable[[], Awaitable[object]], what: str, within_s: float = DEADLINE_S) -> float:
    began = time.monotonic()
    while not await condition():
        assert time.monotonic() - began < within_s, f"{what} did not come true"
        await asyncio.sleep(0.01)
    return time.monotonic() - began


async def up(balancer: HaproxyBalancer) -> set[str]:
    return {each.name for each in await balancer.look() if each.is_up and each.state is MemberState.READY}


async def is_down(balancer: HaproxyBalancer, name: str) -> bool:
    return any(each.name == name and each.is_up is False for each in await balancer.look())


async def are_up(balancer: HaproxyBalancer, *names: str) -> None:
    async def so() -> bool:
        return await up(balancer) == set(names)

    await until(so, f"{names} are up")


@pytest.mark.parametrize("mode", [Mode.TCP, Mode.HTTP])
def test_requests_are_spread_over_all_members(mode: Mode, servers: list[Server], tmp_path: Path) -> None:
    async def go() -> None:
        async with balancing(tmp_path) as balancer:
            await balancer.apply(traffic(*(each.member() for each in servers), mode=mode))
            await are_up(balancer, "s0", "s1", "s2")
            assert await asked(9) == {"s0": 3, "s1": 3, "s2": 3}

    asyncio.run(go())


def test_a_sick_member_is_out_within_its_interval_and_comes_back_after_one_good_answer(
    servers: list[Server], tmp_path: Path
) -> None:
    async def go() -> None:
        async with balancing(tmp_path) as balancer:
            await balancer.apply(traffic(*(each.member() for each in servers)))
            await are_up(balancer, "s0", "s1", "s2")
            servers[0].is_well = False

            async def is_out() -> bool:
                return "s0" not in await up(balancer)

            assert await until(is_out, "s0 is out") <= CHECK.interval_s
            assert set(await asked(6)) == {"s1", "s2"}
            servers[0].is_well = True
            await are_up(balancer, "s0", "s1", "s2")

    asyncio.run(go())


def test_a_member_joins_drains_and_leaves_without_a_reload(servers: list[Server], tmp_path: Path) -> None:
    async def go() -> None:
        first, second, third = servers
        async with balancing(tmp_path) as balancer:
            await balancer.apply(traffic(first.member()))
            await are_up(balancer, "s0")
            process = balancer._process.find()
            await balancer.apply(traffic(first.member(), second.member(), third.member()))
            await are_up(balancer, "s0", "s1", "s2")
            assert set(await asked(6)) == {"s0", "s1", "s2"}
            second.pause_s = 1.0
            slow = [asyncio.create_task(asyncio.to_thread(fetch)) for _ in range(3)]

            async def has_one() -> bool:
                return any(each.sessions for each in await balancer.look() if each.name == "s1")

            await until(has_one, "s1 has a connection")
            await balancer.apply(traffic(first.member(), second.member(MemberState.DRAINING), third.member()))
            assert set(await asked(6)) == {"s0", "s2"}
            assert "s1" in await asyncio.gather(*slow), "what it had goes on to its end"

            async def is_idle() -> bool:
                return not await has_one()

            await until(is_idle, "s1 is idle")
            await balancer.apply(traffic(first.member(), third.member()))
            assert {each.name for each in await balancer.look()} == {"s0", "s2"}
            await balancer.apply(traffic(*(each.member() for each in servers)))
            await are_up(balancer, "s0", "s1", "s2")
            assert balancer._process.find() == process

    asyncio.run(go())


def test_one_that_drains_can_serve_again(servers: list[Server], tmp_path: Path) -> None:
    async def go() -> None:
        one, other, _ = servers
        async with balancing(tmp_path) as balancer:
            await balancer.apply(traffic(one.member(), other.member()))
            await are_up(balancer, "s0", "s1")
            await balancer.apply(traffic(one.member(MemberState.DRAINING), other.member()))
            await are_up(balancer, "s1")
            await balancer.apply(traffic(one.member(), other.member()))
            await are_up(balancer, "s0", "s1")

    asyncio.run(go())


def test_a_dead_member_is_out_at_once_and_back_when_it_is_told_again(servers: list[Server], tmp_path: Path) -> None:
    async def go() -> None:
        one, other, _ = servers
        slow = Check("http", 0, 60.0, "/healthz")
        async with balancing(tmp_path) as balancer:
            both = traffic(one.member(), other.member(), check=slow)
            await balancer.apply(both)
            await are_up(balancer, "s0", "s1")
            one.close()
            began = time.monotonic()
            await balancer.shut("back", "s0")
            assert await up(balancer) == {"s1"}
            assert time.monotonic() - began < 0.5
            assert set(await asked(4)) == {"s1"}

    asyncio.run(go())


def test_one_that_joins_has_to_answer_before_it_gets_anything(servers: list[Server], tmp_path: Path) -> None:
    async def go() -> None:
        one, other, _ = servers
        other.is_well = False
        async with balancing(tmp_path) as balancer:
            await balancer.apply(traffic(one.member()))
            await are_up(balancer, "s0")
            await balancer.apply(traffic(one.member(), other.member()))
            assert set(await asked(6)) == {"s0"}

    asyncio.run(go())


def test_a_reload_under_load_loses_no_request_and_keeps_who_is_sick(servers: list[Server], tmp_path: Path) -> None:
    async def go() -> None:
        servers[2].is_well = False
        plain = traffic(*(each.member() for each in servers))
        more = Traffic((*plain.listeners, Listener("second", FRONT, PORT + 1, Mode.TCP, "back")), plain.backends)
        async with balancing(tmp_path) as balancer:
            await balancer.apply(plain)
            await until(lambda: is_down(balancer, "s2"), "s2 is found sick")
            is_over = False
            pages: Counter[str] = Counter()

            async def visit() -> None:
                while not is_over:
                    pages[await asyncio.to_thread(fetch)] += 1

            visitors = [asyncio.create_task(visit()) for _ in range(4)]
            for wanted in (more, plain, more):
                before = balancer._process.find()
                await balancer.apply(wanted)
                assert balancer._process.find() != before
            await asyncio.sleep(0.2)
            is_over = True
            await asyncio.gather(*visitors)
            assert pages.total() > 20
            assert set(pages) == {"s0", "s1"}
            assert set(await asked(4, port=PORT + 1)) == {"s0", "s1"}

    asyncio.run(go())


def test_it_is_found_again_after_the_daemon_and_nothing_is_disturbed(servers: list[Server], tmp_path: Path) -> None:
    async def go() -> None:
        wanted = traffic(*(each.member() for each in servers))
        async with balancing(tmp_path) as balancer:
            await balancer.apply(wanted)
            await are_up(balancer, "s0", "s1", "s2")
            process = balancer._process.find()
            again = HaproxyBalancer(tmp_path / "b")
            await again.apply(wanted)
            assert again._process.find() == process
            assert await up(again) == {"s0", "s1", "s2"}

    asyncio.run(go())


def test_one_that_was_killed_comes_back_the_same(servers: list[Server], tmp_path: Path) -> None:
    async def go() -> None:
        wanted = traffic(*(each.member() for each in servers))
        async with balancing(tmp_path) as balancer:
            await balancer.apply(wanted)
            process = balancer._process.find()
            assert process is not None
            process.kill()
            await until(lambda: asyncio.sleep(0, not process.is_running()), "it is dead")
            await balancer.apply(wanted)
            await are_up(balancer, "s0", "s1", "s2")
            assert set(await asked(6)) == {"s0", "s1", "s2"}

    asyncio.run(go())


def test_one_of_a_thousand_members_changes_in_a_tenth_of_a_second_and_without_a_reload(tmp_path: Path) -> None:
    async def go() -> None:
        members = [Member(f"m{n}", f"127.99.{2 + n // 250}.{1 + n % 250}", 9) for n in range(1000)]
        asking = Check("tcp", 0, 300.0)
        async with balancing(tmp_path) as balancer:
            await balancer.apply(traffic(*members, check=asking))
            process = balancer._process.find()
            took_s = []
            for count in range(5):
                began = time.monotonic()
                await balancer.apply(traffic(*members[: 999 - count], check=asking))
                took_s.append(time.monotonic() - began)
            assert len(await balancer.look()) == 995
            assert balancer._process.find() == process
            print(f"fastest {min(took_s) * 1000:.0f} ms, slowest {max(took_s) * 1000:.0f} ms")
            assert min(took_s) <= 0.1

    asyncio.run(go())


def test_paths_and_hosts_lead_to_their_backends(servers: list[Server], tmp_path: Path) -> None:
    async def go() -> None:
        images, videos, rest = (Backend(f"b{n}", Mode.HTTP, (each.member(),)) for n, each in enumerate(servers))
        routes = (
            Route(("shop.example",), ("/old",), redirect=Redirect("http://new.example/here", 302)),
            Route(("shop.example",), ("/images/*", "/logo"), "b0"),
            Route(("*.video.example",), (), "b1"),
        )
        listener = Listener("front", FRONT, PORT, Mode.HTTP, "b2", routes=routes)
        async with balancing(tmp_path) as balancer:
            await balancer.apply(Traffic((listener,), (images, videos, rest)))
            for path, host, expected in [
                ("/images/a", "shop.example", "s0"),
                ("/IMAGES/a", "SHOP.example:18080", "s0"),
                ("/logo", "shop.example", "s0"),
                ("/logos", "shop.example", "s2"),
                ("/images/a", "other.example", "s2"),
                ("/", "a.video.example", "s1"),
                ("/", "a.b.video.example", "s2"),
            ]:
                assert set(await asked(1, path=path, Host=host)) == {expected}, (path, host)
            answer = await asyncio.to_thread(raw, "GET /old HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            assert "302" in answer.splitlines()[0]
            assert "location: http://new.example/here" in answer.lower()
            assert {key.lower(): value for key, value in servers[0].seen[0].items()}[
                "x-forwarded-for"
            ] == "127.0.0.1"

    asyncio.run(go())


def raw(text: str) -> str:
    with socket.create_connection((FRONT, PORT), 5) as client:
        client.sendall(text.encode())
        return client.recv(65536).decode()


def test_a_cookie_keeps_a_client_with_its_member_and_does_not_tell_where_that_is(
    servers: list[Server], tmp_path: Path
) -> None:
    async def go() -> None:
        wanted = traffic(
            *(each.member() for each in servers), mode=Mode.HTTP, stickiness=Stickiness.COOKIE, cookie="Affinity"
        )
        async with balancing(tmp_path) as balancer:
            await balancer.apply(Traffic(wanted.listeners, (replace(wanted.backends[0], members=()),)))
            await balancer.apply(wanted)  # they join while it runs
            await are_up(balancer, "s0", "s1", "s2")
            answer = await asyncio.to_thread(raw, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            [cookie] = [line for line in answer.splitlines() if line.lower().startswith("set-cookie:")]
            value = cookie.split(":", 1)[1].split(";")[0].strip()
            assert "127." not in value
            assert "HttpOnly" in cookie
            assert set(await asked(5, Cookie=value)) == {answer.splitlines()[-1]}

    asyncio.run(go())


def test_a_port_that_somebody_has_is_told_and_what_runs_goes_on(servers: list[Server], tmp_path: Path) -> None:
    async def go() -> None:
        plain = traffic(servers[0].member())
        taken = Listener("second", servers[1].address, servers[1].port, Mode.TCP, "back")
        async with balancing(tmp_path) as balancer:
            await balancer.apply(plain)
            await are_up(balancer, "s0")
            with pytest.raises(BalancerError, match="did not start"):
                await balancer.apply(Traffic((*plain.listeners, taken), plain.backends))
            assert set(await asked(2)) == {"s0"}
            await balancer.apply(plain)
            assert set(await asked(2)) == {"s0"}

    asyncio.run(go())


PLACE = Place("/run/x.sock", "/run/x.state", "key")


@pytest.mark.parametrize("text", ["a\nb", "a\x00", "\x7f"])
def test_what_cannot_be_one_line_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        quoted(text)
    with pytest.raises(BadInput):
        render(traffic(Member(text, "127.0.0.1", 80)), PLACE)


@pytest.mark.parametrize("text", ["a b", "it's", '"', "#", "%[src]", "$HOME", "\\", "{ x }"])
def test_hostile_words_stay_words(text: str, tmp_path: Path) -> None:
    async def go() -> None:
        routes = (Route((text,), (f"/{text}", f"/{text}*"), "back"),)
        backend = Backend("back", Mode.HTTP, (), Check("http", 80, 5.0, f"/{text}", host=text))
        listener = Listener("front", FRONT, PORT, Mode.HTTP, None, routes=routes)
        balancer = HaproxyBalancer(tmp_path / "b")
        await balancer.apply(Traffic((listener,), (backend,)))
        await balancer.apply(Traffic())

    asyncio.run(go())


def test_the_same_traffic_is_the_same_text() -> None:
    wanted = traffic(Member("a", "fd00::1", 80), Member("b", "10.0.0.1", 0))
    text = render(wanted, PLACE)
    assert text == render(wanted, PLACE)
    assert "server a [fd00::1]:80 check" in text
    assert "server b 10.0.0.1 check" in text
    assert text.rstrip().endswith("fall 1")
