"""Bodies of scale sets for tests, and values put into them by path."""

from __future__ import annotations

import copy
from typing import Any

Json = dict[str, Any]
PPG = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/proximityPlacementGroups/near"
HOSTS = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/hostGroups/own"
PROBE: Json = {"protocol": "http", "port": 80, "requestPath": "/"}
SCRIPT: Json = {
    "publisher": "Microsoft.Azure.Extensions",
    "type": "CustomScript",
    "typeHandlerVersion": "2.1",
    "settings": {"commandToExecute": "true"},
}
HEALTH: Json = {
    "publisher": "Microsoft.ManagedServices",
    "type": "ApplicationHealthLinux",
    "typeHandlerVersion": "1.0",
    "settings": {"protocol": "tcp", "port": 80},
}


def extension_profile(**extensions: Json) -> Json:
    return {"extensions": [{"name": name, "properties": properties} for name, properties in extensions.items()]}


def minimal() -> Json:
    image = {"publisher": "vmss", "offer": "micro", "sku": "1"}
    return {
        "location": "local",
        "sku": {"name": "Lab_Micro", "capacity": 3},
        "properties": {"virtualMachineProfile": {"storageProfile": {"imageReference": image}}},
    }


def full_path(short: str) -> str:
    """``vm.`` stands for the profile's path, ``p.`` for the properties'."""
    head, _, rest = short.partition(".")
    return {"vm": f"properties.virtualMachineProfile.{rest}", "p": f"properties.{rest}"}.get(head, short)


def with_values(values: Json, start: Json | None = None) -> Json:
    """The body with each value put at its path."""
    made = copy.deepcopy(start or minimal())
    for path, value in values.items():
        *parents, last = full_path(path).split(".")
        place = made
        for name in parents:
            place = place.setdefault(name, {})
        place[last] = value
    return made
