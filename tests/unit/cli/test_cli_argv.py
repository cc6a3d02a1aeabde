from __future__ import annotations

import pytest

from orchestrator.cli.argv import GROUP_SEPARATOR, FlagKinds, spread

KINDS = FlagKinds(repeatable={"--zones", "-z"}, grouped={"--add"}, truths={"--repair"})


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("web --zones 1 2 3 -o json", "web --zones 1 --zones 2 --zones 3 -o json"),
        ("--zones=1 2", "--zones 1 --zones 2"),
        ("-z 1 2 --no-wait", "-z 1 -z 2 --no-wait"),
        ("--zones --no-wait", "--zones --no-wait"),
        ("--zones -1 2", "--zones -1 --zones 2"),
        ("--repair", "--repair true"),
        ("--repair false web", "--repair false web"),
        ("--repair FALSE", "--repair FALSE"),
        ("--repair web", "--repair true web"),
        ("--repair=false true", "--repair false true"),
        ("--other 1 2", "--other 1 2"),
        ("web 0 -- --zones 1 2", "web 0 -- --zones 1 2"),
        ("--zones 1 -- 2", "--zones 1 -- 2"),
    ],
)
def test_words_in_azs_manner_become_words_that_typer_reads(words: str, expected: str) -> None:
    assert spread(words.split(), KINDS) == expected.split()


def test_the_values_of_one_grouped_flag_stay_together() -> None:
    words = ["--add", "a.b", "x=1", "y=2", "--add", "c", "3"]
    first, second = GROUP_SEPARATOR.join(["a.b", "x=1", "y=2"]), GROUP_SEPARATOR.join(["c", "3"])
    assert spread(words, KINDS) == ["--add", first, "--add", second]


def test_an_empty_value_is_a_value() -> None:
    assert spread(["--zones", ""], KINDS) == ["--zones", ""]
