"""/providers/Vmss.Local/hosts: the hypervisors. Ours: Azure has no such resource."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field, StringConstraints

from orchestrator.api.context import Api, ApiDep
from orchestrator.api.queries import flag, takes
from orchestrator.api.requests import BodyDep, query_flag
from orchestrator.errors import BadInput, NotFound
from orchestrator.model.arm.base import ArmEnum, ArmModel, Whole
from orchestrator.model.arm.problems import parsed
from orchestrator.model.arm.statuses import Json, time_text
from orchestrator.model.guest import HostCapacity
from orchestrator.model.host import HostConfig, HostLimits
from orchestrator.model.reports import HostReport

router = APIRouter()
HOSTS = "/providers/vmss.local/hosts"
# As the configuration file has them: a host is the same host whichever way it came in.
_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,62}$", re.ASCII)
_URI = r"^(qemu(\+(unix|ssh|tls|libssh2?))?|simulated)://\S*$"
_Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class AccelerationWord(ArmEnum):
    AUTO = "auto"
    KVM = "kvm"
    TCG = "tcg"


class LimitsBody(ArmModel):
    memory_mib: Annotated[Whole, Field(ge=64)] | None = None
    vcpus: Annotated[Whole, Field(ge=1)] | None = None
    pool_gib: Annotated[Whole, Field(ge=1)] | None = None
    guests: Annotated[Whole, Field(ge=1)] | None = None


class HostBody(ArmModel):
    """A host as PUT takes it; what is left out keeps its default."""

    uri: Annotated[str, StringConstraints(min_length=3, max_length=1024, pattern=_URI)]
    zone: _Word | None = None
    fault_domain: Annotated[Whole, Field(ge=0, le=1000)] | None = None
    pool: _Word | None = None
    network: _Word | None = None
    address_space: _Word | None = None
    host_group: _Word | None = None
    limits: LimitsBody = LimitsBody()
    acceleration: AccelerationWord | None = None
    tb_cache_mib: Annotated[Whole, Field(ge=16, le=65536)] | None = None

    def config(self, name: str) -> HostConfig:
        given = self.model_dump(by_alias=False, exclude_none=True, mode="json")
        given["limits"] = HostLimits(**given["limits"])
        return HostConfig(name=name, **given)


def _capacity(capacity: HostCapacity) -> Json:
    return {
        "vcpus": capacity.vcpus,
        "vcpusUsed": capacity.vcpus_used,
        "memoryMib": capacity.memory_mib,
        "memoryMibUsed": capacity.memory_mib_used,
        "poolGib": round(capacity.pool_bytes / 2**30, 1),
        "poolGibFree": round(capacity.pool_bytes_free / 2**30, 1),
    }


def _show(report: HostReport) -> Json:
    config = report.config
    limits = config.limits
    shown: Json = {
        "name": config.name,
        "id": f"/providers/Vmss.Local/hosts/{config.name}",
        "type": "Vmss.Local/hosts",
        "state": report.condition,
        "uri": config.uri,
        "zone": config.zone,
        "faultDomain": config.fault_domain,
        "pool": config.pool,
        "network": config.network,
        "addressSpace": config.address_space,
        "hostGroup": config.host_group,
        "acceleration": config.acceleration,
        "limits": {
            "memoryMib": limits.memory_mib,
            "vcpus": limits.vcpus,
            "poolGib": limits.pool_gib,
            "guests": limits.guests,
        },
        "isDraining": report.is_draining,
        "isFromConfig": report.is_from_config,
        "instances": report.instances,
        "detail": report.detail,
    }
    if report.capacity is not None:
        shown["capacity"] = _capacity(report.capacity)
    if report.last_seen_at is not None:
        shown["lastSeen"] = time_text(report.last_seen_at)
    return shown


def _find(api: Api, name: str) -> HostReport:
    """Names of hosts are compared without case, as all names are here."""
    for report in api.control.hosts():
        if report.config.name.lower() == name.lower():
            return report
    raise NotFound(f"There is no host named '{name[:80]}'.", target=name[:80])


@router.get(HOSTS)
async def list_hosts(api: ApiDep) -> Json:
    return {"value": [_show(report) for report in api.control.hosts()]}


@router.get(f"{HOSTS}/{{name}}")
async def get_host(name: str, api: ApiDep) -> Json:
    return _show(_find(api, name))


@router.put(f"{HOSTS}/{{name}}")
async def put_host(name: str, body: BodyDep, api: ApiDep) -> Response:
    known = {report.config.name: report.config for report in api.control.hosts()}
    old = known.get(name.lower())
    config = _read(body, old.name if old else name)
    if any(_is_simulated(config) != _is_simulated(other) for other in known.values()):
        raise BadInput("Hosts are either all simulated or all real.", target="uri")
    await api.control.put_host(config)
    return JSONResponse(_show(_find(api, name)), 200 if old else 201)


def _is_simulated(config: HostConfig) -> bool:
    return config.uri.startswith("simulated:")


def _read(body: dict[str, Any], name: str) -> HostConfig:
    if not _NAME.match(name):
        raise BadInput(
            "A host's name has 1 to 63 small letters, digits and '-', and begins with none of the last.",
            target="name",
        )
    return parsed(HostBody, body).config(name)


@router.post(f"{HOSTS}/{{name}}/drain")
async def drain_host(name: str, api: ApiDep) -> Json:
    """Done at once; its instances move by themselves."""
    await api.control.drain_host(_find(api, name).config.name, is_draining=True)
    return _show(_find(api, name))


@router.post(f"{HOSTS}/{{name}}/undrain")
async def undrain_host(name: str, api: ApiDep) -> Json:
    await api.control.drain_host(_find(api, name).config.name, is_draining=False)
    return _show(_find(api, name))


@router.delete(f"{HOSTS}/{{name}}")
@takes(flag("force", "Whether the host goes although instances are on it."))
async def remove_host(request: Request, name: str, api: ApiDep) -> Response:
    is_forced = query_flag(request, "force")
    try:
        await api.control.remove_host(_find(api, name).config.name, is_forced=is_forced)
    except NotFound:
        return Response(status_code=204)
    return Response(status_code=200)
