"""Shell completion of names that only the daemon knows. Silent when it does not answer."""

from __future__ import annotations

import os

_DEADLINE_S = 1.0


def complete_set_names(incomplete: str) -> list[str]:
    """The scale sets whose name begins as typed."""
    from orchestrator.cli.client import COMPUTE, Client  # noqa: PLC0415  (completion must load only what it needs)
    from orchestrator.cli.endpoint import find_endpoint  # noqa: PLC0415
    from orchestrator.errors import VmssError  # noqa: PLC0415

    try:
        client = Client(find_endpoint(None, None, os.environ), timeout_s=_DEADLINE_S)
        subscription = client.daemon["subscriptionId"]
        path = f"/subscriptions/{subscription}/providers/{COMPUTE}/virtualMachineScaleSets"
        names = [str(each["name"]) for each in client.pages(path)]
    except VmssError:
        return []
    return [name for name in names if name.startswith(incomplete)]
