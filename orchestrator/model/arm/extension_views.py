"""How the extensions of one instance are doing: their part of its instance view (reference 2, 4.8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.model.arm.extensions import APPLICATION_HEALTH
from orchestrator.model.arm.statuses import Json, Status, extension_status, status
from orchestrator.model.health import Health
from orchestrator.model.instance import Instance

if TYPE_CHECKING:
    from orchestrator.model.arm.instance_views import Look
    from orchestrator.model.custom_metrics import CustomMetrics

_FOUND = {
    Health.HEALTHY: ("succeeded", "Info", "The application was found to be healthy"),
    Health.UNHEALTHY: ("failed", "Error", "The application was found to be unhealthy"),
    Health.INITIALIZING: ("transitioning", "Info", "The application is still starting"),
    Health.UNKNOWN: ("failed", "Warning", "The application did not say how it is"),
}


def handlers(extensions: Iterable[Mapping[str, Any]]) -> list[Json]:
    """Each type of extension once, with the version that handles it."""
    found = {full_type(each): each["properties"]["typeHandlerVersion"] for each in extensions}
    return [{"type": kind, "typeHandlerVersion": version} for kind, version in found.items()]


def full_type(extension: Mapping[str, Any]) -> str:
    return f"{extension['properties']['publisher']}.{extension['properties']['type']}"


def is_application_health(extension: Mapping[str, Any]) -> bool:
    return bool(extension["properties"]["type"] == APPLICATION_HEALTH[1])


def extension_view(extension: Mapping[str, Any], row: Instance, look: Look) -> Json:
    """Name, type, version, and how its last run went."""
    view: Json = {
        "name": extension["name"],
        "type": full_type(extension),
        "typeHandlerVersion": extension["properties"]["typeHandlerVersion"],
    }
    if is_application_health(extension):
        return view | _health_view(row, look)
    state = row.extensions.get(extension["name"])
    waiting = status("ProvisioningState/transitioning", "Has not run yet", row.changed_at)
    return view | {"statuses": [extension_status(state) if state else waiting]}


def _health_view(row: Instance, look: Look) -> Json:
    if look.health is None or row.booted_at is None:
        return {"statuses": [status("ProvisioningState/transitioning", "Has not asked yet", row.changed_at)]}
    return {
        "statuses": [status("ProvisioningState/succeeded", "Provisioning succeeded", row.booted_at)],
        "substatuses": _health_substatuses(look.health, look),
    }


def _health_substatuses(health: Health, look: Look) -> list[Status]:
    """What the extension reports: a sentence, the state as a word, and what the application added to it."""
    outcome, level, words = _FOUND[health]
    at = look.health_since or None
    told = [
        status(f"ComponentStatus/AppHealthStatus/{outcome}", words, at, level=level, message=look.health_detail),
        status(
            f"ComponentStatus/ApplicationHealthState/{outcome}", health.value, at, level=level, message=health.value
        ),
    ]
    if (metrics := look.custom_metrics) is not None and (metrics.text or metrics.problem):
        told.append(_metrics_substatus(metrics))
    return told


def _metrics_substatus(metrics: CustomMetrics) -> Status:
    """The application's own words, as they are; with what is wrong with them, if they have no effect."""
    if metrics.problem is None:
        return status("ComponentStatus/CustomMetrics/succeeded", "Provisioning succeeded", message=metrics.text)
    code = "ComponentStatus/CustomMetrics/failed"
    return status(code, metrics.problem, level="Warning", message=metrics.text)
