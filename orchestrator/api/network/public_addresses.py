"""Public addresses: each resource gets one of the pool when it is put, and keeps it until it is deleted."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.api.context import Api
from orchestrator.errors import BadInput, Conflict
from orchestrator.model.arm.references import PUBLIC_ADDRESS
from orchestrator.model.arm.statuses import Json
from orchestrator.model.claim import PUBLIC_ADDRESSES
from orchestrator.model.network.public_addresses import label_of
from orchestrator.model.resource import StoredResource
from orchestrator.model.resource_id import ResourceId


def stored_addresses(api: Api) -> list[StoredResource]:
    """Every publicIPAddresses of the subscription."""
    return api.store.resources(subscription_id=api.site().subscription_id, resource_type=PUBLIC_ADDRESS)


def check_label(api: Api, own: ResourceId, body: Json) -> None:
    """A label is that of one address. Raises ``BadInput`` (``DnsRecordInUse``)."""
    label = label_of(body)
    if label is None:
        return
    for other in stored_addresses(api):
        if other.key != own.key and label_of(other.body) == label:
            words = f"DNS record {fqdn(api, label)} is already used by another public IP, {other.id}."
            raise BadInput(words, code="DnsRecordInUse", target="properties.dnsSettings.domainNameLabel")


def fqdn(api: Api, label: str) -> str:
    """The whole name that a label makes."""
    site = api.site()
    return f"{label}.{site.location}.{site.dns_zone}"


def with_address(api: Api, own: ResourceId, before: StoredResource | None, made: Json) -> Json:
    """The canonical body with its address: the one that it has, or the next of the pool. Called with nothing
    awaited between it and the write, so no two get the same. Raises ``BadInput``, ``Conflict``."""
    version = made["properties"]["publicIPAddressVersion"]
    held = before.body["properties"].get("ipAddress") if before else None
    if before and held and version != before.body["properties"]["publicIPAddressVersion"]:
        path = "properties.publicIPAddressVersion"
        words = f"{path} of {own} cannot be changed: it has the address {held}."
        raise Conflict(words, code="PropertyChangeNotAllowed", target=path)
    if held is None and (pool := api.site().public_pool):
        held = pool.take_one(version, frozenset(_taken(api)))
    return {**made, "properties": {**made["properties"], "ipAddress": held}} if held else made


def _taken(api: Api) -> Iterator[str]:
    for each in stored_addresses(api):
        if address := each.body["properties"].get("ipAddress"):
            yield address
    yield from (each.value for each in api.store.claims(PUBLIC_ADDRESSES))
