"""What the commands of `vmss lab` share: which lab, how they speak, how they fail."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.errors import VmssError

Name = Annotated[str, typer.Option("--name", "-n", help="The lab's name; several can be up at once.")]
Root = Annotated[Path, typer.Option("--root", help="The folder that holds the labs.", show_default=True)]


def say(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def errors_as_words() -> Iterator[None]:
    """An error of ours is one sentence and exit code 1."""
    try:
        yield
    except VmssError as error:
        say(f"error: {error.message}")
        raise typer.Exit(1) from error
