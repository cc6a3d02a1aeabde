"""The edge tells packet filter and name server what is wanted now, and goes on after a refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from orchestrator.control.claims import Claims
from orchestrator.control.edge import Edge, Zone
from orchestrator.control.specs import AddressSpaces
from orchestrator.control.wishes import Wishes
from orchestrator.errors import BalancerError
from orchestrator.model.network.names import Name
from orchestrator.model.network.public_pool import PublicPool, PublicRange
from orchestrator.model.sizes import SizeCatalogue
from tests.api.az_network import NETWORK, PIP, SUBNET
from tests.api.fake_world import NOW, SET, SUB, World, a_set, make_world

POOL = PublicPool((PublicRange("10.91.0.0/29"),))


@dataclass
class FakeTranslation:
    told: list[dict[str, str]] = field(default_factory=list)
    refusals: int = 0

    async def apply(self, addresses: Mapping[str, str]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise BalancerError("not now")
        self.told.append(dict(addresses))


@dataclass
class FakeNames:
    told: list[tuple[Name, ...]] = field(default_factory=list)
    at: tuple[str, ...] = ()
    is_told: asyncio.Event = field(default_factory=asyncio.Event)

    async def apply(self, names: Sequence[Name], listen: Sequence[str]) -> None:
        self.told.append(tuple(names))
        self.at = tuple(listen)
        self.is_told.set()


@pytest.fixture
def world() -> World:
    """Two instances that ask for a public address, and one of a resource, with labels."""
    made = make_world()
    api = made.app.state.api
    site = replace(api.site(), public_pool=POOL)
    made.app.state.api = replace(api, site=lambda: site)
    for path, body in NETWORK:
        assert made.put(path, body).status_code == 201
    labelled = made.get(PIP)
    labelled["properties"]["dnsSettings"] = {"domainNameLabel": "front"}
    assert made.put(PIP, labelled).status_code == 200
    public = {"name": "pub", "properties": {"dnsSettings": {"domainNameLabel": "site"}}}
    ip = {"name": "ip", "properties": {"subnet": {"id": SUBNET}, "publicIPAddressConfiguration": public}}
    card = {"name": "nic", "properties": {"ipConfigurations": [ip]}}
    wanted = a_set(2)
    wanted["properties"]["virtualMachineProfile"]["networkProfile"] = {"networkInterfaceConfigurations": [card]}
    assert made.put(SET, wanted).status_code == 201
    made.populate(2)
    return made


def an_edge(world: World, translation: FakeTranslation, names: FakeNames) -> Edge:
    wishes = Wishes(world.store, SizeCatalogue(), AddressSpaces([]))
    claims = Claims(world.store, wishes, SUB, POOL, lambda: NOW)
    zone = Zone(SUB, "local", "z.test", lambda: ("10.90.0.1",))
    return Edge(world.store, wishes, claims, zone, lambda row: row.instance_id == 0, translation, names)


def test_one_look_tells_all_of_it(world: World) -> None:
    translation, names = FakeTranslation(), FakeNames()
    asyncio.run(an_edge(world, translation, names).look())
    first, second = world.store.instances(world.record.uid)
    [told] = translation.told
    assert sorted(told.values()) == sorted([first.address, second.address])
    answers: dict[str, list[str]] = {}
    for each in names.told[0]:
        answers.setdefault(each.name, []).append(each.address)
    public = {own: each for each, own in told.items()}
    assert answers["web.rg.z.test"] == [first.address]
    assert answers["vm1.site.local.z.test"] == [public[second.address]]
    assert answers["front.local.z.test"] == [world.get(PIP)["properties"]["ipAddress"]]
    assert len([name for name in answers if name.endswith(".internal.z.test")]) == 2
    assert names.at == ("10.90.0.1",)


def test_a_refusal_of_the_packet_filter_holds_no_names_up(world: World) -> None:
    translation, names = FakeTranslation(refusals=1), FakeNames()
    with pytest.raises(BalancerError, match="not now"):
        asyncio.run(an_edge(world, translation, names).look())
    assert len(names.told) == 1


def test_every_commit_is_followed_by_a_look_and_a_refusal_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.control.watch.RETRY_MIN_S", 0.01)
    translation = FakeTranslation(refusals=1)

    async def go() -> list[dict[str, str]]:
        names = FakeNames()
        task = asyncio.create_task(an_edge(world, translation, names).watch.run())
        await asyncio.sleep(0)
        with world.store.write() as tx:
            tx.drop_instance(world.record.uid, 0)
        async with asyncio.timeout(10):
            while not translation.told:
                await names.is_told.wait()
                names.is_told.clear()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return translation.told

    assert [len(each) for each in asyncio.run(go())] == [1]
