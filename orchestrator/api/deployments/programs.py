"""A deployment's template made ready to run: its resources and the scope in which they are evaluated."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from orchestrator.api.context import Api
from orchestrator.api.kinds import API_VERSIONS
from orchestrator.errors import BadInput, NotFound, VmssError
from orchestrator.model.arm.statuses import Json
from orchestrator.model.deployment import Deployment
from orchestrator.model.resource_id import ResourceId, parse_resource_id
from orchestrator.templates.dependencies import Names
from orchestrator.templates.evaluation import make_scope
from orchestrator.templates.outputs import evaluate_outputs
from orchestrator.templates.parameters import bind_parameters
from orchestrator.templates.problems import invalid
from orchestrator.templates.resources import ResourceNode, expand
from orchestrator.templates.scope import Place, Scope
from orchestrator.templates.template import Template, load_template


@dataclass(frozen=True)
class Program:
    """``nodes`` in the template's order."""

    template: Template
    scope: Scope
    nodes: tuple[ResourceNode, ...]
    shown_parameters: Json
    names: Names

    def refer(self, api: Api, text: str, is_full: bool) -> Any:
        """``reference()``: the properties of a resource of the template, or of any other by its id, as they are.
        Raises ``NotFound`` when it is not there."""
        view = self._view(api, text)
        if is_full:
            return view
        if "properties" not in view:
            raise invalid(f"the resource '{text[:200]}' has no properties.")
        return view["properties"]

    def _view(self, api: Api, text: str) -> Json:
        found = sorted(self.names.find(text))
        identity = self.nodes[found[0]].identity if found else _identity(text)
        view = api.kinds.of(identity.type).view(api, identity)
        if view is None:
            raise NotFound(f"The resource '{identity.type}/{identity.full_name}' was not found.")
        return view

    def body(self, api: Api, node: ResourceNode) -> Json:
        """What is put for a node, now that what it refers to is there."""
        return node.body(lambda text, is_full: self.refer(api, text, is_full))

    def outputs(self, api: Api) -> Json:
        return evaluate_outputs(self.template, self.scope, lambda text, is_full: self.refer(api, text, is_full))


def _identity(text: str) -> ResourceId:
    if "/" not in text.strip("/"):
        raise invalid(f"the resource '{text[:200]}' of a reference is not defined in the template.")
    return parse_resource_id(text)


def make_program(api: Api, deployment: Deployment) -> Program:
    """Raises ``BadInput`` (``InvalidTemplate``) for a template or parameters that are wrong. The same deployment
    gives the same program each time: ``newGuid`` and ``utcNow`` go by its operation and its start."""
    group = api.find_group(deployment.resource_group)
    place = _place(api, deployment, group.id, group.name, group.location, dict(group.tags))
    numbers = count()

    def new_guid() -> str:
        return str(uuid.uuid5(uuid.UUID(deployment.operation_id), str(next(numbers))))

    try:
        template = load_template(deployment.secrets["template"])
        bound = bind_parameters(template.parameters, deployment.secrets["parameters"])
        scope = make_scope(template, bound, place, now=deployment.started_at, new_guid=new_guid)
        nodes = expand(template, scope)
    except RecursionError:
        raise invalid("the template is nested too deeply.") from None
    shown = {
        name: {"type": str(each.get("type"))} | ({} if name in bound.secure else {"value": scope.parameters(name)})
        for name, each in template.parameters.items()
    }
    for node in nodes:
        api.kinds.of(node.identity.type)
    return Program(template, scope, tuple(nodes), shown, Names(nodes))


def _place(api: Api, deployment: Deployment, group_id: str, name: str, location: str, tags: Json) -> Place:
    site = api.site()
    subscription = {
        "id": f"/subscriptions/{site.subscription_id}",
        "subscriptionId": site.subscription_id,
        "tenantId": api.identity.tokens.tenant_id,
        "displayName": site.subscription_name,
    }
    group = {
        "id": group_id,
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": location,
        "tags": tags,
        "properties": {"provisioningState": "Succeeded"},
    }
    about = {
        "name": deployment.name,
        "properties": {
            "mode": deployment.mode,
            "template": deployment.secrets["template"],
            "parameters": deployment.secrets["parameters"],
            "provisioningState": deployment.state.value,
        },
    }
    environment = {"name": "vmss", "zones": sorted(site.fault_domains)}
    tenant = {"tenantId": api.identity.tokens.tenant_id, "displayName": site.subscription_name}
    return Place(subscription, group, about, environment, tenant, lambda kind: _api_versions(api, kind))


def _api_versions(api: Api, kind: str) -> tuple[str, ...]:
    api.kinds.of(kind)
    return API_VERSIONS


def template_hash(template: Any) -> str:
    """A number that is the same for the same template."""
    text = json.dumps(template, sort_keys=True, separators=(",", ":")).encode()
    return str(int.from_bytes(hashlib.sha256(text).digest()[:8], "big"))


class Programs:
    """Those of the deployments that run, so that a pass need not read their templates anew."""

    def __init__(self) -> None:
        self._known: dict[str, Program] = {}

    def of(self, api: Api, deployment: Deployment) -> Program:
        """Raises ``BadInput``."""
        if deployment.operation_id not in self._known:
            self._known[deployment.operation_id] = make_program(api, deployment)
        return self._known[deployment.operation_id]

    def forget(self, operation_id: str) -> None:
        self._known.pop(operation_id, None)


def error_of(error: VmssError) -> Json:
    """As the envelope's ``error`` has it."""
    made: Json = {"code": error.code, "message": error.message}
    if error.target:
        made["target"] = error.target
    if error.details:
        made["details"] = [
            {"code": each.code, "message": each.message} | ({"target": each.target} if each.target else {})
            for each in error.details
        ]
    return made


def same_error(error: Mapping[str, Any]) -> BadInput:
    """An error that was written down, to raise it again."""
    return BadInput(str(error["message"]), code=str(error["code"]), target=error.get("target"))
