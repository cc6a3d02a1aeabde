"""Ports of NAT pools and public addresses: given to instances, written down, taken back.

Level-triggered: ``settle`` compares what the models of all instances ask for with what is held, and writes the
difference. What an instance holds goes with its row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from orchestrator.control.specs import domain_name
from orchestrator.control.wishes import Wishes
from orchestrator.model.arm.network import NetworkProfile
from orchestrator.model.arm.references import BALANCER, PUBLIC_ADDRESS
from orchestrator.model.claim import PUBLIC_ADDRESSES, Claim, Key
from orchestrator.model.instance import Instance
from orchestrator.model.network.cards import published_address
from orchestrator.model.network.public_pool import PublicPool
from orchestrator.model.scale_set import Event, EventPhase, ScaleSet
from orchestrator.plan.nat_ports import Ports, nat_ports, nat_ranges
from orchestrator.store import Store

_NO_ADDRESS = "no public address is left in the configured pool; it has none"
_NO_PORT = "every port of {pool} is taken; it has none of it"


@dataclass(frozen=True, slots=True)
class Held:
    """``ports`` by the id of the NAT pool or rule (small letters) and the instance's name for the balancer;
    ``addresses`` are the public ones by the instance's own."""

    ports: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Wanted:
    """What the models ask for, of all instances."""

    members: dict[str, list[Key]] = field(default_factory=dict)
    public: list[Key] = field(default_factory=list)
    rows: dict[Key, tuple[ScaleSet, Instance]] = field(default_factory=dict)

    @property
    def newcomers(self) -> frozenset[Key]:
        """Who may be given something: what is on its way out only keeps what it has."""
        return frozenset(key for key, (_, row) in self.rows.items() if not row.is_gone and not row.is_lost)


class Claims:
    """Called from the event loop only: nothing is awaited between reading and writing."""

    def __init__(
        self, store: Store, wishes: Wishes, subscription_id: str, pool: PublicPool, now: Callable[[], float]
    ) -> None:
        self._store = store
        self._wishes = wishes
        self._subscription_id = subscription_id
        self._pool = pool
        self._now = now
        self._noted: frozenset[tuple[Key, str]] = frozenset()

    def settle(self) -> Held:
        """Give and take back. Raises ``StoreUnavailable``."""
        wanted, before = self._wanted(), self._store.claims()
        ports = self._ports(wanted, before)
        addresses, without = self._addresses(wanted, before)
        after = [
            *(Claim(pool, str(port), *key) for pool, mine in ports.ports.items() for key, port in mine.items()),
            *(Claim(PUBLIC_ADDRESSES, address, *key) for key, address in addresses.items()),
        ]
        short = {(key, _NO_PORT.format(pool=pool)) for pool, key in ports.short}
        self._write(wanted, before, after, short | {(key, _NO_ADDRESS) for key in without})
        return Held(
            {
                pool: {domain_name(*wanted.rows[key]): port for key, port in mine.items()}
                for pool, mine in ports.ports.items()
            },
            {own: address for key, address in addresses.items() if (own := self._published(wanted.rows[key][1]))},
        )

    def _published(self, row: Instance) -> str | None:
        return published_address(self._wishes.made_from(row)[1].profile.network_profile, row)

    def _wanted(self) -> _Wanted:
        found = _Wanted()
        for record in self._store.scale_sets():
            models: dict[int, tuple[tuple[str, ...], bool]] = {}
            for row in self._store.instances(record.uid):
                if row.model_version not in models:
                    models[row.model_version] = _asked_by(self._wishes.made_from(row)[1].profile.network_profile)
                pools, is_public = models[row.model_version]
                if not pools and not is_public:
                    continue
                key = (row.set_uid, row.instance_id)
                found.rows[key] = record, row
                for pool in pools:
                    found.members.setdefault(pool, []).append(key)
                if is_public:
                    found.public.append(key)
        return found

    def _ports(self, wanted: _Wanted, before: Iterable[Claim]) -> Ports:
        balancers = self._store.resources(subscription_id=self._subscription_id, resource_type=BALANCER)
        ranges = [each for balancer in balancers for each in nat_ranges(balancer.id, balancer.body)]
        held: dict[str, dict[Key, int]] = {}
        for each in before:
            if each.pool != PUBLIC_ADDRESSES:
                held.setdefault(each.pool, {})[each.key] = int(each.value)
        return nat_ports(ranges, wanted.members, held, wanted.newcomers)

    def _addresses(self, wanted: _Wanted, before: Iterable[Claim]) -> tuple[dict[Key, str], list[Key]]:
        """Who has which, and who has none as none is left. Without a pool nobody has one."""
        if not self._pool:
            return {}, []
        asking = set(wanted.public)
        public = [each for each in before if each.pool == PUBLIC_ADDRESSES]
        held = {each.key: each.value for each in public if each.key in asking}
        new = sorted(key for key in asking & wanted.newcomers if key not in held)
        taken = {*(each.value for each in public), *self._taken_by_resources()} if new else set()
        given = self._pool.take(len(new), "IPv4", taken)
        return {**held, **dict(zip(new, given, strict=False))}, new[len(given) :]

    def _taken_by_resources(self) -> Iterator[str]:
        for each in self._store.resources(subscription_id=self._subscription_id, resource_type=PUBLIC_ADDRESS):
            if address := each.body["properties"].get("ipAddress"):
                yield address

    def _write(
        self, wanted: _Wanted, before: Iterable[Claim], after: Iterable[Claim], short: set[tuple[Key, str]]
    ) -> None:
        gone, new = set(before) - set(after), set(after) - set(before)
        notes = [self._event(wanted, key, words) for key, words in sorted(short - self._noted)]
        self._noted = frozenset(short)
        if not gone and not new and not notes:
            return
        with self._store.write() as tx:
            for each in gone:
                tx.drop_claim(each)
            for each in new:
                tx.put_claim(each)
            tx.add_events(notes)

    def _event(self, wanted: _Wanted, key: Key, words: str) -> Event:
        record, row = wanted.rows[key]
        about = (record.uid, record.name, row.instance_id, row.host)
        return Event(self._now(), "front", EventPhase.NOTE, words, *about)


def _asked_by(profile: NetworkProfile | None) -> tuple[tuple[str, ...], bool]:
    """The pools that a model is in, and whether its instances are to have a public address."""
    return ((), False) if profile is None else (tuple(_pools(profile)), _asks_for_public(profile))


def _pools(profile: NetworkProfile) -> Iterator[str]:
    """The pools of load balancers that a model names, in small letters."""
    for card in profile.network_interface_configurations:
        for each in card.properties.ip_configurations:
            own = each.properties
            backend, nat = own.load_balancer_backend_address_pools, own.load_balancer_inbound_nat_pools
            yield from (reference.id.lower() for reference in (*(backend or ()), *(nat or ())))


def _asks_for_public(profile: NetworkProfile) -> bool:
    return any(
        each.properties.public_ip_address_configuration is not None
        for card in profile.network_interface_configurations
        for each in card.properties.ip_configurations
    )
