"""docs/with-az.md is typed as it stands, in one shell, on real guests."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

from az_client import CLIENTS
from system import PROGRAMS, Daemon, TestedSet, wait_for

from tests.clients.az.conftest import ROOT

LINES = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", (ROOT / "docs/with-az.md").read_text(), re.DOTALL)
    for line in block.splitlines()
]


class Shell:
    """One bash; a line is done when its exit code has come back."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def type(self, line: str) -> str:
        """What it printed. It must succeed."""
        assert self._bash.stdin is not None and self._bash.stdout is not None
        self._bash.stdin.write(f'{line}\necho "done: $?"\n')
        self._bash.stdin.flush()
        said: list[str] = []
        while not (ended := re.fullmatch(r"done: (\d+)\n", said[-1] if said else "")):
            said.append(self._bash.stdout.readline())
            assert said[-1], "the shell ended"
        assert ended[1] == "0", f"{line}\n{''.join(said)}"
        return "".join(said[:-1])

    def close(self) -> None:
        self._bash.kill()
        self._bash.communicate()


def test_every_line_of_the_page_works(daemon: Daemon, tmp_path: Path) -> None:
    programs = f"{PROGRAMS}:{CLIENTS}:{os.environ['PATH']}"
    shell = Shell({**os.environ, "PATH": programs, "HOME": str(tmp_path), "VMSS_SOCKET": str(daemon.socket)})
    said = {}
    try:
        for line in LINES:
            said[line] = shell.type(line)
            if "echo two" in line:
                scale_set = TestedSet(daemon, "web", "class")
                assert [scale_set.fetch(number).strip() for number in (0, 1)] == ["two", "two"]
    finally:
        shell.close()
    wait_for(lambda: not daemon.owned(), "nothing is left", 60)
    assert "two" in next(text for line, text in said.items() if "run-command" in line)
    assert "Completed" in next(text for line, text in said.items() if "get-latest" in line)
    assert shlex.split(LINES[-1])[:3] == ["az", "group", "delete"]
