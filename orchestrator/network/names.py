"""The name server: one dnsmasq (dnsmasq(8)) that answers for the installation's zone and for nothing else.

It runs on while the daemon is down, and is found again by its pid file and a mark in its environment. Changed names
are read again on SIGHUP; other addresses to listen at take a new process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

import psutil

from orchestrator.errors import BalancerError
from orchestrator.model.network.names import Name

MARK = "VMSS_NAMES"
TTL_S = 5
_WITHIN_S = 10.0
_POLL_S = 0.02


class NameServer:
    """On ``folder``, which only it writes to. ``zone`` is answered from what ``apply`` was given, and no other."""

    def __init__(self, folder: Path, zone: str, port: int = 53) -> None:
        self._folder = folder
        self._zone = zone
        self._port = port
        self._hosts = folder / "hosts"
        self._pid_file = folder / "dnsmasq.pid"

    async def apply(self, names: Sequence[Name], listen: Sequence[str]) -> None:
        """Answer this, at these addresses of the caller's network namespace, from now on. Nowhere to listen ends
        it. Idempotent. Raises ``BalancerError`` (``NameServerUnavailable``)."""
        running = self.find()
        if not listen:
            await _end(running)
            return
        is_new = self._write("".join(f"{each.address} {each.name}\n" for each in names))
        argv = self._argv(listen)
        if running is not None and running.cmdline() != argv:
            await _end(running)
            running = None
        if running is None:
            await self._start(argv)
        elif is_new:
            running.send_signal(signal.SIGHUP)

    def find(self) -> psutil.Process | None:
        """Our dnsmasq, or ``None``."""
        try:
            found = psutil.Process(int(self._pid_file.read_text()))
            is_ours = found.environ().get(MARK) == str(self._folder)
            return found if is_ours and found.status() != psutil.STATUS_ZOMBIE else None
        except (OSError, ValueError, psutil.Error):
            return None

    def _write(self, text: str) -> bool:
        """Whole or not at all. Whether it is another than before."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(OSError):
            if self._hosts.read_text() == text:
                return False
        fresh = self._hosts.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self._hosts)
        return True

    def _argv(self, listen: Sequence[str]) -> list[str]:
        program = shutil.which("dnsmasq", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            words = "There is no dnsmasq on this machine: install dnsmasq-base, and names are answered."
            raise BalancerError(words, code="NameServerUnavailable")
        return [
            program,
            "--conf-file=/dev/null",
            f"--user={pwd.getpwuid(os.geteuid()).pw_name}",  # the folder is closed to others
            f"--pid-file={self._pid_file}",
            f"--log-facility={self._folder / 'dnsmasq.log'}",
            "--no-resolv",
            "--no-hosts",
            f"--addn-hosts={self._hosts}",
            f"--local=/{self._zone}/",
            f"--local-ttl={TTL_S}",
            f"--port={self._port}",
            "--bind-dynamic",
            *(f"--listen-address={each}" for each in sorted(listen)),
        ]

    async def _start(self, argv: Sequence[str]) -> None:
        """It goes to the background once it listens."""
        started = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", MARK: str(self._folder)},
        )
        try:
            async with asyncio.timeout(_WITHIN_S):
                _, words = await started.communicate()
        except TimeoutError:
            started.kill()
            words = b"it did not go to the background in time"
        if started.returncode != 0:
            said = words.decode(errors="replace").strip()[-300:] or "it did not say why"
            raise BalancerError(f"The name server did not start: {said}", code="NameServerUnavailable")


async def _end(process: psutil.Process | None) -> None:
    """Gently, and wait until it has let go of its port."""
    if process is None:
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
        async with asyncio.timeout(_WITHIN_S):
            while True:
                if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                    return
                await asyncio.sleep(_POLL_S)
