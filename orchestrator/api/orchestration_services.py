"""setOrchestrationServiceState: suspend and resume what the daemon does of its own accord (reference 3.1, 4.7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.api.context import Api
from orchestrator.errors import BadInput, NotPossible
from orchestrator.model import wishes
from orchestrator.model.arm.problems import UNKNOWN_MEMBER
from orchestrator.model.arm.service_views import SERVICE_NAMES, ServiceName, is_enabled
from orchestrator.model.scale_set import ScaleSet

_FLAGS = {"AutomaticRepairs": "is_repair_suspended", "AutomaticZoneRebalancing": "is_rebalance_suspended"}
_WORDS = {"AutomaticRepairs": "automatic repairs", "AutomaticZoneRebalancing": "rebalancing of zones"}


@dataclass(frozen=True, slots=True)
class ServiceAction:
    service: ServiceName
    is_suspension: bool


def read_service_action(body: dict[str, Any]) -> ServiceAction:
    """Raises ``BadInput`` for a body that is not ``{serviceName, action}``."""
    given = {key.lower(): value for key, value in body.items()}
    if unknown := [key for key in body if key.lower() not in {"servicename", "action"}]:
        raise BadInput(
            f"Not supported by this version: {', '.join(unknown)}.", code=UNKNOWN_MEMBER, target=unknown[0]
        )
    wanted = str(given.get("servicename")).lower()
    service = next((name for name in SERVICE_NAMES if name.lower() == wanted), None)
    if service is None:
        raise BadInput(f"serviceName must be {' or '.join(SERVICE_NAMES)}.", target="serviceName")
    action = str(given.get("action")).lower()
    if action not in {"suspend", "resume"}:
        raise BadInput("action must be Suspend or Resume.", target="action")
    return ServiceAction(service, action == "suspend")


def set_service_state(api: Api, record: ScaleSet, wanted: ServiceAction) -> None:
    """Repairs that are resumed begin anew: with a grace period, and with no failures counted.

    Raises ``NotPossible`` for a service that the model does not ask for."""
    if not is_enabled(record, wanted.service):
        words = f"The scale set {record.name} has no {_WORDS[wanted.service]} to suspend or resume."
        raise NotPossible(words, target="serviceName")
    done = "suspended" if wanted.is_suspension else "resumed"
    with api.store.write() as tx:
        tx.update_set_fields(record.uid, **{_FLAGS[wanted.service]: wanted.is_suspension, "changed_at": api.now()})
        if wanted.service == "AutomaticRepairs" and not wanted.is_suspension:
            for row in api.store.instances(record.uid):
                tx.put_instance(wishes.forgiven(row))
        tx.add_events([api.note(record, f"{_WORDS[wanted.service]}: {done}")])
    api.wake(record.uid)
