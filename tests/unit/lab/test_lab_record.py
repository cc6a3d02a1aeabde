"""The lab's record on the disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import LabError
from orchestrator.lab import record
from orchestrator.lab.record import Fault, LabRecord

FROZEN = Fault("freeze-guest", "h1", "the QEMU of a is stopped", 12.5, "uuid-a")


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    written = LabRecord("lab", hosts=2, zones=2, listen="127.0.0.1:8080", faults=(FROZEN,))
    record.save(tmp_path / "lab.json", written)
    assert record.load(tmp_path / "lab.json") == written


def test_an_absent_record_is_none(tmp_path: Path) -> None:
    assert record.load(tmp_path / "lab.json") is None


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        '{"version": 1}',
        '{"version": 2, "name": "lab", "faults": []}',
        "[]",
        '{"version": 1, "faults": [{}]}',
    ],
)
def test_a_damaged_record_is_said_to_be_so(tmp_path: Path, damage: str) -> None:
    (tmp_path / "lab.json").write_text(damage)
    with pytest.raises(LabError, match="is damaged"):
        record.load(tmp_path / "lab.json")


def test_a_record_with_a_member_of_the_future_is_not_half_read(tmp_path: Path) -> None:
    record.save(tmp_path / "lab.json", LabRecord("lab"))
    data = json.loads((tmp_path / "lab.json").read_text())
    (tmp_path / "lab.json").write_text(json.dumps({**data, "colour": "red"}))
    with pytest.raises(LabError, match="colour"):
        record.load(tmp_path / "lab.json")


def test_a_write_that_fails_leaves_the_old_record(tmp_path: Path) -> None:
    path = tmp_path / "lab.json"
    record.save(path, LabRecord("lab", hosts=1))
    (tmp_path / "lab.json.new").mkdir()  # stands in the way of the draft
    with pytest.raises(OSError, match=r"lab\.json\.new"):
        record.save(path, LabRecord("lab", hosts=5))
    assert record.load(path) == LabRecord("lab", hosts=1)


def test_the_same_fault_made_again_replaces_the_first() -> None:
    twice = LabRecord("lab").with_fault(FROZEN).with_fault(replace(FROZEN, since=99.0))
    assert [fault.since for fault in twice.faults] == [99.0]


def test_healing_one_guest_leaves_the_other_guests_fault() -> None:
    other = replace(FROZEN, target="uuid-b")
    both = LabRecord("lab").with_fault(FROZEN).with_fault(other)
    assert both.without_fault(FROZEN).faults == (other,)
