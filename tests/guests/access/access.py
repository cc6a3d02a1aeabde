"""A stand-in guest and the port to reach it, for tests."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import paramiko

from orchestrator.guest.port import ScriptRequest, ScriptResult
from orchestrator.guest.seed import make_host_key
from orchestrator.guest.ssh import SshGuests
from tests.guests.access.stand_in_guest import Kind, StandInGuest

T = TypeVar("T")
LOGIN_PRIVATE, LOGIN_PUBLIC = make_host_key()
DOWNLOAD = "var/lib/waagent/custom-script/download"


def guests_at(port: int, private_key: str = LOGIN_PRIVATE) -> SshGuests:
    return SshGuests(paramiko.Ed25519Key.from_private_key(io.StringIO(private_key)), port=port, download_wait_s=0)


@dataclass
class Access:
    """A stand-in guest, the port to reach it, and one event loop for both."""

    guest: StandInGuest
    guests: SshGuests
    loop: asyncio.Runner
    sequence: int = -1

    def wait(self, work: Awaitable[T]) -> T:
        async def outcome() -> T:
            return await work

        return self.loop.run(outcome())

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return self.loop.get_loop().create_task(work)

    def request(self, command: str | None = None, **members: Any) -> ScriptRequest:
        """For a sequence number that was not used before."""
        self.sequence += 1
        return ScriptRequest("web", self.sequence, command=command, **{"timeout_s": 60.0, **members})

    def run(self, request: ScriptRequest) -> ScriptResult:
        return self.wait(self.guests.run_script(self.guest.address, request))

    def until(self, holds: Callable[[], bool]) -> None:
        async def poll() -> None:
            async with asyncio.timeout(20):
                while not holds():  # noqa: ASYNC110 - what is waited for happens in another process
                    await asyncio.sleep(0.02)

        self.wait(poll())

    def renew(self) -> None:
        """As after a new start of the daemon: nothing is kept."""
        self.wait(self.guests.close())
        self.guests = guests_at(self.guest.port)

    def counting(self) -> tuple[str, Callable[[], int]]:
        """A command for the next request that leaves a line per run, and how many there are."""
        log = self.guest.file(f"tmp/runs-{self.sequence + 1}")
        return f"echo ran >>/tmp/{log.name}", lambda: log.read_text().count("ran") if log.exists() else 0


def accessing(kind: Kind, folder: Path, hidden: tuple[str, ...] = ()) -> Iterator[Access]:
    """For fixtures: a running guest in this folder, stopped at the end."""
    guest = StandInGuest.make(kind, folder, LOGIN_PUBLIC, hidden)
    try:
        with asyncio.Runner() as loop:
            access = Access(guest, guests_at(guest.port), loop)
            yield access
            access.wait(access.guests.close())
    finally:
        guest.stop()
