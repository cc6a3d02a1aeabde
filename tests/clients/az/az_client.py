"""The real az, as a process."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from system import Daemon

CLIENTS = Path(__file__).resolve().parents[3] / ".venv-clients" / "bin"
_LONGEST_S = 300


@dataclass
class Az:
    """Calls give what az prints, read as JSON. ``ran`` are the command lines so far."""

    endpoint: str
    folder: Path
    ca_file: Path
    owner: dict[str, str]
    ran: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, daemon: Daemon, folder: Path) -> Az:
        owner = json.loads((daemon.state / "owner.json").read_text())
        return cls(owner["endpoint"], folder, Path(owner["caFile"]), owner)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "HOME": str(self.folder),  # where --generate-ssh-keys puts them
            "AZURE_CONFIG_DIR": str(self.folder),
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
            "AZURE_CORE_COLLECT_TELEMETRY": "no",
        }

    def _run(self, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        self.ran.append(shlex.join(["az", *arguments]))
        argv = [str(CLIENTS / "az"), *arguments]
        return subprocess.run(
            argv, env=self.environment, capture_output=True, text=True, check=False, timeout=_LONGEST_S
        )

    def __call__(self, *arguments: str) -> Any:
        """It must succeed."""
        done = self._run(arguments)
        assert done.returncode == 0, f"{self.ran[-1]}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip().startswith(("{", "[", '"')) else done.stdout

    def line(self, text: str) -> Any:
        """A whole command line as one types it."""
        program, *arguments = shlex.split(text)
        assert program == "az"
        return self(*arguments)

    def refused(self, text: str) -> str:
        """It must fail; what it says."""
        done = self._run(tuple(shlex.split(text)[1:]))
        assert done.returncode != 0, done.stdout
        return done.stderr
