"""The documents are held to the code: commands parse, members and codes are real, paths and links exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from typer.core import TyperGroup

from orchestrator import config
from orchestrator.cli.faults import EXIT_CODES
from orchestrator.cli.main import app
from orchestrator.model.arm.scale_set import parse_scale_set

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "images" / "README.md", *(ROOT / "docs").rglob("*.md")])
ROOT_COMMAND = typer.main.get_command(app)

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(r"(?:(?:orchestrator|tests|docs|images|cloud-init|\.ci)/[\w./-]*|pyproject\.toml)")
_SHELL_WORDS = {"az", "curl", "eval", "export", "sleep", "systemctl"}


def _text(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def _blocks(document: Path, *languages: str) -> list[str]:
    return [body for language, body in _BLOCK.findall(_text(document)) if language in languages]


def _inline(document: Path) -> list[str]:
    return [str(code) for code in _CODE.findall(_BLOCK.sub("", _text(document)))]


def _typed_lines(document: Path) -> Iterator[str]:
    """What a reader would type: all lines of ``sh`` blocks, those after ``$`` of ``console`` blocks."""
    for body in _blocks(document, "sh"):
        yield from body.replace("\\\n", " ").splitlines()
    for body in _blocks(document, "console"):
        lines = body.replace("\\\n", " ").splitlines()
        yield from (line.removeprefix("$ ") for line in lines if line.startswith("$ "))


def _words(line: str) -> list[str]:
    words = shlex.split(line, comments=True)
    return [words[0].removeprefix(".venv/bin/"), *words[1:]] if words else []


TYPED = sorted({line for document in DOCUMENTS for line in _typed_lines(document) if _words(line)})
MENTIONED = sorted({code for document in DOCUMENTS for code in _inline(document) if code.startswith("vmss ")})


def _resolve(words: list[str]) -> tuple[Any, list[str]]:
    """The command that these words name, and what is left of them."""
    command: Any = ROOT_COMMAND
    context = command.make_context("vmss", [], resilient_parsing=True)
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        name, command, words = command.resolve_command(context, words)
        context = typer.Context(command, info_name=name, parent=context)
    return command, words


@pytest.mark.parametrize("line", TYPED)
def test_what_a_reader_is_told_to_type_exists(line: str) -> None:
    program, *words = _words(line)
    if program == "make":
        assert all(re.search(rf"^{word}:", _text(ROOT / "Makefile"), re.MULTILINE) for word in words)
    elif program == "vmss":
        command, rest = _resolve(words)
        assert not isinstance(command, TyperGroup), f"{line} names no command"
        command.make_context(command.name, rest)
    elif program == "vmssd":
        source = _text(ROOT / "orchestrator" / "daemon.py")
        assert all(f'"{word}"' in source for word in words if word.startswith("--"))
    else:
        assert program in _SHELL_WORDS


@pytest.mark.parametrize("code", MENTIONED)
def test_a_command_in_a_sentence_exists_with_its_flags(code: str) -> None:
    words = [word for word in shlex.split(code)[1:] if word != "…"]
    if words[0].isupper():  # a placeholder for any command
        words[0] = "show"
    command, rest = _resolve(words)
    assert command is not ROOT_COMMAND or rest
    known = {"--help"} | {option for parameter in command.params for option in parameter.opts}
    assert {word for word in rest if word.startswith("-") and word != "--"} <= known


def _is_there(path: str) -> bool:
    return (ROOT / path).exists() or (ROOT / "docs" / path).exists()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_path_and_link_of_a_document_leads_somewhere(document: Path) -> None:
    named = [code for code in _inline(document) if _PATH.fullmatch(code)]
    assert [path for path in named if not _is_there(path)] == []
    links = [link.partition("#")[0] for link in _LINK.findall(_BLOCK.sub("", _text(document)))]
    near = [link for link in links if link and "://" not in link]
    assert [link for link in near if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_test_that_a_document_names_is_there(document: Path) -> None:
    sources = "\n".join(_text(path) for path in (ROOT / "tests").rglob("*.py"))
    named = [code for code in _inline(document) if re.fullmatch(r"(?:_[a-z_]{12,}|a_\w+|an_\w+|every_\w+)", code)]
    assert [name for name in named if f"def {name}(" not in sources] == []


# The reference of the configuration

SECTIONS: dict[str, type[BaseModel]] = {
    "The whole file": config.Config,
    "hosts": config.HostSection,
    "hosts: limits": config.LimitsSection,
    "networks": config.NetworkSection,
    "sizes": config.SizeSection,
}


def _table(document: Path, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading."""
    after = _text(document).split(f"\n## {heading}\n", 1)[1]
    lines = after.split("\n## ")[0].splitlines()
    rows = [line for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows[2:]]


def _default(model: type[BaseModel], member: str) -> str:
    default = model.model_fields[member].default
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "none"
    if isinstance(default, BaseModel):
        return "none set"
    return f"`{[] if default == () else default}`"


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_reference_names_every_member_of_the_configuration_with_its_default(heading: str) -> None:
    model = SECTIONS[heading]
    told = {row[0].strip("`"): row[2] for row in _table(ROOT / "docs" / "configuration.md", heading)}
    assert told == {member: _default(model, member) for member in model.model_fields}


def test_the_exit_codes_are_those_of_the_command_line() -> None:
    told = {int(row[0]): row[1] for row in _table(ROOT / "docs" / "cli.md", "Exit codes")}
    assert told == EXIT_CODES


EXAMPLES = [
    pytest.param(yaml.safe_load(body), id=f"{document.stem}-{number}")
    for document in DOCUMENTS
    for number, body in enumerate(_blocks(document, "yaml"))
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_in_yaml_is_accepted(example: dict[str, Any]) -> None:
    if "sku" in example:
        body = {key: value for key, value in example.items() if key not in {"name", "resourceGroup"}}
        assert parse_scale_set(body, name=example["name"]).sku.capacity > 0
    else:
        assert config.Config.model_validate(example).hosts


def test_the_documents_hold_something_to_check() -> None:
    assert len(TYPED) > 15 and len(MENTIONED) > 10 and len(EXAMPLES) >= 3


def test_the_readme_is_short() -> None:
    assert len(_text(ROOT / "README.md").splitlines()) <= 200
