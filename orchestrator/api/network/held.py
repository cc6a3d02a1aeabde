"""What instances hold of balancers and of public addresses, as Azure shows it: made by us, read-only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.api.context import Api
from orchestrator.api.network.public_addresses import fqdn
from orchestrator.api.sights import looks
from orchestrator.model.arm.instance_views import Subject
from orchestrator.model.arm.names import InstanceNames
from orchestrator.model.arm.statuses import Json, stable_uuid
from orchestrator.model.claim import PUBLIC_ADDRESSES, Claim, Key
from orchestrator.model.network.interfaces import configuration_ids, interfaces
from orchestrator.model.resource import StoredResource
from orchestrator.model.resource_id import ResourceId, parse_resource_id
from orchestrator.model.scale_set import ScaleSet

_TAKEN_OVER = (
    "frontendIPConfiguration",
    "protocol",
    "backendPort",
    "idleTimeoutInMinutes",
    "enableFloatingIP",
    "enableTcpReset",
)


@dataclass(frozen=True, slots=True)
class _Holder:
    """An instance that holds something, as the views name it."""

    claim: Claim
    set_name: str
    id: str
    configuration: str


def _holders(api: Api, claims: Iterable[Claim]) -> Iterator[_Holder]:
    for claim in claims:
        record = api.store.scale_set(claim.set_uid)
        row = api.store.instance(claim.set_uid, claim.instance_id)
        if record is not None and row is not None and not row.is_gone:
            number = InstanceNames.of(record).id(row.instance_id)
            yield _Holder(claim, record.name, number, configuration_ids(record, number, claim.pool)[0])


def rule_names(pool: str, holders: Sequence[_Holder]) -> dict[Claim, str]:
    """``POOL.ID`` as Azure has it; with the set's name where sets share the pool and two ids are the same."""
    ids = Counter(each.id for each in holders)
    return {
        each.claim: f"{pool}.{each.id}" if ids[each.id] == 1 else f"{pool}.{each.set_name}.{each.id}"
        for each in holders
    }


def add_rules_of_instances(api: Api, view: Json, members: Mapping[str, Iterable[str]]) -> None:
    """To a balancer's view: a NAT rule for each port that an instance has of a NAT pool; the instances of each
    backend pool, with their ports of the rules for that pool. ``members`` are the ids of IP configurations by the
    pool's id in small letters."""
    prefix = f"{view['id']}/".lower()
    claims = [each for each in api.store.claims() if each.pool.startswith(prefix)]
    properties = view["properties"]
    ports: dict[str, list[Json]] = {}
    for rule in properties["inboundNatRules"]:
        for holder in _holders(api, (each for each in claims if each.pool == rule["id"].lower())):
            ports.setdefault(holder.configuration.lower(), []).append(_mapping(rule, holder.claim))
    for pool in properties["backendAddressPools"]:
        rules = {each["name"] for each in properties["inboundNatRules"] if _is_for(each, pool)}
        pool["properties"]["loadBalancerBackendAddresses"] = [
            _backend(each, [port for port in ports.get(each.lower(), ()) if port["inboundNatRuleName"] in rules])
            for each in members.get(pool["id"].lower(), ())
        ]
    for pool in properties["inboundNatPools"]:
        holders = list(_holders(api, (each for each in claims if each.pool == pool["id"].lower())))
        names = rule_names(pool["name"], holders)
        properties["inboundNatRules"] += [_rule(view, pool, each, names[each.claim]) for each in holders]


def _is_for(rule: Json, pool: Json) -> bool:
    reference = rule["properties"].get("backendAddressPool")
    return bool(reference) and reference["id"].lower() == pool["id"].lower()


def _mapping(rule: Json, claim: Claim) -> Json:
    own = rule["properties"]
    return {
        "inboundNatRuleName": rule["name"],
        "protocol": own["protocol"],
        "frontendPort": int(claim.value),
        "backendPort": own["backendPort"],
    }


def _backend(configuration: str, ports: list[Json]) -> Json:
    """Named as Azure does: by what it stands for, once."""
    properties = {
        "provisioningState": "Succeeded",
        "networkInterfaceIPConfiguration": {"id": configuration},
        "inboundNatRulesPortMapping": ports,
    }
    return {"name": stable_uuid(configuration.lower()), "properties": properties}


def _rule(view: Json, pool: Json, holder: _Holder, name: str) -> Json:
    return {
        "name": name,
        "id": f"{view['id']}/inboundNatRules/{name}",
        "type": f"{view['type']}/inboundNatRules",
        "etag": view["etag"],
        "properties": {
            "provisioningState": "Succeeded",
            **{each: pool["properties"][each] for each in _TAKEN_OVER},
            "frontendPort": int(holder.claim.value),
            "backendIPConfiguration": {"id": holder.configuration},
        },
    }


# Cards of instances


class Holdings:
    """What all instances hold, read once for any number of views."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._by_key: dict[Key, list[Claim]] = {}
        self._by_pool: dict[str, list[Claim]] = {}
        self._rules: dict[str, dict[Key, tuple[str, str]]] = {}
        for claim in api.store.claims():
            self._by_key.setdefault(claim.key, []).append(claim)
            self._by_pool.setdefault(claim.pool, []).append(claim)

    def cards(self, it: Subject) -> list[Json]:
        """The views of its cards, with the NAT rules and the public address that the instance has."""
        return [self._card(it, view) for view in interfaces(it)]

    def _card(self, it: Subject, view: Json) -> Json:
        mine = self._by_key.get((it.row.set_uid, it.row.instance_id), ())
        held = (self._rules_of(each.pool).get(each.key) for each in mine if each.pool != PUBLIC_ADDRESSES)
        rules = sorted(each for each in held if each is not None)
        for configuration in view["properties"]["ipConfigurations"]:
            own = configuration["properties"]
            pools = {each["id"].lower() for name in _POOLS for each in own.get(name) or ()}
            if found := [{"id": rule} for rule, pool in rules if pool in pools]:
                own["loadBalancerInboundNatRules"] = found
            if (public := self.public_address(it, configuration)) is not None:
                own["publicIPAddress"] = {"id": public["id"]}
        return view

    def public_address(self, it: Subject, configuration: Json) -> Json | None:
        """That of an instance at one of its IP configurations, or ``None`` where it has none there."""
        mine = self._by_key.get((it.row.set_uid, it.row.instance_id), ())
        address = next((each.value for each in mine if each.pool == PUBLIC_ADDRESSES), None)
        wanted = _asked_for(it, configuration)
        return None if address is None or wanted is None else _public(self._api, it, configuration, wanted, address)

    def public_addresses(self, record: ScaleSet) -> Iterator[Json]:
        """Those that the instances of a set have."""
        with_one = {each.key for each in self._by_pool.get(PUBLIC_ADDRESSES, ())}
        rows = [row for row in self._api.store.instances(record.uid) if not row.is_gone]
        for it in looks(self._api, record, [row for row in rows if (row.set_uid, row.instance_id) in with_one]):
            for configuration in (
                each for card in interfaces(it) for each in card["properties"]["ipConfigurations"]
            ):
                if (found := self.public_address(it, configuration)) is not None:
                    yield found

    def _rules_of(self, pool: str) -> dict[Key, tuple[str, str]]:
        """The ids of the NAT rules of a range, by instance, each with the pool by which its model has it."""
        if pool not in self._rules:
            self._rules[pool] = dict(_rule_ids(self._api, pool, self._by_pool[pool]))
        return self._rules[pool]


_POOLS = ("loadBalancerInboundNatPools", "loadBalancerBackendAddressPools")


def _rule_ids(api: Api, pool: str, claims: Sequence[Claim]) -> Iterator[tuple[Key, tuple[str, str]]]:
    identity = parse_resource_id(pool)
    balancer = api.store.resource(_parent(identity))
    if balancer is None:
        return
    rules = {
        f"{balancer.id}/inboundNatRules/{each['name']}".lower(): each for each in _in(balancer, "inboundNatRules")
    }
    if (rule := rules.get(pool)) is not None:
        whole = f"{balancer.id}/inboundNatRules/{rule['name']}"
        for claim in claims:
            yield claim.key, (whole, rule["properties"]["backendAddressPool"]["id"].lower())
    for each in _in(balancer, "inboundNatPools"):
        if f"{balancer.id}/inboundNatPools/{each['name']}".lower() == pool:
            for claim, name in rule_names(each["name"], list(_holders(api, claims))).items():
                yield claim.key, (f"{balancer.id}/inboundNatRules/{name}", pool)


def _in(balancer: StoredResource, collection: str) -> Sequence[Json]:
    found: Sequence[Json] = balancer.body["properties"][collection]
    return found


def _parent(identity: ResourceId) -> ResourceId:
    parent = identity.parent
    assert parent is not None  # a NAT pool or rule is in its balancer
    return parent


def _public(api: Api, it: Subject, configuration: Json, wanted: Mapping[str, Any], address: str) -> Json:
    own_id = f"{configuration['id']}/publicIPAddresses/{wanted['name']}"
    properties = wanted.get("properties") or {}
    view: Json = {
        "name": wanted["name"],
        "id": own_id,
        "etag": configuration["etag"],
        "properties": {
            "provisioningState": "Succeeded",
            "resourceGuid": stable_uuid(own_id.lower()),
            "ipAddress": address,
            "publicIPAddressVersion": "IPv4",
            "publicIPAllocationMethod": "Dynamic",
            "idleTimeoutInMinutes": properties.get("idleTimeoutInMinutes") or 4,
            "ipConfiguration": {"id": configuration["id"]},
        },
    }
    if label := (properties.get("dnsSettings") or {}).get("domainNameLabel"):
        label = f"vm{it.row.instance_id}.{label}"
        view["properties"]["dnsSettings"] = {"domainNameLabel": label, "fqdn": fqdn(api, label)}
    return view


def _asked_for(it: Subject, configuration: Json) -> Mapping[str, Any] | None:
    """The model's wish for this IP configuration, by its card's name and its own."""
    card_name = configuration["id"].split("/")[-3]
    network = it.profile.get("networkProfile") or {}
    for card in network.get("networkInterfaceConfigurations") or ():
        for each in card["properties"]["ipConfigurations"]:
            if (card["name"], each["name"]) == (card_name, configuration["name"]):
                found: Mapping[str, Any] | None = each["properties"].get("publicIPAddressConfiguration")
                return found
    return None
