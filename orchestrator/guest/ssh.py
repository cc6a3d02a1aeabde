"""The Guest port over SSH (paramiko)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

import paramiko

from orchestrator.errors import GuestUnreachable
from orchestrator.guest.login import connect
from orchestrator.guest.port import GuestAddress, ScriptKey, ScriptRequest, ScriptResult
from orchestrator.guest.probes import SocketStream, probe_inside, probe_outside
from orchestrator.guest.script import ScriptRunner
from orchestrator.guest.sessions import Sessions
from orchestrator.model.health import Health, ProbeResult, ProbeSettings

_BANNER_TIMEOUT_S = 2.0
_BANNER_MAX_BYTES = 4096


class SshGuests:
    """Guests reached by the daemon's key (see ``guest.port.Guests``). Use from one event loop; close at the end.

    ``port`` is the guests' SSH port; ``download_wait_s`` the pause before a second try to fetch a script's
    file, doubled before each later one.
    """

    def __init__(self, login_key: paramiko.PKey, *, port: int = 22, download_wait_s: int = 3) -> None:
        self._port = port
        self._sessions = Sessions(login_key, port)
        self._scripts = ScriptRunner(self._sessions, download_wait_s)

    @classmethod
    def from_key_file(cls, path: Path) -> SshGuests:
        """With an unencrypted ed25519 private key in OpenSSH's format."""
        return cls(paramiko.Ed25519Key.from_private_key_file(str(path)))

    async def is_answering(self, guest: GuestAddress) -> bool:
        """Reads the banner and hangs up: a key exchange would cost an emulated guest dearly."""
        try:
            async with asyncio.timeout(_BANNER_TIMEOUT_S):
                return await self._shows_banner(guest.address)
        except (GuestUnreachable, OSError):
            return False

    async def _shows_banner(self, address: str) -> bool:
        sock = await connect(address, self._port, _BANNER_TIMEOUT_S)
        try:
            stream = SocketStream(sock)
            seen = b""
            while len(seen) < _BANNER_MAX_BYTES and (data := await stream.read()):
                seen += data
                # RFC 4253, 4.2: other lines may come before the one that begins with SSH-
                if seen.startswith(b"SSH-") or b"\nSSH-" in seen:
                    return True
            return False
        finally:
            sock.close()

    async def run_script(self, guest: GuestAddress, request: ScriptRequest) -> ScriptResult:
        return await self._scripts.run(guest, request)

    async def stop_script(self, guest: GuestAddress, script: ScriptKey, reason: str) -> ScriptResult:
        return await self._scripts.stop(guest, script, reason)

    async def probe(
        self, guest: GuestAddress, settings: ProbeSettings, source: Literal["inside", "outside"]
    ) -> ProbeResult:
        if source == "inside":
            return await probe_inside(self._sessions, guest, settings)
        return await probe_outside(guest, settings)

    async def is_busy(self, guest: GuestAddress, settings: ProbeSettings) -> bool:
        return (await probe_outside(guest, settings)).health is Health.HEALTHY

    async def forget(self, key: str) -> None:
        self._sessions.forget(key)

    async def close(self) -> None:
        self._sessions.close()
