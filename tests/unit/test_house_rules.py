"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FILE_MAX, FUNCTION_MAX = 500, 60
# Migrations are generated, and never touched again.
SOURCES = sorted(
    path
    for path in [*ROOT.glob("orchestrator/**/*.py"), *ROOT.glob("tests/**/*.py")]
    if "migrations" not in path.parts
)
OURS = [path for path in SOURCES if path.is_relative_to(ROOT / "orchestrator")]


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_there_are_sources_to_look_at() -> None:
    assert len(OURS) > 100


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_are_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= FILE_MAX
    long = [
        f"{each.name} has {(each.end_lineno or 0) - each.lineno + 1} lines"
        for each in _functions(ast.parse(text))
        if (each.end_lineno or 0) - each.lineno + 1 > FUNCTION_MAX
    ]
    assert not long


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in OURS
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent


def test_the_median_function_is_short() -> None:
    sizes = sorted(
        (each.end_lineno or 0) - each.lineno + 1
        for path in OURS
        for each in _functions(ast.parse(path.read_text()))
    )
    assert sizes[len(sizes) // 2] <= 10
    assert sizes[len(sizes) * 9 // 10] <= 25
