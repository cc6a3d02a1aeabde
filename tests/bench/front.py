"""Requests through the balancer as we configure it, beside the same HAProxy configured by hand, in turns.

The origin is a third HAProxy that answers by itself. The clients are plain sockets in threads, so it is they who
are at their limit, not the balancers: what a request costs is therefore told in the balancer's own CPU time, too.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from orchestrator.model.network.traffic import Backend, Check, Listener, Member, Mode, Traffic
from orchestrator.network.haproxy import HaproxyBalancer

ADDRESS = "127.99.9.1"
ORIGIN, OURS, BY_HAND = 18190, 18191, 18192
MEMBERS = 3
ROUNDS, ROUND_S, CLIENTS = 7, 1.5, 4
_REQUEST = b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
_ORIGIN = f"""
defaults
    mode http
    timeout client 10s
frontend origin
    bind {ADDRESS}:{ORIGIN}
    http-request return status 200 content-type text/plain string ok
"""
_HAND = f"""
defaults
    mode tcp
    timeout connect 1s
    timeout client 4m
    timeout server 4m
frontend front
    bind {ADDRESS}:{BY_HAND}
    default_backend back
backend back
    balance roundrobin
""" + "".join(f"    server s{number} {ADDRESS}:{ORIGIN} check inter 2500ms\n" for number in range(MEMBERS))


@dataclass(frozen=True)
class Seen:
    """Best of all rounds. Ratios of ours to the one by hand: of requests per second, and of CPU per request."""

    requests_ratio: float
    cpu_ratio: float
    requests_per_s: float


def measure() -> Seen:
    """About half a minute."""
    with (
        tempfile.TemporaryDirectory() as name,
        _running(name, "origin", _ORIGIN),
        _running(name, "hand", _HAND) as hand,
        _ours(Path(name)) as ours,
    ):
        rounds = [(_load(OURS, ours), _load(BY_HAND, hand)) for _ in range(ROUNDS)]
    best = max(one.per_s for one, _ in rounds), max(other.per_s for _, other in rounds)
    cpu = min(one.cpu_s for one, _ in rounds), min(other.cpu_s for _, other in rounds)
    return Seen(best[0] / best[1], cpu[0] / cpu[1], best[0])


@dataclass(frozen=True)
class _Round:
    per_s: float
    cpu_s: float  # for one request


def _load(port: int, process: psutil.Process) -> _Round:
    counts = [0] * CLIENTS
    until = time.monotonic() + ROUND_S

    def ask(number: int) -> None:
        while time.monotonic() < until:
            with socket.create_connection((ADDRESS, port), 5) as client:
                client.sendall(_REQUEST)
                while client.recv(4096):
                    pass
            counts[number] += 1

    before, began = process.cpu_times(), time.monotonic()
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after, took_s = process.cpu_times(), time.monotonic() - began
    used_s = after.user + after.system - before.user - before.system
    return _Round(sum(counts) / took_s, used_s / sum(counts))


@contextmanager
def _running(folder: str, name: str, text: str) -> Iterator[psutil.Process]:
    path, pid = Path(folder) / f"{name}.cfg", Path(folder) / f"{name}.pid"
    path.write_text(text)
    program = shutil.which("haproxy", path="/usr/sbin:/usr/bin") or "haproxy"
    subprocess.run([program, "-D", "-f", str(path), "-p", str(pid)], check=True, capture_output=True)
    process = psutil.Process(int(pid.read_text()))
    try:
        yield process
    finally:
        process.kill()


@contextmanager
def _ours(folder: Path) -> Iterator[psutil.Process]:
    members = tuple(Member(f"s{number}", ADDRESS, ORIGIN) for number in range(MEMBERS))
    backend = Backend("back", Mode.TCP, members, Check("tcp", 0, 5.0))
    wanted = Traffic((Listener("front", ADDRESS, OURS, Mode.TCP, "back"),), (backend,))
    balancer = HaproxyBalancer(folder / "ours")
    asyncio.run(balancer.apply(wanted))
    pid = int((folder / "ours" / "haproxy.pid").read_text())
    try:
        yield psutil.Process(pid)
    finally:
        psutil.Process(pid).kill()
