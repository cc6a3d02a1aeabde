"""GET /providers/Vmss.Local/fronts: the ports that balancers listen at, and the members behind them."""

from __future__ import annotations

from fastapi import APIRouter

from orchestrator.api.context import ApiDep
from orchestrator.api.local_census import OWN
from orchestrator.model.arm.statuses import Json
from orchestrator.model.network.traffic import MemberSight
from orchestrator.model.reports import FrontReport

router = APIRouter()


def _member(sight: MemberSight) -> Json:
    return {
        "backend": sight.backend,
        "name": sight.name,
        "state": sight.state.value,
        "isUp": sight.is_up,
        "sessions": sight.sessions,
        "detail": sight.detail,
    }


def _show(report: FrontReport) -> Json:
    listener = report.listener
    return {
        "name": listener.name,
        "resource": listener.of,
        "address": listener.address,
        "port": listener.port,
        "side": listener.side.value,
        "mode": listener.mode.value,
        "isTls": listener.tls is not None,
        "members": [_member(each) for each in report.members],
    }


@router.get(f"{OWN}/fronts")
async def list_fronts(api: ApiDep) -> Json:
    return {"value": [_show(each) for each in await api.control.fronts()]}
