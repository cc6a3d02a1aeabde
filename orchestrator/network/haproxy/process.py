"""The HAProxy process: started, found again after a restart of the daemon, reloaded without losing a connection.

A reload is a new process that takes the listening sockets over from the old one (``-x``), which goes on with the
connections it has and ends with the last of them (``-sf``; management guide 4).
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import psutil

from orchestrator.errors import BalancerError

MARK = "VMSS_BALANCER"
MACHINE = "machine"
_START_WITHIN_S = 20.0
# The namespace that the daemon was started in gets a name, for this process alone.
_IN_VIEW_OF_THE_MACHINE = (
    "mkdir -p /run/netns && mount -t tmpfs -o mode=755,size=64k tmpfs /run/netns && touch /run/netns/machine && "
    'mount --bind "/proc/self/fd/$1" /run/netns/machine && shift && exec "$@"'
)


class Process:
    """By its pid file and a mark in its environment: a reused pid harms no one."""

    def __init__(self, folder: Path, machine_namespace_fd: int | None) -> None:
        self._folder = folder
        self._machine = machine_namespace_fd
        self.pid_file = folder / "haproxy.pid"

    def find(self) -> psutil.Process | None:
        """The one that listens, or ``None``."""
        try:
            found = psutil.Process(int(self.pid_file.read_text().split()[0]))
            is_ours = found.environ().get(MARK) == str(self._folder)
            return found if is_ours and found.status() != psutil.STATUS_ZOMBIE else None
        except (OSError, ValueError, IndexError, psutil.Error):
            return None

    def others(self) -> list[psutil.Process]:
        """Those that only go on with the connections they have."""
        current = self.find()
        found = []
        for each in psutil.process_iter(["name"]):
            if each.info["name"] != "haproxy" or (current and each.pid == current.pid):
                continue
            try:
                if each.environ().get(MARK) == str(self._folder) and each.status() != psutil.STATUS_ZOMBIE:
                    found.append(each)
            except psutil.Error:
                continue
        return found

    async def check(self, configuration: Path) -> None:
        """Raises ``BalancerError`` with HAProxy's own words."""
        await self._run(["-c", "-q", "-f", str(configuration)], "does not take its configuration")

    async def start(self, configuration: Path, socket: str) -> None:
        """Start it, or let a new one take over. Raises ``BalancerError``; then the old one goes on."""
        argv = ["-D", "-f", str(configuration), "-p", str(self.pid_file)]
        if (old := self.find()) is not None:
            argv += ["-x", socket, "-sf", str(old.pid)]
        await self._run(argv, "did not start")

    def stop(self) -> None:
        """No new connections; it ends with its last one (SIGUSR1)."""
        if (found := self.find()) is not None:
            found.send_signal(10)
        self.pid_file.unlink(missing_ok=True)

    async def _run(self, arguments: Sequence[str], what: str) -> None:
        program = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            raise BalancerError("There is no haproxy on this machine: install it, and balancers work.")
        argv, fds = [program, *arguments], list[int]()
        if self._machine is not None:
            fds = [self._machine]
            script = ["sh", "-c", _IN_VIEW_OF_THE_MACHINE, "sh", str(self._machine)]
            argv = ["unshare", "--mount", "--propagation", "private", *script, *argv]
        started = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=fds,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", MARK: str(self._folder)},
        )
        try:
            async with asyncio.timeout(_START_WITHIN_S):
                code = await started.wait()
        except TimeoutError:
            started.kill()
            raise BalancerError(f"The balancer {what}: no answer within {_START_WITHIN_S:g} s.") from None
        if code != 0:
            words = (await started.stderr.read()).decode(errors="replace") if started.stderr else ""
            raise BalancerError(f"The balancer {what}: {_gist(words)}")


def _gist(words: str) -> str:
    """Its alerts, without the time and the pid."""
    lines = [line.partition(" : ")[2] or line for line in words.splitlines() if "[ALERT]" in line]
    return " ".join(lines)[:600] or words.strip()[-300:] or "it did not say why"
