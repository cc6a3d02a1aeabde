"""The Balancer port on HAProxy. What runs is the truth: each ``apply`` compares with that."""

from __future__ import annotations

import asyncio
import hashlib
import os
import pwd
import re
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from orchestrator.errors import BalancerError
from orchestrator.model.network.traffic import Backend, Member, MemberSight, MemberState, Side, Stickiness, Traffic
from orchestrator.network.haproxy.files import drop_stale_tls, write_tls, write_whole
from orchestrator.network.haproxy.process import MACHINE, Process
from orchestrator.network.haproxy.rendering import (
    Place,
    address_of,
    checked_name,
    fingerprint,
    render,
    server_words,
)
from orchestrator.network.haproxy.runtime import Runtime, Server
from orchestrator.network.ports import is_taken

_SOCKET_MAX = 90  # unix(7) has 107; HAProxy binds a longer name first
_SKELETON = re.compile(r"^# skeleton ([0-9a-f]{64})$", re.MULTILINE)
_USER = "haproxy"


class HaproxyBalancer:
    """One HAProxy, with all its files in ``folder``. ``machine_namespace_fd`` is open on the network namespace that
    the daemon was started in, where that is another one than it works in."""

    def __init__(self, folder: Path, machine_namespace_fd: int | None = None) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._machine_fd = machine_namespace_fd
        self._process = Process(folder, machine_namespace_fd)
        self._place = Place(
            _socket_path(folder),
            str(folder / "servers.state"),
            _cookie_key(folder / "cookie.key"),
            MACHINE if machine_namespace_fd is not None else None,
            _USER if os.geteuid() == 0 and _is_there(_USER) else None,
            str(folder),
        )
        self._runtime = Runtime(self._place.socket)
        self._configuration = folder / "haproxy.cfg"
        self._one_change = asyncio.Lock()

    async def apply(self, traffic: Traffic) -> None:
        async with self._one_change:
            traffic = self._one_sided(traffic)
            if not traffic.listeners:
                self._process.stop()
                drop_stale_tls(self._folder, traffic)
            elif self._process.find() is None or self._running_skeleton() != fingerprint(traffic):
                await self._reload(traffic)
            else:
                await self._adjust(traffic)

    def is_taken(self, address: str, port: int, side: Side) -> bool:
        return is_taken(address, port, self._machine_fd if side is Side.MACHINE else None)

    async def look(self) -> tuple[MemberSight, ...]:
        if self._process.find() is None:
            return ()
        sights = await self._runtime.sights()
        if self._process.others():  # a draining member's connections may be with the one before a reload
            return tuple(_with_one_more(each) for each in sights)
        return sights

    async def shut(self, backend: str, member: str) -> None:
        server = f"{checked_name(backend)}/{checked_name(member)}"
        await self._runtime.tell([f"set server {server} state maint", f"shutdown sessions server {server}"])

    async def close(self) -> None:
        return None

    # Files

    def _one_sided(self, traffic: Traffic) -> Traffic:
        """Without a second namespace, listeners of both sides that meet are one."""
        if self._place.machine is not None:
            return traffic
        first = {(each.address, each.port): each for each in reversed(traffic.listeners)}
        kept = tuple(each for each in traffic.listeners if first[each.address, each.port] is each)
        return replace(traffic, listeners=tuple(replace(each, side=Side.GUESTS) for each in kept))

    def _running_skeleton(self) -> str | None:
        try:
            found = _SKELETON.search(self._configuration.read_text())
        except OSError:
            return None
        return found[1] if found else None

    def _written(self, traffic: Traffic, name: str) -> Path:
        write_tls(self._folder, traffic)
        path = self._folder / f"{name}.cfg"
        write_whole(path, render(traffic, self._place))
        return path

    # Changes

    async def _reload(self, traffic: Traffic) -> None:
        """Checked before it is put in place; the servers' states go over to the new process. Who is new there has
        to answer first; where nothing ran, nobody has, and all are tried."""
        trial = self._written(traffic, "trial")
        await self._process.check(trial)
        before = await self._keep_states()
        await self._process.start(trial, self._place.socket)
        trial.replace(self._configuration)
        drop_stale_tls(self._folder, traffic)
        if before is not None:
            await self._runtime.tell(
                [
                    f"set server {backend.name}/{each.name} health down"
                    for backend in traffic.backends
                    for each in backend.members
                    if backend.check and each.state is MemberState.READY and (backend.name, each.name) not in before
                ]
            )

    async def _keep_states(self) -> frozenset[tuple[str, str]] | None:
        """Which servers there are; ``None`` when none runs."""
        state = Path(self._place.state_file)
        if self._process.find() is None:
            state.unlink(missing_ok=True)
            return None
        write_whole(state, await self._runtime.ask("show servers state"), mode=0o644)
        return frozenset(await self._runtime.servers())

    async def _adjust(self, traffic: Traffic) -> None:
        """Members alone, while it runs."""
        now = await self._runtime.servers()
        wanted = {
            (backend.name, each.name): (backend, each) for backend in traffic.backends for each in backend.members
        }
        gone = [server for key, server in now.items() if key not in wanted or _is_elsewhere(server, wanted[key][1])]
        changes = [command for server in gone for command in _removal(server)]
        there = {key: server for key, server in now.items() if server not in gone}
        for key, (backend, member) in wanted.items():
            changes += _changes(backend, member, there.get(key), self._place)
        if not changes:
            return
        changes += [
            # HAProxy makes no cookie for a server that is added, unless it is told the key again.
            f"set dynamic-cookie-key backend {backend.name} {self._place.cookie_key}"
            for backend in traffic.backends
            if backend.stickiness is Stickiness.COOKIE
            and any((backend.name, each.name) not in there for each in backend.members)
        ]
        said = await self._runtime.tell(changes)
        self._written(traffic, "haproxy")
        _check_done(wanted, await self._runtime.servers(), said)


def _removal(server: Server) -> Iterator[str]:
    name = f"{server.backend}/{server.name}"
    if not server.is_in_maintenance:
        yield f"set server {name} state maint"
    yield f"shutdown sessions server {name}"
    yield f"del server {name}"


def _changes(backend: Backend, member: Member, there: Server | None, place: Place) -> Iterator[str]:
    """From what runs to what is wanted. One that comes, or comes back from the dead, has to answer once before it
    is asked for anything (reference 4.8)."""
    name = f"{checked_name(backend.name)}/{checked_name(member.name)}"
    is_new = there is None
    if there is None:
        yield f"add server {name} {' '.join(server_words(backend, member, place))}"
        if backend.check is not None:
            yield f"enable health {name}"
    is_back = is_new or (there is not None and there.is_in_maintenance)
    if member.state is MemberState.DRAINING:
        if is_new or (there is not None and not there.is_draining):
            yield f"set server {name} state drain"
    elif is_back or (there is not None and there.is_draining):
        if is_back and backend.check is not None and is_new:
            yield f"set server {name} health down"
        yield f"set server {name} state ready"
        if is_back and backend.check is not None:
            yield f"set server {name} health down"


def _is_elsewhere(server: Server, member: Member) -> bool:
    return address_of(server.address, server.port) != address_of(member.address, member.port)


def _check_done(
    wanted: dict[tuple[str, str], tuple[Backend, Member]], now: dict[tuple[str, str], Server], said: str
) -> None:
    """Raises ``BalancerError`` where something is not as wanted. One that is still being removed is in maintenance
    and takes nothing; the next look removes it."""
    missing = [name for name in wanted if name not in now]
    for key, (_, member) in wanted.items():
        server = now.get(key)
        if server is not None and server.is_draining != (member.state is MemberState.DRAINING):
            missing.append(key)
    if missing:
        raise BalancerError(f"The balancer did not take {missing[0]}: {said[-300:]}")


def _with_one_more(sight: MemberSight) -> MemberSight:
    return replace(sight, sessions=sight.sessions + 1) if sight.state is MemberState.DRAINING else sight


def _cookie_key(path: Path) -> str:
    if not path.exists():
        write_whole(path, secrets.token_hex(16))
    return path.read_text()


def _socket_path(folder: Path) -> str:
    own = str(folder / "haproxy.sock")
    if len(own) <= _SOCKET_MAX:
        return own
    return f"/run/vmss-{hashlib.sha256(own.encode()).hexdigest()[:12]}.sock"


def _is_there(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
