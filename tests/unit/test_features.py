"""docs/features.md is held to the code: every row names a file that is there and a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SECTIONS = ["1.1", "1.2", "1.3", "1.4", "2", "4.1", "4.2", "4.3", "4.4", "4.5", "4.6", "4.7", "4.8", "4.9", "4.11"]
# No rule of their own: what a decision sees, is, and does to a row.
_NOT_RULES = {"__init__.py", "inputs.py", "steps.py", "apply.py", "planner.py"}


def _rows() -> list[list[str]]:
    lines = (ROOT / "docs/features.md").read_text().splitlines()
    table = [line for line in lines if line.startswith("| ") and not set(line) <= set("|- ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1:]]


ROWS = _rows()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1][:60])
def test_a_row_names_a_file_and_a_test_that_are_there(row: list[str]) -> None:
    section, feature, decides, proof, where = row
    assert feature and section.split(" ")[0].rstrip(",") in {*SECTIONS, "3.1", "ours"}
    assert where in {"simulated", "real", "both", "pure"}
    for path in re.findall(r"`([^`]+)`", decides):
        assert (ROOT / "orchestrator" / path).is_file(), path
    proofs = re.findall(r"`([^`]+)`", proof)
    assert proofs, "no test"
    for each in proofs:
        path, _, name = each.partition("::")
        text = (ROOT / "tests" / path).read_text()
        assert re.search(rf"def {re.escape(name)}\(", text), each
    if where in {"real", "both"}:
        assert any(_needs_real_guests(each.partition("::")[0]) for each in proofs), "none needs real guests"


def _needs_real_guests(path: str) -> bool:
    is_by_place = path.startswith(("guests/", "contract/"))
    return is_by_place or "mark.real" in (ROOT / "tests" / path).read_text()


def test_every_section_of_the_semantics_has_rows() -> None:
    told = {number.strip() for row in ROWS for number in row[0].split(",")}
    assert not [section for section in SECTIONS if section not in told]


def test_every_rule_of_the_plan_decides_some_feature() -> None:
    named = {path for row in ROWS for path in re.findall(r"`plan/([^`]+)`", row[2])}
    rules = {path.name for path in (ROOT / "orchestrator/plan").glob("*.py")} - _NOT_RULES
    assert not rules - named
