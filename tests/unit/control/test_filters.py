"""Filters of sets' cards: made from stored groups, told to hosts when something has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.control.filters import Filters, FilterWatch
from orchestrator.control.specs import AddressSpaces
from orchestrator.errors import BadInput, HostUnreachable
from orchestrator.model.addresses import AddressSpace
from orchestrator.model.arm.scale_set import ScaleSetResource, parse_scale_set
from orchestrator.model.guest import GuestFilter
from orchestrator.model.host import HostConfig
from orchestrator.model.instance import Instance, Stage
from orchestrator.model.network.filtering import MOST_RULES
from orchestrator.model.resource import ResourceGroup, StoredResource
from orchestrator.model.resource_id import parse_resource_id
from orchestrator.model.scale_set import ScaleSet
from orchestrator.store import Seal, Store, make_engine
from orchestrator.store.schema import migrate

Json = dict[str, Any]
SUB = "00000000-0000-0000-0000-000000000001"
NETWORK = f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Network"
GROUP = f"{NETWORK}/networkSecurityGroups/guard"
VNET = f"{NETWORK}/virtualNetworks/net"
SPACE = AddressSpace("fabric", "10.90.0.0/16", "10.90.1.0", "10.90.1.255")


def a_rule(port: str) -> Json:
    own = {
        "priority": 100,
        "access": "Allow",
        "direction": "Inbound",
        "protocol": "Tcp",
        "sourceAddressPrefix": "*",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRange": port,
    }
    return {"name": "one", "properties": own}


def a_model(of_card: bool = True) -> Json:
    address = {"name": "ip", "properties": {"subnet": {"id": f"{VNET}/subnets/web"}}}
    card: Json = {"name": "card", "properties": {"ipConfigurations": [address]}}
    if of_card:
        card["properties"]["networkSecurityGroup"] = {"id": GROUP}
    profile = {
        "storageProfile": {"imageReference": {"id": "/providers/Vmss.Local/images/micro"}},
        "networkProfile": {"networkInterfaceConfigurations": [card]},
    }
    body = {
        "location": "local",
        "sku": {"name": "Lab_Micro", "capacity": 1},
        "properties": {"virtualMachineProfile": profile},
    }
    return parse_scale_set(body, name="web").to_json()


@dataclass
class FakeHost:
    config: HostConfig
    told: list[list[GuestFilter]] = field(default_factory=list)
    is_silent: bool = False

    async def change_filters(self, filters: Sequence[GuestFilter]) -> None:
        if self.is_silent:
            raise HostUnreachable("It does not answer.")
        self.told.append(list(filters))


@dataclass
class FakeMonitor:
    host: FakeHost
    is_up: bool = True


@dataclass
class Scene:
    store: Store
    filters: Filters
    hosts: list[FakeHost]
    watch: FilterWatch

    def put_group(self, *ports: str) -> None:
        body = {"properties": {"securityRules": [a_rule(port) for port in ports]}}
        resource = StoredResource(parse_resource_id(GROUP), "local", body, created_at=0.0, changed_at=0.0)
        with self.store.write() as tx:
            tx.put_resource(resource)

    def look(self) -> None:
        asyncio.run(self.watch.look())


def _parsed(record: ScaleSet) -> ScaleSetResource:
    return parse_scale_set(record.model, name=record.name)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    engine = make_engine(f"sqlite:///{tmp_path / 'store.db'}")
    migrate(engine)
    store = Store(engine, Seal(b"q" * 43 + b"="))
    record = ScaleSet("a" * 12, SUB, "rg", "web", "local", a_model(), {}, created_at=0.0, changed_at=0.0)
    row = Instance("a" * 12, 0, 1, 1, Stage.READY, 0.0, 0.0, "10.90.1.0", "02:00:00:00:00:01", "", "", host="h1")
    subnet = {"name": "web", "properties": {"addressPrefixes": ["10.7.0.0/24"]}}
    network = {"properties": {"addressSpace": {"addressPrefixes": ["10.7.0.0/16"]}, "subnets": [subnet]}}
    with store.write() as tx:
        tx.put_group(ResourceGroup(SUB, "rg", "local", created_at=0.0, changed_at=0.0))
        tx.add_scale_set(record)
        tx.put_profile(record)
        tx.add_instances([row])
        tx.put_resource(StoredResource(parse_resource_id(VNET), "local", network, created_at=0.0, changed_at=0.0))
    spaces = AddressSpaces([SPACE])
    filters = Filters(
        store, spaces, lambda each: parse_scale_set(each.model, name=each.name), lambda _: "10.90.0.1"
    )
    hosts = [FakeHost(HostConfig(name, "simulated:///")) for name in ("h1", "h2")]
    fleet: Any = [FakeMonitor(each) for each in hosts]
    made = Scene(store, filters, hosts, FilterWatch(store, fleet, filters))
    made.put_group("80")
    return made


def test_every_card_has_a_filter_and_a_group_that_is_changed_another_one_of_that_name(scene: Scene) -> None:
    [before] = scene.filters.of_set("a" * 12).values()
    assert before.name.startswith(f"vmss-{scene.store.installation}-{'a' * 12}-")
    scene.put_group("443")
    [after] = scene.filters.of_set("a" * 12).values()
    assert (after.name, after.rules == before.rules) == (before.name, False)


def test_a_group_of_the_subnet_counts_too(scene: Scene) -> None:
    record = scene.store.scale_set("a" * 12)
    assert record is not None
    with scene.store.write() as tx:
        tx.put_scale_set(record.but(model=a_model(of_card=False), version=2), expected_version=1)
    [bare] = scene.filters.of_set("a" * 12).values()
    assert bare.rules == ()
    network = scene.store.resource(parse_resource_id(VNET))
    assert network is not None
    body: Json = {**network.body, "properties": {**network.body["properties"]}}
    body["properties"]["subnets"] = [
        {"name": "web", "properties": {"addressPrefixes": ["10.7.0.0/24"], "networkSecurityGroup": {"id": GROUP}}}
    ]
    with scene.store.write() as tx:
        tx.put_resource(network.but(body=body, version=2))
    [guarded] = scene.filters.of_set("a" * 12).values()
    assert guarded.rules


def test_hosts_are_told_what_has_changed_and_nothing_twice(scene: Scene) -> None:
    scene.look()
    scene.look()
    [[first]] = scene.hosts[0].told
    scene.put_group("443")
    scene.look()
    assert [each.name for [each] in scene.hosts[0].told] == [first.name] * 2
    assert scene.hosts[1].told == scene.hosts[0].told


def test_a_host_that_was_silent_is_told_later_and_one_that_is_back_everything_again(scene: Scene) -> None:
    scene.hosts[0].is_silent = True
    with pytest.raises(HostUnreachable):
        scene.look()
    assert scene.hosts[1].told
    scene.hosts[0].is_silent = False
    scene.look()
    scene.watch.forget("h1")
    scene.look()
    assert len(scene.hosts[0].told) == 2


def test_groups_that_do_not_fit_together_leave_what_there_is(scene: Scene) -> None:
    scene.look()
    scene.put_group(*(str(port) for port in range(100, 100 + MOST_RULES)))
    with pytest.raises(BadInput):
        scene.filters.of_set("a" * 12)
    scene.look()
    assert scene.hosts[0].told[-1] == []
