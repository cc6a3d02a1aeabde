"""Worked tables of reference 4.8: what each answer says, and what a sequence of answers makes of an instance."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestrator.guest.http_question import BODY_MAX_BYTES, HttpAnswer, judge_answer
from orchestrator.model.custom_metrics import CustomMetrics
from orchestrator.model.health import Health, ProbeResult, ProbeSettings
from orchestrator.plan.health import HealthTrack, judge

BINARY = ProbeSettings("http", 80, interval_s=5.0, number_of_probes=2, grace_period_s=10.0)
RICH = replace(BINARY, is_rich=True, grace_period_s=20.0)
RICH_TCP = replace(RICH, protocol="tcp")
H, U, Q, I = Health.HEALTHY, Health.UNHEALTHY, Health.UNKNOWN, Health.INITIALIZING  # noqa: E741


def said(state: object, metrics: object = None) -> bytes:
    return json.dumps({"ApplicationHealthState": state, "customMetrics": metrics}).encode()


@pytest.mark.parametrize(
    ("status", "body", "binary", "rich"),
    [
        (200, said("Healthy"), H, H),
        (200, said("Unhealthy"), H, U),
        (201, said("Healthy"), U, H),
        (299, said("Unhealthy"), U, U),
        (204, b"", U, Q),
        (200, b"", H, Q),
        (200, b"ok", H, Q),
        (200, b"[]", H, Q),
        (200, b"\xff\xfe", H, Q),
        (200, b"[" * 50_000, H, Q),
        (200, said("healthy"), H, Q),  # states are written as Azure writes them
        (200, said("Initializing"), H, Q),  # only these two can be said
        (200, said("Unknown"), H, Q),
        (200, said(["Healthy"]), H, Q),
        (200, None, H, Q),  # longer than the cap
        (301, said("Healthy"), U, Q),
        (404, said("Healthy"), U, Q),
        (503, said("Unhealthy"), U, Q),
    ],
)
def test_what_one_answer_says(status: int, body: bytes | None, binary: Health, rich: Health) -> None:
    assert body is None or len(body) <= BODY_MAX_BYTES
    assert judge_answer(BINARY, HttpAnswer(status, body)).health is binary
    assert judge_answer(RICH, HttpAnswer(status, body)).health is rich


GOOD, BAD, REFUSED = HttpAnswer(200, said("Healthy")), HttpAnswer(200, said("Unhealthy")), HttpAnswer(500, b"")
SILENCE = None
OPEN = "open"


@pytest.mark.parametrize(
    ("settings", "answers", "states"),
    [
        # Binary, two in a row: the first counts at once, afterwards two equal ones; silence is a bad answer.
        (BINARY, [GOOD, REFUSED, GOOD, REFUSED, REFUSED, GOOD, GOOD], [H, H, H, H, U, U, H]),
        (BINARY, [SILENCE, GOOD, GOOD], [U, U, H]),
        (BINARY, [GOOD, SILENCE, REFUSED], [H, H, U]),  # no answer and a bad one are the same state
        # Rich, two in a row, 20 s (four answers) of grace.
        (RICH, [GOOD, GOOD], [I, H]),
        (RICH, [BAD, BAD, GOOD, GOOD], [I, U, U, H]),
        (RICH, [GOOD, BAD, GOOD, GOOD], [I, I, I, H]),
        (RICH, [SILENCE, SILENCE, SILENCE, SILENCE, GOOD, GOOD], [I, I, I, Q, Q, H]),
        (RICH, [REFUSED, GOOD, REFUSED, GOOD, GOOD], [I, I, I, Q, H]),
        (RICH, [GOOD, GOOD, REFUSED, GOOD, REFUSED, SILENCE], [I, H, H, H, H, Q]),
        # Rich over tcp: a port that stays closed is unhealthy when the grace period ends, never unknown.
        (RICH_TCP, [OPEN, OPEN, SILENCE, SILENCE], [I, H, H, U]),
        (RICH_TCP, [SILENCE, SILENCE, SILENCE, SILENCE, OPEN, OPEN], [I, I, I, U, U, H]),
    ],
)
def test_what_answers_in_a_row_make_of_an_instance(
    settings: ProbeSettings, answers: list[HttpAnswer | str | None], states: list[Health]
) -> None:
    track, told = HealthTrack.begin(settings, 0.0), []
    for number, answer in enumerate(answers, start=1):
        track = judge(settings, track, _result(settings, answer), number * settings.interval_s)
        told.append(track.health)
    assert told == states


def _result(settings: ProbeSettings, answer: HttpAnswer | str | None) -> ProbeResult:
    if isinstance(answer, HttpAnswer):
        return judge_answer(settings, answer)
    return ProbeResult(Health.HEALTHY if answer == OPEN else settings.state_without_answer)


def test_custom_metrics_are_those_of_the_last_answer_and_silence_takes_nothing_back() -> None:
    first = judge_answer(RICH, HttpAnswer(200, said("Healthy", '{"rollingUpgrade": {"PhaseOrderingNumber": 3}}')))
    track = judge(RICH, HealthTrack.begin(RICH, 0.0), first, 5.0)
    assert track.metrics is not None and track.metrics.phase == 3
    track = judge(RICH, track, judge_answer(RICH, HttpAnswer(503, b"")), 10.0)
    assert track.metrics is not None and track.metrics.phase == 3
    track = judge(RICH, track, judge_answer(RICH, GOOD), 15.0)
    assert track.metrics == CustomMetrics()


def test_in_binary_nobody_reads_custom_metrics() -> None:
    assert judge_answer(BINARY, HttpAnswer(200, said("Healthy", "{}"))).metrics is None
