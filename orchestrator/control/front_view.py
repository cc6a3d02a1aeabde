"""What the front is made from: stored resources, the pools that models name, rows, and what is seen of guests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.control.fleet import Fleet
from orchestrator.control.specs import domain_name
from orchestrator.control.wishes import Wishes
from orchestrator.model.arm.references import BALANCER, GATEWAY, PUBLIC_ADDRESS
from orchestrator.model.guest import Power
from orchestrator.model.instance import Instance
from orchestrator.model.network.cards import addresses_by_pool
from orchestrator.model.network.traffic import Side, Traffic
from orchestrator.model.resource import StoredResource
from orchestrator.model.resource_id import parse_resource_id
from orchestrator.plan.gateway_traffic import gateway_drain_times, gateway_traffic
from orchestrator.plan.inputs import Sight
from orchestrator.plan.traffic import (
    Address,
    Json,
    Place,
    Rotation,
    balancer_traffic,
    drain_times,
    joined,
    rotation,
)
from orchestrator.store import Store

Ports = Mapping[str, Mapping[str, int]]


@dataclass(slots=True)
class _Resources:
    """The stored resources that the front goes by, read once until one is written."""

    balancers: list[StoredResource] = field(default_factory=list)
    gateways: list[StoredResource] = field(default_factory=list)
    addresses: dict[str, Json] = field(default_factory=dict)


class FrontView:
    """Reads; decides nothing."""

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        wishes: Wishes,
        subscription_id: str,
        published: Callable[[str], str | None],
        held: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """``published`` gives the machine's own address for a public one, where there is one; ``held`` are the
        addresses of subnets that this machine has now."""
        self._store = store
        self._fleet = fleet
        self._wishes = wishes
        self._subscription_id = subscription_id
        self._published = published
        self._held = held
        self._resources: _Resources | None = None

    def forget_resources(self) -> None:
        self._resources = None

    @property
    def is_needed(self) -> bool:
        """Whether there is anything that balances."""
        return bool(self._known().balancers or self._known().gateways)

    def _known(self) -> _Resources:
        if self._resources is None:
            stored = self._store.resources(subscription_id=self._subscription_id)
            self._resources = _Resources(
                [each for each in stored if each.id.type.lower() == BALANCER.lower()],
                [each for each in stored if each.id.type.lower() == GATEWAY.lower()],
                {each.key: each.body for each in stored if each.id.type.lower() == PUBLIC_ADDRESS.lower()},
            )
        return self._resources

    def traffic(self, ports: Ports) -> Traffic:
        """All that is wanted of the balancer now. ``ports`` are those of NAT pools and rules that are held."""
        known = self._known()
        if not self.is_needed:
            return Traffic()
        places = self._places()
        balanced = [
            balancer_traffic(each.id, each.body, self._addresses, places, ports) for each in known.balancers
        ]
        gates = [
            gateway_traffic(each.id, each.body, self._addresses, places, each.secrets) for each in known.gateways
        ]
        return joined([*balanced, *gates])

    def _addresses(self, frontend: Json) -> Sequence[Address]:
        """Of a frontend with a public address: that, and the machine's own that stands for it. Of one in a subnet:
        its own, once it is there."""
        private = frontend.get("privateIPAddress")
        if private and frontend.get("subnet") and private in self._held():
            return ((private, Side.GUESTS),)
        reference = frontend.get("publicIPAddress")
        body = self._known().addresses.get(parse_resource_id(reference["id"]).key) if reference else None
        address = body["properties"].get("ipAddress") if body else None
        return self.sides_of(address) if address else ()

    def sides_of(self, address: str) -> Sequence[Address]:
        """A public address, and the machine's own that stands for it."""
        machine = self._published(address)
        return ((address, Side.GUESTS), *(((machine, Side.MACHINE),) if machine else ()))

    def _places(self) -> dict[str, list[Place]]:
        """Instances by the pool that the model they are on names."""
        found: dict[str, list[Place]] = {}
        for record in self._store.scale_sets():
            for row in self._store.instances(record.uid):
                name, turn = domain_name(record, row), rotation(row, self._sight(row))
                for pool, address in self._pools(row).items():
                    found.setdefault(pool, []).append(Place(name, address, turn))
        return found

    def _pools(self, row: Instance) -> Mapping[str, str]:
        return addresses_by_pool(self._wishes.made_from(row)[1].profile.network_profile, row)

    def drain_s(self, row: Instance, default_s: float) -> float:
        """How long it may take to finish what it has."""
        times: dict[str, float] = {}
        for each in self._known().balancers:
            times |= drain_times(each.id, each.body)
        for each in self._known().gateways:
            times |= gateway_drain_times(each.id, each.body)
        pools = (pool for pool in self._pools(row) if "/inboundnatpools/" not in pool)
        return max((times.get(pool, default_s) for pool in pools), default=default_s)

    def serves(self, row: Instance) -> bool:
        """Whether it is there for new work, as far as is known."""
        return rotation(row, self._sight(row)) is Rotation.SERVES

    def _sight(self, row: Instance) -> Sight:
        """Of its guest, or of one that it had before and that is still there."""
        sights = {self._sight_on(row, name) for name in (row.host, row.moving_from) if name is not None}
        order = (Sight.RUNNING, Sight.UNKNOWN, Sight.DEAD)
        return next((each for each in order if each in sights), Sight.ABSENT)

    def _sight_on(self, row: Instance, host: str) -> Sight:
        monitor = self._fleet.find(host)
        if monitor is None or not monitor.is_up:
            return Sight.UNKNOWN
        power = monitor.power_of_any(row.owner(self._store.installation))
        if power is None:
            return Sight.ABSENT
        return Sight.RUNNING if power in {Power.RUNNING, Power.PAUSED} else Sight.DEAD
