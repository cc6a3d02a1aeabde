"""A lab's own `vmssd`: started beside it, found by its socket, stopped by its process.

No process id is written down: the kernel says who listens on a Unix socket (SO_PEERCRED, unix(7)), which a
killed daemon or a used-again id cannot falsify.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from orchestrator.cli.client import OWN, Client
from orchestrator.cli.endpoint import Endpoint
from orchestrator.cli.faults import ApiError, DaemonUnreachable
from orchestrator.errors import LabError
from orchestrator.lab import Lab, processes
from orchestrator.lab.processes import LAB_MARK
from orchestrator.lab.shell import PATH, check_root

Say = Callable[[str], None]

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0  # it gives the requests in hand ten seconds
_POLL_S = 0.05
_ASK_TIMEOUT_S = 5.0
_TAIL_LINES = 15


@dataclass(frozen=True, slots=True)
class LabDaemon:
    """The daemon of one lab. ``program`` is how it is started; tests put another in its place."""

    lab: Lab
    program: tuple[str, ...] = (str(Path(sys.executable).with_name("vmssd")),)

    @property
    def socket(self) -> Path:
        return self.lab.folder / "vmssd.sock"

    @property
    def log(self) -> Path:
        return self.lab.folder / "vmssd.log"

    @property
    def argv(self) -> list[str]:
        return [*self.program, "--config", str(self.lab.config_path)]

    def client(self) -> Client:
        endpoint = Endpoint("http://vmssd", self.socket, f"the lab {self.lab.name}")
        return Client(endpoint, timeout_s=_ASK_TIMEOUT_S)

    def process(self) -> psutil.Process | None:
        """The process that listens on the lab's socket, or ``None``."""
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError, psutil.NoSuchProcess):
            probe.settimeout(_ASK_TIMEOUT_S)
            probe.connect(str(self.socket))
            credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            found = psutil.Process(struct.unpack("3i", credentials)[0])
            # The socket of one that was killed lives on while the last of its threads end.
            return None if found.status() == psutil.STATUS_ZOMBIE else found
        return None

    def status(self) -> dict[str, Any] | None:
        """What the daemon says of itself, or ``None`` when it does not answer."""
        if self.process() is None:
            return None
        client = self.client()
        try:
            return dict(client.get(f"{OWN}/status"))
        except (DaemonUnreachable, ApiError):
            return None
        finally:
            client.close()

    def start(self, say: Say) -> psutil.Process:
        """Start it unless it runs; one of another installation of vmss is replaced. Waits until it answers.

        Raises ``LabError`` with the last lines of its log when it does not."""
        check_root()
        self.lab.load()
        running = self.process()
        if running is not None and self._is_same_program(running) and self.status() is not None:
            say(f"vmssd runs already: process {running.pid}")
            return running
        if running is not None:
            say(f"process {running.pid} is of another vmss, or does not answer: it is replaced")
            self.stop(say)
        say(f"vmssd: {' '.join(self.argv)}")
        return self._await(self._launch())

    def stop(self, say: Say) -> bool:
        """Ask it to end, and see to it. Guests run on. Returns whether one was running."""
        check_root()
        running = self.process()
        if running is None:
            return False
        say(f"vmssd: process {running.pid} ends; guests run on")
        processes.end([running], STOP_TIMEOUT_S, is_gentle=True)
        return True

    def _is_same_program(self, running: psutil.Process) -> bool:
        """Python shows in a script's arguments before the script itself."""
        with suppress(psutil.Error):
            return running.cmdline()[-len(self.argv) :] == self.argv
        return False

    def _launch(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PATH": PATH, LAB_MARK: str(self.lab.folder)}
        with self.log.open("ab") as log:
            os.fchmod(log.fileno(), 0o600)
            try:
                return subprocess.Popen(
                    self.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    env=environment,
                    start_new_session=True,
                )
            except OSError as error:
                raise LabError(f"'{self.argv[0]}' cannot be started: {error.strerror}") from error

    def _await(self, child: subprocess.Popen[bytes]) -> psutil.Process:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if child.poll() is not None:
                raise LabError(f"vmssd ended with code {child.returncode} at once; {self._last_words()}")
            running = self.process()
            if running is not None and running.pid == child.pid and self.status() is not None:
                child.returncode = 0  # nobody waits for its end: it outlives us, and Popen need not warn of that
                return running
            time.sleep(_POLL_S)
        child.kill()
        child.wait()
        raise LabError(f"vmssd did not answer within {START_TIMEOUT_S:g} s; {self._last_words()}")

    def _last_words(self) -> str:
        lines = tail(self.log, _TAIL_LINES)
        return f"the end of its log {self.log}:\n" + "\n".join(f"  {line}" for line in lines)


def tail(path: Path, count: int) -> Sequence[str]:
    """The last lines of a text file; none when there is no such file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
    except OSError:
        return ()
