"""Verbs of Azure's that have nothing to do here: each says why, and what to do instead (reference 3.1)."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from orchestrator.api.compute_instances import VM
from orchestrator.api.compute_scale_sets import SET
from orchestrator.api.context import ApiDep, SetAddressDep
from orchestrator.api.targets import find_instance
from orchestrator.errors import NotPossible

router = APIRouter()
_OF_SET = {
    "migrateVMAvailabilityZone": "an instance keeps its zone; delete it, and scale out for another one",
    "forceRecoveryServiceFabricPlatformUpdateDomainWalk": "no instance belongs to a cluster of Service Fabric",
}
_OF_INSTANCE = {
    "simulateEviction": "there are no Spot instances, so none is ever evicted",
    "attachDetachDataDisks": "an instance has no disk but the one of the image",
    "retrieveBootDiagnosticsData": "there is no storage account to link to; GET …/console gives the serial log",
}


def _refuse_for_set(verb: str, why: str) -> None:
    @router.post(f"{SET}/{verb.lower()}", name=f"refuse_{verb}")
    async def refuse(address: SetAddressDep, api: ApiDep) -> Response:
        name = address.find(api).name
        raise NotPossible(f"{verb} is not possible for {name}: {why}.", target=verb)


def _refuse_for_instance(verb: str, why: str) -> None:
    @router.post(f"{VM}/{verb.lower()}", name=f"refuse_{verb}")
    async def refuse(address: SetAddressDep, instance_id: str, api: ApiDep) -> Response:
        record = address.find(api)
        find_instance(api.store, record, instance_id)
        raise NotPossible(f"{verb} is not possible for an instance of {record.name}: {why}.", target=verb)


for _verb, _why in _OF_SET.items():
    _refuse_for_set(_verb, _why)
for _verb, _why in _OF_INSTANCE.items():
    _refuse_for_instance(_verb, _why)
