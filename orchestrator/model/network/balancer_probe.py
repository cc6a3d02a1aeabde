"""A load balancer's probe as a set's health source (reference 4.8). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.model.health import ProbeSettings
from orchestrator.model.resource_id import ResourceId

Json = Mapping[str, Any]
_ANSWER_WITHIN_S = 30.0  # Azure's


def probe_settings(balancer: Json, probe: ResourceId) -> ProbeSettings | None:
    """As the prober takes it; ``None`` when the balancer has no such probe."""
    named = (each for each in balancer["properties"].get("probes") or () if _is_named(each, probe.name))
    found = next(named, None)
    if found is None:
        return None
    own = found["properties"]
    interval_s = float(own["intervalInSeconds"])
    threshold = own.get("probeThreshold") or 1
    return ProbeSettings(
        own["protocol"].lower(),
        own["port"],
        own.get("requestPath") or "/",
        interval_s=interval_s,
        number_of_probes=threshold,
        grace_period_s=interval_s * threshold,
        timeout_s=min(_ANSWER_WITHIN_S, interval_s),
    )


def is_in_use(balancer: Json, probe: ResourceId) -> bool:
    """Whether a rule goes by it."""
    rules = balancer["properties"].get("loadBalancingRules") or ()
    named = (each["properties"].get("probe") or {} for each in rules)
    return any(str(each.get("id", "")).lower() == probe.key for each in named)


def _is_named(child: Json, name: str) -> bool:
    return str(child["name"]).lower() == name.lower()
