"""docs/tutorial.md is true: its commands are typed as they stand there, and print what stands there."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from system import PROGRAMS

from orchestrator.images.build import DEFAULT_FOLDER, build
from orchestrator.images.catalogue import Catalogue
from orchestrator.lab import Lab
from orchestrator.lab.layout import LABS_FOLDER

TUTORIAL = Path(__file__).parents[3] / "docs" / "tutorial.md"
NAME = f"tut{os.getpid()}"
ANYTHING = ["…"]
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Typed:
    """A command and the lines that the document shows below it."""

    command: str
    shown: list[str]


def _typed() -> list[Typed]:
    found: list[Typed] = []
    for block in _BLOCK.findall(TUTORIAL.read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                found.append(Typed(line.removeprefix("$ "), []))
            else:
                found[-1].shown.append(line)
    return found


@pytest.fixture
def lab() -> Iterator[Lab]:
    """The tutorial's lab, under a name that nobody else has."""
    build("micro", Catalogue(DEFAULT_FOLDER))
    lab = Lab(NAME)
    yield lab
    lab.down()


@pytest.mark.timeout(400)
def test_the_tutorial_is_true(lab: Lab) -> None:
    environment = {
        **os.environ,
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
        "VMSS_SOCKET": str(LABS_FOLDER / NAME / "vmssd.sock"),
    }
    typed = _typed()
    assert sum(each.shown not in ([], ANYTHING) for each in typed) >= 5, "there is something to compare"
    for each in typed:
        command = each.command.replace("--name tutorial", f"--name {NAME}")
        done = subprocess.run(
            ["bash", "-c", command], env=environment, capture_output=True, text=True, check=False, timeout=240
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        print(f"$ {command}\n{done.stderr}{done.stdout}")
        if each.shown != ANYTHING:
            assert done.stdout.splitlines() == each.shown, command
    assert not lab.folder.exists()
