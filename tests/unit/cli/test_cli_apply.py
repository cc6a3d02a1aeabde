from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_cli_daemon import FakeDaemon, Vmss

WEB = """
name: web
sku: {name: Lab_Micro, capacity: 3}
properties:
  scaleInPolicy: {rules: [OldestVM]}
"""
DB = """
name: db
resourceGroup: prod
location: elsewhere
sku: {name: Lab_Small, capacity: 1}
properties: {}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sets.yaml"
    path.write_text(WEB)
    return path


def test_a_file_is_put_as_it_is_and_its_location_is_filled_in(vmss: Vmss, daemon: FakeDaemon, file: Path) -> None:
    outcome = vmss("apply", "-f", str(file))
    assert outcome.out.splitlines()[1].split() == ["web", "default", "created"]
    [put] = daemon.sent("PUT")
    assert put.body == {
        "location": "local",
        "sku": {"name": "Lab_Micro", "capacity": 3},
        "properties": {"scaleInPolicy": {"rules": ["OldestVM"]}},
    }


def test_the_same_file_again_changes_nothing(vmss: Vmss, file: Path) -> None:
    vmss("apply", "-f", str(file))
    outcome = vmss("apply", "-f", str(file))
    assert outcome.out.splitlines()[1].split() == ["web", "default", "unchanged"]
    assert "~" not in outcome.err


def test_what_changed_is_shown_property_by_property(vmss: Vmss, file: Path) -> None:
    vmss("apply", "-f", str(file))
    file.write_text(WEB.replace("capacity: 3", "capacity: 5"))
    outcome = vmss("apply", "-f", str(file))
    assert outcome.out.splitlines()[1].split() == ["web", "default", "changed"]
    assert "web: ~ sku.capacity: 3 -> 5" in outcome.err
    [result] = json.loads(vmss("apply", "-f", str(file), "-o", "json").out)
    assert result["changes"] == []


def test_a_dry_run_shows_the_changes_and_writes_nothing(vmss: Vmss, daemon: FakeDaemon, file: Path) -> None:
    daemon.add_set("web", properties={"scaleInPolicy": {"rules": ["OldestVM"]}})
    outcome = vmss("apply", "-f", str(file), "--dry-run")
    assert "web: ~ sku.capacity: 2 -> 3" in outcome.err
    assert "scaleIn" not in outcome.err
    file.write_text(f"{WEB}tags: {{b: x}}\n")
    daemon.add_set("web", tags={"a": "gone", "b": "x"})
    assert 'web: - tags.a: "gone"' in vmss("apply", "-f", str(file), "--dry-run").err
    assert daemon.sent("PUT") == []


def test_many_sets_in_documents_lists_and_files_are_all_sent_before_the_first_wait(
    vmss: Vmss, daemon: FakeDaemon, file: Path, tmp_path: Path
) -> None:
    more = tmp_path / "more.yaml"
    more.write_text(f"{DB}---\n- {{name: a, sku: {{capacity: 1}}}}\n- {{name: b, sku: {{capacity: 1}}}}\n")
    outcome = vmss("apply", "-f", str(file), str(more))
    assert [line.split()[:2] for line in outcome.out.splitlines()[1:]] == [
        ["web", "default"],
        ["db", "prod"],
        ["a", "default"],
        ["b", "default"],
    ]
    kinds = ["poll" if "/operations/" in each.path else each.method for each in daemon.requests]
    last_put = max(position for position, kind in enumerate(kinds) if kind == "PUT")
    assert last_put < kinds.index("poll")
    assert daemon.sets[("prod", "db")]["location"] == "elsewhere"


@pytest.mark.parametrize(
    "text",
    ["", "name: [", "- 3", "sku: {capacity: 1}", "name: 5", f"{WEB}---{WEB}", "name: web\nresourceGroup: 3"],
)
def test_a_file_with_a_mistake_anywhere_sends_nothing_at_all(
    vmss: Vmss, daemon: FakeDaemon, file: Path, tmp_path: Path, text: str
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(text)
    first = [] if text == "" else [str(file)]
    assert vmss("apply", "-f", *first, str(bad)).code == 2
    assert daemon.requests == []


def test_a_file_that_is_not_there_is_a_usage_error(vmss: Vmss) -> None:
    assert vmss("apply", "-f", "/no/such.yaml").code == 2
