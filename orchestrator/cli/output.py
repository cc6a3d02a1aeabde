"""What a command prints: a table for people, or JSON, YAML and TSV for programs; ``--query`` before either."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any

from orchestrator.errors import BadInput

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_WIDTH = 10_000


class OutputFormat(StrEnum):
    TABLE = "table"
    JSON = "json"
    JSONC = "jsonc"
    YAML = "yaml"
    TSV = "tsv"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its heading and how an item gives its cell."""

    title: str
    cell: Callable[[Mapping[str, Any]], Any]
    is_number: bool = False


def dig(item: Any, path: str, default: Any = None) -> Any:
    """``dig(vm, "properties.instanceView.vmHealth")``: a member by dotted path, ``default`` where it ends."""
    for name in path.split("."):
        if not isinstance(item, Mapping) or item.get(name) is None:
            return default
        item = item[name]
    return item


def at(title: str, path: str, *, is_number: bool = False) -> Column:
    """A column that shows the member at ``path``."""
    return Column(title, lambda item: dig(item, path), is_number)


def ask(value: Any, query: str | None) -> Any:
    """``value`` through a JMESPath query. Raises ``BadInput`` for a query that does not parse."""
    if query is None:
        return value
    import jmespath  # noqa: PLC0415
    from jmespath.exceptions import JMESPathError  # noqa: PLC0415

    try:
        return jmespath.search(query, value)
    except JMESPathError as error:
        raise BadInput(f"--query: {error}") from None


def show(
    value: Any,
    form: OutputFormat,
    columns: Sequence[Column] = (),
    *,
    query: str | None = None,
    stream: IO[str] | None = None,
) -> None:
    """Print ``value``. ``columns`` shape its table; a query's result is shown by its own keys."""
    stream = stream or sys.stdout
    if query is not None:
        value, columns = ask(value, query), ()
    match form:
        case OutputFormat.NONE:
            return
        case OutputFormat.TABLE:
            show_table(value, columns, stream)
        case OutputFormat.JSONC if stream.isatty():
            console(stream).print_json(_as_json(value))
        case OutputFormat.JSON | OutputFormat.JSONC:
            print(_as_json(value), file=stream)
        case OutputFormat.YAML:
            print(_as_yaml(value), end="", file=stream)
        case OutputFormat.TSV:
            for line in tsv_lines(value):
                print(line, file=stream)


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _as_yaml(value: Any) -> str:
    import yaml  # noqa: PLC0415

    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=False)


def tsv_lines(value: Any) -> list[str]:
    """One line per item, a dictionary's or list's values parted by tabs, null as nothing, no quoting.

    Only plain values are printed; a nested object leaves its field empty, so the columns stay in place."""
    items = value if isinstance(value, list) else [value]
    return ["\t".join(_tsv_fields(item)) for item in items if item is not None]


def _tsv_fields(item: Any) -> list[str]:
    if isinstance(item, Mapping):
        return [_tsv_text(each) for each in item.values()]
    if isinstance(item, list):
        return [_tsv_text(each) for each in item]
    return [_tsv_text(item)]


def _tsv_text(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return ""
    return cell_text(value).replace("\t", " ").replace("\n", " ")


def cell_text(value: Any) -> str:
    """A plain value as a person reads it; lists are joined, null is nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(cell_text(each) for each in value)
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def console(stream: IO[str]) -> Console:
    """A console with colour only on a terminal, and one as wide as it takes where lines are piped on."""
    from rich.console import Console  # noqa: PLC0415

    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False, soft_wrap=False)


def show_table(value: Any, columns: Sequence[Column], stream: IO[str]) -> None:
    """A list as rows; one object as a single row, or as name and value when no columns are named."""
    rows = value if isinstance(value, list) else [value]
    if not columns and isinstance(value, Mapping):
        _print_rows(["Name", "Value"], [[key, cell_text(each)] for key, each in value.items()], (), stream)
    elif not columns and not all(isinstance(row, Mapping) for row in rows):
        _print_rows([], [_plain_cells(row) for row in rows if row is not None], (), stream)
    else:
        columns = columns or _columns_of(rows)
        cells = [[cell_text(column.cell(row)) for column in columns] for row in rows]
        numbers = [position for position, column in enumerate(columns) if column.is_number]
        _print_rows([column.title for column in columns], cells, numbers, stream)


def _plain_cells(row: Any) -> list[str]:
    if isinstance(row, Mapping):
        return [cell_text(each) for each in row.values()]
    return [cell_text(each) for each in row] if isinstance(row, list) else [cell_text(row)]


def _columns_of(rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Every plain member that some row has, in order of appearance."""
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(name for name, each in row.items() if not isinstance(each, Mapping)))
    return [at(_titled(name), name) for name in names if "." not in name]


def _titled(name: str) -> str:
    return name[:1].upper() + name[1:]


def _print_rows(
    titles: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int], stream: IO[str]
) -> None:
    """Columns just as wide as they need; a terminal too narrow cuts the widest, a pipe gets everything."""
    if not rows and not titles:
        return
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=bool(titles), header_style="bold")
    width = len(titles) or max(len(row) for row in rows)
    for position in range(width):
        table.add_column(
            titles[position] if titles else "",
            justify="right" if position in numbers else "left",
            no_wrap=True,
            overflow="ellipsis",
        )
    for row in rows:
        table.add_row(*(Text(" ".join(cell.split()), style=_style_of(cell)) for cell in row))
    target = console(stream)
    with target.capture() as captured:
        target.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()), file=stream)


_STYLES = {
    "green": {"running", "healthy", "succeeded", "up", "owned", "ok", "done", "completed"},
    "yellow": {
        "creating", "updating", "starting", "stopping", "deleting", "initializing", "unknown", "draining",
        "rollingforward", "rollingback", "cancelled",
        "stopped", "deallocated", "deallocating", "stray", "unreachable",
    },
    "red": {"failed", "unhealthy", "faulted"},
}  # fmt: skip


def _style_of(cell: str) -> str:
    """States have the colour that people expect of them; anything else has none."""
    word = cell.lower()
    return next((style for style, words in _STYLES.items() if word in words), "")
