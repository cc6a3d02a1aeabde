from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT10M", 600),
        ("PT90M", 5400),
        ("PT1H30M", 5400),
        ("P1D", 86400),
        ("pt30s", 30),
        ("PT0.5S", 0.5),
        ("P1DT1S", 86401),
    ],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1DT", "10", "PT-5M", "P1M", "P1Y", "P1W", "PT5", "T5M", "PT1M5H", "PT٣M"]
)
def test_what_is_no_duration_of_a_known_length_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "PT0S"),
        (timedelta(minutes=90), "PT1H30M"),
        (timedelta(days=1, seconds=2), "P1DT2S"),
        (timedelta(seconds=1.5), "PT1.5S"),
        (timedelta(milliseconds=20), "PT0.02S"),
    ],
)
def test_a_duration_is_written_in_its_largest_units(duration: timedelta, text: str) -> None:
    assert format_duration(duration) == text


@given(st.timedeltas(timedelta(0), timedelta(days=9999)))
def test_what_was_written_reads_back_as_the_same(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration
