"""Custom metrics of a rich health answer: read with limits, and never believed when malformed (reference 4.5)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.custom_metrics import PHASE_MAX, TEXT_MAX, CustomMetrics, read_custom_metrics


def read(rolling: Any) -> CustomMetrics:
    return read_custom_metrics({"customMetrics": json.dumps({"rollingUpgrade": rolling})})


@pytest.mark.parametrize(
    ("rolling", "phase", "is_skipped"),
    [
        ({"PhaseOrderingNumber": 0, "SkipUpgrade": False}, 0, False),
        ({"PhaseOrderingNumber": 7}, 7, False),
        ({"PhaseOrderingNumber": PHASE_MAX}, PHASE_MAX, False),
        ({"SkipUpgrade": True}, None, True),
        ({"SkipUpgrade": "true"}, None, True),  # as text, as Azure's own example has it
        ({"PhaseOrderingNumber": 2, "SkipUpgrade": "False"}, 2, False),
        ({}, None, False),
        (None, None, False),
        ({"PhaseOrderingNumber": None, "other": [1]}, None, False),
    ],
)
def test_phase_and_skip_are_read_from_the_string_in_the_answer(rolling: Any, phase: int, is_skipped: bool) -> None:
    found = read(rolling)
    assert (found.phase, found.is_upgrade_skipped, found.problem) == (phase, is_skipped, None)


@pytest.mark.parametrize(
    ("given_value", "problem"),
    [
        (7, "must be a string"),
        ({"rollingUpgrade": {}}, "must be a string"),
        ("{", "is not JSON"),
        ("[" * 2000, "is not JSON"),
        ("[]", "must hold a JSON object"),
        (json.dumps("x" * TEXT_MAX), f"longer than {TEXT_MAX}"),
        ('{"rollingUpgrade": 1}', "rollingUpgrade must be an object"),
        ('{"rollingUpgrade": {"PhaseOrderingNumber": -1}}', "PhaseOrderingNumber"),
        ('{"rollingUpgrade": {"PhaseOrderingNumber": 1.5}}', "PhaseOrderingNumber"),
        ('{"rollingUpgrade": {"PhaseOrderingNumber": true}}', "PhaseOrderingNumber"),
        ('{"rollingUpgrade": {"PhaseOrderingNumber": 9999999999}}', "PhaseOrderingNumber"),
        ('{"rollingUpgrade": {"SkipUpgrade": "perhaps"}}', "SkipUpgrade"),
        ('{"rollingUpgrade": {"SkipUpgrade": 1, "PhaseOrderingNumber": 1}}', "SkipUpgrade"),
    ],
)
def test_malformed_metrics_are_told_and_have_no_effect(given_value: Any, problem: str) -> None:
    found = read_custom_metrics({"customMetrics": given_value})
    assert problem in (found.problem or "")
    assert (found.phase, found.is_upgrade_skipped) == (None, False)


def test_an_answer_without_them_says_nothing() -> None:
    assert read_custom_metrics({"ApplicationHealthState": "Healthy"}) == CustomMetrics()


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9), st.lists))
def test_nothing_that_a_guest_says_breaks_the_reading(said: Any) -> None:
    for rolling in (said, {"PhaseOrderingNumber": said, "SkipUpgrade": said}):
        found = read(rolling)
        assert (found.phase is None and not found.is_upgrade_skipped) or found.problem is None
