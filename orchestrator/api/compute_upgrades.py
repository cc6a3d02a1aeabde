"""Rolling upgrades of a scale set, begun and cancelled by hand, and how they go (reference 3.1, 4.5, 4.6)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from orchestrator.api.compute_instances import VM
from orchestrator.api.compute_scale_sets import SET
from orchestrator.api.context import Api, ApiDep, SetAddressDep
from orchestrator.api.long_running import accepted
from orchestrator.api.requests import OptionalBodyDep
from orchestrator.api.rolling_upgrades import cancel_upgrade, start_upgrade
from orchestrator.errors import BadInput, NotFound, NotPossible
from orchestrator.model.arm import upgrade_views
from orchestrator.model.arm.statuses import Json
from orchestrator.model.instance import Instance
from orchestrator.model.rolling_upgrade import RollingUpgrade, UpgradeReason
from orchestrator.model.scale_set import ScaleSet

router = APIRouter()
HISTORY_LENGTH = 5
HISTORY_S = 61 * 86_400.0  # two months (reference 3.1)
_KEPT = 1000


async def no_body(body: OptionalBodyDep) -> None:
    """Raises ``BadInput`` for a body that says anything: these requests have nothing to say."""
    if body:
        name = next(iter(body))
        raise BadInput(f"This request takes no body, and got '{name[:80]}'.", code="BadRequest", target=name[:80])


NoBody = Annotated[None, Depends(no_body)]


@router.post(f"{SET}/osrollingupgrade")
async def start_os_upgrade(request: Request, address: SetAddressDep, _body: NoBody, api: ApiDep) -> Response:
    """Every instance to the newest version of the model's image. ``az vmss rolling-upgrade start`` sends this."""
    record = address.find_live(api)
    newest = api.control.newest_image(record.uid)
    return accepted(request, record, start_upgrade(api, record, UpgradeReason.OS_IMAGE, image_version=newest))


@router.post(f"{SET}/extensionrollingupgrade")
async def start_extension_upgrade(request: Request, address: SetAddressDep, _body: NoBody, api: ApiDep) -> Response:
    record = address.find_live(api)
    return accepted(request, record, start_upgrade(api, record, UpgradeReason.EXTENSIONS))


@router.post(f"{SET}/rollingupgrades/{{word}}")
async def cancel(request: Request, address: SetAddressDep, word: str, _body: NoBody, api: ApiDep) -> Response:
    if word.lower() != "cancel":
        raise NotFound(f"Rolling upgrades cannot be told to '{word[:80]}'.", code="InvalidResourceType")
    record = address.find_live(api)
    return accepted(request, record, cancel_upgrade(api, record))


@router.get(f"{SET}/rollingupgrades/{{word}}")
async def get_latest(address: SetAddressDep, word: str, api: ApiDep) -> Json:
    record = address.find(api)
    latest = api.store.latest_rolling_upgrade(record.uid) if word.lower() == "latest" else None
    if latest is None:
        raise NotFound(f"The scale set {record.name} has no rolling upgrade '{word[:80]}'.", code="NotFound")
    return upgrade_views.latest_upgrade(record, latest, api.store.instances(record.uid))


@router.get(f"{SET}/osupgradehistory")
async def list_os_upgrades(address: SetAddressDep, api: ApiDep) -> Json:
    """The newest first."""
    record = address.find(api)
    rows = api.store.instances(record.uid)
    return {"value": [_show(api, record, each, rows) for each in _os_upgrades(api, record)]}


def _os_upgrades(api: Api, record: ScaleSet) -> list[RollingUpgrade]:
    since = api.now() - HISTORY_S
    found = api.store.rolling_upgrades(record.uid, _KEPT)
    wanted = [each for each in found if each.reason is UpgradeReason.OS_IMAGE and each.started_at >= since]
    return wanted[:HISTORY_LENGTH]


def _show(api: Api, record: ScaleSet, upgrade: RollingUpgrade, rows: list[Instance]) -> Json:
    profile = api.store.profile(record.uid, upgrade.model_version) or record
    return upgrade_views.os_upgrade(record, profile, upgrade, rows)


@router.post(f"{SET}/approverollingupgrade")
@router.post(f"{VM}/approverollingupgrade")
async def approve(address: SetAddressDep, api: ApiDep) -> Response:
    """Nothing ever waits for it: the model refuses ``osRollingUpgradeDeferral``."""
    record = address.find_live(api)
    words = f"No upgrade of {record.name} waits for approval: osRollingUpgradeDeferral is not possible here."
    raise NotPossible(words, target="properties.upgradePolicy.automaticOSUpgradePolicy.osRollingUpgradeDeferral")
