"""Microsoft.Resources/deployments as a type of resource: a nested one is one more resource of a template."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.api.context import Api
from orchestrator.api.deployments.bodies import DeploymentBody, parse_deployment
from orchestrator.api.deployments.programs import template_hash
from orchestrator.api.deployments.views import TYPE, deployment_view
from orchestrator.api.kinds import Put
from orchestrator.api.long_running import DEADLINE_S
from orchestrator.errors import Conflict
from orchestrator.model.arm.names import check_group_name
from orchestrator.model.arm.statuses import Json
from orchestrator.model.deployment import Deployment
from orchestrator.model.resource import group_key
from orchestrator.model.resource_id import ResourceId
from orchestrator.model.scale_set import Operation, OperationKind


def key_of(identity: ResourceId) -> str:
    return f"{group_key(identity.subscription_id, identity.resource_group)}/{identity.name}".lower()


def find(api: Api, identity: ResourceId) -> Deployment | None:
    return api.store.deployment(key_of(identity))


def drafted(api: Api, identity: ResourceId, body: DeploymentBody, correlation_id: str) -> Deployment:
    """The record of a deployment as it begins. Writes nothing."""
    now = api.now()
    return Deployment(
        identity.subscription_id,
        api.find_group(identity.resource_group).name,
        check_group_name(identity.name),
        str(uuid.uuid4()),
        now,
        now,
        mode=body.mode,
        correlation_id=correlation_id,
        template_hash=template_hash(body.template),
        tags=body.tags,
        secrets={"template": body.template, "parameters": dict(body.parameters)},
    )


def begin(
    api: Api, identity: ResourceId, body: DeploymentBody, correlation_id: str = ""
) -> tuple[Deployment, Operation]:
    """Write it down; the jobs carry it out. What is wrong with the template is told by the operation, not here: az
    would not survive it. Raises ``Conflict`` while one of this name runs."""
    api.check_group(identity.resource_group)
    found = find(api, identity)
    if found is not None and not found.state.is_ended:
        words = f"The deployment '{found.name}' is still running: wait for it, or cancel it."
        raise Conflict(words, code="DeploymentActive", target=found.name)
    deployment = drafted(api, identity, body, correlation_id)
    now, number = deployment.started_at, deployment.operation_id
    kind = OperationKind.DEPLOYMENT
    operation = Operation(number, kind, "", now, now + DEADLINE_S, target=deployment.id)
    with api.store.write() as tx:
        tx.put_deployment(deployment)
        tx.put_operation(operation)
    api.jobs.wake()
    return deployment, operation


class DeploymentKind:
    type = TYPE

    def view(self, api: Api, identity: ResourceId) -> Json | None:
        found = find(api, identity)
        return deployment_view(found, api.now()) if found else None

    def views(self, api: Api, group: str | None) -> Iterable[Json]:
        """None: deployments are what was done, not what is there, and go with their group."""
        return ()

    def put(self, api: Api, identity: ResourceId, body: Mapping[str, Any]) -> Put:
        is_new = find(api, identity) is None
        deployment, operation = begin(api, identity, parse_deployment(body))
        return Put(deployment_view(deployment, api.now()), is_new, operation)

    def delete(self, api: Api, identity: ResourceId, *, is_forced: bool = False) -> Operation | None:
        """Forgets it; what it made stays."""
        found = find(api, identity)
        if found is None:
            return None
        if not found.state.is_ended:
            raise Conflict(
                f"The deployment '{found.name}' is still running.", code="DeploymentActive", target=found.name
            )
        with api.store.write() as tx:
            tx.drop_deployment(found.key)
        return None
