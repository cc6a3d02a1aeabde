"""How the demo is told: chapters, commands, facts, and promises that are kept or broken."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from typing import IO

from rich.markup import escape

from orchestrator.cli.output import console

_WIDTH = 96
_PLAIN_WIDTH = 110


class Stage:
    """Prints as it goes: coloured on a terminal, plain lines elsewhere. ``broken`` holds the broken promises."""

    def __init__(self, stream: IO[str], now: Callable[[], float] = time.monotonic) -> None:
        self._console = console(stream)
        self._is_terminal = stream.isatty()
        self._now = now
        self._began = now()
        self._chapters = 0
        self.kept = 0
        self.broken: list[str] = []

    @property
    def seconds(self) -> float:
        """Since the demo began."""
        return self._now() - self._began

    def chapter(self, title: str) -> None:
        """A heading, with its number and the time since the beginning."""
        self._chapters += 1
        head, clock = f"{self._chapters}. {title}", f"{self.seconds:.0f} s"
        width = min(self._console.width, _WIDTH)
        gap = " " * max(2, width - len(head) - len(clock))
        self._line()
        self._line(f"[bold cyan]{escape(head)}[/]{gap}[dim]{clock}[/]")
        self._line(f"[cyan]{('─' if self._is_terminal else '-') * width}[/]")

    def command(self, words: Sequence[str]) -> None:
        """A command just before it runs, as a shell takes it."""
        lines = broken_into_lines(words, min(self._console.width, _PLAIN_WIDTH) - 4)
        for number, line in enumerate(lines):
            prompt = "[bold green]$[/] " if number == 0 else "    "
            more = " \\" if number < len(lines) - 1 else ""
            self._line(f"{prompt}[bold]{escape(line)}[/]{more}")

    def say(self, text: str) -> None:
        """A sentence of the story."""
        self._line(escape(text))

    def blank(self) -> None:
        self._line()

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        """What and how much, one to a line."""
        listed = list(rows)
        width = max((len(name) for name, _ in listed), default=0)
        for name, value in listed:
            self._line(f"  {escape(name):<{width}}  [bold]{escape(value)}[/]")

    def promise(self, text: str, is_kept: bool, found: str = "") -> None:
        """Something the product promises. A broken one makes the demo fail, but not stop."""
        full = f"{text} ({found})" if found else text
        if is_kept:
            self.kept += 1
            self._line(f"[green]✓ {escape(full)}[/]")
        else:
            self.broken.append(full)
            self._line(f"[bold red]✗ {escape(full)}[/]")

    def recall_broken(self) -> None:
        """Every broken promise once more."""
        for promise in self.broken:
            self._line(f"[bold red]✗ {escape(promise)}[/]")

    def _line(self, markup: str = "") -> None:
        self._console.print(markup, soft_wrap=True)
        self._console.file.flush()


def broken_into_lines(words: Sequence[str], width: int) -> list[str]:
    """A command in lines that end between its words, before a flag where that is possible."""
    groups: list[list[str]] = []
    for word in words:
        if not groups or word.startswith("-"):
            groups.append([])
        groups[-1].append(quoted(word))
    lines: list[str] = []
    for group in (" ".join(group) for group in groups):
        room = width - (2 if lines else 0)
        if lines and len(lines[-1]) + 1 + len(group) <= room:
            lines[-1] += f" {group}"
        else:
            lines.append(group)
    return lines


def quoted(word: str) -> str:
    """A word as a shell takes it; in double quotes where that reads better and means the same."""
    is_plain_inside = not any(letter in word for letter in '"$`\\!')
    return f'"{word}"' if "'" in word and is_plain_inside else shlex.quote(word)
