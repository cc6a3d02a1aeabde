from __future__ import annotations

import io
import json
from typing import Any

import pytest
import yaml

from orchestrator.cli.output import OutputFormat, at, dig, show
from orchestrator.errors import BadInput

ITEMS = [
    {"name": "web", "sku": {"capacity": 2}, "zones": ["1", "2"], "enabled": True, "note": None},
    {"name": "größe", "sku": {"capacity": 10}, "zones": [], "enabled": False, "note": "a\tb"},
]
COLUMNS = (at("Name", "name"), at("Capacity", "sku.capacity", is_number=True), at("Zones", "zones"))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(value: Any, form: OutputFormat, query: str | None = None, stream: io.StringIO | None = None) -> str:
    stream = stream or io.StringIO()
    show(value, form, COLUMNS if query is None else (), query=query, stream=stream)
    return stream.getvalue()


def test_a_table_has_headings_aligned_columns_and_no_trailing_blanks() -> None:
    assert shown(ITEMS, OutputFormat.TABLE).splitlines() == [
        "Name   Capacity  Zones",
        "web           2  1, 2",
        "größe        10",
    ]


def test_a_piped_table_never_wraps_and_has_no_colour() -> None:
    long = "x" * 500
    text = shown([{"name": long, "sku": {"capacity": 1}, "zones": ["running"]}], OutputFormat.TABLE)
    assert len(text.splitlines()) == 2
    assert long in text
    assert "\x1b" not in text


def test_a_terminal_gets_colour_for_states(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in shown([{"name": "running"}], OutputFormat.TABLE, stream=Terminal())


def test_text_that_looks_like_markup_is_printed_as_it_is() -> None:
    assert "[red]x[/red]" in shown([{"name": "[red]x[/red]"}], OutputFormat.TABLE)


def test_a_value_of_many_lines_stays_on_its_own_row() -> None:
    assert shown([{"name": "[stdout]\n  hello\n", "zones": ["1"]}], OutputFormat.TABLE).splitlines()[1:] == [
        "[stdout] hello            1"
    ]


def test_an_empty_list_still_shows_the_headings() -> None:
    assert shown([], OutputFormat.TABLE) == "Name  Capacity  Zones\n"


def test_json_and_yaml_give_the_value_back_unchanged() -> None:
    assert json.loads(shown(ITEMS, OutputFormat.JSON)) == ITEMS
    assert yaml.safe_load(shown(ITEMS, OutputFormat.YAML)) == ITEMS
    assert "größe" in shown(ITEMS, OutputFormat.JSON)


def test_jsonc_is_coloured_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in shown(ITEMS, OutputFormat.JSONC, stream=Terminal())
    assert shown(ITEMS, OutputFormat.JSONC) == shown(ITEMS, OutputFormat.JSON)


def test_none_prints_nothing() -> None:
    assert shown(ITEMS, OutputFormat.NONE) == ""


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("[].name", "web\ngröße\n"),
        ("[].[name, enabled, note]", "web\ttrue\t\ngröße\tfalse\ta b\n"),
        ("[].{n: name, s: sku, e: enabled}", "web\t\ttrue\ngröße\t\tfalse\n"),
        ("[0].sku.capacity", "2\n"),
        ("[0].note", ""),
    ],
)
def test_tsv_has_one_line_per_item_and_keeps_every_field_in_its_place(query: str, expected: str) -> None:
    assert shown(ITEMS, OutputFormat.TSV, query) == expected


def test_a_querys_result_makes_its_own_table() -> None:
    lines = shown(ITEMS, OutputFormat.TABLE, "[].{name: name, size: sku.capacity}").splitlines()
    assert lines[0].split() == ["Name", "Size"]
    assert lines[2].split() == ["größe", "10"]
    assert shown(ITEMS, OutputFormat.TABLE, "[].name").split() == ["web", "größe"]
    assert shown(ITEMS, OutputFormat.TABLE, "[0].name") == "web\n"


def test_a_query_that_does_not_parse_is_the_callers_mistake() -> None:
    with pytest.raises(BadInput, match="--query"):
        shown(ITEMS, OutputFormat.JSON, "[")


def test_dig_gives_the_default_wherever_the_path_ends_early() -> None:
    assert dig(ITEMS[0], "sku.capacity") == 2
    assert dig(ITEMS[0], "sku.capacity.more", "no") == "no"
    assert dig(ITEMS[0], "note.deep") is None
