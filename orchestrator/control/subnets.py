"""The stored subnets that are real here, read again when a resource was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.model.network.subnets import CarriedSubnet, Carriers, carried_subnets
from orchestrator.store import Store


class StoredSubnets:
    """By their ids in small letters. ``names`` are those of the configured networks."""

    def __init__(self, store: Store, subscription_id: str, carriers: Carriers, names: Sequence[str]) -> None:
        self._store = store
        self._subscription_id = subscription_id
        self._carriers = carriers
        self._names = names
        self._version = -1
        self._found: Mapping[str, CarriedSubnet] = {}

    def __call__(self) -> Mapping[str, CarriedSubnet]:
        version = self._store.resources_version
        if version != self._version:
            resources = self._store.resources(subscription_id=self._subscription_id)
            self._found = carried_subnets(resources, self._carriers, self._names)
            self._version = version
        return self._found
