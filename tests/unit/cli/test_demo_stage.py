from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.cli.demo.commands import Commands, DemoFailed
from orchestrator.cli.demo.stage import Stage, broken_into_lines, quoted
from orchestrator.cli.demo.watch import skew


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def stage(out: io.StringIO) -> Stage:
    return Stage(out, iter([0.0, *range(100)]).__next__)


def test_where_it_is_piped_it_is_plain(stage: Stage, out: io.StringIO) -> None:
    stage.chapter("A beginning")
    stage.command(["vmss", "list"])
    stage.promise("all is [well]", True, "0.1 s")
    told = out.getvalue()
    assert "\x1b" not in told
    assert told.splitlines()[1].startswith("1. A beginning  ")
    assert told.splitlines()[1].endswith(" 0 s")
    assert told.splitlines()[-2:] == ["$ vmss list", "✓ all is [well] (0.1 s)"]


def test_broken_promises_are_counted_and_told_again(stage: Stage, out: io.StringIO) -> None:
    stage.promise("one", True)
    stage.promise("two", False, "found three")
    stage.recall_broken()
    assert (stage.kept, stage.broken) == (1, ["two (found three)"])
    assert out.getvalue().splitlines() == ["✓ one", "✗ two (found three)", "✗ two (found three)"]


@settings(deadline=None)  # each asks a real shell
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30), min_size=1))
def test_a_command_in_lines_is_the_same_command_to_a_shell(words: Sequence[str]) -> None:
    text = " \\\n    ".join(broken_into_lines(words, 40))
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {text}"], capture_output=True, text=True, check=True)
    assert done.stdout.split("\0")[:-1] == list(words)


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("web", "web"),
        ("", "''"),
        ("[?a=='b']", "\"[?a=='b']\""),
        ("echo $(id)", "'echo $(id)'"),
        ("it's $HOME", "'it'\"'\"'s $HOME'"),
        ("what's up!", "'what'\"'\"'s up!'"),
    ],
)
def test_words_are_quoted_as_people_do(word: str, shown: str) -> None:
    assert quoted(word) == shown


def test_a_long_command_breaks_before_its_flags() -> None:
    lines = broken_into_lines(["vmss", "create", "--name", "web", "--image", "micro", "--instance-count", "3"], 40)
    assert lines == ["vmss create --name web --image micro", "--instance-count 3"]


def test_a_command_that_fails_ends_the_story(stage: Stage, out: io.StringIO) -> None:
    commands = Commands(stage, program=[sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(DemoFailed, match="'vmss scale web' ended with exit code 3"):
        commands.run("scale", "web", "--new-capacity", "5")
    assert "$ vmss scale web --new-capacity 5" in out.getvalue()


def test_a_command_that_hangs_ends_the_story(stage: Stage) -> None:
    commands = Commands(stage, [sys.executable, "-c", "import time; time.sleep(60)"], timeout_s=0.2)
    with pytest.raises(DemoFailed, match=r"did not end within 0\.2 s"):
        commands.run("wait", "web")


def test_what_a_command_printed_is_shown_and_known(stage: Stage, out: io.StringIO) -> None:
    program = [sys.executable, "-c", "import os, sys; print(os.environ['VMSS_SOCKET'], *sys.argv[1:])"]
    commands = Commands(stage, program, {"VMSS_SOCKET": "/s"})
    assert commands.ask("census", "-o", "json") == "/s census -o json\n"
    assert "/s census -o json\n" in out.getvalue()


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [([], 0), (["h1", "h2", "h3"], 0), (["h1", "h1", "h2", "h2", "h3"], 1), (["h1", "h1"], 2), (["h1", "h2"], 1)],
)
def test_skew_counts_hosts_without_any(hosts: list[str], expected: int) -> None:
    assert skew(hosts, 3) == expected
