"""Judging probe results: the worked examples of the extension's rules, and what holds for any story."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.health import Health, ProbeResult, ProbeSettings
from orchestrator.plan.health import HealthTrack, judge

START = 1000.0
WORDS = {
    "H": Health.HEALTHY,
    "U": Health.UNHEALTHY,
    "?": Health.UNKNOWN,
    "i": Health.INITIALIZING,
}
LETTERS = {health: letter for letter, health in WORDS.items()}


def settings(probes: int = 1, grace_s: float = 5, protocol: str = "http", is_rich: bool = False) -> ProbeSettings:
    return ProbeSettings(
        protocol,  # type: ignore[arg-type]
        80,
        interval_s=5.0,
        number_of_probes=probes,
        grace_period_s=grace_s,
        is_rich=is_rich,
    )


def story(rules: ProbeSettings, answers: str) -> tuple[str, HealthTrack]:
    """The health after each answer; answers come every five seconds, the first five after the start."""
    track = HealthTrack.begin(rules, START)
    told = ""
    for number, letter in enumerate(answers, start=1):
        track = judge(rules, track, ProbeResult(WORDS[letter]), START + 5 * number)
        told += LETTERS[track.health]
    return told, track


@pytest.mark.parametrize(
    ("probes", "answers", "told"),
    [
        (1, "HUHU", "HUHU"),
        (3, "HUUHUUUH", "HHHHHHUU"),  # two bad ones between good ones change nothing
        (3, "UHHHHU", "UUUHHH"),  # the first answer counts at once, later ones in threes
        (2, "UUHUHH", "UUUUUH"),
    ],
)
def test_in_binary_the_first_answer_counts_and_then_only_as_many_equal_ones_as_settings_say(
    probes: int, answers: str, told: str
) -> None:
    assert story(settings(probes), answers)[0] == told


@pytest.mark.parametrize(
    ("probes", "grace_s", "answers", "told"),
    [
        (1, 60, "H", "H"),
        (2, 60, "HUHH", "iiiH"),  # equal answers in a row end the grace period early
        (2, 60, "UU", "iU"),  # so do bad ones that the application itself gives
        (2, 60, "????", "iiii"),  # silence does not
        (3, 15, "HHU", "ii?"),  # the grace period ends without three equal answers
        (3, 15, "?HHH", "ii?H"),  # answers of the grace period count on after it
        (2, 10, "?H?HH", "i???H"),
        (2, 10, "HHUU?H??", "iHHUUUU?"),  # from then on as in binary
    ],
)
def test_in_rich_states_an_instance_initializes_until_answers_agree_or_grace_ends(
    probes: int, grace_s: float, answers: str, told: str
) -> None:
    assert story(settings(probes, grace_s, is_rich=True), answers)[0] == told


@pytest.mark.parametrize(
    ("probes", "grace_s", "answers", "told"),
    [
        (2, 60, "UUU", "iii"),  # a closed port is not yet an answer during the grace period
        (2, 60, "UHH", "iiH"),
        (2, 15, "UUUUHH", "iiUUUH"),
    ],
)
def test_in_rich_states_a_tcp_port_that_stays_closed_is_unhealthy_after_grace(
    probes: int, grace_s: float, answers: str, told: str
) -> None:
    assert story(settings(probes, grace_s, "tcp", is_rich=True), answers)[0] == told


def test_before_the_first_answer_nothing_is_known() -> None:
    assert HealthTrack.begin(settings(), START).health is Health.UNKNOWN
    assert HealthTrack.begin(settings(), START).last_probe_at is None
    assert HealthTrack.begin(settings(is_rich=True), START).health is Health.INITIALIZING


def test_a_track_tells_since_when_and_why() -> None:
    rules = settings(2)
    track = judge(rules, HealthTrack.begin(rules, START), ProbeResult(Health.HEALTHY, "HTTP 200"), START + 1)
    track = judge(rules, track, ProbeResult(Health.UNHEALTHY, "HTTP 500"), START + 6)
    assert (track.health, track.changed_at, track.latest, track.streak) == (
        Health.HEALTHY,
        START + 1,
        Health.UNHEALTHY,
        1,
    )
    track = judge(rules, track, ProbeResult(Health.UNHEALTHY, "HTTP 502"), START + 11)
    assert (track.health, track.changed_at, track.last_probe_at, track.detail) == (
        Health.UNHEALTHY,
        START + 11,
        START + 11,
        "HTTP 502",
    )


@pytest.mark.parametrize(
    ("protocol", "is_rich", "silence"),
    [("http", False, "U"), ("tcp", False, "U"), ("tcp", True, "U"), ("http", True, "?"), ("https", True, "?")],
)
def test_silence_is_unhealthy_in_binary_and_for_tcp_and_unknown_in_rich_http(
    protocol: str, is_rich: bool, silence: str
) -> None:
    assert settings(protocol=protocol, is_rich=is_rich).state_without_answer is WORDS[silence]


@given(
    answers=st.text("HU?", min_size=1, max_size=40),
    probes=st.integers(1, 6),
    grace_s=st.integers(5, 120),
    is_rich=st.booleans(),
    protocol=st.sampled_from(["tcp", "http"]),
)
def test_whatever_the_answers_health_follows_enough_equal_ones_and_initializing_never_returns(
    answers: str, probes: int, grace_s: int, is_rich: bool, protocol: str
) -> None:
    rules = settings(probes, grace_s, protocol, is_rich)
    told, track = story(rules, answers)
    assert "i" not in told.lstrip("i")
    assert is_rich or "i" not in told
    last = answers[-1]
    has_grace_ended = 5 * len(answers) >= grace_s
    if len(answers) >= probes and set(answers[-probes:]) == {last} and (not is_rich or has_grace_ended):
        assert told[-1] == last
    if told[-1] == "i":
        assert not has_grace_ended
    for before, after, answer in zip(told, told[1:], answers[1:], strict=False):
        # a flip goes to what was just answered, or, when grace ends, to what silence says
        assert after in (before, answer) or (before == "i" and WORDS[after] is rules.state_without_answer)
    assert (WORDS[last], track.health) == (track.latest, WORDS[told[-1]])
