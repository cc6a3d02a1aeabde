"""/providers/Vmss.Local/{status,census,doctor}: the daemon, what is on the hosts, and what is not well."""

from __future__ import annotations

from collections import Counter

from fastapi import APIRouter

from orchestrator.api.context import ApiDep
from orchestrator.model.arm.statuses import Json, provisioning_state, time_text

router = APIRouter()
OWN = "/providers/vmss.local"


@router.get(f"{OWN}/status")
async def get_status(api: ApiDep) -> Json:
    site = api.site()
    rows = api.store.instances()
    return {
        "version": api.about.version,
        "installation": api.store.installation,
        "startedAt": time_text(api.about.started_at),
        "subscriptionId": site.subscription_id,
        "location": site.location,
        "tenantId": api.identity.tokens.tenant_id,
        "endpoint": api.identity.https_url,
        "ownerFile": str(api.identity.owner_file) if api.identity.owner_file else None,
        "caFile": str(api.identity.ca_file) if api.identity.ca_file else None,
        "caPem": api.identity.ca_file.read_text() if api.identity.ca_file else None,
        "networkNamespace": api.about.network_namespace,
        "addressSpaces": list(site.address_spaces),
        "scaleSets": len(api.store.scale_sets()),
        "instances": dict(Counter(provisioning_state(row).lower() for row in rows)),
        "hosts": dict(Counter(report.condition for report in api.control.hosts())),
    }


@router.get(f"{OWN}/census")
async def get_census(api: ApiDep) -> Json:
    """Everything found on the hosts that answer: ours and wanted, ours and stray, not ours."""
    found = await api.control.census()
    return {
        "value": [
            {
                "host": each.host,
                "kind": each.kind,
                "name": each.name,
                "state": each.state,
                "instance": each.instance,
                "sizeBytes": each.size_bytes,
            }
            for each in found
        ]
    }


@router.get(f"{OWN}/doctor")
async def get_doctor(api: ApiDep) -> Json:
    checks = await api.control.doctor()
    return {
        "value": [
            {"subject": each.subject, "name": each.name, "ok": each.is_ok, "detail": each.detail, "mend": each.mend}
            for each in checks
        ]
    }
