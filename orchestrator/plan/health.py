"""From single answers to the health of an instance (reference 4.8). Pure.

Binary: the first answer counts at once; after that a state flips when ``number_of_probes`` answers in a row
say so.

Rich: an instance starts Initializing and leaves it in one of two ways. Either ``number_of_probes`` answers in
a row agree on a *valid* state, one that silence could not have said (anything but Unknown for http and https,
but Unhealthy for tcp). Or the grace period ends: then it is what silence says, until enough answers in a row
say otherwise; answers counted during the grace period still count. From then on it flips as binary does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.model.custom_metrics import CustomMetrics
from orchestrator.model.health import Health, ProbeResult, ProbeSettings


@dataclass(frozen=True, slots=True)
class HealthTrack:
    """What is known of one instance's health. Times are epoch seconds.

    ``health`` holds since ``changed_at``. ``latest`` is what the last answer alone said, ``streak`` how many
    in a row said it, ``detail`` its words. ``last_probe_at`` of ``None`` means never asked: the health is
    then Unknown (binary) or Initializing (rich), and says nothing of the guest. ``metrics`` is what the application
    said last: silence takes nothing back.
    """

    health: Health
    started_at: float
    changed_at: float
    latest: Health | None = None
    streak: int = 0
    last_probe_at: float | None = None
    detail: str = ""
    metrics: CustomMetrics | None = None

    @classmethod
    def begin(cls, settings: ProbeSettings, now: float) -> HealthTrack:
        """Before the first answer. Begin anew when the guest or the settings are new."""
        return cls(Health.INITIALIZING if settings.is_rich else Health.UNKNOWN, started_at=now, changed_at=now)


def judge(settings: ProbeSettings, track: HealthTrack, result: ProbeResult, now: float) -> HealthTrack:
    """The track after one more answer."""
    streak = track.streak + 1 if result.health == track.latest else 1
    counted = replace(
        track,
        latest=result.health,
        streak=streak,
        last_probe_at=now,
        detail=result.detail,
        metrics=result.metrics or track.metrics,
    )
    health = _health_after(settings, counted, is_first=track.last_probe_at is None, now=now)
    return counted if health == track.health else replace(counted, health=health, changed_at=now)


def _health_after(settings: ProbeSettings, track: HealthTrack, is_first: bool, now: float) -> Health:
    assert track.latest is not None  # an answer was just counted
    is_settled = track.streak >= settings.number_of_probes
    if track.health is not Health.INITIALIZING:
        return track.latest if is_settled or is_first else track.health
    if is_settled and track.latest != settings.state_without_answer:
        return track.latest
    has_grace_ended = now - track.started_at >= settings.grace_period_s
    return settings.state_without_answer if has_grace_ended else Health.INITIALIZING
