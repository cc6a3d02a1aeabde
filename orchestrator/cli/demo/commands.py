"""Running the commands that the demo shows: the very program, in a process of its own, as a reader would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.cli.demo.stage import Stage
from orchestrator.errors import VmssError


class DemoFailed(VmssError):
    """The story cannot go on."""

    code = "DemoFailed"


def own_program() -> list[str]:
    """The ``vmss`` of the installation that runs now."""
    return [str(Path(sys.executable).with_name("vmss"))]


@dataclass(frozen=True, slots=True)
class Commands:
    """``environment`` is added to the process's own. ``program`` stands for the word ``vmss`` in commands."""

    stage: Stage
    program: Sequence[str] = field(default_factory=own_program)
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 300.0

    def run(self, *words: str) -> None:
        """Show and run ``vmss WORDS``; its output goes where ours goes. Raises ``DemoFailed``."""
        self._run(words, None)

    def ask(self, *words: str) -> str:
        """The same, and return what it printed on standard output."""
        printed = self._run(words, subprocess.PIPE) or ""
        for line in printed.splitlines():
            self.stage.say(line)
        return printed

    def _run(self, words: Sequence[str], stdout: int | None) -> str | None:
        self.stage.command(["vmss", *words])
        try:
            done = subprocess.run(
                [*self.program, *words],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                env={**os.environ, **self.environment},
                text=True,
                timeout=self.timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise DemoFailed(f"'vmss {' '.join(words[:2])}' did not end within {self.timeout_s:g} s") from None
        if done.returncode != 0:
            raise DemoFailed(f"'vmss {' '.join(words[:2])}' ended with exit code {done.returncode}")
        return done.stdout
