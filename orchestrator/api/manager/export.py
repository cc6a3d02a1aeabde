"""A group as a template: what is in it, written out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from orchestrator.api.context import Api, ApiDep, Subscription
from orchestrator.api.kinds import API_VERSIONS
from orchestrator.api.manager.listing import all_views
from orchestrator.api.manager.targets import target_of_id
from orchestrator.api.requests import BodyDep
from orchestrator.api.settable import settable
from orchestrator.errors import BadInput
from orchestrator.model.arm.base import ArmEnum, ArmModel, Only
from orchestrator.model.arm.names import check_group_name
from orchestrator.model.arm.problems import parsed
from orchestrator.model.arm.statuses import Json

router = APIRouter()
EXPORT = "/subscriptions/{subscription_id}/resourcegroups/{group}/exporttemplate"
_SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
_OPTIONS = {"includeparameterdefaultvalue", "skipresourcenameparameterization", "skipallparameterization"}
"""All of them say something of parameters, and what is exported has none."""


class OutputFormat(ArmEnum):
    JSON = "Json"
    BICEP = "Bicep"


class ExportBody(ArmModel):
    resources: list[str]
    options: str | None = None
    output_format: Annotated[OutputFormat | None, Only((OutputFormat.JSON,), "what is exported is JSON")] = None


@router.post(EXPORT)
async def export_group(_subscription: Subscription, group: str, body: BodyDep, api: ApiDep) -> Json:
    """With names and ids as they are, without parameters. What is write-only is not in it."""
    given = parsed(ExportBody, body)
    for option in [part.strip() for part in (given.options or "").split(",") if part.strip()]:
        if option.lower() not in _OPTIONS:
            raise BadInput(f"The option '{option[:80]}' is not known here.", target="options")
    found = api.find_group(check_group_name(group))
    views = list(all_views(api, found.name))
    chosen = views if given.resources == ["*"] else [_chosen(api, found.id, each) for each in given.resources]
    resources = [_as_resource(view) for view in chosen]
    template = {"$schema": _SCHEMA, "contentVersion": "1.0.0.0", "parameters": {}, "variables": {}}
    return {"template": {**template, "resources": resources, "outputs": {}}}


def _chosen(api: Api, group_id: str, text: str) -> Json:
    target = target_of_id(api, text)
    if not str(target.identity).lower().startswith(f"{group_id.lower()}/"):
        raise BadInput(f"'{text[:200]}' is not in {group_id}.", target="resources")
    return target.found(api)


def _as_resource(view: Json) -> Json:
    kept = {name: value for name, value in settable(view).items() if name != "id"}
    return {"properties": {}, **kept, "apiVersion": API_VERSIONS[0]}
