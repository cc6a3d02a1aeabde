"""What Microsoft.Insights has of a scale set in Azure and nobody keeps here yet: refused by name, not unknown."""

from __future__ import annotations

from typing import NoReturn

from fastapi import APIRouter

from orchestrator.api.compute_scale_sets import SET
from orchestrator.api.context import ApiDep, SetAddressDep
from orchestrator.errors import NotPossible
from orchestrator.model.arm.statuses import Json

router = APIRouter()
INSIGHTS = f"{SET}/providers/microsoft.insights"


def _refuse(what: str) -> NoReturn:
    raise NotPossible(f"There are no {what} here yet: nothing is measured or sent.", target=what)


@router.get(f"{INSIGHTS}/metrics")
async def get_metrics(address: SetAddressDep, api: ApiDep) -> Json:
    """Raises ``NotPossible``, or ``NotFound`` for a set that is not there."""
    address.find(api)
    _refuse("metrics")


@router.get(f"{INSIGHTS}/metricdefinitions")
async def get_metric_definitions(address: SetAddressDep, api: ApiDep) -> Json:
    """Raises as metrics do."""
    address.find(api)
    _refuse("metric definitions")


@router.get(f"{INSIGHTS}/diagnosticsettings")
async def list_diagnostic_settings(address: SetAddressDep, api: ApiDep) -> Json:
    """Raises as metrics do."""
    address.find(api)
    _refuse("diagnostic settings")
